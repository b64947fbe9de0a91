"""Which shard a run is, by the option and by what a scheduler sets."""

from __future__ import annotations

import pytest

from dataflow.app.planning.shard import shard_of
from dataflow.core.errors import UsageError

ARRAY = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "6",
         "SLURM_ARRAY_TASK_COUNT": "4"}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        (" 3/8 ", {}, "3/8"),
        ("auto", ARRAY, "3/4"),
        ("auto", {**ARRAY, "SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, "6/8"),
        ("auto", {"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, "1/8"),
        ("auto/50", {"JOB_COMPLETION_INDEX": "49"}, "50/50"),
        ("auto", {"RANK": "2", "WORLD_SIZE": "4"}, "3/4"),
        ("AUTO", {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}, "1/2"),
        ("auto", {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_MIN": "0",
                  "SLURM_ARRAY_TASK_MAX": "6", "SLURM_ARRAY_TASK_STEP": "2",
                  "SLURM_ARRAY_TASK_COUNT": "4"}, "3/4"),
    ],
)  # fmt: skip
def test_a_scheduler_says_which_shard_it_is(text, environment, shard):
    assert str(shard_of(text, environment)) == shard


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("auto", {}, "give NUMBER/COUNT"),
        ("auto", {"JOB_COMPLETION_INDEX": "3"}, "auto/COUNT"),
        ("auto/3", {"JOB_COMPLETION_INDEX": "3"}, "numbered from 1"),
        ("auto", {"RANK": "x", "WORLD_SIZE": "4"}, "give NUMBER/COUNT"),
        ("automatic", {}, "auto/COUNT"),
        ("auto", {**ARRAY, "SLURM_ARRAY_TASK_COUNT": "3"}, "leave some out"),
    ],
)
def test_what_no_scheduler_says_is_refused_with_the_cure(text, environment, message):
    with pytest.raises(UsageError, match=message):
        shard_of(text, environment)


def test_without_the_option_it_is_the_whole_run():
    assert shard_of(None, {"RANK": "2", "WORLD_SIZE": "4"}) is None

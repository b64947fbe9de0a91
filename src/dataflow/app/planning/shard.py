"""Which shard a run is, as the option or the cluster's scheduler says it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dataflow.core.errors import UsageError
from dataflow.engine.selection.shard import Shard

_RANKS = (("RANK", "WORLD_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"))
"""Of torchrun and Open MPI; both count from 0."""


def shard_of(text: str | None, environment: Mapping[str, str] = os.environ) -> Shard | None:
    """The shard that ``--shard`` names; None for the whole run.

    ``auto`` takes it from Slurm (job arrays, and the tasks of each of their jobs), from an indexed
    job of Kubernetes, or from RANK and WORLD_SIZE. ``auto/50`` gives the count where the scheduler
    does not say it, as Kubernetes does not.

    Sources: https://slurm.schedmd.com/job_array.html (SLURM_ARRAY_TASK_…),
    https://slurm.schedmd.com/srun.html (SLURM_PROCID, SLURM_NTASKS),
    https://kubernetes.io/docs/concepts/workloads/controllers/job/ (JOB_COMPLETION_INDEX),
    https://docs.pytorch.org/docs/stable/elastic/run.html (RANK, WORLD_SIZE).

    Raises:
        UsageError: there is no such shard, or the environment does not say which one it is.
    """
    if text is None:
        return None
    if not text.strip().lower().startswith("auto"):
        return Shard.parse(text)
    given = text.strip()[4:]
    if given and not (given[0] == "/" and given[1:].isdecimal()):
        raise UsageError(f"--shard takes NUMBER/COUNT, auto or auto/COUNT, not {text!r}")
    count = int(given[1:]) if given else None
    found = _from_environment(environment)
    if found is None:
        raise UsageError(
            "--shard auto: neither Slurm (SLURM_ARRAY_TASK_ID, SLURM_PROCID), Kubernetes "
            "(JOB_COMPLETION_INDEX) nor RANK and WORLD_SIZE is set here; give "
            "NUMBER/COUNT, such as --shard 3/8"
        )
    index, found_count = found
    if count is None and found_count is None:
        raise UsageError(
            "--shard auto: Kubernetes does not say how many pods there are; give the job's "
            "completions as --shard auto/COUNT"
        )
    return Shard(index + 1, count or found_count or 0)


def _from_environment(environment: Mapping[str, str]) -> tuple[int, int | None] | None:
    """The shard's index from 0 and, where it is known, the count."""
    if (slurm := _from_slurm(environment)) is not None:
        return slurm
    if (index := _number(environment, "JOB_COMPLETION_INDEX")) is not None:
        return index, None
    for rank, size in _RANKS:
        index, count = _number(environment, rank), _number(environment, size)
        if index is not None and count is not None:
            return index, count
    return None


def _from_slurm(environment: Mapping[str, str]) -> tuple[int, int] | None:
    tasks = _number(environment, "SLURM_NTASKS") or 1
    task = _number(environment, "SLURM_PROCID") or 0
    job = _number(environment, "SLURM_ARRAY_TASK_ID")
    if job is None:
        return (task, tasks) if tasks > 1 else None
    first = _number(environment, "SLURM_ARRAY_TASK_MIN") or 0
    last = _number(environment, "SLURM_ARRAY_TASK_MAX")
    jobs = _number(environment, "SLURM_ARRAY_TASK_COUNT")
    if last is None or jobs is None:
        return None
    step = _number(environment, "SLURM_ARRAY_TASK_STEP") or 1
    if (last - first) // step + 1 != jobs:
        raise UsageError(
            "--shard auto: the numbers of the Slurm array leave some out, and shards cannot; use "
            "an array such as 0-7, or give --shard NUMBER/COUNT"
        )
    return (job - first) // step * tasks + task, jobs * tasks


def _number(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name, "").strip()
    return int(text) if text.isdecimal() else None

"""Twice the input takes about twice the time and the memory, whoever reads it."""

from __future__ import annotations

import pytest

from dataflow.checks.suite import KINDS
from dataflow.formats.known_formats import FORMATS
from dataflow.operators.core_vision.preset import REFINE
from tests.growth.measure import growth_of
from tests.growth.members import CHECKS, MEMBERS, writable_formats

READ_BY_HOSTILE_FILES = {"webdataset", "coco", "llava"}
"""Formats that are not written from any rows; their hostile files are in tests/formats."""


@pytest.mark.parametrize("name", MEMBERS)
def test_twice_the_input_takes_about_twice_the_time_and_memory(name, tmp_path):
    for attempt in range(3):  # the machine may have been busy
        (tmp_path / str(attempt)).mkdir()
        growth = growth_of(name, tmp_path / str(attempt))
        if growth.is_bounded:
            return
    pytest.fail(f"{growth}")


def test_whatever_is_registered_is_a_member():
    assert set(CHECKS) == set(KINDS)
    named = " ".join(MEMBERS)
    for name in (*writable_formats(), *KINDS, *REFINE):
        assert f" {name}" in named
    endings = {name for name, one in FORMATS.items() if one.endings and one.writer}
    assert endings - set(writable_formats()) <= READ_BY_HOSTILE_FILES

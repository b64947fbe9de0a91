"""A few seconds of fuzzing; `make fuzz` does it for as long as one likes."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.__main__ import LEAST, fuzz
from tests.fuzz.targets import TARGETS

SECONDS = float(os.environ.get("DATAFLOW_FUZZ_SECONDS", "3"))


@pytest.mark.parametrize("target", TARGETS)
def test_only_documented_errors_come_out(target):
    tried, found = fuzz(target, SECONDS, seed=int(os.environ.get("DATAFLOW_FUZZ_SEED", "0")))
    assert tried >= LEAST
    assert not found, "\n".join(found.values())

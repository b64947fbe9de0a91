"""What the machine lacks is said with its cure, whichever library meets it."""

from __future__ import annotations

import errno

import pytest

from dataflow.core.resources import lack_of


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "--concurrency"),
        (MemoryError(), "--concurrency"),
        (ImportError("x.so: failed to map segment from shared object"), "--concurrency"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
    ],
)
def test_a_lack_stops_the_run_with_its_cure(error, cure):
    lack = lack_of(error)
    assert lack is not None
    assert cure in lack.message


@pytest.mark.parametrize("error", [ImportError("No module named x"), OSError(errno.ENOENT, "")])
def test_other_errors_are_no_lack(error):
    assert lack_of(error) is None

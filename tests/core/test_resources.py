"""What the machine lacks is said with its cure, whichever library meets it."""

from __future__ import annotations

import errno
import sqlite3
import ssl
import zlib

import pytest

from dataflow.core import resources
from dataflow.core.resources import lack_of


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "--concurrency"),
        (MemoryError(), "--concurrency"),
        (ImportError("x.so: failed to map segment from shared object"), "--concurrency"),
        (ssl.SSLError(1, "[CRYPTO] malloc failure (_ssl.c:3098)"), "--concurrency"),
        (sqlite3.OperationalError("out of memory"), "--concurrency"),
        (
            zlib.error("Error -4 while decompressing data: insufficient; not enough memory"),
            "--concurrency",
        ),
        (RuntimeError("can't start new thread"), "ulimit -u"),
    ],
)
def test_a_lack_stops_the_run_with_its_cure(error, cure):
    lack = lack_of(error)
    assert lack is not None
    assert cure in lack.message


def test_an_unknown_error_of_openssl_is_a_lack_where_there_is_no_memory(monkeypatch):
    error = ssl.SSLError("unknown error (_ssl.c:3098)")
    assert lack_of(error) is None
    monkeypatch.setattr(resources, "_SOME_MEMORY", 1 << 60)
    assert lack_of(error) is not None


@pytest.mark.parametrize(
    "error",
    [
        ImportError("No module named x"),
        OSError(errno.ENOENT, ""),
        ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
        ValueError("the server is out of memory"),
    ],
)
def test_other_errors_are_no_lack(error):
    assert lack_of(error) is None

"""A server of S3 for all of these tests, empty at the start of each."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.remote.s3_server import S3Server


@pytest.fixture(scope="session")
def s3_running() -> Iterator[S3Server]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(s3_running: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    for name, value in s3_running.environment.items():
        monkeypatch.setenv(name, value)
    s3_running.clear()
    return s3_running

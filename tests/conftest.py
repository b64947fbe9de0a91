"""Servers of files on loopback; and at the end of a run what was left out of it."""

from __future__ import annotations

import gc
import logging
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import settings

from dataflow.core import secrets
from dataflow.engine.flow import retry_policy
from tests.loop_guard import LoopWatch

# how long an example takes says more of the machine than of the code
settings.register_profile("dataflow", deadline=None)
settings.load_profile("dataflow")

LEFT_OUT = {
    "vllm": "need vLLM: make test-vllm",
    "slow": "take many minutes: make soak",
    "web": "need Chromium: make test-web",
}
_counts: Counter[str] = Counter()
_watch = LoopWatch()


def pytest_configure() -> None:
    """Let the tests' commands hear signals, also where the tests themselves run under nohup."""
    _watch.begin()
    # what is ignored is inherited, what is handled is not
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_finish() -> None:
    """Spare the garbage collector some hundred megabytes of collected tests, in each full pass."""
    gc.collect()
    gc.freeze()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count what the mark expression takes out."""
    for item in items:
        for mark in LEFT_OUT:
            if item.get_closest_marker(mark):
                _counts[mark] += 1
                break


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes that share the tests tells its count to the one that sums up."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = dict(_counts)
        output["held"] = _watch.end()
        return
    _watch.end()
    if _watch.is_too_long and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each of the processes left out the same."""
    _counts.update(Counter(node.workeroutput.get("left_out", {})) - _counts)
    _watch.hear(node.workeroutput.get("held"))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was left out, unless only those were asked for."""
    expression = str(config.getoption("-m"))
    for mark, cure in LEFT_OUT.items():
        if _counts[mark] and f"not {mark}" in expression:
            terminalreporter.write_line(f"left out: {_counts[mark]} tests that {cure}")
    terminalreporter.write_line(_watch.report())


# The servers' packages are heavy, and few tests need them.


@pytest.fixture(autouse=True)
def own_secrets() -> Iterator[None]:
    """Forget after each test what it registered as secret: it may be a word of the next one."""
    before = dict(secrets._secrets)
    yield
    secrets._secrets.clear()
    secrets._secrets.update(before)


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets retries of a run in this process wait for hundredths of a second."""
    rules = {
        kind: retry_policy.Rule(rule.attempts, rule.seconds, base=0.01, cap=0.02)
        for kind, rule in retry_policy.RULES.items()
    }
    monkeypatch.setattr(retry_policy, "RULES", rules)
    monkeypatch.setattr(retry_policy, "PROBE_WAITS", (0.05,))


@pytest.fixture(scope="session")
def s3_running() -> Iterator[Any]:
    """The one server of S3."""
    from tests.servers.s3_server import S3Server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(s3_running: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server of S3 with an empty bucket, at which ``s3://`` leads."""
    for name, value in s3_running.environment.items():
        monkeypatch.setenv(name, value)
    s3_running.clear()
    return s3_running


@pytest.fixture(scope="session")
def gs_running() -> Iterator[Any]:
    """The one server of Google Cloud Storage."""
    from tests.servers.gs_server import GsServer

    for name in ("gcp_storage_emulator", "api.object", "api.bucket"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with GsServer() as server:
        yield server


@pytest.fixture
def gs(gs_running: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server of Google Cloud Storage with an empty bucket, at which ``gs://`` leads."""
    for name, value in gs_running.environment.items():
        monkeypatch.setenv(name, value)
    gs_running.clear()
    return gs_running


@pytest.fixture
def web() -> Iterator[Any]:
    """A web server without files."""
    from tests.servers.web_server import WebServer

    with WebServer({}) as server:
        yield server

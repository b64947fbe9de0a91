"""At the end of a run: what was left out of it, and how to run that too."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

LEFT_OUT = {
    "vllm": "need vLLM: make test-vllm",
    "slow": "take many minutes: make soak",
}
_counts: Counter[str] = Counter()


def pytest_configure() -> None:
    """Let the tests' commands hear signals, also where the tests themselves run under nohup."""
    # what is ignored is inherited, what is handled is not
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


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


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each of the processes left out the same."""
    _counts.update(Counter(node.workeroutput.get("left_out", {})) - _counts)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was left out, unless only those were asked for."""
    expression = str(config.getoption("-m"))
    for mark, cure in LEFT_OUT.items():
        if _counts[mark] and f"not {mark}" in expression:
            terminalreporter.write_line(f"left out: {_counts[mark]} tests that {cure}")

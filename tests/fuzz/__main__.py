"""Fuzzing for as long as one likes.

    python -m tests.fuzz [--minutes N] [--seed N] [TARGET …]

Each target gets so many minutes, one after another; without a name, all of them. What is found is
printed with the smallest input that shows it, once for each place in the code; at the end of each
target stands one line with the inputs tried and the findings. The exit status is the number of
findings, 100 at most.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.targets import TARGETS

_SETTINGS = settings(
    max_examples=2000,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    print_blob=False,
)
SLOW_SECONDS = 10.0
"""Of processor time; no input may take longer."""

LEAST = 50
"""Inputs that are tried of each target, also where the time is up before."""


class _Enough(BaseException):
    """The time is up."""


def fuzz(name: str, seconds: float, seed: int) -> tuple[int, dict[str, str]]:
    """Try inputs for so long, and `LEAST` at least, on however busy a machine.

    Returns:
        The number tried, and each finding with its smallest input.
    """
    inputs, check = TARGETS[name]
    tried, before, found = 0, -1, {}
    end = time.monotonic() + seconds

    def one(value: Any) -> None:
        nonlocal tried
        if _is_enough(tried, end):
            raise _Enough
        tried += 1
        began = time.process_time()
        try:
            check(value)
            assert time.process_time() - began < SLOW_SECONDS, "this input takes too long"
        except Exception as error:
            place = _place(error)
            if place not in found:
                latest[place] = f"{value!r}"[:3000] + "\n" + traceback.format_exc()
                raise

    while tried > before and not _is_enough(tried, end):
        before = tried
        latest: dict[str, str] = {}
        seed += 1
        try:
            hypothesis.seed(seed)(_SETTINGS(given(inputs)(one)))()
        except _Enough:
            pass
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            latest.setdefault(_place(error), traceback.format_exc())
        for place, text in latest.items():
            found[place] = text
            print(f"--- found in {name}, seed {seed}: {place}\n{text}", flush=True)
    return tried, found


def _is_enough(tried: int, end: float) -> bool:
    return tried >= LEAST and time.monotonic() > end


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/dataflow/" in frame.filename] or frames
    return f"{type(error).__name__} at {own[-1].filename.rpartition('/')[2]}:{own[-1].lineno}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - TARGETS.keys()
    if unknown:
        parser.error(
            f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}"
        )
    logging.getLogger("dataflow").setLevel(logging.ERROR)
    findings = 0
    for name in arguments.targets or TARGETS:
        tried, found = fuzz(name, arguments.minutes * 60, arguments.seed)
        findings += len(found)
        line = f"fuzzing {name}: {arguments.minutes:g} min, {tried:,} inputs tried"
        print(f"{line}, findings: {len(found)}", flush=True)
    return min(findings, 100)


if __name__ == "__main__":
    sys.exit(main())

"""What a bench found: tables for people, JSON for programs."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_PACKAGES = ("dataflow-caption", "aiohttp", "orjson", "pillow")


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of one thing."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        """The median, and the range where there are several."""
        if len(self.values) == 1:
            return _short(self.median)
        return f"{_short(self.median)} ({_short(min(self.values))}–{_short(max(self.values))})"

    def as_json(self) -> dict[str, Any]:
        """Median and all values."""
        return {"median": self.median, "values": list(self.values)}


def spread(values: Sequence[float]) -> Spread:
    """The spread of `values`."""
    return Spread(tuple(values))


def ratio(these: Sequence[float], those: Sequence[float]) -> Spread:
    """Each of `these` over the one of `those` that was measured beside it."""
    return Spread(tuple(a / b for a, b in zip(these, those, strict=True)))


def _short(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 20 else 2
    return f"{value:.{digits}f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Goal:
    """Something that a bench should show.

    Attributes:
        what: In words.
        wanted: The bound.
        got: What was measured.
        at_least: Whether the bound is a lower one.
    """

    what: str
    wanted: float
    got: float
    at_least: bool = True

    @property
    def is_met(self) -> bool:
        """Whether it was shown."""
        return self.got >= self.wanted if self.at_least else self.got <= self.wanted


@dataclass
class Report:
    """One bench's findings.

    Attributes:
        name: The bench's name.
        title: What it measures, in a line.
        columns: Of its table.
        rows: Of its table: texts, numbers and spreads.
        goals: What it should show.
        notes: What is to be known besides, such as what was absent.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: list[Sequence[Any]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def show(self) -> None:
        """Print it for people."""
        console = Console(width=120 if not sys.stdout.isatty() else None)
        table = Table(*self.columns, title=f"{self.name}: {self.title}", title_justify="left")
        for row in self.rows:
            table.add_row(*(_text(cell) for cell in row))
        console.print(table)
        for goal in self.goals:
            mark = "met" if goal.is_met else "NOT met"
            sign = "≥" if goal.at_least else "≤"
            got, wanted = _short(goal.got), f"{goal.wanted:g}"
            console.print(f"{mark}: {goal.what}: {got} (wanted {sign} {wanted})")
        for note in self.notes:
            console.print(f"note: {note}")
        console.print(f"on {machine_line()}")

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "bench": self.name,
            "title": self.title,
            "command": " ".join(["python", "-m", "bench", *sys.argv[1:]]),
            "machine": machine(),
            "table": [
                {name: _value(cell) for name, cell in zip(self.columns, row, strict=False)}
                for row in self.rows
            ],
            "goals": [{**asdict(goal), "is_met": goal.is_met} for goal in self.goals],
            "notes": self.notes,
        }

    def write(self, target: str) -> None:
        """Write it as JSON to a file, or to stdout for ``-``."""
        text = json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n"
        if target == "-":
            sys.stdout.write(text)
        else:
            Path(target).write_text(text, encoding="utf-8")


def _text(cell: Any) -> str:
    return _short(cell) if isinstance(cell, float) else str(cell)


def _value(cell: Any) -> Any:
    return cell.as_json() if isinstance(cell, Spread) else cell


def machine() -> dict[str, Any]:
    """Where and with what it was measured."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def machine_line() -> str:
    """The same in a line."""
    facts = machine()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return (
        f"{facts['date'][:10]}: {facts['cores']} cores of {facts['processor']}, Linux "
        f"{facts['kernel'].partition('-')[0]}, Python {facts['python']}, {versions}; load at the "
        f"end {facts['load']:.1f}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

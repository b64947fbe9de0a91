"""`python -m bench NAME`: run one bench, or the short set."""

from __future__ import annotations

import argparse
import importlib
import sys

NAMES = (
    "road",
    "latency",
    "ratelimit",
    "endpoints",
    "members",
    "machines",
    "hosts",
    "level",
    "peers",
    "shrinking",
    "memory",
    "engines",
    "startup",
    "checking",
    "formats",
    "review",
)
SHORT = ("road", "shrinking", "memory", "startup")


def main() -> int:
    """Run as the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name in NAMES:
        module = importlib.import_module(f"bench.{name}")
        one = names.add_parser(name, help=module.TITLE, description=module.__doc__)
        _add_common(one)
        module.add_arguments(one)
    _add_common(names.add_parser("short", help=f"short runs of {', '.join(SHORT)}"))
    options = parser.parse_args()
    if options.name != "short":
        return _run(options)
    for name in SHORT:
        _run(parser.parse_args([name, "--short", "--runs", str(options.runs)]))
    return 0


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=3, help="of each thing measured (default: 3)")
    parser.add_argument("--short", action="store_true", help="fewer rows: a look, not a figure")
    parser.add_argument("--json", metavar="FILE", help="also as JSON to FILE; - for stdout alone")


def _run(options: argparse.Namespace) -> int:
    report = importlib.import_module(f"bench.{options.name}").run(options)
    if options.json != "-":
        report.show()
    if options.json:
        report.write(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How often the checks turn down real sentences that nobody wrote for them.

``python tools/false_alarms.py [LINES] [FOLDER or FILE.jsonl …]`` takes so many distinct sentences
(80,000 where nothing is said) from the texts and docstrings below the folders (those of this
machine's packages), or the held-out lines of a file that ``tools/real_texts.py`` wrote, and prints
how many each check turns down, with examples. None of them speaks of a picture that it cannot see,
so each is a false alarm, save those that quote what a check is for. Documentation is far from
captions: it gives orders and speaks of failures, so the classifier finds its forms in it, too.

"""

from __future__ import annotations

import ast
import json
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.protocols.check import CheckContext

LINES = 80_000
EXAMPLES = 3
_ENDINGS = {".txt", ".md", ".rst", ".pod", ""}
_SENTENCE = re.compile(r"[^\W\d_][^\n<>{}=|\\`*_\[\]#$@~^]{30,300}[.!?]")
_MOST_BYTES = 2_000_000
_LEAST_WORDS = 6


def sentences(text: str) -> Iterator[str]:
    """The sentences that fill a line or a paragraph of `text`."""
    for paragraph in re.split(r"\n\s*\n", text):
        line = " ".join(paragraph.split())
        for part in re.split(r"(?<=[.!?]) (?=[A-ZÀ-ÞА-Я])", line):
            if _SENTENCE.fullmatch(part) and len(part.split()) >= _LEAST_WORDS:
                yield part


def docstrings(path: Path) -> Iterator[str]:
    """The docstrings of a Python file; none of one that cannot be parsed."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            yield ast.get_docstring(node) or ""


def texts(folder: Path) -> Iterator[str]:
    """The texts of the files below `folder`, in the order of their paths."""
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
                continue
            if path.suffix == ".py":
                yield from docstrings(path)
            elif path.suffix in _ENDINGS:
                yield path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue


def lines_of(source: str) -> Iterator[str]:
    """The sentences of a folder, or the held-out lines of a file of real texts."""
    if source.endswith(".jsonl"):
        with open(source, encoding="utf-8") as file:
            rows = map(json.loads, file)
            yield from (row["text"] for row in rows if row["held"])
        return
    for text in texts(Path(source)):
        yield from sentences(text)


def say(line: str) -> None:
    """Write a line to the standard output."""
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Count and print."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    folders = sys.argv[2:] or ["/usr/share", sysconfig.get_path("stdlib"),
                               sysconfig.get_path("purelib"), *sys.path[1:]]  # fmt: skip
    checks = checks_for(CaptionRequirements(max_duplicates=None))
    alarms: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    seen: set[str] = set()
    for sentence in (line for folder in dict.fromkeys(folders) for line in lines_of(folder)):
        if len(seen) >= most:
            break
        if sentence in seen:
            continue
        seen.add(sentence)
        for kind, check in checks.items():
            if check(sentence, CheckContext(finish_reason="stop")) is not None:
                alarms[kind] += 1
                examples.setdefault(kind, []).append(sentence)
    say(f"{len(seen):,} sentences, {alarms.total():,} alarms")
    for kind, count in alarms.most_common():
        say(f"  {kind}: {count} ({count / len(seen):.4%})")
        for example in examples[kind][:: max(1, count // EXAMPLES)][:EXAMPLES]:
            say(f"      {example[:150]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

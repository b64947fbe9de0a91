"""The code blocks of the pages: finding them, and running those that are commands."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.paths import ROOT

PAGES = (ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").rglob("*.md")))

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRESS = re.compile(
    r"(reading|measuring pictures|fetching|starting engine|writing)(, .*| \S+, .*)?"
    r"|[\d,]+ of [\d,]+ \(\d+ %\)(, .*)?"
)
"""A line of progress where the output is no terminal; see `dataflow.display.progress`."""

_MARK = "-- the command ended with"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def needs_vllm(self) -> bool:
        return bool(re.search(r"--vllm|LocalModelVLMServing_vllm", self.text))


@dataclass(frozen=True)
class Command:
    """A line after ``$``, and what the page says it prints."""

    text: str
    output: str


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    output: str
    status: int


def blocks(*languages: str) -> list[Block]:
    """All blocks of the pages in one of `languages`; in any, where none is named."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(page, line, match[1], match[2]))
    return [block for block in found if not languages or block.language in languages]


def commands_of(text: str) -> list[Command]:
    """The commands of a console block; a backslash at a line's end joins the next line to it."""
    commands: list[Command] = []
    for line in text.replace("\\\n", "").splitlines():
        if line.startswith("$ "):
            commands.append(Command(line[2:].strip(), ""))
        elif commands:
            last = commands.pop()
            commands.append(Command(last.text, f"{last.output}{line}\n"))
        else:
            raise ValueError(f"a console block begins with no command: {line!r}")
    return commands


def run_all(
    commands: list[str], folder: Path, environment: Mapping[str, str], timeout: float
) -> list[Outcome]:
    """Run `commands` one after the other in one shell, as a reader would."""
    # `finish` hands the exit code on, for a following `echo $?`
    head = f"finish() {{ local code=$?; printf '\\n{_MARK} %d\\n' $code; return $code; }}\n"
    script = head + "".join(f"{command}\nfinish\n" for command in commands)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
    )
    *parts, _ = re.split(rf"\n{_MARK} (\d+)\n", done.stdout.decode())
    return [
        Outcome(output, int(code)) for output, code in zip(parts[::2], parts[1::2], strict=True)
    ]


def fits(expected: str, printed: str) -> bool:
    """Whether `printed` is what a page shows: any blanks are alike, and … stands for anything.

    A command that takes long, as on a busy machine, prints lines of progress that no page shows.
    """
    quiet = "".join(
        line for line in printed.splitlines(keepends=True) if not _PROGRESS.fullmatch(line.strip())
    )
    return _fits(expected, printed) or _fits(expected, quiet)


def _fits(expected: str, printed: str) -> bool:
    pieces = (re.escape(piece) for piece in " ".join(expected.split()).split("…"))
    return bool(re.fullmatch(".*".join(pieces), " ".join(printed.split()), re.DOTALL))

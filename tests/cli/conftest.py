"""The command as a user runs it: in this process, or where that is the promise, in its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.in_process import run_command

COMMAND = str(Path(sys.executable).with_name("dataflow"))


class Command:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}

    def start(
        self, *arguments: object, before: Sequence[str] = (), **environment: str
    ) -> subprocess.Popen[str]:
        """The command under way; `before` is what starts it, as a shell does."""
        return subprocess.Popen(
            [*before, COMMAND, *map(str, arguments)],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command in this process, which is many times as fast."""
        return run_command(arguments, self.folder, {**self.environment, **environment})

    def own_process(
        self, *arguments: object, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command in a process of its own."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def dataflow(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a folder of so many different pictures."""
    from PIL import Image

    def make(count: int) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        for number in range(count):
            colour = (number % 256, number // 256 * 40 % 256, 90)
            picture = Image.new("RGB", (64, 48), colour)
            for bit in range(16):  # JPEG makes one file of two colours that are close
                if number >> bit & 1:
                    left, top = bit % 8 * 8, bit // 8 * 8
                    picture.paste((255, 255, 255), (left, top, left + 8, top + 8))
            picture.save(folder / f"{number:05d}.jpg")
        return folder

    return make

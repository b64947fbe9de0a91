"""What becomes of stderr never ends a run; what becomes of stdout is told, or needs no word."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.servers.hostile_server import KEY, MODEL, HostileServer, caption_of

DATAFLOW = '"$0" "$@"'


@pytest.fixture
def shell(dataflow, pictures):
    """Runs the command in a shell, with its streams as `line` says; five rows, two of them bad."""
    folder = pictures(5)
    for number in (1, 2):
        (folder / f"{number:05d}.jpg").write_bytes(b"\xff\xd8 no picture")

    def run(line: str, *more: str) -> subprocess.CompletedProcess[str]:
        with HostileServer(key=KEY) as server:
            engine = ["--api-url", server.url, "--model", MODEL]
            process = dataflow.start(
                *("caption", "photos", "-o", "out.jsonl", *engine, *more),
                before=["bash", "-c", line],
                DF_API_KEY=KEY,
            )
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(line, process.returncode, out, err)

    return run


def shown(folder: Path) -> str:
    """What --show prints."""
    lines = []
    for number in range(5):
        picture = (folder / "photos" / f"{number:05d}.jpg").read_bytes()
        caption = "(no caption)" if number in (1, 2) else caption_of(picture)
        lines.append(f"photos/{number:05d}.jpg\t{caption}\n")
    return "".join(lines)


@pytest.mark.parametrize(
    "line",
    [
        f"{DATAFLOW} 2>/dev/full",
        f"{DATAFLOW} 2>&-",
        f"{DATAFLOW} 2> >(exec true)",
    ],
)
def test_a_stderr_that_is_full_closed_or_not_read_costs_neither_rows_nor_captions(
    shell, tmp_path, line
):
    done = shell(f"{line}; code=$?; sleep 0.1; exit $code", "--show")
    assert done.returncode == 3, "the run's own exit status"
    assert done.stdout == shown(tmp_path)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 5


def test_a_reader_that_has_seen_enough_changes_nothing(shell, tmp_path):
    done = shell(f"{DATAFLOW} | true; exit ${{PIPESTATUS[0]}}", "--show")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr


def test_captions_that_cannot_be_printed_are_an_error(shell, tmp_path):
    done = shell(f"{DATAFLOW} >/dev/full", "--show")
    assert done.returncode == 1
    assert "stdout cannot be written: No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 5


def test_captions_for_a_closed_stdout_are_refused_before_anything_is_spent(shell, tmp_path):
    done = shell(f"{DATAFLOW} >&-", "--show")
    assert done.returncode == 2
    assert "closed" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()

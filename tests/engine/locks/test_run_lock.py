"""One run per output."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dataflow.core.errors import OutputError
from dataflow.engine.locks.run_lock import RunLock


def test_the_second_is_told_who_holds_it_and_may_have_it_afterwards(tmp_path):
    first = RunLock(tmp_path / "out.lock")
    with pytest.raises(OutputError, match=f"process {os.getpid()} on "):
        RunLock(tmp_path / "out.lock")
    first.release()
    RunLock(tmp_path / "out.lock").release()


def test_a_dead_process_holds_nothing(tmp_path):
    script = (
        "import os, sys; from pathlib import Path\n"
        "from dataflow.engine.locks.run_lock import RunLock\n"
        "RunLock(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "lock")], check=False)
    RunLock(tmp_path / "lock").release()


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write beside the output"):
        RunLock(tmp_path / "file" / "out.lock")

"""The very first moments of the command."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED = """
import sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
from dataflow.cli import start
start()
"""


def test_ctrl_c_while_the_command_loads_ends_it_without_a_traceback():
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "")

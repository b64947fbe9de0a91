"""What the house promises to who imports it and reads of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tools.check_house import WRAPPED_BY

from dataflow import __version__
from tests.paths import ROOT

LIGHT = """
import sys
import {module}
heavy = {packages!r} & sys.modules.keys()
sys.exit(f"{module} loads {{sorted(heavy)}}" if heavy else 0)
"""


@pytest.mark.parametrize(
    "module",
    [
        "dataflow",
        "dataflow.operators.core_vision",
        "dataflow.utils.storage",
        "dataflow.serving.api_vlm_serving_openai",
        "dataflow.serving.local_model_vlm_serving",
        "dataflow.serving.fake",
    ],
)
def test_an_import_loads_nothing_heavy(module: str):
    """Scripts and notebooks import us at their top, long before they caption anything."""
    script = LIGHT.format(module=module, packages=set(WRAPPED_BY))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_changelog_describes_this_version():
    """A version that nobody described cannot be chosen."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{__version__}]" in changelog

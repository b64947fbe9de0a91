"""What an import and ``--help`` load: what takes long is left for when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

OPERATORS = "from dataflow.operators.core_vision import ImageCaptionGenerator, PromptedVQAGenerator"
HELP = (
    "from dataflow.cli.main import dataflow\n"
    "dataflow.main(['--help'], prog_name='dataflow', standalone_mode=False)"
)


def loaded_by(code):
    show = "import sys; sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "name",
    [
        *("aiohttp", "PIL", "pyarrow", "pandas", "numpy", "rich", "click", "xllamacpp"),
        *("dataflow.engine.runner", "dataflow.checks.model.classifier", "dataflow.checks.suite"),
    ],
)
def test_importing_the_operators_does_not_load(name):
    assert name not in loaded_by(OPERATORS)


@pytest.mark.parametrize(
    "name",
    [
        *("asyncio", "aiohttp", "PIL", "pyarrow", "sqlite3"),
        *("dataflow.engine.runner", "dataflow.checks.suite", "dataflow.operators"),
    ],
)
def test_the_help_does_not_load(name):
    assert name not in loaded_by(HELP)

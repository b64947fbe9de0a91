"""The pages name what is there, and their generated parts are fresh."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, ROOT

PACKAGE = ROOT / "src" / "dataflow"
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
MODULE = re.compile(
    r"`((?:cli|operators|utils|serving|engine|images|formats|checks|core)/[\w/.]*)`"
)


def test_the_generated_parts_are_fresh():
    command = [sys.executable, "tools/make_docs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page: Path):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_modules_that_a_page_names_are_there(page: Path):
    for name in MODULE.findall(page.read_text(encoding="utf-8")):
        assert (PACKAGE / name).exists(), name

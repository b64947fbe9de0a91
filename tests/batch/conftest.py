"""Runs in batches, by the command itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.scene import Scene

BATCH = ("--batch", "--batch-poll", "0.1")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Sixty rows, each a different question about one of seven pictures."""
    return Scene(tmp_path, 60, 7)

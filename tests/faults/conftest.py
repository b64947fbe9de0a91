"""Scenes for the tests of whole runs under faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Callable[..., Scene]:
    """Makes a dataset of so many rows."""

    def make(rows: int, pictures: int = 20, **more: Path) -> Scene:
        return Scene(tmp_path, rows, pictures, **more)

    return make

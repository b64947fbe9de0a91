"""The seam between the road and the checks of a caption."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from dataflow.core.errors import RowError
from dataflow.core.request import Reply, Request

Check: TypeAlias = Callable[[Reply, Request], "RowError | None"]
"""A reply and its request → the error that says why it is no caption, or None."""

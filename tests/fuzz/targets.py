"""What is fuzzed: name → the inputs, and what must hold for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis.strategies import SearchStrategy

from tests.fuzz import datasets, journals, references, replies

TARGETS: dict[str, tuple[SearchStrategy[Any], Callable[[Any], None]]] = {
    "datasets": (datasets.inputs(), datasets.check),
    "replies": (replies.inputs(), replies.check),
    "references": (references.inputs, references.check),
    "journals": (journals.inputs(), journals.check),
}

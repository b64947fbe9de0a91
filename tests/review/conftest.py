"""A small index of captions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow.review.index import ReviewIndex
from dataflow.review.items import Item

TEXTS = (
    ("A red car on a street.", ()),
    ("I cannot help with that.", (("refusal", "it declines"),)),
    ("A red bus. A red bus. A red bus.", (("loop", "it repeats itself"),)),
    ("A blue car <script>alert(1)</script>", ()),
    ("", (("empty", "there is no text"),)),
    ("A red car on a street.", ()),
)


def item(number: int, text: str, verdicts=(), **more) -> Item:
    return Item(
        key=number.to_bytes(16, "big"),
        row=number,
        column="caption",
        number=0,
        source=f"rows.jsonl:{number + 1}",
        picture=f"{number}.png",
        text=text,
        verdicts=verdicts,
        **more,
    )


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ReviewIndex]:
    made = ReviewIndex(tmp_path / "review.sqlite")
    made.make((item(n, text, verdicts) for n, (text, verdicts) in enumerate(TEXTS)), "one")
    yield made
    made.close()

"""What the journal keeps of a run's options."""

from __future__ import annotations

import pytest

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.run_options import options_from, options_text

SECRETS = [
    "https://host/rows.jsonl?signature=hidden",
    "https://user:hidden@host/rows.jsonl",
    "https://host/rows.jsonl#hidden",
]


@pytest.mark.parametrize("url", SECRETS)
def test_options_with_a_url_that_holds_a_secret_are_not_kept(url):
    assert options_text(CaptionOptions(source=url)) is None
    assert options_text(CaptionOptions(source="data.jsonl", more=["b.jsonl", url])) is None


@pytest.mark.parametrize(
    "source", ["data.jsonl", "https://host/rows.jsonl", "s3://bucket/part-?.jsonl", "what?.jsonl"]
)
def test_options_without_a_secret_are_kept(source):
    text = options_text(CaptionOptions(source=source, image_key="photo"))
    assert text is not None
    kept = options_from(text)
    assert (kept.source, kept.image_key) == (source, "photo")

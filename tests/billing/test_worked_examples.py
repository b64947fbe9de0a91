"""The rules of picture tokens against what the providers themselves work out on their pages."""

from __future__ import annotations

import pytest

from dataflow.billing.hosted_rules import gemini_tiles
from dataflow.billing.token_rules import token_rule_of

OPENAI = "https://developers.openai.com/api/docs/guides/images-vision"
CLAUDE = "https://platform.claude.com/docs/en/build-with-claude/vision"
GEMINI = "https://ai.google.dev/gemini-api/docs/image-understanding"
SCALEWAY = "https://www.scaleway.com/en/docs/managed-inference/reference-content/pixtral-12b-2409"
QWEN = "https://help.aliyun.com/zh/model-studio/vision (32 or 28 pixels a side, + 2)"

EXAMPLES = (
    (OPENAI, "gpt-4o", 1024, 1024, 765),
    (OPENAI, "gpt-4o", 2048, 4096, 1105),
    (OPENAI, "gpt-4.1-mini", 1024, 1024, 1024 * 1.62),
    (OPENAI, "o4-mini", 1800, 2400, 1452 * 1.72),
    (CLAUDE, "claude-sonnet-4-5", 1000, 1000, 1296),
    (CLAUDE, "claude-sonnet-4-5", 1092, 1092, 1521),
    (CLAUDE, "claude-opus-4-7", 1920, 1080, 2691),
    (GEMINI, "gemini-2.5-flash", 384, 384, 258),
    (GEMINI, "gemini-2.5-flash", 960, 540, 6 * 258),
    (SCALEWAY, "pixtral-12b-2409", 1024, 1024, 4096),
    (QWEN, "qwen3-vl-plus", 1024, 1024, 32 * 32 + 2),
    (QWEN, "qwen2.5-vl-72b-instruct", 1120, 784, 40 * 28 + 2),
)


def test_five_providers_are_among_them():
    assert len({source for source, *_ in EXAMPLES}) == 5


@pytest.mark.parametrize(("source", "model", "width", "height", "tokens"), EXAMPLES)
def test_a_providers_own_example_lies_within_the_rules_error(source, model, width, height, tokens):
    rule = token_rule_of(model)
    assert abs(rule.rule(width, height) - tokens) <= max(1, rule.error * tokens), source


@pytest.mark.parametrize(
    ("width", "height", "tiles"),
    [(2000, 100, 8), (4000, 100, 16), (4000, 4000, 36), (3000, 2000, 12), (385, 200, 2)],
)
def test_gemini_s_tiles_are_256_to_768_pixels(width, height, tiles):
    assert gemini_tiles(width, height) == 258 * tiles

"""Picture tokens by published rule, against the numbers that the providers publish."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.billing.hosted_rules import claude_patches, openai_patches, openai_tiles
from dataflow.billing.token_rules import TOKEN_RULES, token_rule_of

SIDES = st.integers(32, 16_384)


@pytest.mark.parametrize("family", TOKEN_RULES, ids=lambda family: family.name)
def test_the_worked_example_of_each_rule_comes_out(family):
    width, height, tokens = family.example
    assert family.rule(width, height) == tokens


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [(1024, 1024, 765), (2048, 4096, 1105), (512, 512, 255), (2049, 513, 1445), (2050, 513, 765)],
)
def test_openai_tiles_come_out_as_the_guide_and_bills_say(width, height, tokens):
    assert openai_tiles(width, height, base=85, tile=170) == tokens


def test_openai_tiles_at_low_detail_cost_the_base_alone():
    assert openai_tiles(4096, 4096, base=85, tile=170, detail="low") == 85


@pytest.mark.parametrize(("width", "height", "patches"), [(1024, 1024, 1024), (1800, 2400, 1452)])
def test_openai_patches_come_out_as_in_the_guide(width, height, patches):
    assert openai_patches(width, height, multiplier=1, budget=1536, max_side=2048) == patches


@pytest.mark.parametrize(
    ("width", "height", "standard", "high"),
    [
        (200, 200, 64, 64),
        (1000, 1000, 1296, 1296),
        (1092, 1092, 1521, 1521),
        (1920, 1080, 1560, 2691),
        (3840, 2160, 1560, 4784),
        (1075, 1520, 33 * 47, 2145),
    ],
)
def test_claude_patches_come_out_as_in_the_guide(width, height, standard, high):
    assert claude_patches(width, height, max_side=1568, budget=1568) == standard
    assert claude_patches(width, height, max_side=2576, budget=4784) == high


@given(width=SIDES, height=SIDES)
def test_no_rule_fails_or_gives_nothing(width, height):
    for family in TOKEN_RULES:
        assert family.rule(width, height) > 0, family.name


@given(width=SIDES, height=SIDES)
def test_no_patch_rule_passes_its_own_budget(width, height):
    assert openai_patches(width, height, multiplier=1, budget=1536, max_side=2048) <= 1536
    assert claude_patches(width, height, max_side=1568, budget=1568) <= 1568


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "GPT-4o, 4.1, 4.5"),
        ("gpt-4o-2024-08-06", "GPT-4o, 4.1, 4.5"),
        ("ft:gpt-4o-2024-08-06:someone::id", "GPT-4o, 4.1, 4.5"),
        ("openai/gpt-4o-mini", "GPT-4o mini"),
        ("gpt-4.1-mini-2025-04-14", "GPT-4.1 mini"),
        ("gpt-5", "GPT-5"),
        ("gpt-5-mini", "GPT-5 mini"),
        ("claude-3-5-sonnet-20241022", "Claude 3 to 4.6"),
        ("claude-sonnet-4-20250514", "Claude 3 to 4.6"),
        ("anthropic/claude-sonnet-4.5", "Claude 3 to 4.6"),
        ("claude-haiku-4-5-20251001", "Claude 3 to 4.6"),
        ("claude-opus-4-7", "Claude 4.7 and later"),
        ("claude-sonnet-5", "Claude 4.7 and later"),
        ("google/gemini-2.5-flash", "Gemini 2"),
        ("gemini-3.1-pro-preview", "Gemini 3"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "Qwen2-VL, Qwen2.5-VL"),
        ("qwen3-vl-8b-instruct", "Qwen3-VL, Qwen3.5"),
        ("mistralai/Pixtral-12B-2409", "Pixtral"),
        ("OpenGVLab/InternVL3-8B", "InternVL 2, 2.5, 3"),
        ("meta-llama/llama-4-maverick:free", "Llama 4"),
    ],
)
def test_a_model_is_known_by_its_name_at_servers_and_on_the_hub(model, name):
    family = token_rule_of(model)
    assert family is not None
    assert family.name == name


@pytest.mark.parametrize("model", ["gpt-5.1", "o3-mini", "gemini-4-argon", "qwen-vl-max", "my", ""])
def test_a_model_whose_rule_is_not_published_is_unknown(model):
    assert token_rule_of(model) is None

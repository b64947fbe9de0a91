"""Which rule counts the tokens of a picture for which model: one table."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dataflow.billing.hosted_rules import (
    claude_patches,
    gemini_tiles,
    openai_patches,
    openai_tiles,
    same_for_all,
)
from dataflow.billing.open_rules import (
    internvl_tiles,
    llama4_tiles,
    pixtral_patches,
    qwen_patches,
)

Rule = Callable[[int, int], int]
"""Width and height in pixels, as sent → tokens."""

_OPENAI = "https://developers.openai.com/api/docs/guides/images-vision"
_CLAUDE = "https://platform.claude.com/docs/en/build-with-claude/vision"
_GEMINI = "https://ai.google.dev/gemini-api/docs/image-understanding"
_GEMINI_3 = "https://ai.google.dev/gemini-api/docs/media-resolution"
_QWEN = "https://github.com/QwenLM/Qwen3-VL/tree/main/qwen-vl-utils"
_MISTRAL = "https://github.com/mistralai/mistral-common"
_TRANSFORMERS = "https://github.com/huggingface/transformers/tree/main/src/transformers/models/"


@dataclass(frozen=True, slots=True)
class TokenRule:
    """Models that share a rule.

    Attributes:
        name: For people.
        pattern: A regular expression that the whole plain name of a model matches.
        rule: Gives the tokens.
        words: The rule in words.
        source: Where it is published.
        example: Width and height in pixels, and their tokens.
        error: How far a bill may lie from the rule: 0.1 for up to a tenth more, and as much less.
    """

    name: str
    pattern: str
    rule: Rule
    words: str
    source: str
    example: tuple[int, int, int]
    error: float = 0.02


def _tiles(name: str, pattern: str, base: int, tile: int, tokens: int) -> TokenRule:
    return TokenRule(
        name,
        pattern,
        partial(openai_tiles, base=base, tile=tile),
        f"fit into 2048 × 2048, shorter side at most 768; {base} + {tile} for each 512 × 512",
        _OPENAI,
        (2048, 4096, tokens),
    )


def _patches(
    name: str,
    pattern: str,
    multiplier: float,
    example: tuple[int, int, int],
    *,
    budget: int | None = 1536,
    max_side: int = 2048,
    error: float = 0.02,
) -> TokenRule:
    limit = "" if budget is None else f", at most {budget:,} and {max_side:,} pixels a side"
    return TokenRule(
        name,
        pattern,
        partial(openai_patches, multiplier=multiplier, budget=budget, max_side=max_side),
        f"patches of 32 × 32{limit}; {multiplier:g} tokens each",
        _OPENAI,
        example,
        error,
    )


def _claude(
    name: str, pattern: str, max_side: int, budget: int, example: tuple[int, int, int]
) -> TokenRule:
    return TokenRule(
        name,
        pattern,
        partial(claude_patches, max_side=max_side, budget=budget),
        f"patches of 28 × 28, at most {budget:,} and {max_side:,} pixels a side",
        _CLAUDE,
        example,
    )


def _qwen(
    name: str, pattern: str, patch: int, pixels: tuple[int, int], example: tuple[int, int, int]
) -> TokenRule:
    return TokenRule(
        name,
        pattern,
        partial(qwen_patches, patch=patch, min_pixels=pixels[0], max_pixels=pixels[1]),
        f"patches of {patch} × {patch}, sides rounded, {pixels[0]:,} to {pixels[1]:,} pixels; + 2",
        _QWEN,
        example,
    )


_DATE = r"(-\d{4}-\d{2}-\d{2}|-latest)?"
_CLAUDE_OLD = (
    r"claude-(3([-.]\d)?-\w+|\w+-(3|4)([-.][0-6])?)(-\d{8}|-latest)?|claude-\w+-4[-.][0-6]-.*"
)
_CLAUDE_NEW = r"claude-\w+-(4[-.][7-9]|[5-9]([-.]\d)?)(-\d{8}|-latest)?"

TOKEN_RULES = (
    _tiles("GPT-4o mini", rf"gpt-4o-mini{_DATE}", 2833, 5667, 36835),
    _tiles("GPT-4o, 4.1, 4.5", rf"(chat)?gpt-(4o|4\.1|4\.5-preview){_DATE}", 85, 170, 1105),
    _tiles("GPT-5", rf"gpt-5(-chat)?{_DATE}", 70, 140, 910),
    _tiles("o1, o3", rf"o[13](-pro)?{_DATE}", 75, 150, 975),
    # The guide's multipliers of these four were 1.62 and 2.46 until 2026; hence their errors.
    _patches("GPT-5 mini", rf"gpt-5-mini{_DATE}", 1.2, (1800, 2400, 1743), error=0.35),
    _patches("GPT-5 nano", rf"gpt-5-nano{_DATE}", 1.5, (1800, 2400, 2178), error=0.65),
    _patches("GPT-5.4 mini", rf"gpt-5\.4-mini{_DATE}", 1.2, (1800, 2400, 1743), error=0.35),
    _patches("GPT-5.4 nano", rf"gpt-5\.4-nano{_DATE}", 1.2, (1800, 2400, 1743), error=1.05),
    _patches("GPT-4.1 mini", rf"gpt-4\.1-mini{_DATE}", 1.62, (1800, 2400, 2353)),
    _patches("GPT-4.1 nano", rf"gpt-4\.1-nano{_DATE}", 2.46, (1800, 2400, 3572)),
    _patches("o4-mini", rf"o4-mini{_DATE}", 1.72, (1800, 2400, 2498)),
    _patches("GPT-5.2", rf"gpt-5\.2{_DATE}", 1.2, (1800, 2400, 1743)),
    _patches("GPT-5.4", rf"gpt-5\.4{_DATE}", 1.2, (1024, 1024, 1229), budget=2500),
    _patches(
        "GPT-5.5",
        rf"gpt-5\.5{_DATE}",
        1.2,
        (1024, 1024, 1229),
        budget=10_000,
        max_side=6000,
    ),
    _patches(
        "GPT-5.6",
        r"gpt-5\.6-(sol|terra|luna)",
        1.2,
        (1024, 1024, 1229),
        budget=None,
        max_side=65535,
    ),
    _claude("Claude 4.7 and later", _CLAUDE_NEW, 2576, 4784, (1920, 1080, 2691)),
    _claude("Claude 3 to 4.6", _CLAUDE_OLD, 1568, 1568, (1920, 1080, 1560)),
    TokenRule(
        "Gemini 2",
        r"gemini-2\.[05]-(pro|flash|flash-lite)(-.*)?",
        gemini_tiles,
        "258 up to 384 × 384; else 258 for each tile of two thirds of the shorter side, 256 to 768",
        _GEMINI,
        (960, 540, 1548),
        error=0.5,
    ),
    TokenRule(
        "Gemini 3",
        r"gemini-3(\.\d)?-(pro|flash|flash-lite)(-.*)?",
        partial(same_for_all, tokens=1120),
        "1,120 at most for every picture (media resolution left at its default)",
        _GEMINI_3,
        (1024, 768, 1120),
        error=0.1,
    ),
    _qwen(
        "Qwen2-VL, Qwen2.5-VL",
        r"(qwen2(\.5)?-vl|qvq)-.*",
        28,
        (56**2, 12_845_056),
        (1024, 768, 1001),
    ),
    _qwen("Qwen3-VL, Qwen3.5", r"qwen3(-vl|\.5)-.*", 32, (65_536, 16_777_216), (1024, 768, 770)),
    TokenRule(
        "Pixtral",
        r"pixtral-.*",
        partial(pixtral_patches, patch=16, max_side=1024),
        "patches of 16 × 16, at most 1,024 pixels a side; one more a row",
        _MISTRAL,
        (1024, 768, 3120),
    ),
    TokenRule(
        "Mistral Small 3.1, 3.2",
        r"mistral-small-(3\.[12]|2503|2506)(-.*)?",
        partial(pixtral_patches, patch=28, max_side=1540),
        "patches of 28 × 28, at most 1,540 pixels a side; one more a row",
        _MISTRAL,
        (1024, 768, 1064),
    ),
    TokenRule(
        "InternVL 2, 2.5, 3",
        r"internvl(2|2_5|3)-.*",
        internvl_tiles,
        "256 for each of up to 12 tiles of 448 × 448 and for the whole; + 2",
        "https://huggingface.co/OpenGVLab/InternVL3-8B",
        (1024, 768, 3330),
    ),
    TokenRule(
        "Llama 4",
        r"llama-4-.*",
        llama4_tiles,
        "144 for each of up to 16 tiles of 336 × 336 and for the whole; marks between",
        _TRANSFORMERS + "llama4",
        (1024, 768, 1887),
    ),
    TokenRule(
        "LLaVA 1.5",
        r"llava-(v)?1\.5-.*",
        partial(same_for_all, tokens=576),
        "576 for every picture",
        _TRANSFORMERS + "llava",
        (1024, 768, 576),
    ),
    TokenRule(
        "Gemma 3",
        r"gemma-3-(4|12|27)b-.*",
        partial(same_for_all, tokens=258),
        "256 for every picture; + 2",
        _TRANSFORMERS + "gemma3",
        (1024, 768, 258),
    ),
)
"""The families; the first that fits is the model's."""


@functools.cache
def token_rule_of(model: str) -> TokenRule | None:
    """The family of a model, by its name at a server or on the hub; None for an unknown one.

    An owner before a slash, a fine-tune's ``ft:``, and a route's suffix after a colon do not
    matter; neither does case.
    """
    plain = model.lower().removeprefix("ft:").partition(":")[0].rpartition("/")[2]
    return next((f for f in TOKEN_RULES if re.fullmatch(f.pattern, plain)), None)

"""No text, however long and degenerate, takes a check, a refinement or a parser long."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from dataflow.checks.cleanup import (
    repair,
    strip_json_wrapping,
    strip_lead_in,
    strip_lead_out,
    strip_thinking,
)
from dataflow.checks.rules.text import count_sentences, sentence_ends, without_quotations, words
from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.protocols.check import CheckContext

ATOMS = (
    *(
        "\n",
        ".",
        " .",
        ". ",
        "a.",
        "\n.\n",
        '"',
        "'a ",
        '"a ',
        "“a ",
        "(",
        "[a](",
        "<",
        "<p ",
        "**a",
    ),
    *(
        "<think>",
        "</think>",
        "{",
        '{"a":',
        "```",
        "- a\n",
        "| --- ",
        "# ",
        "> ",
        "_",
        "__a",
        "apierror",
    ),
    *(
        "我",
        "。",
        "，",
        "申し訳",
        "I can't ",
        "no, ",
        "é",
        "\u0301",
        "\u202e",
        "Ã¤",
        "Ġa",
        "ก",
        "1 ",
        "a",
        " ",
    ),
    *("Sure! ", "Option 1: ", "x" * 30 + " ", "\x00", "\r\n", "\t", ":", "Note: ", "…", "!?"),
)
ENDINGS = ("", "x", ">", "\n", " x", '"')
CHECKS = checks_for(
    CaptionRequirements(
        language="en",
        min_words=2,
        max_sentences=9,
        forbid=("x y",),
        forbid_pattern=(r"(a+)+$", r"(\w+\s?)*!$"),
        max_duplicates=3,
    )
)
SCHEMA = checks_for(CaptionRequirements(schema={"type": "object"}))["schema"]
CONTEXT = CheckContext(prompts=("Describe the image in a sentence or two.",))
READERS: dict[str, Callable[[str], object]] = {
    **{kind: lambda text, check=check: check(text, CONTEXT) for kind, check in CHECKS.items()},
    "schema": lambda text: SCHEMA(text, CONTEXT),
    "strip_thinking": strip_thinking,
    "strip_lead_in": strip_lead_in,
    "strip_lead_out": strip_lead_out,
    "strip_json_wrapping": strip_json_wrapping,
    "repair": repair,
    "words": words,
    "count_sentences": count_sentences,
    "sentence_ends": sentence_ends,
    "without_quotations": without_quotations,
}
SHORT, LONG = 4_000, 16_000
FACTOR = LONG // SHORT
SLACK = 0.12
"""Seconds that a measurement may be wrong by on a busy machine."""


def seconds(read: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    read(text)
    return time.process_time() - began


@pytest.mark.parametrize("name", READERS)
def test_four_times_the_text_takes_hardly_more_than_four_times_as_long(name: str):
    read = READERS[name]
    for atom in ATOMS:
        for ending in ENDINGS:
            short, long = (atom * (size // len(atom)) + ending for size in (SHORT, LONG))
            least = seconds(read, short)
            took = seconds(read, long)
            if took > 2 * FACTOR * least + SLACK:  # once more: the machine may have been busy
                took = min(took, seconds(read, f"{long} "))
            assert took <= 2 * FACTOR * least + SLACK, (atom, ending, least, took)


@pytest.mark.parametrize("text", ["A dog" + "." * 60_000 + " x", "A dog" + "\n" * 60_000 + ">"])
def test_what_is_longer_than_any_caption_is_looked_at_in_part(text: str):
    for name, read in READERS.items():
        assert seconds(read, text) < 1, name

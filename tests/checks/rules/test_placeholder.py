"""What stands in a caption's place is found; short captions are not taken for it."""

from __future__ import annotations

import pytest

from dataflow.checks.forms.error_text import error_text
from dataflow.checks.rules.empty import empty
from dataflow.checks.rules.loop import loop
from dataflow.core.protocols.check import CheckContext

PLACEHOLDERS = [
    *(
        "[OCR FAILED]",
        "[caption here]",
        "<caption>",
        "{description}",
        "{{caption}}",
        "$CAPTION",
        "N/A",
    ),
    *(
        "(no description)",
        "image_0042.jpg",
        "photos/a/../0042.png",
        "IMG_2034",
        "https://e.org/a.jpg",
    ),
    *(
        "[[0, 0, 999, 999]]",
        "(10, 20), (30, 40)",
        "0.12, 0.55; 0.33, 0.91",
        "Yes.",
        "no",
        "是",
        "undefined",
    ),
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "d41d8cd98f00b204e9800998ecf8427e",
]
WORDLESS = ["! ! !", "????", "- - -", '""""', "…", "□□□□", ", , ,", "\u200b!", "***", "。。。"]
SHORT = [
    *(
        "Yes we can, a poster",
        "1984",
        "Number 7",
        "555-0134",
        "1234567890",
        "A4",
        "Sunset",
        "狗",
        "犬と猫",
    ),
    *(
        "3, 2, 1, go!",
        "🐶🏖️",
        "A file named a.jpg on a screen",
        "[A dog] runs",
        "Error bars in a chart",
    ),
    *('{"count": 1.10, "colour": "red"}', '["red", "blue"]'),
    *("No smoking", "Image of the Virgin Mary", "Photo finish", "NASA", "e=mc²", "Ω"),
]
ENDLESS = [
    "! " * 120,
    "A red bowl of fruit next to cups." + " !" * 100,
    "addCriterion" * 40,
    "-" * 60,
    " ".join(map(str, range(1, 200))),
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16",
    "la" * 30,
]
COUNTED = [
    "A ruler from 0 1 2 3 4 5 6 7 8 9 10",
    "A clock with 1 2 3 4 5 6 7 8 9 10 11 12 and two golden hands on a white wall",
    "A calendar of May: "
    + " ".join(map(str, range(1, 32)))
    + " in red and black on a kitchen wall",
]


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_a_placeholder_is_no_caption(text: str):
    assert error_text(text, CheckContext()) is not None


@pytest.mark.parametrize("text", SHORT)
def test_a_short_caption_is_one(text: str):
    assert error_text(text, CheckContext()) is None
    assert empty(text, CheckContext()) is None


@pytest.mark.parametrize("text", WORDLESS)
def test_a_text_without_a_word_is_empty(text: str):
    assert empty(text, CheckContext()) is not None


@pytest.mark.parametrize("text", ENDLESS)
def test_signs_and_numbers_without_end_are_found(text: str):
    assert loop(text, CheckContext()) or empty(text, CheckContext())


@pytest.mark.parametrize("text", COUNTED)
def test_numbers_of_a_thing_that_has_them_are_no_loop(text: str):
    assert loop(text, CheckContext()) is None


def test_yes_answers_a_question_that_asks_for_it():
    context = CheckContext(prompts=("Is there a dog in the picture?",))
    assert error_text("Yes.", context) is None


@pytest.mark.parametrize("text", ["Bad Gateway", "forbidden.", "Unauthorized", "Gateway Time-out"])
def test_a_status_in_words_alone_is_no_caption(text):
    assert error_text(text, CheckContext()) is not None


@pytest.mark.parametrize("text", ["A bad gateway in a wall", "Forbidden City at dusk", "Locked"])
def test_words_of_a_status_in_a_caption_are_its_own(text):
    assert error_text(text, CheckContext()) is None

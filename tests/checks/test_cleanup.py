"""What is taken off an answer, where that is asked for, and what is left alone."""

from __future__ import annotations

import pytest

from dataflow.checks.cleanup import strip_lead_in, strip_thinking

LED_IN = {
    "The image shows a cat on a mat.": "A cat on a mat.",
    "This photograph depicts two boats.": "Two boats.",
    "In this picture, there are two cats.": "Two cats.",
    "In the photo you can see an old tram.": "An old tram.",
    "Here is an image of a tram.": "A tram.",
    "Das Bild zeigt eine Katze.": "Eine Katze.",
    "L'image montre un chien.": "Un chien.",
    "La imagen muestra un perro.": "Un perro.",
    "这张图片展示了一只猫。": "一只猫。",
    "画面中呈现了，一座桥。": "一座桥。",
}
LEFT = [
    "A cat on a mat.",
    "The image on the wall shows a cat.",
    "The image shows that it has rained.",
    "This is a cat.",
    "The picture frame is broken.",
    "The image shows",
    "  A cat, with blanks around it. ",
    "",
]


@pytest.mark.parametrize("text", LED_IN)
def test_an_opening_that_says_nothing_goes(text):
    assert strip_lead_in(text) == LED_IN[text]


@pytest.mark.parametrize("text", LEFT)
def test_every_other_caption_is_left_to_the_letter(text):
    assert strip_lead_in(text) == text


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("<think>A cat? Yes.</think>\n\nA cat.", "A cat."),
        ("<thinking>One.</thinking> A cat. <thinking>Two.</thinking>", "A cat."),
        ("◁think▷Hm.◁/think▷A cat.", "A cat."),
        ("It may be a cat.\n</think>\nA cat.", "A cat."),
        ("<think></think>", ""),
    ],
)
def test_thoughts_go(text, rest):
    assert strip_thinking(text) == rest


@pytest.mark.parametrize("text", ["<think>It never ends", "I think it is a cat. ", " A cat.\n", ""])
def test_where_there_are_no_whole_thoughts_nothing_goes(text):
    assert strip_thinking(text) == text

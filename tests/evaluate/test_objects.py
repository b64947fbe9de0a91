"""Objects that captions name beyond what is there."""

from __future__ import annotations

from dataflow.evaluate.judge import SCHEMA, judge_digest, judge_text, read_choice
from dataflow.evaluate.objects import ObjectNames, summarize_objects
from dataflow.evaluate.pairs import Choice

NAMES = ObjectNames({"dog": ["puppy"], "hot dog": [], "bench": [], "person": ["man", "people"]})


def test_synonyms_plurals_and_longer_names_are_one_object():
    assert NAMES.named_in("Two puppies? No: dogs on Benches.") == {"dog", "bench"}
    assert NAMES.named_in("A man eats a hot dog.") == {"person", "hot dog"}
    assert NAMES.named_in("A dogma.") == set()


def test_invented_objects_are_counted_by_caption_and_by_object():
    rows = [("A dog on a bench.", ["dog"]), ("A person.", ["person", "dog"])]
    summary = summarize_objects(rows, NAMES)
    assert summary.chair_i.value == 1 / 3
    assert summary.chair_s.value == 1 / 2
    assert summary.recall.value == 2 / 3
    assert summary.invented == {"bench": 1}


def test_captions_without_objects_invent_none():
    summary = summarize_objects([("Sky.", [])], NAMES)
    assert summary.chair_i is None
    assert summary.chair_s.value == 0.0


def test_a_judge_is_shown_both_captions_as_they_are():
    text = judge_text("a {second} b", "c")
    assert "a {second} b" in text
    assert text.index("a {second} b") < text.index("\nc\n")


def test_a_choice_is_read_from_json_and_from_talk_around_it():
    assert read_choice('{"reason": "sharper", "choice": "first"}') == (Choice.FIRST, "sharper")
    assert read_choice('Well: {"choice": "tie"} indeed')[0] is Choice.TIE
    for unread in ("", "first", "[1]", '{"choice": "both"}', '"choice":"tie" "choice":"first"'):
        assert read_choice(unread)[0] is None


def test_another_prompt_is_another_judge():
    assert judge_digest("m") == judge_digest("m") != judge_digest("m", "other {first} {second}")
    assert set(SCHEMA["required"]) == {"reason", "choice"}

"""Equal questions have equal keys, different ones different keys."""

from __future__ import annotations

from dataflow.core.picture import ImageRef
from dataflow.core.request import Request, Turn
from dataflow.engine.request_key import KEY_BYTES, RequestHasher

A, B = ImageRef("path", "a.jpg", "a.jpg"), ImageRef("path", "b.jpg", "b.jpg")


def key(*parts, settings=None, sampling=None, role="user", identify=lambda ref: ref.name):
    maker = RequestHasher(settings or {"model": "m"}, identify)
    return maker.key(Request((Turn(role, parts),), sampling or {}))


def test_the_same_question_has_the_same_key():
    assert key(A, "What?") == key(A, "What?")
    assert len(key(A, "What?")) == KEY_BYTES


def test_all_that_determines_the_answer_changes_the_key():
    keys = {
        key(A, "What?"),
        key(B, "What?"),
        key(A, "What"),
        key("What?", A),
        key(A, A, "What?"),
        key(A, "What", "?"),
        key(A, "What?", role="system"),
        key(A, "What?", settings={"model": "n"}),
        key(A, "What?", sampling={"seed": 1}),
        key(A, "What?", identify=lambda ref: "changed on disk"),
        key("a.jpg", "What?"),
    }
    assert len(keys) == 11


def test_the_order_of_settings_does_not_matter():
    assert key(A, settings={"x": 1, "y": 2}) == key(A, settings={"y": 2, "x": 1})


def test_names_that_are_no_utf8_make_a_key():
    assert key(ImageRef("path", "\udcff.jpg", "\udcff.jpg"), "What?")


def test_each_of_several_answers_has_a_key_and_the_first_has_the_one_it_has_alone():
    maker = RequestHasher({"model": "m"}, lambda ref: ref.name)
    turns = (Turn("user", (A, "What?")),)
    keys = maker.keys([Request(turns, sample_index=number) for number in range(4)])
    assert len(set(keys)) == 4
    assert keys[0] == key(A, "What?")


def test_a_picture_of_several_requests_is_identified_once():
    seen = []
    maker = RequestHasher({"model": "m"}, lambda ref: seen.append(ref) or ref.name)
    requests = [Request((Turn("user", (A, B, text)),)) for text in "xyz"]
    assert maker.keys(requests) == [key(A, B, text) for text in "xyz"]
    assert seen == [A, B]

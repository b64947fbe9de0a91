"""Every shape of conversation becomes the right turns, or an error of its row."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.errors import BadRowError
from dataflow.core.picture import ImageRef
from dataflow.core.request import Request, Turn
from dataflow.serving.base.conversation import DEFAULT_QUESTION, literal, turns_of

A, B, C = (ImageRef("path", name, name) for name in "abc")


def human(value):
    return {"from": "human", "value": value}


def turns(conversation, pictures=(A,), system_prompt=None):
    return turns_of(conversation, pictures, system_prompt=system_prompt)


@pytest.mark.parametrize(
    "nothing", [None, "", " \n", [], (), {}, float("nan"), [human("")], [human(None)], "[]"]
)
def test_without_a_question_the_default_one_is_asked(nothing):
    assert turns(nothing) == (Turn("user", (A, DEFAULT_QUESTION)),)


@pytest.mark.parametrize(
    "asked",
    [
        [human("What is it?")],
        [{"role": "user", "content": "What is it?"}],
        [{"role": "user", "content": [{"type": "text", "text": "What is it?"}]}],
        [{"role": "User", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}],
        human("What is it?"),
        "What is it?",
        json.dumps([human("What is it?")]),
        [human("What is it?"), {"from": "gpt", "value": "An old answer."}],
        [human("<image>\nWhat is it?")],
        [human("<image>What is it?")],
    ],
)  # fmt: skip
def test_the_same_question_in_every_shape(asked):
    assert turns(asked) == (Turn("user", (A, "What is it?")),)


def test_a_dataframes_arrays():
    numpy = pytest.importorskip("numpy")
    array = numpy.array([human("Why?")], dtype=object)
    assert turns(array) == turns([human("Why?")])


def test_markers_say_where_the_pictures_go():
    [turn] = turns([human("Is <image> the same as\n<image>\n?")], (A, B))
    assert turn.parts == ("Is ", A, " the same as", B, "?")
    first, _, last = turns(
        [human("One"), {"from": "gpt", "value": "yes <image>"}, human("<image> two")], (A, B, C)
    )
    assert first.parts == ("One",)
    assert last.parts == (A, B, C, " two")


def test_pictures_are_sent_in_the_rows_order_however_many_have_a_marker():
    asked = [human("<image> one"), {"from": "gpt", "value": "yes"}, human("two <image> three")]
    for pictures in ((A, B), (A, B, C)):
        sent = [part for turn in turns(asked, pictures) for part in turn.parts]
        assert [part for part in sent if not isinstance(part, str)] == list(pictures)


def test_a_marker_in_a_data_field_is_text():
    [turn] = turns([human(f"Title: {literal('the <image> tag')}")], (A, B))
    assert turn.parts == (A, B, "Title: the <image> tag")


def test_more_markers_than_pictures_is_the_rows_error():
    with pytest.raises(BadRowError, match="2 <image> markers for 1 pictures"):
        turns([human("<image><image>")])


def test_the_given_system_prompt_wins():
    own = [{"from": "system", "value": "own"}, human("q")]
    assert turns(own, system_prompt="given")[0] == Turn("system", ("given",))
    assert turns(own, system_prompt="")[0] == Turn("system", ("own",))
    assert len(turns(own, system_prompt="given")) == 2


def test_an_old_answer_alone_asks_nothing():
    assert turns([{"from": "gpt", "value": "old"}]) == turns(None)


def test_a_text_that_only_looks_like_json_is_a_question():
    assert turns("[a] or [b]?") == (Turn("user", (A, "[a] or [b]?")),)
    assert turns('["a", "b"]') == (Turn("user", (A, '["a", "b"]')),)
    assert turns("[" * 100_000)[0].role == "user"


@pytest.mark.parametrize(
    "shape",
    [
        7,
        [7],
        ["What?"],
        [{"value": "no role"}],
        [{"from": "tool", "value": "x"}],
        [human(7)],
        [human([{"type": "audio"}])],
        True,
    ],
)
def test_no_readable_shape(shape):
    with pytest.raises(BadRowError):
        turns(shape)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("<image>\n"),
    lambda inner: st.lists(inner, max_size=3)
    | st.fixed_dictionaries(
        {}, optional={"from": st.sampled_from(["human", "gpt", "system"]) | inner, "value": inner,
                      "role": inner, "content": inner, "type": inner, "text": inner}
    ),
    max_leaves=12,
)  # fmt: skip


@given(ANY, st.integers(0, 3), st.none() | st.text())
def test_whatever_it_is_the_pictures_are_all_sent_in_order(conversation, count, system_prompt):
    pictures = (A, B, C)[:count]
    try:
        request = Request(turns(conversation, pictures, system_prompt))
    except BadRowError:
        return
    assert sorted(p.name for p in request.pictures) == [p.name for p in pictures]
    assert request.turns[-1].role == "user"
    texts = [p for turn in request.turns for p in turn.parts if isinstance(p, str)]
    assert not any("<image>" in text for text in texts)
    assert any(text.strip() for turn in request.turns if turn.role == "user"
               for text in turn.parts if isinstance(text, str))  # fmt: skip


CELLS = [
    "[{'from': 'human', 'value': 'What?'}]",
    "[{'from': 'human', 'value': \"What's that?\"}, {'from': 'gpt', 'value': None}]",
    '[{"from": "human", "value": "What?"}]',
    "{'role': 'user', 'content': 'What?'}",
    "  [{'role': 'user', 'content': [{'type': 'text', 'text': 'What?'}]}]\n",
]


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_as_pandas_writes_it_is_a_conversation(cell):
    [turn] = turns_of(cell, [], system_prompt="")
    assert turn.role == "user"
    assert turn.parts[0].startswith("What")


BROKEN = [
    "[{'from': 'human', 'value': 'What?'} {'from': 'gpt', 'value': 'x'}]",
    "[{'from': 'human', 'value': 'What",
    '[{"role": "user", "content": nan}]',
    "[{'value': array(['x'], dtype=object)}]",
]


@pytest.mark.parametrize("cell", BROKEN)
def test_a_cell_that_begins_as_turns_and_is_none_fails_its_row(cell):
    with pytest.raises(BadRowError, match="neither JSON nor"):
        turns_of(cell, [], system_prompt="")


@pytest.mark.parametrize("cell", ["[sic] What?", "{x} is what?", "['a', 'b']", "[1, 2"])
def test_any_other_text_is_a_question(cell):
    [turn] = turns_of(cell, [], system_prompt="")
    assert turn.parts == (cell,)

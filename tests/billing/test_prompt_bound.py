"""The bound holds for every published rule, at once and after it has learned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.billing.prompt_bound import COUNTS_TO_TRUST, PromptBound, size_of
from dataflow.billing.token_rules import TOKEN_RULES
from dataflow.core.picture import ImageRef, Picture
from dataflow.core.request import Request, Turn

SIDES = st.tuples(st.integers(28, 1024), st.integers(28, 1024)).filter(
    lambda s: max(s) < 4 * min(s)
)
REFERENCE = ImageRef("bytes", "a picture", data=b"x")
FAMILIES_BY_NAME = {family.name: family for family in TOKEN_RULES}
RULES = [pytest.param(family, id=family.name) for family in TOKEN_RULES]


def size(width, height, *, text="Describe.", model="an-unknown-model"):
    request = Request((Turn("user", (REFERENCE, text)),))
    return size_of(request, [Picture(b"x", "image/png", width, height)], model)


@pytest.mark.parametrize("family", RULES)
@given(sides=SIDES)
def test_the_first_request_stays_below_it_whoever_counts(family, sides):
    """GPT-4o mini alone counts so much that its name must be known."""
    width, height = sides
    model = "gpt-4o-mini" if family.name == "GPT-4o mini" else "an-unknown-model"
    bound = PromptBound()
    assert family.rule(width, height) <= bound.most(size(width, height, model=model))


@pytest.mark.parametrize("family", [f for f in RULES if "InternVL" not in f.id])
@given(seen=st.lists(SIDES, min_size=COUNTS_TO_TRUST, max_size=40), next_one=SIDES)
def test_what_it_learned_holds_for_the_next(family, seen, next_one):
    bound = PromptBound()
    for width, height in seen:
        bound.learn(size(width, height), 10 + family.rule(width, height))
    assert 10 + family.rule(*next_one) <= bound.most(size(*next_one))


def test_what_it_learned_is_far_closer_than_the_first_word():
    bound = PromptBound()
    first = bound.most(size(1024, 768))
    for _ in range(COUNTS_TO_TRUST):
        bound.learn(size(1024, 768), 785)
    assert bound.most(size(1024, 768)) < first / 5


def test_a_server_that_counts_more_than_anybody_is_followed():
    bound = PromptBound()
    bound.learn(size(512, 512), 50_000)
    assert bound.most(size(512, 512)) >= 2 * 50_000


def test_by_a_known_name_the_rule_itself_always_holds():
    bound = PromptBound()
    for _ in range(COUNTS_TO_TRUST):
        bound.learn(size(400, 400, model="gemini-2.5-flash"), 1042)
    strip = FAMILIES_BY_NAME["Gemini 2"].rule(28, 400)
    assert bound.most(size(28, 400, model="gemini-2.5-flash")) >= strip


def test_a_longer_question_may_read_more():
    bound = PromptBound()
    for _ in range(COUNTS_TO_TRUST):
        bound.learn(size(100, 100, text="x" * 100), 120)
    assert bound.most(size(100, 100, text="x" * 1000)) >= 1200

"""Values checked where they are given."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy
import pytest

from dataflow.core import settings
from dataflow.core.errors import UsageError

WRONG = {
    "whole": (settings.FROM_1, ["3", 1.5, True, None, 0, -1, math.nan, int]),
    "number": (settings.number(0, 2), ["0.2", math.nan, math.inf, True, None, -0.1, 2.1, [1]]),
    "above": (settings.SECONDS, [0, -1, math.inf, "5", None]),
    "text": (settings.TEXT, [b"x", 5, None, "", "  ", "\ud800", str]),
    "path": (settings.PATH, [b"x", 5, None, "", " ", "a\0b", str]),
    "yes": (settings.YES_NO, [0, 1, "yes", None]),
    "one of": (settings.one_of(["a", "b"]), ["c", None, 1, ["a"]]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_by_name(name):
    rule, values = WRONG[name]
    for value in values:
        with pytest.raises(UsageError, match=r"^speed must be ") as caught:
            rule.take("speed", value)
        assert rule.wanted in caught.value.message


def test_numbers_of_numpy_become_plain():
    assert type(settings.FROM_1.take("n", numpy.int64(3))) is int
    assert type(settings.number(0).take("t", numpy.float32(0.5))) is float
    assert settings.number(0).take("t", Fraction(1, 2)) == 0.5
    with pytest.raises(UsageError):
        settings.number(0).take("t", Decimal("NaN"))


def test_a_class_in_place_of_an_object_is_said_to_be_one():
    with pytest.raises(UsageError, match=r"the class Fraction itself: create one, Fraction\("):
        settings.FROM_1.take("n", Fraction)


def test_none_fits_an_optional_rule_alone():
    assert settings.FROM_1.or_none().take("limit", None) is None
    with pytest.raises(UsageError, match="a whole number from 1, or None"):
        settings.FROM_1.or_none().take("limit", "3")


def test_a_long_value_and_a_secret_looking_one_are_shortened():
    text = settings.value_text("A" * 500)
    assert len(text) < 100
    assert "A" * 60 not in text

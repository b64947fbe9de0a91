"""Every option of every function × wrong values: refused by name, nothing asked.

The tables come from the signatures, so that a new option joins by itself.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest

import dataflow
from dataflow.app.options.commands.caption import CaptionSettings
from dataflow.app.options.commands.check import CheckSettings
from dataflow.app.options.commands.estimate import EstimateSettings
from dataflow.app.options.option import option_fields

WRONG = ["3", math.nan, -7, True, b"x", object]
FUNCTIONS = {
    "caption": CaptionSettings,
    "estimate": EstimateSettings,
    "check": CheckSettings,
    "fix": CheckSettings,
}
ANY_NUMBER = {"seed", "fault_alarm"}  # a share below 0 is refused with the plan


def is_taken(field, value):
    """Whether `value` is one that the option is for."""
    if isinstance(value, str):
        return field.kind is str and not field.choices
    if value is True:
        return field.kind is bool or bool in field.takes
    return value == -7 and field.name in ANY_NUMBER


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_option_refuses_wrong_values_by_name(name):
    function = getattr(dataflow, name)
    for field in option_fields(FUNCTIONS[name]):
        for value in WRONG:
            if is_taken(field, value) or (name, field.name) == ("fix", "fix"):
                continue
            with pytest.raises(dataflow.UsageError) as caught:
                function("no-such-dataset.jsonl", **{"quiet": True, field.name: value})
            assert field.name in caught.value.message, (field.name, value, caught.value)
            assert "no-such-dataset" not in caught.value.message


@pytest.mark.parametrize("name", [*FUNCTIONS, "status"])
@pytest.mark.parametrize("value", [None, math.nan, -7, True, b"x", object, "", "\0"])
def test_what_is_no_path_is_refused_by_every_function(name, value):
    with pytest.raises(dataflow.UsageError):
        getattr(dataflow, name)(value, **({} if name == "status" else {"quiet": True}))


CLASSES: dict[Any, dict[str, Any]] = {
    dataflow.FileStorage: {"first_entry_file_name": "rows.json"},
    dataflow.Prompt: {"name": "a"},
    dataflow.BatchOptions: {},
    dataflow.CaptionRequirements: {},
}
TAKEN: dict[str, list[Any]] = {
    **{
        key: ["3"]
        for key in (
            "first_entry_file_name",
            "cache_path",
            "file_name_prefix",
            "name",
            "media_key",
        )
    },
    **{key: ["3"] for key in ("system", "question", "template", "window", "language")},
    **{key: [True] for key in ("then_live", "sentences", "plain", "stream")},
}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_argument_of_a_class_refuses_wrong_values_by_name(kind):
    for name in inspect.signature(kind).parameters:
        for value in WRONG:
            if any(value is one or value == one for one in TAKEN.get(name, ())):
                continue
            with pytest.raises(dataflow.UsageError, match=name):
                kind(**{**CLASSES[kind], name: value})


@pytest.mark.parametrize("function", [dataflow.read_prompts, dataflow.preset_of])
@pytest.mark.parametrize("value", [None, math.nan, -7, True, b"x", object, ""])
def test_what_is_no_name_of_a_file_is_refused(function, value):
    with pytest.raises(dataflow.UsageError):
        function(value)

"""The command line of options gives the same options again."""

from __future__ import annotations

import shlex
from dataclasses import MISSING, replace

import pytest

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.option import option_fields
from dataflow.app.options.shell_command import command_line, has_secret
from dataflow.cli.parser.command import command

BASE = CaptionOptions(source="a folder/with 'quotes'", more=["b.jpg"])
HOW_SHOWN = {"shard", "quiet", "config"}
FIELDS = [
    known
    for known in option_fields(CaptionOptions)
    if not known.option.is_argument and known.name not in HOW_SHOWN
]


def value_of(known):
    """A value that is not the default."""
    if known.is_switch:
        return True if known.default is not True else "x"
    if known.kind is dict:
        return {"a.b": 1} if known.option.pairs == "=" else {"A": "b $C"}
    if known.kind is bool:
        return not known.default
    if known.choices:
        one = next(word for word in known.choices if word != known.default)
    elif known.kind in (int, float):
        low = known.option.least if known.option.least is not None else 1
        one = known.kind(low + 1 if known.option.most is None else known.option.most)
        if one == known.default:
            one = known.kind(one + 1 if known.option.most is None else low)
    else:
        one = "a 'b' $c"
    return [one, one] if known.is_list else one


@pytest.mark.parametrize("known", FIELDS, ids=lambda known: known.name)
def test_an_option_comes_back_as_it_was(known):
    options = replace(BASE, **{known.name: value_of(known)})
    found = []
    parser = command(CaptionOptions, lambda parsed: found.append(parsed))
    text = command_line("caption", options)
    assert text is not None
    parser.main(shlex.split(text)[2:], standalone_mode=False)
    assert known.default is MISSING or found == [options]
    assert getattr(found[0], known.name) == getattr(options, known.name)


SIGNED = [
    "https://host/rows.jsonl?signature=hidden",
    "https://host/rows.jsonl?hidden",
    "HTTPS://user:hidden@host/rows.jsonl",
    "http://[hidden@host/rows.jsonl",
    "http://host/v1?region=eu&code=hidden",
    "s3://user:hidden@bucket/rows.jsonl",
    "https://host/rows.jsonl#hidden",
]
PLAIN = [
    "https://host/rows.jsonl",
    "http://host/v1?code=$MY_CODE&api-version=2024-10-21",
    "s3://bucket/what?/a=b#c.jsonl",
    "what?code=3.jsonl",
]


@pytest.mark.parametrize("value", SIGNED)
def test_a_url_that_holds_a_secret_is_told_from_others(value):
    assert has_secret(value)
    assert has_secret(["a.jsonl", value])
    assert has_secret({"url": value})
    assert command_line("caption", replace(BASE, source=value)) is None
    assert command_line("caption", replace(BASE, more=["b.jpg", value])) is None


@pytest.mark.parametrize("value", PLAIN)
def test_a_url_without_a_secret_is_told(value):
    assert not has_secret(value)
    assert command_line("caption", replace(BASE, source=value)) is not None


def test_a_command_with_a_secret_is_not_told():
    options = replace(BASE, header={"Authorization": "Bearer sk-abcdefghijklmnopqrstuvwx"})
    assert command_line("caption", options) is None

"""Options that could not do what they say are refused before anything is read."""

from __future__ import annotations

import itertools

import pytest

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.options.option import OptionField, option_fields
from dataflow.app.planning.consistency import (
    EXCLUSIVE,
    FOR_FIX,
    LANGUAGE_SLIPS,
    LANGUAGES,
    NEEDS,
    OF_CHECKS,
    check_consistency,
    check_without_fix,
)
from dataflow.core.errors import UsageError

OTHER = {
    "language": "en", "prompt": "Why?", "fault_alarm": "0.5", "allow_private_urls": True,
    "body": {"top_p": 1}, "header": {"X-A": "b"}, "on_reject": "reask-drop",
    "engine_arg": {"seed": 1},
}  # fmt: skip


def another_value(known: OptionField):
    """A value of an option that is not its default."""
    if known.name in OTHER:
        return OTHER[known.name]
    if known.choices:
        return next(word for word in known.choices if word != known.default)
    if known.kind is bool:
        return not known.default
    if known.kind in (int, float):
        return known.kind(max(known.option.least or 0, 1) + (known.default == 1))
    return ["x"] if known.is_list else "x"


AN_API = {"api_url": ["http://localhost:8000/v1"]}
ELSEWHERE = {
    **dict.fromkeys(
        ("engine", "hub", "hub_cache", "start_timeout", "engine_timeout", "max_restarts",
         "max_model_len", "min_image_tokens", "max_image_tokens", "slots", "engine_arg"), AN_API,
    ),
    "threads": {"vllm": "acme/eyes"},
    **{name: {**AN_API, "batch": True} for name in ("rpm", "tpm", "concurrency")},
}  # fmt: skip
"""Options that need none other, and what they are nothing to."""

ONE_BY_ONE = ("rpm", "tpm", "concurrency")
FIELDS = {f.name: f for f in option_fields(CaptionOptions) if f.name not in ("source", "more")}
PAIRS = list(itertools.combinations(sorted(FIELDS), 2))


def refused(**options) -> str | None:
    try:
        check_consistency(CaptionOptions(source="photos", **options))
    except UsageError as error:
        return error.message
    return None


def test_every_pair_of_options_is_taken_or_refused_by_the_tables():
    """No option that needs another is taken without it, in company of any third."""
    taken = 0
    for first, second in PAIRS:
        options = {name: another_value(FIELDS[name]) for name in (first, second)}
        spec = CaptionOptions(source="photos", **options)
        lacks = any(name in NEEDS and not NEEDS[name][0](spec) for name in options)
        clash = any({first, second} <= set(group) for group in EXCLUSIVE)
        unchecked = "no_checks" in options and (first in OF_CHECKS or second in OF_CHECKS)
        message = refused(**options)
        assert (message is not None) == (lacks or clash or unchecked), (first, second, message)
        taken += message is None
    assert taken > len(PAIRS) / 2


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_an_option_that_needs_another_names_it(name):
    others = {"on_reject": "flag", **ELSEWHERE.get(name, {})}
    message = refused(**(others | {name: another_value(FIELDS[name])}))
    assert message is not None
    assert FIELDS[name].flag in message


@pytest.mark.parametrize("name", ONE_BY_ONE)
@pytest.mark.parametrize("batch", ["batch", "detach", "batch_cancel"])
def test_a_rate_of_requests_is_refused_where_all_go_in_batches(name, batch):
    options = {"api_url": ["http://h/v1"], name: 5, batch: True}
    assert "one by one" in (refused(**options) or "")
    assert refused(**options, batch_then_live=True) is None


@pytest.mark.parametrize("name", sorted(OF_CHECKS))
@pytest.mark.parametrize("off", ["all", "one"])
def test_a_requirement_whose_check_is_off_is_refused(name, off):
    switch = {"no_checks": True} if off == "all" else {"no_check": [OF_CHECKS[name]]}
    assert "switches it off" in (refused(**{name: another_value(FIELDS[name])}, **switch) or "")


@pytest.mark.parametrize(("given", "meant"), sorted(LANGUAGE_SLIPS.items()))
def test_a_country_for_a_language_is_refused_with_the_language(given, meant):
    assert f"do you mean {meant}?" in (refused(language=given) or "")


@pytest.mark.parametrize("given", ["qq", "xx", "xy"])
def test_two_letters_that_are_no_language_are_refused(given):
    assert "no language code" in (refused(language=given) or "")


def test_languages_and_regions_are_taken():
    assert {refused(language=code) for code in ("en", "zh", "zh-TW", "pt-BR", "yue")} == {None}
    assert len(LANGUAGES) > 180


@pytest.mark.parametrize("name", ["prompt", "model", "preset", "output", "schema"])
@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_text_from_an_unset_variable_is_refused(name, value):
    assert "is empty" in (refused(**{name: value}) or "")


def test_an_empty_system_prompt_is_a_choice():
    assert refused(system_prompt="") is None


def test_the_mark_of_an_existing_caption_needs_sidecars():
    assert "--sidecar" in (refused(prompt="Better than {existing}?") or "")
    assert refused(prompt="Better than {existing}?", sidecar=".txt") is None


@pytest.mark.parametrize("name", sorted(FOR_FIX))
def test_a_check_that_asks_no_model_takes_no_option_about_asking(name):
    known = {field.name: field for field in option_fields(CheckOptions)}[name]
    spec = CheckOptions(output="a.jsonl", **{name: another_value(known)})
    with pytest.raises(UsageError, match="needs --fix"):
        check_without_fix(spec)


@pytest.mark.parametrize("network", ["10.0.0.0/8", "192.168.1.7", "fd00::/8"])
def test_a_network_after_a_blank_is_refused_with_the_equals_sign(network, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=f"--allow-private-urls={network}"):
        check_consistency(CaptionOptions(source="pics", more=[network], allow_private_urls=True))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "192.168.1.7").mkdir()
    check_consistency(CaptionOptions(source="192.168.1.7", allow_private_urls=True))

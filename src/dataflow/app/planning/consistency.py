"""Options that could not do what they say are refused before anything is read or spent.

One table says what each option needs, another which options exclude each other. A test goes over
all pairs of options with these tables in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeAlias

from dataflow.app.options.batch import BatchFlags
from dataflow.app.options.budget import BudgetOptions
from dataflow.app.options.engine import EngineOptions
from dataflow.app.options.local_engine import LocalEngineOptions
from dataflow.app.options.option import OptionField, Options, given_options, names_of
from dataflow.app.options.reject import ReaskOptions
from dataflow.app.options.request import RequestOptions
from dataflow.app.options.run import RunOptions
from dataflow.app.options.source import PictureOptions
from dataflow.core.errors import UsageError

Condition: TypeAlias = "Callable[[Any], bool]"


def _has(*names: str) -> Condition:
    return lambda options: any(getattr(options, name, None) for name in names)


_is_api = _has("api_url", "endpoints")
_is_vllm = _has("vllm")
_is_batch = _has("batch", "batch_then_live", "detach", "batch_cancel")


def _asks_live(options: Any) -> bool:
    """Whether some requests are sent one by one: a batch alone keeps no rate."""
    return not _is_batch(options) or bool(getattr(options, "batch_then_live", False))


def _asks_again(options: Any) -> bool:
    return getattr(options, "on_reject", "reask").startswith("reask")


_ASKS_ONCE = "needs --on-reject reask: with the one you gave, nothing is asked again"
_API = "is for an API: give --api-url, or leave it out"

_LOCAL = "is about an engine on this machine: leave it out where an API answers"
_VLLM = "is a setting of vLLM: give --vllm MODEL, or leave it out"
_BUILT_IN = "is a setting of vLLM and llama.cpp: write the engine's own into --engine COMMAND"
_LLAMACPP = "is a setting of llama.cpp: leave out --vllm, --engine and the API, or leave it out"


def _is_local(options: Any) -> bool:
    return not _is_api(options)


def _is_built_in(options: Any) -> bool:
    return _is_local(options) and not getattr(options, "engine", None)


def _is_llamacpp(options: Any) -> bool:
    return _is_built_in(options) and not _is_vllm(options)


NEEDS: Mapping[str, tuple[Condition, str]] = {
    **dict.fromkeys(
        ("key_env", "key_file", "header", "key_header", "detail", "stream", "drop_params",
         "ca_file"),
        (_is_api, _API),
    ),
    **dict.fromkeys(("batch", "batch_then_live", "detach", "batch_cancel"), (_is_api, _API)),
    **dict.fromkeys(
        ("batch_requests", "batch_mb", "batch_window", "batch_poll"),
        (_is_batch, "is about batches: give --batch, or leave it out"),
    ),
    "replicas": (_has("ray"), "says how many actors --ray has: give --ray, or leave it out"),
    **dict.fromkeys(
        ("flatten", "schema_as"),
        (_has("schema"), "is about captions with a schema: give --schema, or leave it out"),
    ),
    **dict.fromkeys(
        ("engine", "start_timeout", "engine_timeout", "max_restarts"),
        (_is_local, _LOCAL),
    ),
    **dict.fromkeys(
        ("max_model_len", "min_image_tokens", "max_image_tokens", "slots", "engine_arg",
         "hub", "hub_cache"),
        (_is_built_in, _BUILT_IN),
    ),
    **dict.fromkeys(
        ("images_per_request", "tensor_parallel", "data_parallel", "gpu_memory", "dtype",
         "quantization", "model_folder"),
        (_is_vllm, _VLLM),
    ),
    "threads": (_is_llamacpp, _LLAMACPP),
    **dict.fromkeys(
        ("rpm", "tpm", "concurrency"),
        (
            _asks_live,
            "is about requests sent one by one: leave it out, or give --batch-then-live",
        ),
    ),
    "image_cache_max": (
        _has("image_cache"), "is about --image-cache: give that too, or leave it out"
    ),
    "max_asks": (
        _asks_again, _ASKS_ONCE
    ),
    "fallback_model": (
        _asks_again, _ASKS_ONCE
    ),
    **dict.fromkeys(
        ("fallback_api_url", "fallback_key_env"),
        (_has("fallback_model"), "is about --fallback-model: give that too, or leave it out"),
    ),
}  # fmt: skip
"""Option → what must be given for it to do something, and what to say where it is not."""

OF_CHECKS: Mapping[str, str] = {
    "language": "language",
    "sentences": "cut_off",
    "min_words": "length",
    "max_words": "length",
    "min_sentences": "length",
    "max_sentences": "length",
    "min_characters": "length",
    "max_characters": "length",
    "max_encoder_tokens": "length",
    "forbid": "wording",
    "require": "wording",
    "forbid_pattern": "wording",
    "require_pattern": "wording",
    "max_duplicates": "repeated",
}
"""Requirement → the check that holds captions to it."""

_NAMED = "--prompt-file names the questions already; leave out the others"
EXCLUSIVE: Mapping[tuple[str, str], str] = {
    ("prompt", "prompt_file"): _NAMED,
    ("prompt_template", "prompt_file"): _NAMED,
    ("prompt", "prompt_template"): (
        "--prompt and --prompt-template are two questions; give one of them"
    ),
    ("key_env", "key_file"): "--key-env and --key-file exclude each other; give one of them",
    ("engine", "vllm"): "--engine and --vllm are two engines; give one of them",
    ("engine", "mmproj"): "--mmproj is for llama.cpp: write it into --engine COMMAND instead",
    ("stream", "batch"): "--stream and --batch exclude each other; give one of them",
    ("stream", "batch_then_live"): (
        "--stream and --batch-then-live exclude each other; give one of them"
    ),
    ("stream", "detach"): "--stream and --detach exclude each other; give one of them",
    ("workers", "ray"): "--workers and --ray exclude each other; --replicas says how many actors",
    ("shard", "ray"): "--shard and --ray exclude each other: Ray spreads the rows itself",
    **{
        (own[2:], name): f"{own} and {flag} exclude each other: {cure}"
        for own in ("--workers", "--ray")
        for name, flag, cure in (
            ("batch", "--batch", "a batch is worked on at the server"),
            ("batch_then_live", "--batch-then-live", "a batch is worked on at the server"),
            ("detach", "--detach", "a batch is worked on at the server"),
            ("fallback_model", "--fallback-model", "workers ask one model"),
        )
    },
    **{
        ("shard", name): f"--shard and {flag} exclude each other: {cure}"
        for name, flag, cure in (
            ("only", "--only", "merge the shards first"),
            ("batch", "--batch", "one process hands in all batches"),
            ("batch_then_live", "--batch-then-live", "one process hands in all batches"),
            ("detach", "--detach", "one process hands in all batches"),
            ("push_to_hub", "--push-to-hub", "merge the shards, then run without --shard"),
            ("show", "--show", "a shard writes no output"),
        )
    },
}
"""Two options of which at most one may be given → why, with the cure."""

BLANK_REFUSED = ("prompt", "prompt_template", "prompt_file", "preset", "model", "mmproj", "vllm",
                 "engine", "hub_cache", "model_folder", "quantization", "output", "image_key",
                 "output_key", "sidecar", "schema")  # fmt: skip
"""Options whose empty text is a variable that was not set."""

_CODES = """
aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy
da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu
hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb
lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om
or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw
ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
LANGUAGES = frozenset(_CODES.split())
"""ISO 639-1 (https://www.loc.gov/standards/iso639-2/php/code_list.php)."""

LANGUAGE_SLIPS = {
    "cn": "zh", "tw": "zh", "hk": "zh", "jp": "ja", "kr": "ko", "ua": "uk", "cz": "cs",
    "dk": "da", "gr": "el", "se": "sv", "in": "hi", "br": "pt", "us": "en", "gb": "en",
    "vn": "vi", "ir": "fa", "il": "he", "at": "de", "mx": "es",
}  # fmt: skip
"""Codes of countries that people give for a language. Where such a code is a rare language of its
own (kr is Kanuri, se Northern Sami, br Breton), it is most likely the country that was meant."""


def check_consistency(options: Options) -> None:
    """Refuse options that could not do what they say.

    Raises:
        UsageError: The first of them, with the cure.
    """
    given = {known.name: known for known in given_options(options)}
    _refuse_blank(given, options)
    for name, known in given.items():
        condition, cure = NEEDS.get(name, (None, ""))
        if condition is not None and not condition(options):
            raise UsageError(f"{known.flag} {cure}")
    for (first, second), reason in EXCLUSIVE.items():
        if first in given and second in given:
            raise UsageError(reason)
    _refuse_unchecked(given, options)
    if "{existing}" in (getattr(options, "prompt", None) or "") and not _has("sidecar")(options):
        raise UsageError(
            "{existing} in --prompt stands for the caption in a sidecar: give --sidecar, or use "
            "--prompt-template with a field of the rows"
        )
    _refuse_language(getattr(options, "language", None))
    if getattr(options, "allow_private_urls", None) is True:
        _refuse_network_as_input(
            [getattr(options, "source", ""), *(getattr(options, "more", None) or ())]
        )


def _refuse_network_as_input(inputs: Sequence[object]) -> None:
    """A network that stands after a blank is no value of its option: it would be an input."""
    for given in map(str, inputs):
        try:
            ip_network(given, strict=False)
        except ValueError:
            continue
        if not Path(given).exists():
            raise UsageError(
                "--allow-private-urls takes its networks behind an equals sign: "
                f"--allow-private-urls={given}"
            )


def _refuse_blank(given: Mapping[str, OptionField], options: Options) -> None:
    for name in BLANK_REFUSED:
        value = getattr(options, name, None)
        if isinstance(value, str) and not value.strip():
            known = given.get(name)
            flag = known.flag if known else f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} is empty; is the variable in your command set?")


def _refuse_unchecked(given: Mapping[str, OptionField], options: Any) -> None:
    """A requirement whose check is switched off would not be heeded."""
    is_off = getattr(options, "no_checks", False)
    disabled = set(getattr(options, "no_check", None) or ())
    for name, check in OF_CHECKS.items():
        if name in given and (is_off or check in disabled):
            switch = "--no-checks" if is_off else f"--no-check {check}"
            raise UsageError(
                f"{given[name].flag} is a check, and {switch} switches it off; leave one of them "
                "out"
            )


def _refuse_language(language: str | None) -> None:
    if language is None:
        return
    code = language.partition("-")[0].lower()
    if code in LANGUAGE_SLIPS:
        meant = LANGUAGE_SLIPS[code]
        raise UsageError(f"--language {language}: {code} is a country; do you mean {meant}?")
    if len(code) == 2 and code not in LANGUAGES:
        raise UsageError(
            f"--language {language} is no language code; codes are like en, de, zh (ISO 639-1)"
        )


FOR_FIX = names_of(
    EngineOptions, LocalEngineOptions, RequestOptions, BatchFlags, BudgetOptions, RunOptions,
    ReaskOptions, PictureOptions,
) - {"image_key", "quiet", "yes", "strip_lead_in", "strip_thinking"} | {
    "fixed", "fix_edits", "prefix", "suffix", "max_tokens", "temperature", "seed", "schema_as",
}  # fmt: skip
"""Options of `dataflow check` that say how a model is asked: without --fix, none is."""


def check_without_fix(options: Options) -> None:
    """Refuse what a check that asks no model could not do.

    Raises:
        UsageError: An option says how a model is asked.
    """
    for known in given_options(options):
        if known.name in FOR_FIX:
            raise UsageError(
                f"{known.flag} needs --fix: without it, dataflow check asks no model and writes no "
                "dataset"
            )

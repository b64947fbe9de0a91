"""Every public parameter of servings and limits × wrong values: refused by name, nothing asked.

The tables come from the signatures, so that a new parameter joins by itself.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import fields

import pytest

from dataflow.core.errors import DataflowError, UsageError
from dataflow.images.base.limits import Limits
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.fake import FakeServing
from dataflow.serving.local_model_vlm_serving import (
    LocalModelVLMServing_llamacpp,
    LocalModelVLMServing_vllm,
)
from dataflow.serving.vllm import command

WRONG = ["3", math.nan, -7, True, b"x", object]

TAKEN = {
    APIVLMServing_openai: {
        "image_io": WRONG,
        "model_name": ["3"],
        "key_header": ["3"],
        "seed": [-7],
        **{name: [True] for name in ("send_request_stream", "stream", "drop_params", "needs_key")},
        "api_url": ["3"],  # a host's name
        "ca_file": ["3"],  # looked for when it is used
    },
    LocalModelVLMServing_llamacpp: {
        "seed": [-7],
        "top_k": [-7],
        "hub_cache": ["3"],
        "progress": WRONG,
    },
    LocalModelVLMServing_vllm: {
        "hf_cache_dir": ["3"],
        "hf_model_name_or_path": ["3"],
        "hf_local_dir": ["3"],
        "vllm_seed": [-7],
        "vllm_args": WRONG,
    },
    FakeServing: {"replies": WRONG, "delay": WRONG, "model": ["3"]},
}
"""Values that a parameter takes, or that it is not there to check."""

LIMITS_TAKE = {
    "user_agent": ["3"],
    "image_root": ["3"],
    "image_cache": ["3"],
    "allow_private_urls": [True],
    "trusted_server": WRONG,  # set by the program
}
FIRST = {APIVLMServing_openai: {"api_url": "http://127.0.0.1:9/v1"}}


def is_among(value, values):
    return any(value is one or value == one for one in values)


def cases():
    for kind, taken in TAKEN.items():
        for name in inspect.signature(kind).parameters:
            for value in WRONG:
                if not is_among(value, taken.get(name, ())):
                    yield pytest.param(kind, name, value, id=f"{kind.__name__}-{name}-{value!r:.9}")


@pytest.mark.parametrize(("kind", "name", "value"), list(cases()))
def test_a_wrong_value_is_refused_by_name(kind, name, value, monkeypatch):
    monkeypatch.setattr(command, "check_installed", lambda: None)
    given = {**FIRST.get(kind, {}), name: value}
    words = "api_key_file|key file" if name == "api_key_file" else name
    with pytest.raises(DataflowError, match=words) as caught:
        kind(**given)
    assert isinstance(caught.value, (ValueError, EnvironmentError, DataflowError))


@pytest.mark.parametrize("one", fields(Limits), ids=lambda one: one.name)
def test_limits_refuse_wrong_values_by_name(one):
    for value in WRONG:
        if not is_among(value, LIMITS_TAKE.get(one.name, ())):
            with pytest.raises(UsageError, match=one.name):
                Limits(**{one.name: value})


def test_a_key_in_place_of_its_variable_s_name_is_refused_and_not_shown():
    with pytest.raises(UsageError, match="environment variable") as caught:
        APIVLMServing_openai("http://127.0.0.1:9/v1", key_name_of_api_key="sk-proj-abc123")
    assert "abc123" not in caught.value.message


def test_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Limits(image_cache="~/cache").image_cache == str(tmp_path / "cache")


def test_the_model_s_name_can_be_read_and_set():
    serving = APIVLMServing_openai("http://127.0.0.1:9/v1", model_name="one")
    assert serving.model_name == "one"
    serving.model_name = "two"
    assert serving.model == serving.settings()["model"] == "two"
    assert repr(serving) == "APIVLMServing_openai('two' at 127.0.0.1, max_workers=10)"
    with pytest.raises(UsageError, match="model_name"):
        serving.model_name = ""

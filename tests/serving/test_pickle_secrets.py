"""A pickled serving holds no secret, and finds its own again where it is unpickled."""

from __future__ import annotations

import pickle

import pytest

from dataflow.core.errors import UsageError
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.openai.transport.endpoint import read_endpoint

KEY = "sk-planted-KEY-0123456789"
HEADER = "planted-HEADER-0123456789"


def test_a_pickled_serving_holds_no_secret_and_finds_its_key_again(monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("MY_HEADER", HEADER)
    serving = APIVLMServing_openai(
        "https://host.example/v1", "MY_KEY", "m", headers={"X-Mine": "$MY_HEADER"}
    )
    pickled = pickle.dumps(serving)
    assert KEY.encode() not in pickled
    assert HEADER.encode() not in pickled
    copy = pickle.loads(pickled)
    assert copy._credentials.headers == serving._credentials.headers
    assert KEY not in f"{serving!r}{vars(serving)!r}"


@pytest.mark.parametrize("form", ["$MY_CODE", "${MY_CODE}"])
@pytest.mark.parametrize("name", ["code", "key", "sig"])
def test_a_query_may_name_the_variable_that_holds_a_key(monkeypatch, form, name):
    monkeypatch.setenv("MY_CODE", "a/b+c=secret code")
    endpoint = read_endpoint(f"https://host/v1?api-version=1&{name}={form}")
    assert endpoint.chat_url.endswith(f"api-version=1&{name}=a%2Fb%2Bc%3Dsecret%20code")


def test_a_variable_in_a_query_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("MY_CODE", raising=False)
    with pytest.raises(UsageError, match="MY_CODE, which is not set"):
        read_endpoint("https://host/v1?code=$MY_CODE")


def test_a_dollar_that_is_no_value_stays():
    assert read_endpoint("https://host/v1?$top=1&a=x$y").chat_url.endswith("?$top=1&a=x$y")

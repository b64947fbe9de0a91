"""Keys, headers and variables, as people give them."""

from __future__ import annotations

import pytest

from dataflow.core.errors import UsageError
from dataflow.serving.openai.transport.credentials import (
    check_key,
    check_variable,
    credentials,
    doubt_of,
    find_key,
)


def test_a_key_goes_as_a_bearer_token_or_alone_in_a_header_of_its_own():
    assert credentials("sk-0123456789").headers == {"Authorization": "Bearer sk-0123456789"}
    found = credentials("0123abc", key_header="api-key")
    assert found.headers == {"api-key": "0123abc"}
    assert "0123abc" not in repr(found)
    assert credentials("k", key_header="authorization").headers == {"authorization": "Bearer k"}
    assert credentials(None).headers == {}


def test_a_variable_in_a_header_is_filled_from_the_environment(monkeypatch):
    monkeypatch.setenv("TEAM", "captions")
    headers = {"X-Team": "$TEAM", "X-Path": "a/${TEAM}/b", "X-Plain": "5 dollars"}
    found = credentials(None, headers=headers).headers
    assert found == {"X-Team": "captions", "X-Path": "a/captions/b", "X-Plain": "5 dollars"}
    with pytest.raises(UsageError, match="NOT_THERE"):
        credentials(None, headers={"X": "$NOT_THERE"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("X Y", "a"), ("", "a"), ("X:", "a"), ("X", "a\nInjected: b"), ("X", "\udc80"), ("X", 5),
     ("Content-Length", "5"), ("host", "elsewhere"), ("X", "a\x00b")],
)  # fmt: skip
def test_headers_that_cannot_be_sent(name, value):
    with pytest.raises(UsageError):
        credentials(None, headers={name: value})


@pytest.mark.parametrize(
    "key",
    ["sk-1", "your api key here", "a b c", "EMPTY", "tok.en-_~+/=", "schlüssel", "密钥-123456",
     'say "please"', "it's", "{curly}", "<tag>", "ключ"],
)  # fmt: skip
def test_a_key_may_hold_blanks_quotes_and_letters_of_any_script(key):
    assert check_key(key) == key


@pytest.mark.parametrize("key", ["a\nb", "a\r\nX: y", "a\x00b", "a\x7fb", "a\u2028b", "a\udcffb"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key):
    with pytest.raises(UsageError, match="HTTP header") as caught:
        check_key(key)
    assert key not in caught.value.message


@pytest.mark.parametrize(
    ("key", "doubt"),
    [("sk-012", ""), ("“sk-012”", "quotation mark"), ('{"key": 1}', "JSON"), ("ѕk-012", "ASCII")],
)
def test_what_is_unusual_about_a_refused_key_is_said_without_showing_it(key, doubt):
    assert doubt in doubt_of(key)
    assert key not in doubt_of(key)


@pytest.mark.parametrize(
    "given",
    [
        "sk-proj-abcdef1234567890SECRET",
        "AIzaSyD1234567890SECRETabcdefghijk",
        "gsk_abc123SECRET4567890abcdefghij",
        "hf_SECRETabc123DEF456ghi789JKL012",
        "0123abcdefSECRET",
        "xai-SECRET0123",
        "my key SECRET",
        "SECRETabc0123456789def0123456789",
        "",
        None,
    ],
)
def test_a_key_in_the_place_of_its_variables_name_is_refused_and_not_shown(given):
    with pytest.raises(UsageError, match="not the key itself") as caught:
        check_variable(given)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["DF_API_KEY", "OPENAI_API_KEY", "key", "_K2", "MY_TEAM_2026_KEY", "AZURE_OPENAI_KEY_1"]
)
def test_names_of_variables(name):
    check_variable(name)


def test_a_variable_that_is_set_may_be_called_anything_that_a_variable_is(monkeypatch):
    monkeypatch.setenv("sk_abc123def456ghi789jkl012", "the key")
    assert find_key("sk_abc123def456ghi789jkl012", None) == ("the key", "")


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("X-Team", "captions", False),
        ("HTTP-Referer", "my.archive.org", False),
        ("X-Title", "Picture archive", False),
        ("X-Access-Token", "correct-horse-battery", True),
        ("Cookie", "monster", True),
        ("X-Gateway", "a8f5f167f44f4964", True),
    ],
)
def test_a_header_of_plain_words_is_no_secret(name, value, is_secret):
    assert (value in credentials(None, headers={name: value}).secrets) == is_secret

"""Addresses and keys as people give them."""

import pytest

from dataflow.core.errors import UsageError
from dataflow.serving.address import check_key, read_address


@pytest.mark.parametrize(
    ("given", "chat"),
    [
        ("https://host/v1", "https://host/v1/chat/completions"),
        ("https://host/v1/", "https://host/v1/chat/completions"),
        ("https://host/v1/chat/completions", "https://host/v1/chat/completions"),
        ("https://host/v1/chat/completions/", "https://host/v1/chat/completions"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/chat/completions"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/chat/completions"),
        ("https://h/v1?api-version=1", "https://h/v1/chat/completions?api-version=1"),
    ],
)
def test_addresses(given, chat):
    address = read_address(given)
    assert address.chat_url == chat
    assert address.models_url == chat.replace("/chat/completions", "/models")


@pytest.mark.parametrize(
    "wrong",
    [
        "", "host/v1", "ftp://host/v1", "https://", "https:///v1", "https://ho st/v1",
        "https://host/v1\n", "https://host:99999/v1", "https://host:0/v1", "https://[::1/v1", None,
    ],
)  # fmt: skip
def test_no_addresses(wrong):
    with pytest.raises(UsageError):
        read_address(wrong)


def test_a_password_in_an_address_is_not_shown():
    with pytest.raises(UsageError) as caught:
        read_address("https://me:hunter2@host/v1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://[::1]/v1", True),
        ("http://10.0.0.1/v1", False),
        ("http://localhost.example/v1", False),
        ("http://127.0.0.1.example/v1", False),
    ],
)
def test_loopback(url, loopback):
    assert read_address(url).is_loopback is loopback


@pytest.mark.parametrize("wrong", ["sk-secret\n", "sk secret", "sk-sécret", "sk-secret\u200b"])
def test_a_wrong_key_is_not_shown(wrong):
    with pytest.raises(UsageError) as caught:
        check_key(wrong)
    assert "sk" not in str(caught.value)


def test_no_key():
    assert check_key(None) is check_key("") is None

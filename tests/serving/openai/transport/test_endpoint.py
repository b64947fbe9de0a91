"""Addresses and keys as people give them."""

import os
import threading

import pytest

from dataflow.core.errors import UsageError
from dataflow.serving.openai.transport.credentials import check_key, read_key_file
from dataflow.serving.openai.transport.endpoint import read_endpoint


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
    address = read_endpoint(given)
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
        read_endpoint(wrong)


def test_a_password_in_an_address_is_not_shown():
    with pytest.raises(UsageError) as caught:
        read_endpoint("https://me:hunter2@host/v1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["key", "api-key", "api_key", "apikey", "X-Goog-Api-Key", "access_token", "sig"]
)
def test_a_key_in_an_address_is_refused_and_not_shown(name):
    with pytest.raises(UsageError, match="a file instead") as caught:
        read_endpoint(f"https://host/v1?api-version=1&{name}=hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", ["host/v1?key=hunter2", "https://ho st/v1?key=hunter2", "https://h:0/?key=hunter2"]
)
def test_what_an_address_asks_for_is_not_shown(wrong):
    with pytest.raises(UsageError) as caught:
        read_endpoint(wrong)
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
    assert read_endpoint(url).is_loopback is loopback


@pytest.mark.parametrize("wrong", ["sk-secret\n", "sk-\x1b[0m", "sk-secret\u2028", "sk\x00"])
def test_a_wrong_key_is_not_shown(wrong):
    with pytest.raises(UsageError) as caught:
        check_key(wrong)
    assert "sk" not in str(caught.value)


def test_no_key():
    assert check_key(None) is check_key("") is None


@pytest.mark.parametrize(
    "content", [b"sk-1", b"sk-1\n", b" sk-1 \r\nmore\n", b"\xef\xbb\xbfsk-1\n"]
)
def test_the_first_line_of_a_key_file_is_the_key(tmp_path, content):
    file = tmp_path / "key"
    file.write_bytes(content)
    assert read_key_file(file) == "sk-1"


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True)])
def test_a_key_file_that_others_may_read_is_warned_of(tmp_path, caplog, mode, warned):
    file = tmp_path / "key"
    file.write_text("sk-1")
    file.chmod(mode)
    read_key_file(file)
    assert ("chmod 600" in caplog.text) is warned
    assert "sk-1" not in caplog.text


def test_a_pipe_may_bring_the_key(tmp_path, caplog):
    file = tmp_path / "key"
    os.mkfifo(file, 0o666)
    writer = threading.Thread(target=file.write_text, args=("sk-1\n",))
    writer.start()
    assert read_key_file(file) == "sk-1"
    writer.join()
    assert caplog.text == ""

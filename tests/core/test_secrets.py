"""Secrets are taken out of errors, logs and replies, in every form in which they appear."""

from __future__ import annotations

import logging
import pickle
from base64 import b64encode
from urllib.parse import quote

import pytest

from dataflow.core import errors, secrets
from dataflow.core.text import scrub

SECRET = "sk-Ab/9+zQ==SECRET-7"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(secrets, "_secrets", {})
    secrets.register_secret(SECRET)


@pytest.mark.parametrize(
    "form", [SECRET, quote(SECRET), quote(SECRET, safe=""), f"Bearer {SECRET}", f"x{SECRET}y"]
)
def test_every_form_is_masked(form):
    assert "SECRET" not in secrets.redact(f"key={form}&a=1")
    assert "SECRET" not in scrub(f"you sent {form}")
    error = errors.StopRunError(f"HTTP 401: {form}")
    assert "SECRET" not in f"{error}{error!r}{error.message}{pickle.dumps(error)!r}"
    assert "SECRET" not in error.with_message(f"again: {form}").message


def test_a_basic_login_is_masked_without_its_scheme():
    token = b64encode(b"user:password-of-proxy").decode()
    secrets.register_secret(f"Basic {token}")
    assert token not in secrets.redact(f"Proxy-Authorization: {token}")


def test_short_words_are_no_secrets_of_the_process_but_of_one_message():
    secrets.register_secret("EMPTY", None, "")
    assert secrets.redact("an EMPTY bowl") == "an EMPTY bowl"
    assert secrets.redact("an EMPTY bowl", ["EMPTY"]) == "an [key] bowl"


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR])
def test_no_log_line_and_no_traceback_holds_one(level, caplog):
    log = logging.getLogger("dataflow")
    with caplog.at_level(logging.DEBUG, "dataflow"):
        log.log(level, "the key is %s", SECRET)
        try:
            raise ValueError(SECRET)
        except ValueError:
            log.log(level, "it failed", exc_info=True)
    assert caplog.text
    assert SECRET not in caplog.text


def test_the_number_of_secrets_is_bounded():
    secrets.register_secret(*(f"secret-number-{number}" for number in range(5000)))
    assert len(secrets._secrets) <= 1024

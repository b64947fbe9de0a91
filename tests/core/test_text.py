import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.text import scrub, short_text, shown_url


@given(st.text(max_size=600))
def test_shown_is_one_short_printable_line(text):
    name = short_text(text)
    assert len(name) <= 200
    assert all(c.isprintable() for c in name)


def test_shown_keeps_what_prints_and_escapes_the_rest():
    assert short_text("späte Katze 🐈.jpg") == "späte Katze 🐈.jpg"
    assert short_text("a\nb\u2028c\udcff\x1b[31m") == "a\\nb\\u2028c\\udcff\\x1b[31m"


def test_shown_cuts_base64_and_long_names():
    assert "A" * 20 not in short_text("A" * 128)
    assert short_text("x " * 10_000_000).count("…") == 1
    assert len(short_text("\n" * 10_000)) == 200


@pytest.mark.parametrize(
    "url",
    ["mailto:ann@example.org", "blob:https://a.example/1", "about:blank", "http://a.b/c", "s3://"],
)
def test_shown_url_is_the_url_that_was_given(url):
    assert shown_url(url) == url


def test_shown_url_has_no_secrets():
    url = "https://me:pw@host.example:8443/a/b.jpg?X-Signature=s3cret#frag"
    assert shown_url(url) == "https://host.example:8443/a/b.jpg?…"
    assert "pw" not in shown_url("http://me:pw@[broken/a?k=s3cret")
    assert "s3cret" not in shown_url("http://me:pw@[broken/a?k=s3cret")


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
FLAG = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
STEERING = ["\x1b", "\x07", "\r", "\u202e", "\u2066", "\u200b", "\ufeff", "\x9b"]


@pytest.mark.parametrize("text", [FAMILY, PERSIAN, FLAG, "\u0915\u094d\u200d\u0937"])
def test_joiners_and_tags_are_a_part_of_the_text(text):
    assert short_text(text) == text
    assert scrub(text) == text


@pytest.mark.parametrize("sign", STEERING)
def test_what_steers_the_terminal_or_is_nothing_at_all_is_written_out(sign):
    assert sign not in short_text(f"a{sign}b")

from hypothesis import given
from hypothesis import strategies as st

from dataflow.core.text import short_text, shown_url


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


def test_shown_url_has_no_secrets():
    url = "https://me:pw@host.example:8443/a/b.jpg?X-Signature=s3cret#frag"
    assert shown_url(url) == "https://host.example:8443/a/b.jpg?…"
    assert "pw" not in shown_url("http://me:pw@[broken/a?k=s3cret")
    assert "s3cret" not in shown_url("http://me:pw@[broken/a?k=s3cret")

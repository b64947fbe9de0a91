"""The file of endpoints: one on a line, or a table for each in TOML."""

from __future__ import annotations

import pytest

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.endpoints import EndpointLine, read_endpoints
from dataflow.app.planning.engine import serving_of
from dataflow.core.errors import UsageError


@pytest.fixture
def file(tmp_path):
    def write(text, name="servers.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_one_on_a_line_with_its_key(file):
    path = file("# mine\nhttp://a/v1\n\nhttp://b/v1 KEY_B\n", "servers.txt")
    assert read_endpoints(path, "KEY") == [
        EndpointLine(url="http://a/v1", key_env="KEY"),
        EndpointLine(url="http://b/v1", key_env="KEY_B"),
    ]


def test_a_table_for_each_says_how_its_requests_are_sent(file, monkeypatch):
    monkeypatch.setenv("TEAM", "captions")
    monkeypatch.setenv("AZURE_KEY", "0123abc")
    path = file("""
        [[endpoint]]
        url = "http://gpu1:8000/v1"
        stream = true

        [[endpoint]]
        url = "https://name.example/openai/deployments/m?api-version=1"
        key_env = "AZURE_KEY"
        key_header = "api-key"
        header = { X-Team = "$TEAM" }
    """)
    options = CaptionOptions(source="x", model="m", endpoints=path)
    one, other = serving_of(options, lambda *_: None, needs_key=True)._endpoints
    assert one.send_request_stream
    assert not other.send_request_stream
    assert dict(other._credentials.headers) == {"X-Team": "captions", "api-key": "0123abc"}


def test_what_determines_the_answer_must_be_the_same_at_all(file):
    path = file("""
        [[endpoint]]
        url = "http://gpu1:8000/v1"
        body.enable_thinking = false

        [[endpoint]]
        url = "http://gpu2:8000/v1"
    """)
    options = CaptionOptions(source="x", model="m", endpoints=path)
    with pytest.raises(UsageError, match="differ"):
        serving_of(options, lambda *_: None, needs_key=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing else"),
        ("[[endpoints]]\nurl = 'http://a'", "nothing else"),
        ("endpoint = 'http://a'", "nothing else"),
        ("[[endpoint]]\nkey_env = 'K'", "endpoint 1 lacks its url"),
        ("[[endpoint]]\nurl = 'http://a'\nmodel = 'm'", "unknown key 'model'"),
        ("[[endpoint]]\nurl = 'http://a'\ndetail = 'huge'", "detail"),
        ("[[endpoint]]\nurl = 'http://a'\nstream = 'yes'", "stream"),
        ("[[endpoint]]\nurl = 'http://a'\nheader = { X = 5 }", "header"),
        ("[[endpoint]]\nurl = 'http://a'\nprice_in = 1", "belong together"),
    ],
)
def test_what_is_no_file_of_endpoints_is_refused_with_its_place(file, text, said):
    with pytest.raises(UsageError, match=said):
        read_endpoints(file(text), "KEY")

"""Summaries and errors in Chinese; English is the source."""

from __future__ import annotations

import re

import pytest

from dataflow.core import errors
from dataflow.display import language
from dataflow.display.chinese import KINDS, LABELS, label, value
from tests.paths import ROOT
from tests.servers.hostile_server import KEY, MODEL, HostileServer

HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(autouse=True)
def no_locale(monkeypatch):
    for name in ("DATAFLOW_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    yield
    language.choose(None)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "DATAFLOW_LANG": "zh"}, "zh"),
    ],
)
def test_the_locale_decides_where_nobody_else_does(monkeypatch, variables, found):
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert language.current() == found


def test_the_option_wins_over_the_locale(monkeypatch):
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    language.choose("en")
    assert language.current() == "en"


def test_every_label_of_a_summary_has_its_chinese():
    source = (ROOT / "src" / "dataflow" / "display" / "summary.py").read_text()
    labels = set(re.findall(r'rows\.append\(\("([\w ]+)"', source))
    assert labels <= LABELS.keys()


def test_every_kind_is_one_that_there_is():
    page = (ROOT / "docs" / "errors.md").read_text()
    known = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) | {"refusal", "cut_off", "loop"}
    assert KINDS.keys() <= known
    assert len(KINDS) >= 20
    assert all(HAN.search(words) for words in KINDS.values())


@pytest.mark.parametrize("name", ["WrongKeyError", "UnreachableError", "OutOfMoneyError"])
def test_an_error_is_explained_by_its_kind(name):
    kind = getattr(errors, name).kind
    assert language.explained_kind(kind) is None
    language.choose("zh")
    assert language.explained_kind(kind) == KINDS[kind]


def test_what_has_no_chinese_stands_as_it_is():
    language.choose("zh")
    assert label("something new") == "something new"
    assert value("1.0 s") == "1.0 s"
    assert language.explained_kind("something_new") is None


@pytest.mark.parametrize("by_locale", [True, False])
def test_the_command_line_sums_up_in_chinese(dataflow, pictures, by_locale):
    pictures(2)
    with HostileServer() as server:
        more = [] if by_locale else ["--lang", "zh"]
        variables = {"LANG": "zh_CN.UTF-8"} if by_locale else {}
        done = dataflow(
            "caption", "photos", "-o", "o.jsonl", "--api-url", server.url, "--model", MODEL, *more,
            DF_API_KEY=KEY, **variables,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"行数\s+2\n", done.stderr)
    assert re.search(r"已生成描述\s+2\n", done.stderr)


def test_a_stop_is_explained_in_chinese_beside_the_english_words(dataflow, pictures):
    pictures(1)
    done = dataflow(
        "caption", "photos", "-o", "o.jsonl", "--api-url", "http://127.0.0.1:1/v1", "--model", "m",
        "--lang", "zh",
    )  # fmt: skip
    assert done.returncode == 1
    assert "\nerror: " in f"\n{done.stderr}"
    assert KINDS["unreachable"][:12] in done.stderr

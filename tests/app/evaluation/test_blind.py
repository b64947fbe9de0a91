"""A person's blind comparison, over the page's own server."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dataflow.app.evaluation.blind import blind_pairs, read_decisions
from dataflow.app.evaluation.compare import compare
from dataflow.app.evaluation.joining import JoinedRow
from dataflow.app.options.evaluation.compare import CompareOptions
from dataflow.evaluate.pairs import PairResult


class Person:
    """Somebody at the page: decides by a rule over what is shown."""

    def __init__(self, address: str) -> None:
        base, _, token = address.partition("/?token=")
        self.base, self.token = base, token

    def get(self, path: str, *, token: str | None = None) -> bytes:
        url = f"{self.base}{path}?token={self.token if token is None else token}"
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.read()

    def choose(self, number: int, choice: str, *, origin: str | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.base}/api/choose?token={self.token}",
            json.dumps({"number": number, "choice": choice}).encode(),
            {"Content-Type": "application/json", "Origin": origin or self.base},
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read())

    def decide_all(self, rule: Callable[[str, str], str]) -> None:
        state = json.loads(self.get("/api/next"))
        while state["number"] is not None:
            state = self.choose(state["number"], rule(state["first"], state["second"]))


@pytest.fixture
def datasets(tmp_path: Path) -> list[str]:
    paths = []
    for name in ("good", "bad"):
        rows = []
        for number in range(6):
            picture = tmp_path / f"{number}.png"
            Image.new("RGB", (20, 20), (number, 5, 5)).save(picture)
            text = f"A square {number}." + (" Wrong." if name == "bad" and number < 4 else "")
            rows.append(json.dumps({"image": str(picture), "caption": text}))
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(rows) + "\n")
        paths.append(str(path))
    return paths


@contextmanager
def at_the_page(datasets: list[str], folder: Path) -> Iterator[tuple[Person, list[Any]]]:
    """The page open, in a thread; the list holds the comparison once it has ended."""
    is_ready, addresses, results = threading.Event(), [], []

    def ready(address: str) -> None:
        addresses.append(address)
        is_ready.set()

    options = CompareOptions(datasets=datasets, output=str(folder / "out"), blind=True)
    thread = threading.Thread(
        target=lambda: results.append(compare(options, on_ready=ready)), daemon=True
    )
    thread.start()
    assert is_ready.wait(20)
    yield Person(addresses[0]), results
    thread.join(20)


def fewer_errors(first: str, second: str) -> str:
    return "first" if "Wrong" in second else "second"


def test_a_persons_choices_go_into_the_same_statistics(datasets, tmp_path):
    with at_the_page(datasets, tmp_path) as (person, results):
        person.decide_all(fewer_errors)
    [result] = results
    [summary] = result.summaries.values()
    assert summary.counts[PairResult.WIN] == 4
    assert summary.counts[PairResult.EQUAL] == 2
    assert summary.flip_rate == 0.0
    assert result.is_by_person
    assert "drawn sides" in (result.folder / "result.md").read_text()


def test_what_is_shown_says_nothing_of_whose_captions_they_are(datasets, tmp_path):
    with at_the_page(datasets, tmp_path) as (person, _):
        shown = person.get("/api/next") + person.get("/") + person.get("/static/blind.js")
        assert person.get("/picture/0").startswith((b"\x89PNG", b"\xff\xd8"))
        person.decide_all(fewer_errors)
    assert b"good" not in shown
    assert b"bad" not in shown
    assert str(tmp_path).encode() not in shown


def test_decisions_are_kept_at_once_and_the_same_command_asks_only_the_rest(datasets, tmp_path):
    with at_the_page(datasets, tmp_path) as (person, _):
        person.choose(0, "tie")
        kept = read_decisions(tmp_path / "out" / "blind" / "decisions.jsonl")
        assert len(kept) == 1
        person.decide_all(fewer_errors)
    options = CompareOptions(datasets=datasets, output=str(tmp_path / "out"), blind=True)
    result = compare(options)  # all is decided: no page is opened
    [summary] = result.summaries.values()
    assert (summary.counts[PairResult.WIN], summary.counts[PairResult.TIE]) == (3, 1)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (lambda person: person.get("/api/next", token="x"), 403),
        (lambda person: person.choose(0, "tie", origin="http://elsewhere.example"), 403),
        (lambda person: person.choose(0, "both"), 400),
        (lambda person: person.choose(99, "tie"), 400),
        (lambda person: person.get("/picture/99"), 404),
        (lambda person: person.get("/static/app.js"), 404),
    ],
    ids=["token", "origin", "choice", "number", "picture", "file"],
)
def test_what_is_not_the_pages_own_is_refused(datasets, tmp_path, wrong, status):
    with at_the_page(datasets, tmp_path) as (person, _):
        with pytest.raises(urllib.error.HTTPError) as raised:
            wrong(person)
        raised.value.close()
        assert raised.value.code == status
        assert read_decisions(tmp_path / "out" / "blind" / "decisions.jsonl") == {}
        person.decide_all(fewer_errors)


def test_sides_are_drawn_evenly_and_the_same_again():
    rows = [JoinedRow(str(n), str(n), ("a", "b")) for n in range(400)]
    pairs = blind_pairs(rows, seed=3)
    assert 150 < sum(first == 0 for _, first, _ in pairs) < 250
    assert pairs == blind_pairs(rows, seed=3)
    assert [row.name for row, _, _ in pairs] != [row.name for row in rows]

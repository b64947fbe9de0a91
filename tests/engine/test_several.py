"""Several captions of each row, on the road: what is loaded, asked, kept and written."""

from __future__ import annotations

import base64
import dataclasses
import json
import random
import tempfile
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dataflow.core.errors import ConnectionLostError, DataflowError, RefusedError
from dataflow.engine.columns import Column, added_columns
from dataflow.engine.flow import retry_policy
from dataflow.engine.pipeline import live
from dataflow.engine.plan import Output, Plan
from dataflow.engine.reporting.status import status_of
from dataflow.engine.runner import run
from dataflow.formats.output_spec import writer_for
from dataflow.formats.registry import open_reader
from dataflow.images.loader import Loader
from dataflow.operators.core_vision.prompts import Prompt
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.fake import FakeServing

SHORT, LONG = Prompt("short", question="Briefly?"), Prompt("long", question="At length?")


def question_of(request) -> str:
    return next(part for part in request.turns[-1].parts if isinstance(part, str))


def right(picture: str | int, prompt: Prompt, number: int = 0) -> str:
    return f"{picture} {prompt.question} {number}"


def told(request, pictures) -> str:
    """The answer tells picture, question and number, so that every mix-up shows."""
    return f"{pictures[0].width} {question_of(request)} {request.sample_index}"


class Several:
    """Rows of pictures; row i shows one that is 40 + i pixels wide."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.output = folder, folder / "out.jsonl"
        self.lines = []
        for number in range(rows):
            name = f"{number}.png"
            Image.new("RGB", (40 + number, 40), (number, 9, 9)).save(folder / name)
            self.lines.append({"id": number, "image": name, "title": f"Title {number}"})
        self.write()

    def write(self) -> None:
        text = "".join(json.dumps(line) + "\n" for line in self.lines)
        (self.folder / "data.jsonl").write_text(text)

    def plan(self, serving, *prompts: Prompt, has_meta=False, **more) -> Plan:
        reader = open_reader(self.folder / "data.jsonl")
        columns = [prompt.column for prompt in prompts]
        open_writer = writer_for(self.output, reader, added_columns(columns, has_meta=has_meta))
        return Plan(
            reader=reader,
            requests_of=RowRequests(folders=[str(self.folder)], prompts=prompts),
            serving=serving,
            output=Output(self.output, columns, open_writer, has_meta=has_meta),
            **more,
        )

    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.output.read_text().splitlines()]

    def column(self, name: str) -> list:
        return [row[name] for row in self.rows()]

    def errors(self) -> list[dict]:
        path = self.output.with_name("out.jsonl.errors.jsonl")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def several(tmp_path):
    return Several(tmp_path, 4)


@pytest.fixture
def loads(monkeypatch):
    """How often each picture was loaded."""
    count: Counter[str] = Counter()
    load = Loader.load

    async def counted(self, ref, reservation=None):
        count[ref.name] += 1
        return await load(self, ref, reservation)

    monkeypatch.setattr(Loader, "load", counted)
    return count


def test_each_prompt_has_its_own_column_of_right_answers(several):
    summary = run(several.plan(FakeServing(told), SHORT, LONG))
    assert (summary.rows, summary.captioned, summary.requests) == (4, 8, 8)
    for prompt in (SHORT, LONG):
        assert several.column(prompt.name) == [right(40 + n, prompt) for n in range(4)]
    assert [list(row) for row in several.rows()] == [["id", "image", "title", "short", "long"]] * 4


def test_a_picture_is_loaded_once_for_all_that_is_asked_about_it(several, loads):
    serving = FakeServing(told)
    run(several.plan(serving, dataclasses.replace(SHORT, n=3), LONG))
    assert serving.asked == 16
    assert loads == Counter({f"{n}.png": 1 for n in range(4)})


def test_a_picture_that_stands_twice_in_a_row_is_loaded_once(several, loads):
    several.lines = [{"id": 0, "image": ["0.png", "1.png", "0.png"]}]
    several.write()
    serving = FakeServing(lambda request, pictures: " ".join(str(p.width) for p in pictures))
    run(several.plan(serving, SHORT, LONG))
    assert several.column("short") == several.column("long") == ["40 41 40"]
    assert loads == Counter({"0.png": 1, "1.png": 1})


def test_a_renamed_column_asks_nothing_and_an_added_one_only_itself(several, loads):
    run(several.plan(FakeServing(told), SHORT))
    renamed = dataclasses.replace(SHORT, name="brief")
    serving = FakeServing(told)
    run(several.plan(serving, renamed))
    assert serving.asked == 0
    assert several.column("brief") == [right(40 + n, SHORT) for n in range(4)]
    loads.clear()
    run(several.plan(serving, LONG, renamed))
    assert serving.asked == 4
    assert several.column("brief") == [right(40 + n, SHORT) for n in range(4)]
    assert several.column("long") == [right(40 + n, LONG) for n in range(4)]
    assert loads.total() == 4


def test_prompts_that_are_equal_in_everything_are_asked_once(several):
    serving = FakeServing(told)
    again = dataclasses.replace(SHORT, name="again", n=2)
    summary = run(several.plan(serving, SHORT, again))
    assert (serving.asked, summary.reused) == (8, 4)
    assert several.column("again") == [
        [right(40 + n, SHORT, k) for k in range(2)] for n in range(4)
    ]


def test_more_captions_later_ask_only_for_the_ones_that_are_new(several):
    run(several.plan(FakeServing(told), SHORT))
    serving = FakeServing(told)
    run(several.plan(serving, dataclasses.replace(SHORT, n=3)))
    assert serving.asked == 8
    assert several.column("short") == [
        [right(40 + n, SHORT, k) for k in range(3)] for n in range(4)
    ]


class Seeded(FakeServing):
    def __init__(self, seed, seen):
        super().__init__(lambda request, _: seen.append(dict(request.sampling)) or "x")
        self._seed = seed

    def settings(self):
        return {"model": self.model, "sampling": {"seed": self._seed} if self._seed else {}}


@pytest.mark.parametrize(
    ("serving_seed", "own", "sent"),
    [
        (None, {}, [{}, {}, {}]),
        (7, {}, [{}, {"seed": 8}, {"seed": 9}]),
        (7, {"seed": 100}, [{"seed": 100}, {"seed": 101}, {"seed": 102}]),
    ],
)
def test_each_of_several_captions_has_a_seed_of_its_own_where_one_is_given(
    several, serving_seed, own, sent
):
    seen: list[dict] = []
    several.lines = several.lines[:1]
    several.write()
    run(several.plan(Seeded(serving_seed, seen), dataclasses.replace(SHORT, n=3, sampling=own)))
    assert sorted(seen, key=lambda one: one.get("seed", 0)) == sent


def test_a_failed_caption_is_null_and_its_line_names_column_and_number(several):
    def answer(request, pictures):
        is_bad = (pictures[0].width, question_of(request), request.sample_index) == (
            42,
            "Briefly?",
            1,
        )
        return RefusedError("not this one") if is_bad else told(request, pictures)

    summary = run(several.plan(FakeServing(answer), dataclasses.replace(SHORT, n=2), LONG))
    assert (summary.captioned, summary.failed) == (11, {"refused": 1})
    assert several.column("short")[2] == [right(42, SHORT), None]
    [line] = several.errors()
    assert (line["row"], line["column"], line["number"], line["kind"]) == (2, "short", 1, "refused")


def test_a_row_without_a_picture_fails_in_every_column_and_others_go_on(several):
    (several.folder / "1.png").write_bytes(b"no picture")
    several.lines[2]["image"] = None
    several.write()
    run(several.plan(FakeServing(told), SHORT, dataclasses.replace(LONG, n=2)))
    assert several.column("short") == [right(40, SHORT), None, None, right(43, SHORT)]
    assert several.column("long")[1:3] == [[None, None], [None, None]]
    cells = [("short", 0), ("long", 0), ("long", 1)]
    found = [(line["row"], line["column"], line["number"]) for line in several.errors()]
    assert found == [(row, *cell) for row in (1, 2) for cell in cells]


def test_a_template_that_lacks_a_field_fails_its_own_column_alone(several):
    template = Prompt("titled", template="Title: {title}. Describe.")
    del several.lines[2]["title"]
    several.write()
    run(several.plan(FakeServing(told), SHORT, template))
    assert several.column("titled") == [
        None if n == 2 else f"{40 + n} Title: Title {n}. Describe. 0" for n in range(4)
    ]
    assert several.column("short")[2] == right(42, SHORT)
    [line] = several.errors()
    assert (line["column"], line["kind"]) == ("titled", "bad_row")
    assert "no column 'title'; there is: 'id', 'image'" in line["message"]


def test_pictures_in_the_data_itself_weigh_once_and_are_held_to_the_last_answer(
    several, monkeypatch
):
    """With room for less than one row, rows go one by one, and all captions of a row together."""
    monkeypatch.setattr(live, "AHEAD_BYTES", 1)
    for line in several.lines:
        data = (several.folder / str(line["image"])).read_bytes()
        line["image"] = base64.b64encode(data).decode()
    several.write()
    lock, in_flight, most = threading.Lock(), Counter[int](), []

    def answer(request, pictures):
        with lock:
            most.append(len(in_flight))
        return told(request, pictures)

    def delay(request, pictures):
        in_flight[pictures[0].width] += 1
        assert len(in_flight) == 1, "another row's pictures were let in before this one had left"
        if sum(in_flight.values()) == 6:
            in_flight.clear()
        return 0.01

    serving = FakeServing(answer, delay=delay)
    run(several.plan(serving, dataclasses.replace(SHORT, n=3), dataclasses.replace(LONG, n=3)))
    assert serving.most_in_flight == 6
    assert len(most) == 24
    assert several.column("long") == [[right(40 + n, LONG, k) for k in range(3)] for n in range(4)]


def test_the_meta_of_each_caption_stands_beside_its_column(several):
    run(several.plan(FakeServing(told), SHORT, dataclasses.replace(LONG, n=2), has_meta=True))
    row = several.rows()[0]
    assert list(row)[3:] == ["short", "short_meta", "long", "long_meta"]
    assert row["short_meta"]["attempts"] == 1
    assert [meta["status"] for meta in row["long_meta"]] == ["ok", "ok"]


def test_status_counts_rows_and_captions_apart(several):
    (several.folder / "3.png").unlink()
    run(several.plan(FakeServing(told), SHORT, dataclasses.replace(LONG, n=2)))
    found = status_of(several.output)
    assert (found.rows, found.seen, found.wanted, found.captioned) == (4, 4, 12, 9)
    assert (found.failed, found.to_ask, found.unseen) == ({"picture_missing": 3}, 3, 0)


# --- every cell is the right answer ------------------------------------------------------------


class Moody:
    """Fails by lot, by the request alone: for good, for now, or not at all."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.tries: Counter[str] = Counter()

    def mood(self, text: str) -> str:
        lot = random.Random(f"{self.seed} {text}")
        return lot.choice(["well", "well", "well", "refuses", "breaks off"])

    def __call__(self, request, pictures) -> str | DataflowError:
        text = told(request, pictures)
        self.tries[text] += 1
        if self.mood(text) == "refuses":
            return RefusedError("no")
        if self.mood(text) == "breaks off" and self.tries[text] < 3:
            return ConnectionLostError("cut")
        return text


PROMPTS = st.lists(
    st.builds(
        lambda question, n: (question, n),
        st.sampled_from(["What?", "Who?", "Where?"]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(0, 6), asked=PROMPTS, bad=st.sets(st.integers(0, 5)), seed=st.integers())
def test_every_cell_is_the_right_answer_or_a_failure_with_its_line(rows, asked, bad, seed):
    prompts = [
        Prompt(f"column {i}", question=question, n=n) for i, (question, n) in enumerate(asked)
    ]
    moody = Moody(seed)

    def cell(row: int, prompt: Prompt, number: int, *, is_moody: bool) -> str | None:
        text = right(40 + row, prompt, number)
        fails = row in bad or (is_moody and moody.mood(text) == "refuses")
        return None if fails else text

    def expected(*, is_moody: bool) -> list[dict[str, list[str | None]]]:
        return [
            {p.name: [cell(r, p, k, is_moody=is_moody) for k in range(p.n)] for p in prompts}
            for r in range(rows)
        ]

    def made(several: Several) -> list[dict[str, list[str | None]]]:
        return [
            {p.name: row[p.name] if p.n > 1 else [row[p.name]] for p in prompts}
            for row in several.rows()
        ]

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        rules = {
            kind: dataclasses.replace(rule, base=0.0, cap=0.001)
            for kind, rule in retry_policy.RULES.items()
        }
        patch.setattr(retry_policy, "RULES", rules)
        several = Several(Path(folder), rows)
        for row in bad:
            if row < rows:
                (several.folder / f"{row}.png").write_bytes(b"no picture")
        run(several.plan(FakeServing(moody), *prompts))
        assert made(several) == expected(is_moody=True)
        failed = {
            (row, name, number)
            for row, cells in enumerate(expected(is_moody=True))
            for name, texts in cells.items()
            for number, text in enumerate(texts)
            if text is None
        }
        lines = several.errors()
        assert {(line["row"], line["column"], line["number"]) for line in lines} == failed
        assert len(lines) == len(failed)
        # the same again, where nothing fails but the pictures: only what failed is asked
        again = FakeServing(told)
        run(several.plan(again, *prompts, retry_failed=True))
        assert made(several) == expected(is_moody=False)
        refused = {text for text in moody.tries if moody.mood(text) == "refuses"}
        assert again.asked == len(refused)


@pytest.mark.parametrize("n", [1, 3])
def test_the_row_that_moved_keeps_all_its_own_captions(several, n):
    prompts = [dataclasses.replace(SHORT, n=n), LONG]
    plan = several.plan(FakeServing(told), *prompts)

    def moving(request, pictures):
        several.lines.reverse()
        several.write()
        plan.serving._replies = told
        return told(request, pictures)

    plan.serving._replies = moving
    run(plan)
    assert [row["id"] for row in several.rows()] == [3, 2, 1, 0]
    for row in several.rows():
        texts = [right(40 + row["id"], SHORT, k) for k in range(n)]
        assert row["short"] == (texts if n > 1 else texts[0])
        assert row["long"] == right(40 + row["id"], LONG)


def test_columns_are_what_the_output_says():
    output = Output(Path("x"), [Column("a"), Column("b", 3)], writer_for, has_meta=True)
    assert (output.captions, output.names) == (4, ["a", "a_meta", "b", "b_meta"])

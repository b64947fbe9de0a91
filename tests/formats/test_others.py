"""What every dataset that is no single file promises; each kind joins in `others.py`."""

from __future__ import annotations

import itertools
import re
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dataflow.core.errors import WrongKeyError
from dataflow.engine.columns import Column
from dataflow.engine.paths import escaped_name
from dataflow.engine.plan import Output, Plan
from dataflow.engine.runner import run
from dataflow.formats.base.split_output import parts_of
from dataflow.formats.columns.field_filter import FieldFilter
from dataflow.formats.output_spec import output_format, writer_for
from dataflow.formats.registry import open_reader
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.remote.path import RemotePath, to_path
from dataflow.serving.fake import FakeServing
from tests.formats.others import OTHERS, Other
from tests.formats.promises import promise_of_others
from tests.formats.test_contract import ODD_TEXTS

ROWS = [{"id": f"{n:03}", "note": f"What is number {n}? ü"} for n in range(25)]


def captions(index):
    return {"caption": f"caption {index}"}


@dataclass
class Scene:
    """A kind of dataset with all that its tests need."""

    other: Other
    server: Any
    folder: Path

    def save(self, rows):
        return self.other.save(self.folder, rows, self.server)

    def load(self, place):
        return self.other.load(place, self.server)

    def place(self, name=None):
        """Where the output goes."""
        name = name or self.other.output
        return to_path(name if "://" in name else str(self.folder / name))

    def here(self, place):
        """Beside what path of this machine it is written."""
        if not isinstance(place, RemotePath):
            return place
        path = escaped_name(place, self.folder / "state")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def opener(self, source, reader, place, **options):
        name = self.other.format_name or output_format(source, place)
        return writer_for(place, reader, ["caption"], **{"format_name": name, **options})

    def captioned(self, source, added=captions, name=None, **options):
        reader, place = open_reader(source), self.place(name)
        here = self.here(place)
        writer = self.opener(source, reader, place, **options)(here.with_name(here.name + ".part"))
        for row in reader.rows():
            writer.write(row, added(row.index))
        writer.close()
        writer.commit(place)
        return place


@pytest.fixture
def scene(other, request, tmp_path):
    found = OTHERS[other]
    server = request.getfixturevalue(found.server) if found.server else None
    return Scene(found, server, tmp_path)


@promise_of_others("round trip")
def test_rows_come_in_order_are_numbered_from_0_and_have_their_own_places(scene):
    reader = open_reader(scene.save(ROWS))
    rows = list(reader.rows())
    assert [row.index for row in rows] == [*range(25)]
    assert len({row.source for row in rows}) == 25
    assert [dict(row.fields) for row in reader.rows()] == [dict(row.fields) for row in rows]
    assert reader.count() in (None, 25)


@promise_of_others("round trip")
def test_untouched_values_come_out_as_they_went_in(scene):
    output = scene.captioned(scene.save(ROWS))
    assert scene.load(output) == [{**row, **captions(n)} for n, row in enumerate(ROWS)]


@promise_of_others("constant memory", but=("folder", "s3://", "gs://", "https://"))
def test_reading_and_writing_hold_a_few_rows_only(scene):
    """32 MB of rows pass through less than 16 MB of Python's memory."""
    source = scene.save([{"id": f"{n}", "note": f"{n:05}" * 16_000} for n in range(400)])
    next(open_reader(source).rows())
    tracemalloc.start()
    try:
        scene.captioned(source)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16_000_000


def answer_to(request, _pictures):
    return f"It is {re.search(r'number ([0-9]+)', request.turns[0].parts[0])[1]}."


def plan_of(scene, source, serving):
    reader, place = open_reader(source), scene.place()
    url = place if isinstance(place, RemotePath) else None
    open_writer = scene.opener(source, reader, place)
    return Plan(
        reader=reader,
        requests_of=RowRequests(image_key=None, prompt_key=[*scene.other.columns][-1]),
        serving=serving,
        output=Output(scene.here(place), [Column("caption")], open_writer, url=url),
    )


def check_so_far(scene, answered):
    """What is there after a stop: so many captions, each of its row, and null for the others."""
    found = {row["id"]: row.get("caption") for row in scene.load(scene.place())}
    captions = {row["id"]: f"It is {n}." for n, row in enumerate(ROWS)}
    if not scene.other.leaves_out_open:
        assert list(found) == list(captions)
    shown = {key: text for key, text in found.items() if text}
    assert len(shown) == answered
    assert shown.items() <= captions.items()


@promise_of_others("resume")
def test_a_run_that_stops_in_the_middle_goes_on_there(scene):
    source = scene.save(ROWS)

    def stop_at_the_12th(request, pictures):
        return answer_to(request, pictures) if stopped.asked <= 12 else WrongKeyError("no key")

    stopped = FakeServing(stop_at_the_12th, max_workers=1)
    with pytest.raises(WrongKeyError):
        run(plan_of(scene, source, stopped))
    check_so_far(scene, answered=12)
    again = FakeServing(answer_to)
    summary = run(plan_of(scene, source, again))
    assert (summary.captioned, again.asked) == (25, 13)
    expected = [{**row, "caption": f"It is {n}."} for n, row in enumerate(ROWS)]
    assert scene.load(scene.place()) == expected
    assert not list(scene.folder.rglob("*.part*"))


@promise_of_others("empty")
def test_no_rows_in_no_rows_out(scene):
    source = scene.save([])
    assert list(open_reader(source).rows()) == []
    assert scene.load(scene.captioned(source)) == []


@promise_of_others("huge row")
def test_a_row_of_megabytes_survives(scene):
    huge = 'x"\n' * 1_000_000
    rows = [{"id": "0", "note": huge}, {"id": "1", "note": "b"}]
    output = scene.captioned(scene.save(rows))
    assert scene.load(output) == [{**row, **captions(n)} for n, row in enumerate(rows)]


@promise_of_others("unicode")
def test_odd_texts_survive_in_fields_and_captions(scene):
    rows = [{"id": f"{n:03}", "note": text} for n, text in enumerate(ODD_TEXTS)]
    output = scene.captioned(scene.save(rows), lambda index: {"caption": ODD_TEXTS[index]})
    assert scene.load(output) == [{**row, "caption": row["note"]} for row in rows]


@promise_of_others("fields", but=("LLaVA",))
@pytest.mark.parametrize("way", ["keep", "drop"])
def test_left_out_fields_are_gone_and_the_others_and_the_new_are_there(scene, way):
    first = next(iter(scene.other.columns))
    choice = FieldFilter(**{way: frozenset({first})})
    output = scene.captioned(scene.save(ROWS), choice=choice)
    texts = scene.other.columns[first]
    expected = [
        {name: row[name] for name in row if (name in texts) == (way == "keep")} for row in ROWS
    ]
    assert scene.load(output) == [{**row, **captions(n)} for n, row in enumerate(expected)]


@promise_of_others("parts")
def test_the_parts_together_are_the_whole(scene):
    source = scene.save(ROWS)
    output = scene.captioned(source, name=scene.other.parts, rows_per_file=10)
    loaded = [scene.load(part) for part in parts_of(output)]
    assert [len(rows) for rows in loaded] == [10, 10, 5]
    assert [*itertools.chain(*loaded)] == [{**row, **captions(n)} for n, row in enumerate(ROWS)]


@promise_of_others("several files")
def test_several_files_are_one_dataset(scene):
    several = scene.other.several
    source = several(scene.folder, ROWS, scene.server) if several else scene.save(ROWS)
    output = scene.captioned(source, name="out.jsonl", format_name="jsonl")
    rows = [dict(row.fields) for row in open_reader(output).rows()]
    assert [row["caption"] for row in rows] == [f"caption {n}" for n in range(25)]
    found = [" ".join(map(str, row.values())) for row in rows]
    assert all(row["note"] in text for row, text in zip(ROWS, found, strict=True))

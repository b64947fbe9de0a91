"""A step in which every row failed: the next step would work on nulls alone, so `run` raises.

Rows that a working server refused one by one stand as null: the errors say why.
"""

from __future__ import annotations

import json

import pytest

from dataflow.core.errors import (
    BadRequestError,
    NothingCaptionedError,
    ReasoningOnlyError,
    RefusedError,
    ReplyTooLargeError,
    TooLongError,
)
from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage
from tests.formats.shards import jpeg
from tests.memory_storage import Memory

ROWS = [{"image": f"{number}.jpg"} for number in range(3)]
FAILURES = {
    "reasoning_only": lambda: ReasoningOnlyError("thoughts alone"),
    "reply_too_large": lambda: ReplyTooLargeError("an endless answer"),
}
REFUSALS = {
    "refused": lambda: RefusedError("not this one"),
    "too_long": lambda: TooLongError("too many tokens"),
    "bad_request": lambda: BadRequestError("no such field"),
}


@pytest.fixture
def storage(tmp_path):
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    return FileStorage(str(tmp_path / "in.jsonl"), str(tmp_path / "cache"), "task").step()


def put_pictures(folder):
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))


@pytest.mark.parametrize("kind", FAILURES)
def test_whatever_failed_run_raises_after_the_errors_file(storage, tmp_path, kind):
    put_pictures(tmp_path)
    serving = FakeServing(lambda *_: FAILURES[kind]())
    with pytest.raises(NothingCaptionedError, match=f"3 × {kind}.*retry_failed=True"):
        ImageCaptionGenerator(serving, "").run(storage)
    cache = tmp_path / "cache"
    lines = (cache / "task_step1.jsonl.errors.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == [kind] * 3
    assert not (cache / "task_step1.jsonl").exists()
    kept = (cache / "task_step1.failed.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in kept] == [{**row, "output": None} for row in ROWS]


@pytest.mark.parametrize("kind", REFUSALS)
def test_rows_that_a_server_refused_one_by_one_stand_as_null(storage, tmp_path, kind):
    put_pictures(tmp_path)
    ImageCaptionGenerator(FakeServing(lambda *_: REFUSALS[kind]()), "").run(storage)
    cache = tmp_path / "cache"
    rows = map(json.loads, (cache / "task_step1.jsonl").read_text().splitlines())
    assert [row["output"] for row in rows] == [None] * 3
    lines = (cache / "task_step1.jsonl.errors.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == [kind] * 3


def test_pictures_that_are_not_there_name_their_own_cure(storage, tmp_path):
    operator = ImageCaptionGenerator(FakeServing("A dog."), "")
    with pytest.raises(NothingCaptionedError, match=r"picture_missing.*mend the picture column"):
        operator.run(storage)
    put_pictures(tmp_path)
    operator.run(storage.step())
    rows = map(json.loads, (tmp_path / "cache" / "task_step1.jsonl").read_text().splitlines())
    assert [row["output"] for row in rows] == ["A dog."] * 3


def test_one_row_that_has_an_answer_is_enough(storage, tmp_path):
    put_pictures(tmp_path)
    answers = ["A dog.", RefusedError("no"), RefusedError("no")]
    ImageCaptionGenerator(FakeServing(answers, max_workers=1), "").run(storage)
    assert (tmp_path / "cache" / "task_step1.jsonl").exists()


def test_rows_in_memory_are_not_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_pictures(tmp_path)
    storage = Memory(ROWS)
    serving = FakeServing(lambda *_: ReasoningOnlyError("thoughts alone"))
    with pytest.raises(NothingCaptionedError, match="thoughts alone"):
        ImageCaptionGenerator(serving, "").run(storage)
    assert storage.data == ROWS

"""The operators with a user's own checks."""

from __future__ import annotations

import itertools
import json
import sqlite3

import pandas as pd
import pytest
from PIL import Image

from dataflow.core.errors import UsageError
from dataflow.core.protocols.check import Verdict
from dataflow.operators.core_vision import ImageCaptionGenerator, Prompt, PromptedVQAGenerator
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage
from tests.memory_storage import Memory


def no_guessing(text, context):
    return Verdict("guessing", "it guesses", "Be certain.") if "might" in text else None


@pytest.fixture
def pictures(tmp_path):
    for number in range(3):
        Image.new("RGB", (32 + number, 32)).save(tmp_path / f"{number}.png")
    rows = [{"image": str(tmp_path / f"{n}.png")} for n in range(3)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def says(request, pictures):
    """Guesses about the second picture, and goes on to where it is not told to be certain."""
    is_told = "Be certain." in str(request.turns[-1].parts[-1])
    return "It might be a fox." if pictures[0].width == 33 and not is_told else "A fox."


def captioned(folder, captioner) -> list[dict]:
    storage = FileStorage(str(folder / "data.jsonl"), cache_path=str(folder / "cache")).step()
    captioner.run(storage, output_key="caption")
    return storage.step().read("dict")


def test_a_check_of_ones_own_has_its_follow_up_asked(pictures):
    serving = FakeServing(says)
    rows = captioned(pictures, ImageCaptionGenerator(serving, "", checks=[no_guessing]))
    assert [row["caption"] for row in rows] == ["A fox."] * 3
    assert serving.asked == 4


def test_without_checks_nothing_is_judged_and_nothing_asked_again(pictures):
    serving = FakeServing(says)
    rows = captioned(pictures, ImageCaptionGenerator(serving, ""))
    assert [row["caption"] for row in rows] == ["A fox.", "It might be a fox.", "A fox."]
    assert serving.asked == 3
    with sqlite3.connect(
        pictures / "cache" / "dataflow_cache_step1.jsonl.dataflow/journal.sqlite"
    ) as db:
        assert db.execute("SELECT count(*) FROM attempts").fetchone() == (0,)


def test_an_empty_answer_is_turned_down_also_beside_checks_of_ones_own(pictures):
    answers = itertools.chain(["A fox."], itertools.repeat(""))
    serving = FakeServing(lambda *_: next(answers), max_workers=1)
    captioner = ImageCaptionGenerator(serving, "", checks=[no_guessing], on_reject="flag")
    captions = [row["caption"] for row in captioned(pictures, captioner)]
    assert sorted(map(str, captions)) == ["A fox.", "None", "None"]


@pytest.mark.parametrize(
    ("on_reject", "expected"),
    [
        ("flag", ["A fox.", "It might be a fox.", "A fox."]),
        ("drop", ["A fox.", "A fox."]),
        ("fail", ["A fox.", None, "A fox."]),
    ],
)
def test_what_becomes_of_a_caption_that_is_turned_down(pictures, on_reject, expected):
    captioner = ImageCaptionGenerator(
        FakeServing(says), "", checks=[no_guessing], on_reject=on_reject
    )
    assert [row["caption"] for row in captioned(pictures, captioner)] == expected


def test_checks_go_to_every_column_of_several_prompts(pictures):
    prompts = [Prompt("short", question="What?"), Prompt("long", question="What exactly?")]
    captioner = ImageCaptionGenerator(
        FakeServing(says), "", prompts=prompts, checks=[no_guessing], max_asks=2
    )
    for row in captioned(pictures, captioner):
        assert (row["short"], row["long"]) == ("A fox.", "A fox.")


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_storage_in_memory_loses_the_rows_that_are_dropped(pictures, as_frame):
    rows = [{"image": str(pictures / f"{n}.png"), "id": n} for n in range(3)]
    storage = Memory(pd.DataFrame(rows) if as_frame else rows)
    asker = PromptedVQAGenerator(
        FakeServing(says), checks=[no_guessing], on_reject="drop", max_asks=2
    )
    asker.run(storage, input_image_key="image")
    left = storage.data.to_dict("records") if as_frame else storage.data
    assert [(row["id"], row["answer"]) for row in left] == [(0, "A fox."), (2, "A fox.")]


def test_a_word_that_means_nothing_is_refused_at_once():
    with pytest.raises(UsageError, match="reask-fail"):
        ImageCaptionGenerator(FakeServing(), "", checks=[no_guessing], on_reject="retry")


def test_a_check_that_is_no_function_is_told_before_anything_is_asked():
    with pytest.raises(UsageError, match="checks must be a list of functions"):
        ImageCaptionGenerator(FakeServing(), "", checks=["language"])

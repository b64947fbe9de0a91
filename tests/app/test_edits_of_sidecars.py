"""What people do to caption files between runs: their latest words are in the files, always."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest
from PIL import Image

from dataflow.app.caption import caption
from dataflow.app.edits import edits
from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.options.commands.check import CheckOptions
from dataflow.app.options.commands.edits import EditsOptions
from dataflow.app.options.commands.write import WriteOptions
from dataflow.app.quality.fix import fix
from dataflow.app.write import write
from dataflow.serving.fake import FakeServing


def run(text: str, **more) -> int:
    """Caption the folder with `text` and each request's number; returns the requests."""
    serving = FakeServing(lambda *_: f"{text} {serving.asked}.", model="m", max_workers=1)
    given = {"source": "photos", "sidecar": ".txt", "model": "m", "prompt": "Describe."}
    options = CaptionOptions(**{**given, "no_checks": True, "yes": True, **more})
    with mock.patch("dataflow.app.planning.plan.serving_of", return_value=serving):
        caption(options)
    return serving.asked


def caption_file(number: int) -> Path:
    return Path(f"photos/{number}.txt")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.new("RGB", (16, 16), (80 * number, 9, 9)).save(f"photos/{number}.png")
    return tmp_path


@pytest.mark.parametrize("existing", [None, "overwrite", "append"])
def test_a_look_while_a_run_goes_keeps_what_people_wrote(existing):
    run("seen", existing=existing)
    caption_file(1).write_text("by hand")
    write(WriteOptions(output="photos"))
    assert caption_file(1).read_text() == "by hand"
    write(WriteOptions(output="photos"))
    assert caption_file(1).read_text() == "by hand"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(", ", ",  "),
        lambda text: text + "\n",
        lambda text: "\ufeff" + text + "\r\n",
        lambda text: text.replace(", ", ", \t"),
    ],
    ids=["a blank", "an end of line", "a mark and ends of lines", "a tab"],
)
@pytest.mark.parametrize("existing", ["append", "prepend"])
def test_a_file_whose_blanks_somebody_changed_stays_as_it_is(existing, change):
    caption_file(1).write_text("tags")
    run("seen", existing=existing)
    changed = change(caption_file(1).read_text()).encode()
    caption_file(1).write_bytes(changed)
    run("seen", existing=existing)
    run("seen", existing=existing)
    assert caption_file(1).read_bytes() == changed


def test_of_two_edits_under_two_questions_the_latest_counts():
    run("seen", existing="overwrite")
    caption_file(1).write_text("by hand, first")
    run("told", existing="overwrite", prompt="Tell.")
    caption_file(1).write_text("by hand, later")
    run("seen", existing="overwrite")
    assert caption_file(1).read_text() == "by hand, later"


def test_an_edit_stays_where_a_killed_run_had_planned_no_row_of_it():
    run("seen", existing="overwrite")
    caption_file(2).write_text("by hand")
    run("told", existing="overwrite", prompt="Tell.")
    with closing(sqlite3.connect("photos.sidecars.dataflow/journal.sqlite")) as db, db:
        db.execute("DELETE FROM plan WHERE row > 0")  # as a kill leaves the plan
    run("again", existing="overwrite", only=["0.png"])
    assert caption_file(2).read_text() == "by hand"


def test_a_deleted_file_takes_edits_under_every_question_back():
    run("seen", existing="overwrite")
    caption_file(1).write_text("by hand")
    run("told", existing="overwrite", prompt="Tell.")
    assert caption_file(1).read_text() == "by hand"
    caption_file(1).unlink()
    assert run("told again", existing="overwrite", prompt="Tell.") == 1
    assert caption_file(1).read_text() == "told again 1."
    assert not edits(EditsOptions(output="photos.sidecars"))


def test_the_words_of_one_person_copied_over_those_of_another_stay():
    run("seen")
    caption_file(0).write_text("by Ann")
    caption_file(1).write_text("by Bo")
    run("seen")
    caption_file(1).write_bytes(caption_file(0).read_bytes())
    run("seen")
    assert [caption_file(n).read_text() for n in (0, 1)] == ["by Ann", "by Ann"]
    found = edits(EditsOptions(output="photos.sidecars"))
    edits(EditsOptions(output="photos.sidecars", restore=found[-1].number, author="Bo"))
    run("seen")
    assert caption_file(1).read_text() == "by Bo", "an undo brings the words of before back"


@pytest.mark.parametrize("existing", ["append", "prepend"])
def test_words_that_hold_the_caption_already_stay_when_another_program_saves_the_file(existing):
    run("seen", existing=existing)
    answer = caption_file(1).read_text()
    caption_file(1).write_text(f"by hand, {answer}")
    run("told", existing=existing, prompt="Tell.", only=["0.png"])
    caption_file(1).write_bytes(b"\xef\xbb\xbf" + caption_file(1).read_bytes() + b"\r\n")
    run("told", existing=existing, prompt="Tell.")
    assert "by hand" in caption_file(1).read_text("utf-8-sig")
    run("seen", existing=existing)
    assert "by hand" in caption_file(1).read_text("utf-8-sig")


BAD = "I am sorry, but I cannot help with that."


def mend() -> None:
    """`check --fix`, whose model answers each request in other words."""
    serving = FakeServing(
        lambda *_: f"A mended view of {serving.asked} boats on a lake.", model="m", max_workers=1
    )
    options = CheckOptions(output="photos", fix=True, max_duplicates=100, near=False, yes=True)
    with mock.patch("dataflow.app.planning.plan.serving_of", return_value=serving):
        fix(options)


@pytest.mark.parametrize("existing", [None, "overwrite", "append"])
@pytest.mark.parametrize("more", [{}, {"edits": "overwrite"}], ids=["keep", "overwrite"])
def test_a_caption_that_a_fix_mended_stays_and_is_no_edit_of_a_person(existing, more, caplog):
    run(BAD, existing=existing)
    mend()
    mended = [caption_file(number).read_text() for number in range(3)]
    assert all(text.startswith("A mended view") for text in mended)
    for _ in range(2):
        assert run("again", existing=existing, **more) == 0
        assert [caption_file(number).read_text() for number in range(3)] == mended
    run("another", existing=existing, prompt="What is it?")
    assert "were edited" not in caplog.text
    assert "decisions of people" not in caplog.text
    assert {edit.author for edit in edits(EditsOptions(output="photos"))} <= {"check --fix"}


def test_an_answer_to_another_question_takes_the_place_of_a_mended_caption():
    run(BAD, existing="overwrite")
    mend()
    run("again", existing="overwrite")
    assert run("Another", existing="overwrite", prompt="What is it?") == 3
    assert all(caption_file(number).read_text().startswith("Another") for number in range(3))


def test_a_persons_edit_of_a_mended_caption_is_a_persons():
    run(BAD, existing="overwrite")
    mend()
    caption_file(1).write_text("by hand")
    run("again", existing="overwrite")
    run("Another", existing="overwrite", prompt="What is it?")
    assert caption_file(1).read_text() == "by hand"

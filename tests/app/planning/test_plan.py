"""What a plan is made of, by which a run that goes on knows that it need not look at every row."""

from __future__ import annotations

import pytest

from dataflow.app.options.commands.caption import CaptionOptions
from dataflow.app.planning.plan import plan_of


@pytest.fixture
def stamp(tmp_path, monkeypatch):
    """The stamp of a run over a source in this folder; None where nothing can tell."""
    monkeypatch.chdir(tmp_path)

    def made(source, **choices):
        plan = plan_of(CaptionOptions(source=source, model="demo", output="out/a.jsonl", **choices))
        return None if plan.fingerprint is None else plan.fingerprint.text

    (tmp_path / "out").mkdir()
    (tmp_path / "in").mkdir()
    for name in ("a-1", "a-2"):
        (tmp_path / "in" / f"{name}.jsonl").write_text('{"image": "x.jpg"}\n')
    return made


@pytest.mark.parametrize("source", ["in", "in/*.jsonl", "in/a-{1..2}.jsonl", "in/a-1.jsonl"])
def test_files_that_are_as_they_were_make_the_same_plan(stamp, source):
    assert stamp(source) is not None
    assert stamp(source) == stamp(source)
    assert stamp(source) != stamp(source, prompt="Another?")


@pytest.mark.parametrize("source", ["in", "in/*.jsonl"])
def test_a_file_that_changed_came_or_went_makes_another_plan(stamp, tmp_path, source):
    seen = {stamp(source)}
    (tmp_path / "in" / "a-2.jsonl").write_text('{"image": "other.jpg"}\n')
    seen.add(stamp(source))
    (tmp_path / "in" / "a-3.jsonl").write_text('{"image": "x.jpg"}\n')
    seen.add(stamp(source))
    (tmp_path / "in" / "a-2.jsonl").unlink()
    seen.add(stamp(source))
    assert len(seen) == 4


def test_a_folder_of_pictures_has_to_be_looked_at(stamp, tmp_path):
    (tmp_path / "in" / "1.jpg").write_bytes(b"")
    assert stamp("in") is None

"""Which output is meant: a file, or the folder whose pictures were captioned."""

from __future__ import annotations

import pytest

from dataflow.app.known_output import known_output
from dataflow.core.errors import UsageError
from dataflow.engine.paths import SideFiles


def begin(place) -> None:
    journal = SideFiles(place).journal
    journal.parent.mkdir(parents=True)
    journal.touch()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "photos [1]").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos [1]"


@pytest.mark.parametrize("output", ["photos [1].sidecars", "photos [1].captions.jsonl"])
@pytest.mark.parametrize("given", ["photos [1]", "photos [1]/", "./photos [1]"])
def test_a_folder_stands_for_the_output_that_was_made_of_it(folder, output, given):
    begin(folder.parent / output)
    assert known_output(given).resolve() == folder.parent / output


def test_a_folder_that_was_captioned_from_within(folder, monkeypatch):
    begin(folder.parent / "photos [1].sidecars")
    monkeypatch.chdir(folder)
    for given in (".", "./", str(folder)):
        assert known_output(given).resolve() == folder.parent / "photos [1].sidecars"


def test_a_journal_in_the_folder_itself(folder):
    begin(folder / ".captions.sidecars")
    assert known_output("photos [1]").resolve() == folder / ".captions.sidecars"


def test_several_outputs_of_one_folder_are_named(folder):
    begin(folder.parent / "photos [1].sidecars")
    begin(folder.parent / "photos [1].captions.jsonl")
    with pytest.raises(UsageError, match=r"several outputs.*\.jsonl.*\.sidecars"):
        known_output("photos [1]")


@pytest.mark.parametrize("given", ["", "  ", "/"])
def test_what_is_no_output_is_wrong_usage(given):
    with pytest.raises(UsageError, match="output"):
        known_output(given)


def test_a_file_and_what_is_not_there_stand_for_themselves(folder):
    assert str(known_output("out.jsonl")) == "out.jsonl"

"""The dataset card and the Croissant metadata of an output."""

from __future__ import annotations

import hashlib
import json

import pytest
from PIL import Image

import dataflow
from dataflow.app.card.markdown import MARK
from dataflow.app.card.write import write_card
from dataflow.app.options.commands.card import CardOptions
from dataflow.core.errors import UsageError
from dataflow.engine.paths import SideFiles
from tests.decisions import decide
from tests.servers.hostile_server import KEY, MODEL, HostileServer

PROMPT = "What is this?\n```\nSay it `plainly`."


@pytest.fixture
def picture_folder(tmp_path):
    """Makes a folder of so many pictures."""

    def make(count):
        folder = tmp_path / "photos"
        folder.mkdir()
        for number in range(count):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
        return folder

    return make


@pytest.fixture
def captioned(tmp_path, picture_folder, monkeypatch):
    """Captions three pictures into the named file; returns its path."""
    monkeypatch.setenv("DF_API_KEY", KEY)

    def run(name="out.jsonl", **options):
        output = tmp_path / name
        with HostileServer() as server:
            dataflow.caption(
                picture_folder(3), output=str(output), api_url=server.url, model=MODEL,
                prompt=PROMPT, quiet=True, **options,
            )  # fmt: skip
        return output

    return run


def card_of(output, **options):
    result = write_card(CardOptions(dataset=str(output), **options))
    return result, result.card.read_text(encoding="utf-8")


def front_matter(text):
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(text.split("---")[1])


def test_the_card_bears_the_fields_of_the_hub(captioned):
    _, text = card_of(captioned(), license="cc0-1.0", language=["en"], name='An "odd": name')
    fields = front_matter(text)
    assert fields["annotations_creators"] == ["machine-generated"]
    assert fields["task_categories"] == ["image-to-text"]
    assert fields["size_categories"] == ["n<1K"]
    assert (fields["license"], fields["language"]) == ("cc0-1.0", ["en"])
    assert fields["pretty_name"] == 'An "odd": name'
    assert fields["configs"][0]["data_files"] == [{"split": "train", "path": "out.jsonl"}]


def test_the_card_says_with_what_the_captions_were_made(captioned):
    _, text = card_of(captioned())
    assert f"Model: `{MODEL}`, 3 captions" in text
    assert f"````text\n{PROMPT}\n````" in text
    assert hashlib.sha256(PROMPT.encode()).hexdigest() in text
    assert "`refusal`" in text


@pytest.mark.parametrize(
    ("option", "value", "question"),
    [
        ("license", "cc0-1.0", "Under which licence"),
        ("source", ["https://example.org"], "Where do the pictures come from"),
        ("source_license", "public domain", "do the pictures have"),
        ("language", ["zh"], "In which language"),
        ("creator", "Ada", "Who publishes"),
    ],
)
def test_what_only_a_person_knows_is_asked_until_it_is_answered(captioned, option, value, question):
    output = captioned()
    _, text = card_of(output)
    assert question in text
    result, text = card_of(output, **{option: value})
    assert question not in text
    assert not any(question in one for one in result.questions)


def test_a_review_is_told_with_its_interval(captioned):
    output = captioned()
    _, text = card_of(output)
    assert "No person has looked" in text
    decide(output, 0, "accept")
    decide(output, 1, "edit", "A better text.")
    _, text = card_of(output)
    assert "People decided on 2 captions" in text
    assert "50.0% (95 % interval 9.5% to 90.5%" in text
    assert front_matter(text)["annotations_creators"] == ["machine-generated", "expert-generated"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own parser
@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
def test_mlcroissant_takes_the_metadata_and_reads_the_rows(captioned, name, tmp_path, monkeypatch):
    mlcroissant = pytest.importorskip("mlcroissant")
    monkeypatch.chdir(tmp_path)
    output = captioned(name, meta=True, provenance=True)
    result, _ = card_of(output, license="cc0-1.0", creator="Ada", url="https://example.org/d")
    found = mlcroissant.Dataset(str(result.croissant))
    assert not found.metadata.ctx.issues.errors
    rows = list(found.records("rows"))
    assert len(rows) == 3
    assert all(row["rows/caption"] for row in rows)


def test_other_formats_are_described_as_one_file(captioned):
    result, _ = card_of(captioned("out.json"))
    described = json.loads(result.croissant.read_text())
    assert "recordSet" not in described
    assert described["distribution"][0]["contentUrl"] == "out.json"


def test_a_card_of_somebody_else_stays(captioned, tmp_path):
    output = captioned()
    (tmp_path / "README.md").write_text("# Mine\n")
    with pytest.raises(UsageError, match="--overwrite"):
        card_of(output)
    assert (tmp_path / "README.md").read_text() == "# Mine\n"
    _, text = card_of(output, folder=str(tmp_path / "new" / "folder"))
    assert MARK in text
    _, text = card_of(output, overwrite=True)
    assert MARK in text


def test_without_a_record_there_is_no_card_and_the_cure_is_named(captioned):
    output = captioned()
    SideFiles(output).record.unlink()
    with pytest.raises(UsageError, match="run the command that wrote the captions again"):
        card_of(output)


def test_names_are_no_markup(captioned):
    _, text = card_of(captioned(), name="<b>x</b>", source=["[a](javascript:b)"], creator="A")
    body = text.split("---", 2)[2]
    assert "<b>" not in body
    assert "[a](javascript" not in body

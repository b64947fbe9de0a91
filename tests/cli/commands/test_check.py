"""`dataflow check` as a user runs it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.cells import cell_len

from tests.cli.conftest import Command

SOUND = [
    "A dog runs along the beach.",
    "Two children build a sandcastle.",
    "A tram stops in front of the town hall.",
    "An old man feeds the pigeons on a square.",
]
REFUSAL = "I'm sorry, but I can't help with that."


def dataset(folder: Path, captions: list[object], name: str = "out.jsonl", **more: object) -> str:
    rows = [{"image": f"{n}.jpg", "caption": text, **more} for n, text in enumerate(captions)]
    (folder / name).write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return name


def faults(done: subprocess.CompletedProcess[str], column: str = "caption") -> dict:
    return json.loads(done.stdout)["columns"][column]["faults"]


def test_captions_without_a_fault_end_with_0(dataflow: Command):
    done = dataflow("check", dataset(dataflow.folder, SOUND))
    assert done.returncode == 0, done.stderr
    assert "4 captions: 4 without a fault (100.00 %)" in done.stderr
    assert done.stdout == ""


def test_faults_are_told_by_kind_with_their_rows_and_end_with_3(dataflow: Command):
    captions = [*SOUND, REFUSAL, None, "A dog." + " A dog." * 30]
    done = dataflow("check", dataset(dataflow.folder, captions))
    assert done.returncode == 3
    assert "3 with one or more" in done.stderr
    for line in ("refusal         1  14.29 %  4", "empty           1  14.29 %  5", "loop"):
        assert line in done.stderr
    assert re.search(r"refusal +row 4 \(4\.jpg\): the model declines", done.stderr)


def test_json_goes_to_standard_output_alone(dataflow: Command):
    name = dataset(dataflow.folder, [*SOUND, REFUSAL])
    done = dataflow("check", name, "--json", "--language", "en")
    told = json.loads(done.stdout)
    assert [*told["columns"]] == ["caption"]
    found = told["columns"]["caption"]
    assert (told["rows"], found["captions"], found["faulty"]) == (5, 5, 1)
    assert found["faults"]["refusal"]["rows"] == [4]
    assert found["faults"]["refusal"]["examples"][0]["text"] == REFUSAL
    assert sum(found["words"].values()) == 5
    assert found["languages"] == {"en": 5}
    assert done.stderr == ""


def test_every_fault_can_be_listed(dataflow: Command):
    name = dataset(dataflow.folder, [REFUSAL] * 2 + SOUND)
    done = dataflow("check", name, "--list", "faults.jsonl", "--min-words", 9)
    text = (dataflow.folder / "faults.jsonl").read_text(encoding="utf-8")
    listed = [json.loads(line) for line in text.splitlines()]
    assert done.returncode == 3
    assert [(fault["row"], fault["kind"]) for fault in listed] == [
        *((0, "refusal"), (0, "length"), (1, "refusal"), (1, "length")),
        *((2, "length"), (3, "length")),
    ]
    assert listed[0]["place"] == "out.jsonl, line 1"


@pytest.mark.parametrize(
    ("options", "kind", "row"),
    [
        (["--language", "de"], "language", 0),
        (["--max-words", 6], "length", 2),
        (["--forbid", "pigeons"], "wording", 3),
        (["--require-pattern", "^(A|An|In) "], "wording", 1),
        (["--prompt", "A tram stops in front of the town hall."], "echo", 2),
    ],
)
def test_an_option_asks_for_more(dataflow: Command, options: list[object], kind: str, row: int):
    done = dataflow("check", dataset(dataflow.folder, SOUND), "--json", *options)
    assert row in faults(done)[kind]["rows"]


def test_captions_that_are_json_are_held_against_a_schema(dataflow: Command):
    (dataflow.folder / "schema.json").write_text('{"required": ["colour"]}')
    name = dataset(dataflow.folder, [{"colour": "red"}, '{"colour": "red"}', {"size": 3}])
    done = dataflow("check", name, "--schema", "schema.json", "--json")
    assert faults(done)["schema"]["rows"] == [2]


def test_json_that_fits_its_schema_is_no_loop_and_no_errors_message(dataflow: Command):
    (dataflow.folder / "schema.json").write_text('{"required": ["error", "shapes"]}')
    shapes = [{"shape": "circle", "colour": "red", "size": "small"}] * 8
    name = dataset(dataflow.folder, [{"error": "none", "shapes": shapes}])
    done = dataflow("check", name, "--schema", "schema.json", "--json")
    assert faults(done) == {}


def test_of_a_parquet_file_with_pictures_in_it_only_the_captions_are_read(dataflow: Command):
    """A damaged picture column is not met: nobody waits for gigabytes that nobody looks at."""
    table = pa.table({"caption": SOUND * 500, "image": [b"\xff" * 3000] * 2000})
    path = dataflow.folder / "out.parquet"
    pq.write_table(table, path, compression="none", use_dictionary=False)
    content = path.read_bytes()
    start = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    path.write_bytes(content[:start] + b"\0" * 500 + content[start + 500 :])
    done = dataflow("check", "out.parquet", "--most-alike", 5000)
    assert done.returncode == 0, done.stderr
    assert "2,000 captions" in done.stderr


def test_the_same_caption_is_fine_for_the_same_picture_alone(dataflow: Command):
    rows = [{"image": "a.jpg", "caption": "A logo."}] * 5
    rows += [{"image": f"{n}.jpg", "caption": "A picture of it."} for n in range(5)]
    (dataflow.folder / "out.json").write_text(json.dumps(rows))
    done = dataflow("check", "out.json", "--json")
    assert faults(done)["repeated"]["rows"] == [8, 9]


def test_near_duplicates_are_counted_and_are_no_fault(dataflow: Command):
    long = "A brown dog runs along the wet beach while two children in red jackets watch it from a "
    done = dataflow("check", dataset(dataflow.folder, [f"{long}dune.", *SOUND, f"{long}boat."]))
    assert done.returncode == 0
    assert "1 (16.67 %) nearly the same" in done.stderr
    assert "row 5 as row 0" in done.stderr


def test_several_processes_tell_the_same_as_one(dataflow: Command):
    captions = [f"{SOUND[n % 4]} Number {n}." if n % 50 else REFUSAL for n in range(24_000)]
    name = dataset(dataflow.folder, captions)
    one, two = (
        dataflow.own_process("check", name, "--json", "--processes", count) for count in (1, 2)
    )
    assert json.loads(one.stdout) == json.loads(two.stdout)
    assert faults(one)["refusal"]["count"] == 480


def test_a_wrong_column_is_told_with_those_that_are_there(dataflow: Command):
    done = dataflow("check", dataset(dataflow.folder, SOUND), "--output-key", "text")
    assert done.returncode == 2
    assert "no column 'text'" in done.stderr
    assert "(image, caption)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.jsonl"], "no such file"),
        (["out.jsonl", "--language", "english"], "no language code"),
        (["out.jsonl", "--forbid-pattern", "("], "no regular expression"),
        (["out.jsonl", "--schema", "nothing.json"], "No such file"),
    ],
)
def test_a_wrong_argument_ends_with_2(dataflow: Command, arguments: list[str], message: str):
    dataset(dataflow.folder, SOUND)
    done = dataflow("check", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_caption_holds_cannot_draw_on_the_page(dataflow: Command):
    evil = "Sorry, I can't describe \x1b[31m[bold]this[/bold]."
    done = dataflow("check", dataset(dataflow.folder, [evil]))
    assert "\x1b" not in done.stderr
    assert "[bold]" in done.stderr or "declines" in done.stderr


def test_each_caption_of_a_list_is_looked_at(dataflow: Command):
    captions = [[SOUND[0], REFUSAL, SOUND[1]], [SOUND[2], None], []]
    done = dataflow("check", dataset(dataflow.folder, captions), "--list", "faults.jsonl")
    assert done.returncode == 3
    assert "6 captions of 3 rows: 3 without a fault" in done.stderr
    assert "row 0 (0.jpg), caption 2: the model declines" in done.stderr
    listed = [*map(json.loads, (dataflow.folder / "faults.jsonl").read_text().splitlines())]
    assert [(fault["row"], fault["number"]) for fault in listed] == [(0, 1), (1, 1), (2, 0)]


def test_a_picture_is_named_without_the_signature_of_its_url(dataflow: Command):
    url = "https://user:hidden-word@host/a/boat.jpg?X-Amz-Signature=hidden-signature&id=1"
    name = dataset(dataflow.folder, [REFUSAL, REFUSAL])
    text = (dataflow.folder / name).read_text().replace('"0.jpg"', json.dumps(url))
    (dataflow.folder / name).write_text(text)
    page = dataflow("check", name, "--list", "faults.jsonl")
    assert "row 0 (boat.jpg?…): the model declines" in page.stderr
    told = dataflow("check", name, "--json")
    listed = (dataflow.folder / "faults.jsonl").read_text()
    assert json.loads(listed.splitlines()[0])["picture"] == "https://host/a/boat.jpg?…"
    assert "hidden" not in page.stdout + page.stderr + told.stdout + told.stderr + listed


def test_several_columns_have_a_page_each(dataflow: Command):
    name = dataset(dataflow.folder, SOUND, tags="dog, beach, null", title=REFUSAL)
    keys = ("--output-key", "caption", "--output-key", "title", "--most-alike", 9)
    done = dataflow("check", name, *keys)
    assert re.search(r"\ncaption\n4 captions: 4 without(.|\n)+\ntitle\n4 captions: 0", done.stderr)
    done = dataflow("check", name, *keys, "--json")
    assert faults(done) == {}
    assert faults(done, "title")["refusal"]["count"] == 4


def test_another_usual_name_of_the_column_is_found(dataflow: Command):
    rows = [{"text": text, "file_name": f"{n}.jpg"} for n, text in enumerate([*SOUND, REFUSAL])]
    (dataflow.folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = dataflow("check", "metadata.jsonl", "--json")
    assert faults(done, "text")["refusal"]["rows"] == [4]


def test_a_folder_of_pictures_is_checked_by_its_sidecars(dataflow: Command, pictures):
    folder = pictures(5)
    for picture, text in zip(sorted(folder.iterdir()), [*SOUND, REFUSAL], strict=True):
        picture.with_suffix(".caption").write_text(text)
    (folder / "00000.json").write_text("{}")
    done = dataflow("check", "photos", "--list", "faults.jsonl")
    assert done.returncode == 3
    assert "5 captions: 4 without a fault" in done.stderr
    assert json.loads((dataflow.folder / "faults.jsonl").read_text())["place"] == "photos/00004.jpg"


def test_a_row_that_cannot_be_read_is_told_and_the_others_are_checked(dataflow: Command):
    name = dataset(dataflow.folder, SOUND)
    with (dataflow.folder / name).open("a") as file:
        file.write('\n{"caption": "cut o\n{"caption": "A boat."}\n')
    done = dataflow("check", name)
    assert done.returncode == 3
    assert "5 captions: 5 without a fault" in done.stderr
    assert "rows that cannot be read, and are left out: 1" in done.stderr
    assert "out.jsonl, line 5" in done.stderr


@pytest.mark.parametrize(
    ("captions", "line"),
    [([], "out.jsonl has no rows"), ([None, "", []], "3 captions: 0 without a fault (0.00 %)")],
)
def test_a_dataset_without_captions_is_told_as_such(
    dataflow: Command, captions: list[object], line: str
):
    done = dataflow("check", dataset(dataflow.folder, captions))
    assert done.returncode == (3 if captions else 0), done.stderr
    assert line in done.stderr
    assert "vocabulary" not in done.stderr


def test_no_line_is_wider_than_a_narrow_terminal(dataflow: Command):
    captions = [f"{text} {'Further on ' * 9}{n}." for n, text in enumerate(SOUND * 12)]
    name = dataset(dataflow.folder, [*captions, REFUSAL, "东京" * 60, f"{'a' * 90},"])
    done = dataflow("check", name, COLUMNS="60")
    assert done.returncode == 3
    assert max(map(cell_len, done.stderr.splitlines())) <= 60


def test_a_page_in_a_pipe_has_no_colours(dataflow: Command):
    done = dataflow("check", dataset(dataflow.folder, [*SOUND, REFUSAL]), TERM="xterm-256color")
    assert "\x1b" not in done.stderr


def test_a_check_that_is_left_out_finds_nothing(dataflow, tmp_path):
    rows = ['{"caption": "Error: 429 Too Many Requests"}\n'] + ['{"caption": "A cat."}\n'] * 5
    (tmp_path / "out.jsonl").write_text("".join(rows))
    assert dataflow("check", "out.jsonl", "--no-near").returncode == 3
    left_out = ("--no-check", "error_text", "--no-check", "repeated")
    assert dataflow("check", "out.jsonl", "--no-near", *left_out).returncode == 0
    assert "there is no check 'eror'" in dataflow("check", "out.jsonl", "--no-check", "eror").stderr


def test_a_preset_says_what_captions_are_to_be(dataflow: Command):
    tags = "1girl, solo, silver hair, rooftop, sunset, looking back"
    name = dataset(dataflow.folder, [tags, "A girl stands on a roof."])
    done = dataflow("check", name, "--preset", "tags", "--json")
    assert faults(done)["wording"]["rows"] == [1]
    assert "no preset" in dataflow("check", name, "--preset", "nothing").stderr

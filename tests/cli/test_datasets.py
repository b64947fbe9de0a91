"""Datasets other than tables, through the whole command."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from tests.formats.shards import jpeg, members_in, write_shards, write_tar
from tests.servers.hostile_server import MODEL, HostileServer, caption_of


@pytest.fixture
def server():
    with HostileServer() as running:
        yield running


def api(server):
    return ["--api-url", server.url, "--model", MODEL]


def check_shards(given, output):
    """Each picture has the caption that was made of its own bytes, and nothing else changed."""
    assert sorted(os.listdir(output)) == sorted(os.listdir(given))
    for name in os.listdir(given):
        expected = []
        for member, data in members_in(given / name):
            expected.append((member, data))
            if member.endswith(".json"):
                key = member.removesuffix(".json")
                text = caption_of(dict(members_in(given / name))[f"{key}.jpg"])
                expected.append((f"{key}.txt", text.encode()))
        assert members_in(output / name) == expected


def test_shards_in_the_same_shards_with_captions_out(dataflow, server):
    given = write_shards(dataflow.folder / "shards", 3, 4)
    done = dataflow("caption", "shards", "--show", *api(server))
    assert done.returncode == 0, done.stderr
    check_shards(given, dataflow.folder / "shards-captions")
    caption = caption_of(dict(members_in(given / "00000.tar"))["000000000.jpg"])
    assert f"shards-captions/00000.tar, sample 000000000\t{caption}\n" in done.stdout
    assert dataflow("caption", "shards", *api(server)).returncode == 0
    assert server.asked == 12
    assert dataflow("caption", "shards/{00000..00002}.tar", *api(server)).returncode == 2


def test_runs_over_some_shards_each_fill_one_folder(dataflow, server):
    given = write_shards(dataflow.folder / "shards", 4, 3)
    for some in ("{00000..00001}", "{00002..00003}", "{00000..00001}"):
        done = dataflow("caption", f"shards/{some}.tar", "-o", "out", *api(server))
        assert done.returncode == 0, done.stderr
    check_shards(given, dataflow.folder / "out")
    assert server.asked == 12


def test_shards_of_a_run_that_was_killed_twice(dataflow, server):
    given = write_shards(dataflow.folder / "shards", 5, 8)
    arguments = ["caption", "shards/{00000..00004}.tar", "-o", "out", *api(server)]
    for wanted in (10, 25):
        running = dataflow.start(*arguments)
        while server.asked < wanted and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    done = dataflow(*arguments)
    assert done.returncode == 0, done.stderr
    check_shards(given, dataflow.folder / "out")


def test_a_kill_while_shards_are_written_leaves_the_finished_ones(dataflow, server):
    given = write_shards(dataflow.folder / "shards", 60, 2)
    output = dataflow.folder / "out"
    running = dataflow.start("caption", "shards", "-o", "out", *api(server))
    while not (output / "00001.tar").exists():
        assert running.poll() is None, running.communicate()
        time.sleep(0.001)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    finished = {path.name: path.stat().st_ino for path in output.glob("*.tar")}
    assert 2 <= len(finished) < 60, "the kill came while they were written"
    done = dataflow("caption", "shards", "-o", "out", *api(server))
    assert (done.returncode, server.asked) == (0, 120), done.stderr
    check_shards(given, output)
    kept = [name for name, place in finished.items() if (output / name).stat().st_ino == place]
    assert len(kept) >= len(finished) - 1, "the note of the last may not have been made"


def test_a_text_that_is_there_is_not_replaced_unasked(dataflow, server):
    write_tar(dataflow.folder / "a.tar", [("1.jpg", jpeg(1)), ("1.txt", b"alt text")])
    done = dataflow("caption", "a.tar", *api(server))
    assert (done.returncode, server.asked) == (2, 0)
    assert "a.tar, sample 1 has a column 'caption' already" in done.stderr
    done = dataflow("caption", "a.tar", "--output-key", "json.caption", *api(server))
    assert done.returncode == 0, done.stderr
    assert [name for name, _ in members_in(dataflow.folder / "a.captions.tar")] == [
        "1.jpg", "1.txt", "1.json"
    ]  # fmt: skip


def test_coco_in_coco_out(dataflow, pictures, server):
    folder = pictures(3)
    images = [{"id": 7 + n, "file_name": f"{n:05}.jpg"} for n in range(3)]
    (dataflow.folder / "photos" / "captions.json").write_text(json.dumps({"images": images}))
    done = dataflow("caption", "photos/captions.json", "-o", "out.json", *api(server))
    assert done.returncode == 0, done.stderr
    expected = [
        {
            "id": n + 1,
            "image_id": 7 + n,
            "caption": caption_of((folder / f"{n:05}.jpg").read_bytes()),
        }
        for n in range(3)
    ]
    written = json.loads((dataflow.folder / "out.json").read_text())
    assert written == {"images": images, "annotations": expected}


def test_llava_out_tells_what_was_asked(dataflow, pictures, server):
    folder = pictures(2)
    (folder / "00001.jpg").write_bytes(b"no picture")
    arguments = ["-o", "out.json", "--output-format", "llava", "--prompt", "What is it?"]
    done = dataflow("caption", "photos", *arguments, *api(server))
    assert done.returncode == 3, done.stderr
    [row] = json.loads((dataflow.folder / "out.json").read_text())
    assert row["conversations"] == [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": caption_of((folder / "00000.jpg").read_bytes())},
    ]


def test_an_output_format_that_is_none_is_refused(dataflow, pictures, server):
    pictures(1)
    done = dataflow("caption", "photos", "--output-format", "x", "-o", "o", *api(server))
    assert (done.returncode, server.asked) == (2, 0)
    assert "one of json, jsonl" in done.stderr


@pytest.mark.parametrize(
    ("name", "output", "told"),
    [
        *((name, "o.jsonl", "one of json,") for name in ("files", "parquets", "saved", "hf", "ms")),
        ("coco", "o.jsonl", ".jsonl is not the ending of --output-format coco; name the output"),
        ("json", "o.csv.gz", ".csv.gz is not the ending"),
        ("feather", "o.arrow", ".arrow is not the ending"),
    ],
)
def test_an_output_format_that_its_ending_contradicts_is_refused(
    dataflow, pictures, server, name, output, told
):
    pictures(1)
    done = dataflow("caption", "photos", "--output-format", name, "-o", output, *api(server))
    assert (done.returncode, server.asked) == (2, 0)
    assert told in " ".join(done.stderr.split())


def test_an_output_format_alone_gives_the_output_its_ending(dataflow, pictures, server):
    pictures(1)
    done = dataflow("caption", "photos", "--output-format", "coco", *api(server))
    assert done.returncode == 0, done.stderr
    whole = json.loads((dataflow.folder / "photos.captions.json").read_text())
    assert whole["images"][0]["file_name"] == "photos/00000.jpg"


@pytest.mark.parametrize("name", ["coco", "llava"])
def test_the_column_of_the_pictures_is_named_in_the_output(dataflow, pictures, server, name):
    pictures(1)
    (dataflow.folder / "in.jsonl").write_text('{"foto": "photos/00000.jpg", "n": 1}\n')
    command = [
        "caption",
        "in.jsonl",
        "-o",
        "o.json",
        "--output-format",
        name,
        "--image-key",
        "foto",
    ]
    done = dataflow(*command, "--drop", "foto", *api(server))
    assert (done.returncode, server.asked) == (2, 0)
    assert f"the format {name} needs the column 'foto'; leave out --drop foto" in done.stderr
    done = dataflow(*command, *api(server))
    assert done.returncode == 0, done.stderr
    written = json.loads((dataflow.folder / "o.json").read_text())
    found = written["images"][0]["file_name"] if name == "coco" else written[0]["image"]
    assert found == "photos/00000.jpg"


def test_fields_that_are_nowhere_or_both_kept_and_dropped_are_told(dataflow, pictures, server):
    pictures(1)
    (dataflow.folder / "in.jsonl").write_text('{"image": "photos/00000.jpg"}\n')
    command = ["caption", "in.jsonl", "-o", "o.jsonl", *api(server)]
    done = dataflow(*command, "--keep", "nope")
    assert (done.returncode, server.asked) == (2, 0)
    assert "has a column 'nope' to keep; there is: 'image'" in done.stderr
    done = dataflow(*command, "--keep", "image", "--drop", "image")
    assert (done.returncode, server.asked) == (2, 0)
    assert "--keep image and --drop image contradict" in done.stderr
    done = dataflow(*command, "--drop", "nope")
    assert (done.returncode, server.asked) == (0, 1), done.stderr
    assert "--drop nope: none of the first 1,000 rows has this column" in done.stderr


def test_an_output_folder_that_is_not_ours_is_refused(dataflow, server):
    write_shards(dataflow.folder / "shards", 1, 1)
    (dataflow.folder / "out").mkdir()
    done = dataflow("caption", "shards", "-o", "out", *api(server))
    assert (done.returncode, server.asked) == (2, 0)
    assert "no former run made it" in done.stderr


def test_a_table_does_not_become_a_folder(dataflow, pictures, server):
    pictures(1)
    (dataflow.folder / "out").mkdir()
    done = dataflow("caption", "photos", "-o", "out", *api(server))
    assert (done.returncode, server.asked) == (2, 0)
    assert "is a folder" in done.stderr


def write_parts(folder, pictures):
    for number, picture in enumerate(pictures):
        (folder / f"{number}.jpg").write_bytes(picture)
        line = json.dumps({"image": f"{number}.jpg", "price": number})
        (folder / f"rows-{number}.jsonl").write_text(line + "\n")


def test_several_files_in_parts_out_and_the_parts_in_again(dataflow, server):
    pictures = [jpeg(number) for number in range(12)]
    write_parts(dataflow.folder, pictures)
    options = ["--rows-per-file", "5", "-o", "out/a.jsonl"]
    (dataflow.folder / "out").mkdir()
    done = dataflow("caption", "rows-*.jsonl", *options, *api(server))
    assert done.returncode == 0, done.stderr
    parts = sorted((dataflow.folder / "out").glob("a-*-of-00003.jsonl"))
    rows = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    assert rows == [
        {"image": f"{n}.jpg", "price": n, "caption": caption_of(picture)}
        for n, picture in enumerate(pictures)
    ]
    again = ["--output-key", "more", "--keep", "price", "-o", "b.csv"]
    done = dataflow("caption", "out/a-*-of-*.jsonl", *again, *api(server))
    assert done.returncode == 0, done.stderr
    assert (dataflow.folder / "b.csv").read_text().splitlines() == [
        "price,more",
        *(f"{n},{caption_of(picture)}" for n, picture in enumerate(pictures)),
    ]


def test_an_output_that_would_be_one_of_the_files_is_refused_before_anything_is_asked(
    dataflow, server
):
    write_parts(dataflow.folder, [jpeg(0)])
    for pattern, output in (
        ("*.jsonl", ["-o", "out.jsonl"]),
        ("*-of-*.jsonl", ["-o", "out.jsonl", "--rows-per-file", "1"]),
        ("rows-*.jsonl", []),
    ):
        done = dataflow("caption", pattern, *output, *api(server))
        assert done.returncode == 2, done.stderr
        assert "choose another output" in done.stderr or "name the output" in done.stderr
    assert server.asked == 0


@pytest.mark.parametrize("pattern", ["a-00000-of-00002.jsonl", "a-{00000..00001}-of-00002.jsonl"])
def test_parts_that_are_the_input_are_no_former_parts_of_the_output(dataflow, server, pattern):
    for n in range(2):
        (dataflow.folder / f"a-0000{n}-of-00002.jsonl").write_text('{"image": "a.jpg"}\n')
    parts = ("-o", "a.jsonl", "--rows-per-file", "5", "--fresh")
    done = dataflow("caption", pattern, *parts, *api(server))
    assert done.returncode == 2
    assert "choose another output" in done.stderr
    assert len([*dataflow.folder.glob("a-*-of-00002.jsonl")]) == 2


@pytest.mark.parametrize("source", ["shards", "shards/{00000..00001}.tar"])
def test_a_shard_of_the_input_is_no_output(dataflow, server, source):
    given = write_shards(dataflow.folder / "shards", 2, 1)
    before = (given / "00001.tar").read_bytes()
    done = dataflow("caption", source, "-o", "shards/00001.tar", "--fresh", *api(server))
    assert done.returncode == 2
    assert "choose another output" in done.stderr
    assert (given / "00001.tar").read_bytes() == before


def test_a_folder_of_files_has_its_output_beside_it(dataflow, server):
    (dataflow.folder / "data").mkdir()
    write_parts(dataflow.folder / "data", [jpeg(0), jpeg(1)])
    for picture in (dataflow.folder / "data").glob("*.jpg"):
        picture.rename(dataflow.folder / picture.name)
    done = dataflow("caption", "data", *api(server))
    assert done.returncode == 0, done.stderr
    output = (dataflow.folder / "data.captions.jsonl").read_text().splitlines()
    assert [json.loads(line)["caption"] for line in output] == [
        caption_of(jpeg(0)),
        caption_of(jpeg(1)),
    ]

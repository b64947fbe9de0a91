"""Which pictures are taken and where captions go, through the whole command."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from dataflow.formats.base.split_output import parts_of
from tests.servers.hostile_server import MODEL, HostileServer, caption_of


@pytest.fixture
def server():
    with HostileServer() as running:
        yield running


def api(server):
    return ["--api-url", server.url, "--model", MODEL]


def caption_in(folder, name):
    return caption_of((folder / name).read_bytes())


def test_sidecars_are_written_beside_the_pictures(dataflow, pictures, server):
    folder = pictures(3)
    done = dataflow("caption", "photos", "--sidecar", ".txt", "--show", *api(server))
    assert done.returncode == 0, done.stderr
    for number in range(3):
        expected = caption_in(folder, f"{number:05}.jpg")
        assert (folder / f"{number:05}.txt").read_text() == expected
        assert f"photos/{number:05}.jpg\t{expected}\n" in done.stdout
    assert "*.txt beside the pictures" in done.stderr
    assert sorted(path.name for path in dataflow.folder.iterdir()) == [
        "photos", "photos.sidecars.dataflow", "photos.sidecars.run.json"
    ]  # fmt: skip


def test_a_picture_with_a_caption_is_not_paid_for(dataflow, pictures, server):
    folder = pictures(4)
    (folder / "00001.txt").write_text("by hand")
    done = dataflow("caption", "photos", "--sidecar", ".txt", *api(server))
    assert done.returncode == 0, done.stderr
    assert server.asked == 3
    assert (folder / "00001.txt").read_text() == "by hand"
    assert "left as they are  1" in done.stderr
    assert dataflow("caption", "photos", "--sidecar", ".txt", *api(server)).returncode == 0
    assert server.asked == 3


def test_another_ending_of_the_same_captions_costs_nothing(dataflow, pictures, server):
    folder = pictures(2)
    for ending in (".txt", ".json"):
        done = dataflow("caption", "photos", "--sidecar", ending, *api(server))
        assert done.returncode == 0, done.stderr
    assert server.asked == 2
    assert json.loads((folder / "00001.json").read_text()) == {
        "caption": caption_in(folder, "00001.jpg")
    }


def test_what_is_there_goes_into_the_prompt(dataflow, pictures, server):
    folder = pictures(2)
    (folder / "00000.txt").write_text("1girl, {solo}\n")
    arguments = ["--sidecar", ".txt", "--existing", "prepend", "--prompt", "Use: {existing}. {x}"]
    done = dataflow("caption", "photos", *arguments, *api(server))
    assert done.returncode == 0, done.stderr
    asked = {body["messages"][-1]["content"][-1]["text"] for body in server.bodies}
    assert asked == {"Use: 1girl, {solo}. {x}", "Use: . {x}"}
    expected = f"{caption_in(folder, '00000.jpg')}, 1girl, {{solo}}"
    assert (folder / "00000.txt").read_text() == expected
    assert not list(dataflow.folder.glob("*-wal"))
    done = dataflow("caption", "photos", *arguments, *api(server))
    assert done.returncode == 0, done.stderr
    assert server.asked == 2, "its own captions are not taken for what was there"
    assert (folder / "00000.txt").read_text() == expected


def test_kill_9_while_sidecars_are_written_loses_and_doubles_nothing(dataflow, pictures, server):
    folder = pictures(400)
    for number in range(400):
        (folder / f"{number:05}.txt").write_text(f"tag{number}")
    arguments = ["--sidecar", ".txt", "--existing", "append", "--prompt", "With {existing}:"]
    process = dataflow.start("caption", "photos", *arguments, *api(server))
    while not any("," in path.read_text() for path in folder.glob("0000*.txt")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    written = sum("," in path.read_text() for path in folder.glob("*.txt"))
    done = dataflow("caption", "photos", *arguments, *api(server))
    assert done.returncode == 0, done.stderr
    assert 0 < written < 400, "the kill came while they were written"
    assert server.asked == 400
    for number in range(400):
        expected = f"tag{number}, {caption_in(folder, f'{number:05}.jpg')}"
        assert (folder / f"{number:05}.txt").read_text() == expected
    assert not list(folder.glob(".*"))


def test_a_failed_picture_keeps_its_sidecar_and_is_listed(dataflow, pictures, server):
    folder = pictures(2)
    (folder / "00001.jpg").write_bytes(b"\xff\xd8 no picture")
    (folder / "00001.txt").write_text("tags")
    done = dataflow(
        "caption", "photos", "--sidecar", ".txt", "--existing", "overwrite", *api(server)
    )
    assert done.returncode == 3, done.stderr
    assert (folder / "00001.txt").read_text() == "tags"
    (line,) = (dataflow.folder / "photos.sidecars.errors.jsonl").read_text().splitlines()
    assert json.loads(line)["picture"] == ["photos/00001.jpg"]


def test_only_the_pictures_that_fit_are_captioned(dataflow, pictures, server):
    folder = pictures(12)
    (folder / "raw").mkdir()
    (folder / "00003.jpg").rename(folder / "raw" / "00003.jpg")
    done = dataflow(
        "caption", "photos", "--include", "0000?.jpg", "--exclude", "raw", "--exclude", "*5.jpg",
        *api(server),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = (dataflow.folder / "photos.captions.jsonl").read_text().splitlines()
    names = [json.loads(line)["image"][-6:] for line in lines]
    assert names == [f"0{n}.jpg" for n in (0, 1, 2, 4, 6, 7, 8, 9)]


def test_a_quoted_pattern_is_an_input(dataflow, pictures, server):
    pictures(12)
    done = dataflow("caption", "photos/0001*.jpg", *api(server))
    assert done.returncode == 0, done.stderr
    assert len((dataflow.folder / "photos.captions.jsonl").read_text().splitlines()) == 2


def test_an_output_in_parts_with_some_fields(dataflow, pictures, server):
    folder = pictures(5)
    rows = [{"id": n, "image": f"photos/{n:05}.jpg", "big": 1.10} for n in range(5)]
    data = dataflow.folder / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["-o", "out.jsonl.gz", "--rows-per-file", "2", "--drop", "image", "--drop", "big"]
    for _ in range(2):
        done = dataflow("caption", "data.jsonl", *arguments, "--show", *api(server))
        assert done.returncode == 0, done.stderr
    assert server.asked == 5
    assert "out-00000-of-00003.jsonl.gz … out-00002-of-00003.jsonl.gz" in done.stderr
    import gzip

    parts = parts_of(dataflow.folder / "out.jsonl.gz")
    lines = b"".join(gzip.decompress(part.read_bytes()) for part in parts).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": n, "caption": caption_in(folder, f"{n:05}.jpg")} for n in range(5)
    ]
    assert done.stdout.count("\n") == 5


def test_parts_that_no_former_run_made_are_not_replaced(dataflow, pictures, server):
    pictures(1)
    mine = dataflow.folder / "out-00000-of-00001.jsonl"
    mine.write_text("mine\n")
    done = dataflow("caption", "photos", "-o", "out.jsonl", "--rows-per-file", "2", *api(server))
    assert done.returncode == 2
    assert "--restart" in done.stderr
    assert mine.read_text() == "mine\n"


def test_a_new_column_may_take_the_place_of_a_dropped_one(dataflow, pictures, server):
    pictures(1)
    (dataflow.folder / "d.jsonl").write_text('{"image": "photos/00000.jpg", "caption": "old"}\n')
    done = dataflow("caption", "d.jsonl", "-o", "o.jsonl", "--drop", "caption", *api(server))
    assert done.returncode == 0, done.stderr
    assert json.loads((dataflow.folder / "o.jsonl").read_text())["caption"] != "old"


WRONG = {
    "sidecars of a dataset": (["d.jsonl", "--sidecar", ".txt"], "only a folder"),
    "sidecars and a folder as output": (
        ["photos", "--sidecar", ".txt", "-o", "texts"],
        "--sidecar-root texts",
    ),
    "a picture's ending for sidecars": (["photos", "--sidecar", "png"], ".txt or .caption"),
    "sidecars' folder without sidecars": (["photos", "--sidecar-root", "x"], "give --sidecar too"),
    "existing without sidecars": (["photos", "--existing", "append"], "give --sidecar too"),
    "an unknown way": (["photos", "--sidecar", ".txt", "--existing", "merge"], "merge"),
    "a pattern for a dataset": (["d.jsonl", "--include", "*"], "only a folder"),
    "a column that is not there": (["d.csv", "--keep", "c", "-o", "x.csv"], "there is: 'a', 'b'"),
    "a pattern that is none": (["photos", "--exclude", "/"], "no pattern"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_ends_with_2_before_anything_is_asked(dataflow, pictures, server, case):
    pictures(1)
    (dataflow.folder / "d.jsonl").write_text('{"image": "photos/00000.jpg"}\n')
    (dataflow.folder / "d.csv").write_text("a,b\n1,2\n")
    arguments, said = WRONG[case]
    done = dataflow("caption", *arguments, *api(server))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert server.asked == 0


def test_two_pictures_of_one_sidecar_stop_before_anything_is_asked(dataflow, pictures, server):
    folder = pictures(2)
    (folder / "00001.png").write_bytes((folder / "00001.jpg").read_bytes())
    done = dataflow("caption", "photos", "--sidecar", ".txt", *api(server))
    assert done.returncode == 2
    assert "photos/00001.jpg and photos/00001.png" in done.stderr
    assert server.asked == 0
    assert not list(folder.glob("*.txt"))


def test_sidecars_and_a_dataset_come_from_one_run_and_are_paid_once(dataflow, pictures, server):
    folder = pictures(3)
    (folder / "00002.txt").write_text("by hand")
    given = ("caption", "photos", "--sidecar", "txt", "-o", "x.jsonl", "--trigger", "ohwx")
    for _ in range(2):
        done = dataflow(*given, *api(server))
        assert done.returncode == 0, done.stderr
        assert server.asked == 2
        assert (folder / "00002.txt").read_text() == "by hand"
        lines = list(map(json.loads, (dataflow.folder / "x.jsonl").read_text().splitlines()))
        assert [line["caption"] for line in lines] == [
            (folder / f"0000{n}.txt").read_text() for n in range(2)
        ]
        assert all(set(line) == {"image", "caption"} for line in lines)
        assert all(line["caption"].startswith("ohwx, ") for line in lines)


def test_several_captions_of_a_picture_stand_one_a_line_in_its_sidecar(dataflow, pictures, server):
    folder = pictures(1)
    done = dataflow("caption", "photos", "--sidecar", ".txt", "--n", "2", *api(server))
    assert done.returncode in (0, 3), done.stderr
    assert len((folder / "00000.txt").read_text().splitlines()) == 2


def test_what_is_passed_over_is_in_the_summary_by_reason(dataflow, pictures, server):
    folder = pictures(1)
    (folder / "00000-masklabel.png").write_bytes(b"")
    (folder / "@eaDir").mkdir()
    (folder / "film.mp4").write_bytes(b"")
    done = dataflow("caption", "photos", *api(server))
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    for reason in ("1 masks beside", "1 thumbnails", "1 files that are no pictures (.mp4)"):
        assert reason in shown


def test_rows_own_questions_are_asked_and_another_question_is_said(dataflow, pictures, server):
    pictures(1)
    turns = [{"role": "user", "content": "<image>Which colour?"}]
    row = {"images": ["photos/00000.jpg"], "messages": turns}
    (dataflow.folder / "d.jsonl").write_text(json.dumps(row) + "\n")
    done = dataflow("caption", "d.jsonl", "-o", "own.jsonl", *api(server))
    assert done.returncode == 0, done.stderr
    assert "the pictures are taken from the column 'images'" in done.stderr
    assert "asked its own question, from the column 'messages'" in done.stderr
    done = dataflow("caption", "d.jsonl", "-o", "b.jsonl", "--prompt", "Mood?", *api(server))
    assert "are not asked those" in done.stderr


def test_an_output_that_is_a_link_is_followed_and_stays_a_link(dataflow, pictures, server):
    pictures(2)
    there = dataflow.folder / "there"
    there.mkdir()
    link = dataflow.folder / "out.jsonl"
    link.symlink_to("there/true.jsonl")
    for asked in (2, 2):
        done = dataflow("caption", "photos", "-o", "out.jsonl", *api(server))
        assert done.returncode == 0, done.stderr
        assert server.asked == asked, "the journal is found again"
    assert link.is_symlink()
    assert len((there / "true.jsonl").read_text().splitlines()) == 2
    assert {path.name for path in there.iterdir()} == {
        "true.jsonl", "true.jsonl.dataflow", "true.jsonl.run.json"
    }  # fmt: skip
    assert dataflow("status", "out.jsonl").returncode == 0


@pytest.mark.parametrize("size", [228, 243, 255, 300])
def test_a_name_that_leaves_no_room_for_those_beside_it_is_refused(
    dataflow, pictures, server, size
):
    pictures(1)
    name = "x" * (size - len(".jsonl")) + ".jsonl"
    done = dataflow("caption", "photos", "-o", name, *api(server))
    assert done.returncode == 2
    assert f"the output's name has {size} bytes" in done.stderr
    assert server.asked == 0


def test_the_longest_name_has_room_for_everything_beside_it(dataflow, pictures, server):
    pictures(1)
    name = "x" * (227 - len(".jsonl")) + ".jsonl"
    for more in ([], ["--fresh"]):
        done = dataflow("caption", "photos", "-o", name, *more, *api(server))
        assert done.returncode == 0, done.stderr


def test_an_output_that_is_no_file_is_refused(dataflow, pictures, server):
    pictures(1)
    os.mkfifo(dataflow.folder / "pipe.jsonl")
    done = dataflow("caption", "photos", "-o", "pipe.jsonl", "--fresh", *api(server))
    assert done.returncode == 2
    assert "no regular file" in done.stderr


def captioned(dataflow, server, *arguments):
    done = dataflow("caption", *arguments, "-o", "out.jsonl", *api(server))
    assert done.returncode == 0, done.stderr
    return [path.name for path in sorted(dataflow.folder.glob("out*.jsonl.2*"))]


def test_other_rows_or_fewer_do_not_replace_an_output_without_a_word(dataflow, pictures, server):
    folder = pictures(4)
    other = dataflow.folder / "other"
    other.mkdir()
    for number in range(2, 4):
        (folder / f"{number:05}.jpg").rename(other / f"{number:05}.jpg")
    output = dataflow.folder / "out.jsonl"
    assert captioned(dataflow, server, "photos", "--limit", 1) == []
    assert captioned(dataflow, server, "photos") == [], "more rows"
    assert captioned(dataflow, server, "photos") == [], "the same"
    both = output.read_bytes()
    (first,) = captioned(dataflow, server, "other")
    assert (dataflow.folder / first).read_bytes() == both
    assert b"other" in output.read_bytes()
    left = captioned(dataflow, server, "other", "--limit", 1)
    assert len(left) == 2, "fewer rows"
    assert captioned(dataflow, server, "other", "--limit", 1) == left
    assert server.asked == 4


def test_another_dataset_after_a_stop_does_not_replace_an_output_either(dataflow, pictures, server):
    """What counts is the run that wrote the output, not the one before."""
    folder = pictures(3)
    assert captioned(dataflow, server, "photos", "--limit", 2) == []
    before = (dataflow.folder / "out.jsonl").read_bytes()
    folder.rename(folder.with_name("other"))
    for number in range(3):
        other = folder.with_name("other") / f"{number:05}.jpg"
        other.write_bytes(other.read_bytes() + b"\0")  # the same bytes would be the same picture
    with HostileServer(lambda n: "401" if n else None) as refusing:
        words = ["caption", "other", "-o", "out.jsonl", "--concurrency", 1, *api(refusing)]
        assert dataflow(*words).returncode == 1
    (aside,) = captioned(dataflow, server, "other")
    assert (dataflow.folder / aside).read_bytes() == before


def test_parts_are_kept_too(dataflow, pictures, server):
    pictures(3)
    assert captioned(dataflow, server, "photos", "--rows-per-file", 2) == []
    kept = captioned(dataflow, server, "photos", "--rows-per-file", 2, "--limit", 1)
    assert [name[: len("out-00000-of-00002.jsonl")] for name in kept] == [
        "out-00000-of-00002.jsonl",
        "out-00001-of-00002.jsonl",
    ]


def test_a_runs_own_errors_file_is_no_input_for_it(dataflow, pictures, server):
    folder = pictures(2)
    (folder / "00001.jpg").write_bytes(b"no picture")
    first = ["-o", "out.jsonl", *api(server)]
    assert dataflow("caption", "photos", *first).returncode == 3
    done = dataflow("caption", "out.jsonl.errors.jsonl", *first)
    assert done.returncode == 2
    assert "belongs to the output out.jsonl" in done.stderr

"""`dataflow caption` against a server over real sockets that knows which picture it was sent."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import time
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.servers.hostile_server import KEY, MODEL, HostileServer, caption_of


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]  # of U+2028, text splits


def right_captions(folder: Path) -> list[str]:
    return [caption_of(path.read_bytes()) for path in sorted(folder.glob("*.jpg"))]


@pytest.fixture
def server():
    with HostileServer(key=KEY) as running:
        yield running


def api(server: HostileServer) -> list[str]:
    return ["--api-url", server.url, "--model", MODEL]


def test_a_folder_becomes_a_dataset_of_captions(dataflow, pictures, server):
    folder = pictures(20)
    done = dataflow("caption", "photos", *api(server), DF_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    rows = rows_of(folder.with_name("photos.captions.jsonl"))
    assert [row["image"] for row in rows] == [f"photos/{n:05d}.jpg" for n in range(20)]
    assert [row["caption"] for row in rows] == right_captions(folder)
    assert done.stdout == ""
    assert re.search(r"captioned +20", done.stderr)


def test_one_picture_is_a_dataset_of_one(dataflow, pictures, server):
    folder = pictures(1)
    done = dataflow("caption", "photos/00000.jpg", *api(server), "--show", DF_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"photos/00000.jpg\t{right_captions(folder)[0]}\n"
    assert len(rows_of(folder / "00000.captions.jsonl")) == 1


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "parquet"])
def test_the_outputs_ending_decides_its_format(dataflow, pictures, server, ending):
    folder = pictures(3)
    output = folder.with_name(f"out.{ending}")
    done = dataflow("caption", "photos", "-o", output, *api(server), DF_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    read = {
        "json": lambda: json.loads(output.read_text()),
        "jsonl": lambda: rows_of(output),
        "csv": lambda: list(csv.DictReader(output.read_text().splitlines())),
        "parquet": lambda: pyarrow.parquet.read_table(output).to_pylist(),
    }[ending]
    assert [row["caption"] for row in read()] == right_captions(folder)


def test_failed_rows_end_with_3_and_are_listed_with_their_reason(dataflow, pictures, server):
    folder = pictures(3)
    (folder / "00001.jpg").write_bytes(b"\xff\xd8 no picture")
    done = dataflow("caption", "photos", *api(server), DF_API_KEY=KEY)
    assert done.returncode == 3, done.stderr
    (error,) = rows_of(folder.with_name("photos.captions.jsonl.errors.jsonl"))
    assert (error["row"], error["kind"]) == (1, "picture")
    assert error["picture"] == ["photos/00001.jpg"]
    assert rows_of(folder.with_name("photos.captions.jsonl"))[1]["caption"] is None


def test_the_same_command_again_asks_nothing_twice(dataflow, pictures, server):
    pictures(5)
    for _ in range(2):
        assert dataflow("caption", "photos", *api(server), DF_API_KEY=KEY).returncode == 0
    assert server.asked == 5


def test_kill_9_in_the_middle_costs_only_what_was_in_flight(dataflow, pictures):
    folder, count, in_flight = pictures(300), 300, 8
    with HostileServer(delay=0.02) as server:
        arguments = ["caption", "photos", *api(server), "--concurrency", in_flight]
        process = dataflow.start(*arguments, DF_API_KEY=KEY)
        while server.asked < 100:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert not folder.with_name("photos.captions.jsonl").exists()
        done = dataflow(*arguments, DF_API_KEY=KEY)
        assert done.returncode == 0, done.stderr
        assert count <= server.asked <= count + in_flight
    captions = [row["caption"] for row in rows_of(folder.with_name("photos.captions.jsonl"))]
    assert captions == right_captions(folder)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_finishes_what_is_in_flight_and_says_how_to_go_on(dataflow, pictures, ending):
    pictures(100)
    with HostileServer(delay=0.3) as server:
        arguments = ["caption", "photos", *api(server), "--concurrency", "4"]
        process = dataflow.start(*arguments, DF_API_KEY=KEY)
        while server.asked < 8:
            time.sleep(0.01)
        process.send_signal(ending)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 128 + ending
        assert "run the same command again" in err
        asked = server.asked
        assert dataflow(*arguments, DF_API_KEY=KEY).returncode == 0
        assert server.asked == 100
        assert asked < 30


@pytest.mark.parametrize("ignored", ["HUP", "INT"])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(dataflow, pictures, ignored):
    """As under nohup, and in the background of a script."""
    pictures(20)
    with HostileServer(delay=0.1) as server:
        words = ["caption", "photos", *api(server), "--concurrency", "4"]
        shell = ["sh", "-c", f'trap "" {ignored}; exec "$0" "$@"']
        process = dataflow.start(*words, before=shell, DF_API_KEY=KEY)
        while server.asked < 4:
            time.sleep(0.01)
        process.send_signal(signal.Signals[f"SIG{ignored}"])
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert server.asked == 20


def test_a_wrong_key_stops_with_1_and_never_shows_the_key(dataflow, pictures, server):
    folder = pictures(3)
    done = dataflow("caption", "photos", *api(server), DF_API_KEY="sk-wrong-but-secret-key")
    assert done.returncode == 1
    assert "key" in done.stderr
    assert "sk-wrong-but-secret-key" not in done.stderr + done.stdout
    assert not folder.with_name("photos.captions.jsonl").exists()


def test_a_server_that_is_not_there_stops_with_1(dataflow, pictures):
    pictures(3)
    done = dataflow(
        "caption", "photos", "--api-url", "http://127.0.0.1:9/v1", "--model", "m", DF_API_KEY="x"
    )
    assert done.returncode == 1
    assert "127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


WRONG = {
    "no such input": (["caption", "nowhere"], "nowhere"),
    "unknown ending": (["caption", "data.xyz"], ".xyz"),
    "unknown option": (["caption", "photos", "--modle", "x"], "--modle"),
    "api without model": (["caption", "photos", "--api-url", "http://127.0.0.1/v1"], "--model"),
    "two engines": (["caption", "photos", "--vllm", "x", "--api-url", "http://x"], "two engines"),
    "output is the input": (["caption", "data.jsonl", "-o", "data.jsonl"], "input itself"),
    "output is a folder": (["caption", "photos", "-o", "photos"], "folder"),
    "nonsense url": (["caption", "photos", "--api-url", "nonsense", "--model", "x"], "nonsense"),
    "no file of endpoints": (
        ["caption", "photos", "--endpoints", "no", "--model", "x"],
        "cannot be read",
    ),
    "no line of endpoints": (
        ["caption", "photos", "--endpoints", "words", "--model", "x"],
        "line 1",
    ),
    "concurrency of nought": (["caption", "photos", "--concurrency", "0"], "concurrency"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_ends_with_2_and_one_clear_message(dataflow, pictures, case):
    folder = pictures(1)
    (folder.parent / "data.xyz").write_text("x")
    (folder.parent / "words").write_text("an address and more\n")
    (folder.parent / "data.jsonl").write_text('{"image": "photos/00000.jpg"}\n')
    arguments, said = WRONG[case]
    done = dataflow(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_somebody_elses_file_at_the_output_is_not_overwritten(dataflow, pictures, server):
    folder = pictures(1)
    output = folder.with_name("photos.captions.jsonl")
    output.write_text("mine\n")
    done = dataflow("caption", "photos", *api(server), DF_API_KEY=KEY)
    assert done.returncode == 2
    assert "--restart" in done.stderr
    assert output.read_text() == "mine\n"


def test_a_missing_column_names_those_that_exist(dataflow, pictures, server):
    folder = pictures(1)
    (folder.parent / "data.jsonl").write_text('{"id": 1, "what": "photos/00000"}\n')
    done = dataflow("caption", "data.jsonl", *api(server), DF_API_KEY=KEY)
    assert done.returncode == 2
    assert "'id', 'what'" in done.stderr
    assert server.asked == 0


def test_prompt_and_system_prompt_are_sent_as_given(dataflow, pictures, server):
    pictures(1)
    question, system = "What is here?", "Answer as a poet."
    done = dataflow(
        "caption", "photos", *api(server), "--prompt", question, "--system-prompt", system,
        "--max-tokens", "77", "--temperature", "0.3", "--seed", "5", DF_API_KEY=KEY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    body = server.bodies[0]
    system_turn, user_turn = body["messages"]
    assert system_turn["role"] == "system"
    assert system in json.dumps(system_turn)
    assert [part["type"] for part in user_turn["content"]] == ["image_url", "text"]
    assert user_turn["content"][1]["text"] == question
    assert (body["max_tokens"], body["temperature"], body["seed"]) == (77, 0.3, 5)


def test_plain_lines_and_no_colours_where_stderr_is_no_terminal(dataflow, pictures, server):
    pictures(2)
    done = dataflow("caption", "photos", *api(server), DF_API_KEY=KEY)
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    "chosen",
    [["photos/*.gif"], ["photos", "--include", "*.gif"], ["*.jsonl"], ["{00..03}.tar"], ["none"]],
)
def test_what_fits_nothing_is_refused_before_anything_is_written(
    dataflow, pictures, server, chosen
):
    pictures(2)
    before = sorted(dataflow.folder.rglob("*"))
    done = dataflow("caption", *chosen, "-o", "out.jsonl", *api(server), DF_API_KEY=KEY)
    assert done.returncode == 2, done.stderr
    assert sorted(dataflow.folder.rglob("*")) == before


def test_an_empty_folder_is_refused_and_an_empty_dataset_gives_an_empty_output(dataflow, server):
    (dataflow.folder / "photos").mkdir()
    done = dataflow("caption", "photos", *api(server), DF_API_KEY=KEY)
    assert done.returncode == 2
    assert "no picture in this folder" in done.stderr
    (dataflow.folder / "none.jsonl").write_text("")
    done = dataflow("caption", "none.jsonl", *api(server), DF_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert (dataflow.folder / "none.captions.jsonl").read_text() == ""


@pytest.mark.skipif(os.name != "posix", reason="names of bytes are a POSIX matter")
def test_names_that_are_no_utf8_are_captioned_all_the_same(dataflow, pictures, server):
    folder = pictures(1)
    odd = os.fsencode(folder) + b"/odd\xff\n\xe2\x80\xa8.jpg"
    os.rename(folder / "00000.jpg", odd)
    done = dataflow("caption", "photos", *api(server), "--show", DF_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    (row,) = rows_of(folder.with_name("photos.captions.jsonl"))
    assert os.fsencode(row["image"]).endswith(b"odd\xff\n\xe2\x80\xa8.jpg")


def test_the_key_may_come_from_a_file_and_is_nowhere_shown(dataflow, pictures, server):
    folder = pictures(1)
    file = dataflow.folder / "key"
    file.write_text(KEY + "\n")
    file.chmod(0o644)
    done = dataflow("caption", "photos", *api(server), "--key-file", "key", DF_API_KEY="sk-not")
    assert done.returncode == 0, done.stderr
    assert "chmod 600" in done.stderr
    assert KEY not in done.stderr + done.stdout
    beside = [path for path in folder.parent.rglob("*") if path.is_file() and path != file]
    assert not [path for path in beside if KEY.encode() in path.read_bytes()]


def test_a_key_file_that_is_not_there_is_named(dataflow, pictures, server):
    pictures(1)
    done = dataflow("caption", "photos", *api(server), "--key-file", "nokey", DF_API_KEY=KEY)
    assert done.returncode == 1
    assert "key file nokey cannot be read" in done.stderr
    assert server.asked == 0


def test_a_key_in_the_address_is_refused_and_not_shown(dataflow, pictures):
    pictures(1)
    for address in ("http://me:hunter2@127.0.0.1/v1", "http://127.0.0.1/v1?key=hunter2"):
        done = dataflow("caption", "photos", "--api-url", address, "--model", "m")
        assert done.returncode == 2
        assert "hunter2" not in done.stderr + done.stdout


def test_several_endpoints_share_the_rows(dataflow, pictures):
    folder = pictures(40)
    with HostileServer(key=KEY, delay=0.02) as one, HostileServer(key="other", delay=0.02) as two:
        urls = ["--api-url", one.url, "--api-url", two.url, "--model", MODEL]
        keys = ["--key-env", "KEY_ONE", "--key-env", "KEY_TWO"]
        done = dataflow("caption", "photos", *urls, *keys, KEY_ONE=KEY, KEY_TWO="other")
        assert done.returncode == 0, done.stderr
        assert (one.asked + two.asked, min(one.asked, two.asked) > 5) == (40, True)
    captions = [row["caption"] for row in rows_of(folder.with_name("photos.captions.jsonl"))]
    assert captions == right_captions(folder)


def test_endpoints_may_stand_in_a_file_each_with_a_key_of_its_own(dataflow, pictures):
    folder = pictures(40)
    with HostileServer(key=KEY, delay=0.02) as one, HostileServer(key="other", delay=0.02) as two:
        listed = f"# ours\n{one.url}\n\n{two.url}  KEY_TWO\n"
        (dataflow.folder / "endpoints.txt").write_text(listed)
        given = ["--endpoints", "endpoints.txt", "--model", MODEL]
        done = dataflow("caption", "photos", *given, DF_API_KEY=KEY, KEY_TWO="other")
        assert done.returncode == 0, done.stderr
        assert (one.asked + two.asked, min(one.asked, two.asked) > 5) == (40, True)
    captions = [row["caption"] for row in rows_of(folder.with_name("photos.captions.jsonl"))]
    assert captions == right_captions(folder)


def test_requests_a_minute_are_kept(dataflow, pictures, server):
    pictures(8)
    began = time.monotonic()
    done = dataflow("caption", "photos", *api(server), "--rpm", "120", DF_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began > 7 * 0.5


def test_an_output_that_cannot_hold_the_rows_is_told_before_anything_is_paid(
    dataflow, pictures, server
):
    folder = pictures(2)
    rows = [{"image": f"photos/0000{n}.jpg", "v": value} for n, value in enumerate([1, "x"])]
    (folder.parent / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = dataflow("caption", "d.jsonl", "-o", "d.parquet", *api(server), DF_API_KEY=KEY)
    assert done.returncode == 1
    assert "'v'" in done.stderr
    assert server.asked == 0


def test_going_on_after_a_stopped_fresh_run_asks_nothing_twice(dataflow, pictures):
    pictures(60)
    with HostileServer(delay=0.2) as server:
        arguments = ["caption", "photos", *api(server), "--concurrency", "4"]
        process = dataflow.start(*arguments, "--fresh", DF_API_KEY=KEY)
        while server.asked < 8:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert "run the same command again without --fresh" in err
        assert dataflow(*arguments, DF_API_KEY=KEY).returncode == 0
        assert server.asked == 60

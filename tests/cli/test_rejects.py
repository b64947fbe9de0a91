"""`dataflow caption` with a model that errs: asked again, flagged, dropped, failed, refined."""

from __future__ import annotations

import json
import signal
import sqlite3
import time

import pytest
from PIL import Image

from tests.servers.erring_server import NARROWEST, ErringServer, caption

OPTIONS = ("--model", "erring", "--temperature", 0.2, "--seed", 7, "--max-tokens", 64)


@pytest.fixture
def rows(dataflow):
    """Makes a dataset of so many pictures; returns what the command takes."""

    def make(count: int) -> tuple[object, ...]:
        for number in range(count):
            picture = Image.new("RGB", (NARROWEST + number, 32), (90, 120, 150))
            picture.save(dataflow.folder / f"{number}.png")
        lines = (json.dumps({"image": f"{number}.png"}) + "\n" for number in range(count))
        (dataflow.folder / "data.jsonl").write_text("".join(lines))
        return "caption", "data.jsonl", "-o", "out.jsonl", *OPTIONS

    return make


def captions(folder) -> list[str | None]:
    return [json.loads(line)["caption"] for line in (folder / "out.jsonl").read_text().splitlines()]


def errors(folder) -> list[dict]:
    path = folder / "out.jsonl.errors.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_captions_that_are_turned_down_are_asked_for_again_by_default(dataflow, rows):
    with ErringServer("cut_off") as server:
        done = dataflow(*rows(12), "--api-url", server.url)
        assert done.returncode == 0, done.stderr
        again = server.asked.total() - 12
    assert again > 0
    assert captions(dataflow.folder) == [caption(number) for number in range(12)]
    assert f"asked again  {again}, {1 + again / 12:.2f} asks a caption" in done.stderr
    status = dataflow("status", "out.jsonl").stderr
    assert f"asked again  {again}" in status


def test_flagged_captions_end_with_3_and_are_listed(dataflow, rows):
    with ErringServer("language") as server:
        command = (*rows(12), "--api-url", server.url, "--language", "en", "--on-reject", "flag")
        done = dataflow(*command)
    assert done.returncode == 3
    lines = errors(dataflow.folder)
    assert {(line["kind"], line["kept"]) for line in lines} == {("language", True)}
    assert f"flagged: language  {len(lines)}" in done.stderr
    assert None not in captions(dataflow.folder)


def test_dropped_rows_are_left_out_and_told(dataflow, rows):
    with ErringServer("length") as server:
        command = (*rows(12), "--api-url", server.url, "--max-words", 30, "--on-reject", "drop")
        done = dataflow(*command)
    dropped = len(errors(dataflow.folder))
    assert done.returncode == 3
    assert f"{dropped} rows, because a caption was rejected" in done.stderr
    assert len(captions(dataflow.folder)) == 12 - dropped < 12


def test_refusals_are_no_captions_also_where_they_are_flagged(dataflow, rows):
    with ErringServer("refusal") as server:
        done = dataflow(*rows(12), "--api-url", server.url, "--on-reject", "flag")
    failed = [line["row"] for line in errors(dataflow.folder) if not line["kept"]]
    assert failed
    assert f"failed: refusal  {len(failed)}" in done.stderr
    assert [n for n, text in enumerate(captions(dataflow.folder)) if text is None] == failed


def test_without_checks_everything_but_emptiness_is_taken(dataflow, rows):
    with ErringServer("refusal") as server:
        command = (*rows(12), "--api-url", server.url)
        assert dataflow(*command, "--no-checks").returncode == 0
        assert server.asked.total() == 12
        # the checks then look at what is there, and only what they turn down is asked again
        assert dataflow(*command).returncode == 0
        assert 12 < server.asked.total() < 24
    assert captions(dataflow.folder) == [caption(number) for number in range(12)]


def test_a_run_that_is_killed_between_two_asks_pays_no_answer_twice(dataflow, rows):
    with ErringServer("cut_off", delay=0.05) as server:
        command = (*rows(40), "--api-url", server.url, "--concurrency", 2)
        for answers in (10, 25):
            process = dataflow.start(*command)
            until = time.monotonic() + 60
            while server.asked.total() < answers and time.monotonic() < until:
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        done = dataflow(*command)
        assert done.returncode == 0, done.stderr
        sent = sum(map(len, server.sent.values()))
        with sqlite3.connect(dataflow.folder / "out.jsonl.dataflow/journal.sqlite") as db:
            [attempts] = db.execute("SELECT sum(attempts) FROM results").fetchone()
    # those in flight when it was killed, two each time, reached nobody
    assert sent - 4 <= attempts <= sent
    assert captions(dataflow.folder) == [caption(number) for number in range(40)]


def test_refinements_that_are_asked_for_keep_the_answer_in_the_journal(dataflow, rows):
    with ErringServer("lead_in") as server:
        done = dataflow(*rows(12), "--api-url", server.url, "--strip-lead-in")
        assert done.returncode == 0, done.stderr
        led_in = {n for n, texts in server.sent.items() if texts[0].startswith("The image shows")}
    assert led_in
    assert captions(dataflow.folder) == [caption(number) for number in range(12)]
    with sqlite3.connect(dataflow.folder / "out.jsonl.dataflow/journal.sqlite") as db:
        texts = [text for (text,) in db.execute("SELECT text FROM attempts")]
    assert sorted(texts) == sorted(server.sent[number][0] for number in led_in)


def test_the_fallback_model_gets_the_last_ask(dataflow, rows):
    with ErringServer("refusal", helped=1.0) as server:
        command = (*rows(8), "--api-url", server.url, "--fallback-model", "sound")
        done = dataflow(*command)
        assert done.returncode == 0, done.stderr
        assert server.models["sound"] > 0
        assert server.models["erring"] == 8 + server.models["sound"]


def test_a_fallback_model_that_is_named_in_a_second_run_is_asked_for_what_is_left(dataflow, rows):
    with ErringServer("refusal", helped=1.0) as server:
        command = (*rows(8), "--api-url", server.url, "--max-asks", 2)
        assert dataflow(*command).returncode == 3
        left = captions(dataflow.folder).count(None)
        asked = server.asked.total()
        done = dataflow(*command, "--fallback-model", "sound")
        assert done.returncode == 0, done.stderr
        assert server.models["sound"] == server.asked.total() - asked == left > 0
        assert dataflow(*command, "--fallback-model", "sound").returncode == 0
        assert server.models["sound"] == left
    assert captions(dataflow.folder) == [caption(number) for number in range(8)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--fallback-model", "large", "--max-asks", 1), "leave the fallback out"),
        (("--fallback-model", "large", "--on-reject", "flag"), "--on-reject reask"),
        (("--fallback-model", "large", "--on-reject", "drop"), "--on-reject reask"),
        (("--fallback-model", "large", "--on-reject", "fail"), "--on-reject reask"),
        (("--fallback-api-url", "http://127.0.0.1:1/v1"), "is about --fallback-model"),
        (("--fallback-price-in", 1), "need --fallback-model"),
        (("--fallback-model", "large", "--batch"), "give --batch-then-live"),
        (("--no-check", "refusals"), "there is no check 'refusals'"),
        (("--on-reject", "redo"), "redo"),
        (("--max-asks", 0), "0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(dataflow, rows, options, says):
    with ErringServer() as server:
        done = dataflow(*rows(1), "--api-url", server.url, *options)
        assert done.returncode == 2, done.stderr
        assert says in done.stderr
        assert server.asked.total() == 0

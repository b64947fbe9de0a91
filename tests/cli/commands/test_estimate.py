"""`dataflow estimate` against what a server then charges for the pixels it really receives."""

from __future__ import annotations

import functools
import http.server
import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.paths import SHARED
from tests.servers.hostile_server import MODEL, HostileServer
from tests.servers.metered_server import MeteredServer, patches_28, tiles

PHOTOS = SHARED / "images" / "photos"
PRICES = ["--price-in", "2.5", "--price-out", "10"]
MODELS = {"gpt-4o": tiles, "Qwen/Qwen2.5-VL-7B-Instruct": patches_28}


@pytest.fixture
def photos(dataflow) -> Path:
    """Real photographs, or as many pictures of our own where they are not there."""
    folder = dataflow.folder / "photos"
    if PHOTOS.is_dir():
        folder.symlink_to(PHOTOS)
        return folder
    return drawn(folder, 40)


def drawn(folder: Path, count: int) -> Path:
    """So many pictures of many sizes and shapes, some of them turned."""
    folder.mkdir()
    chance = random.Random(5)
    for number in range(count):
        size = chance.randint(30, 1800), chance.randint(30, 1800)
        exif = Image.Exif()
        exif[0x0112] = chance.choice([1, 1, 6, 8])
        colour = tuple(chance.randbytes(3))
        Image.new("RGB", size, colour).save(folder / f"{number:03d}.jpg", exif=exif)
    return folder


@pytest.fixture
def expected(dataflow):
    """``told(*arguments)`` → what the command tells as JSON."""

    def run(*arguments, **environment):
        done = dataflow("estimate", *arguments, "--json", **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def holds(span, value: float) -> bool:
    return span["low"] <= value <= span["high"]


def dollars(server: MeteredServer) -> float:
    return (server.prompt_tokens * 2.5 + server.completion_tokens * 10) / 1e6


@pytest.mark.parametrize("side", [768, 1024])
@pytest.mark.parametrize("model", MODELS)
def test_what_was_told_is_what_is_charged(dataflow, photos, expected, model, side):
    with MeteredServer(MODELS[model]) as server:
        engine = ["photos", "--api-url", server.url, "--model", model, "--max-side", side]
        before = expected(*engine, *PRICES)
        assert server.asked == 0
        assert not list(dataflow.folder.glob("*.journal*"))
        done = dataflow("caption", *engine)
        assert done.returncode in {0, 3}, done.stderr
        assert before["requests"]["likely"] >= server.asked > 0
        off = before["picture_tokens"]["likely"] / server.picture_tokens - 1
        print(f"{model} at {side}: {server.picture_tokens:,} charged, {off:+.2%} off")
        assert abs(off) <= 0.02
        assert holds(before["picture_tokens"], server.picture_tokens)
        assert holds(before["prompt_tokens"], server.prompt_tokens)
        assert holds(before["completion_tokens"], server.completion_tokens)
        assert holds(before["usd"], dollars(server))


def test_a_probe_narrows_the_band_and_is_paid_only_once(dataflow, photos, expected):
    with MeteredServer(tiles, template=40) as server:
        engine = ["photos", "--api-url", server.url, "--model", "gpt-4o"]
        before = expected(*engine, *PRICES)
        after = expected(*engine, *PRICES, "--probe", 8)
        assert server.asked == 8
        assert (after["rows_done"], after["answers_measured"]) == (8, 8)
        probed = MeteredServer(tiles)
        probed.prompt_tokens, probed.completion_tokens = (
            server.prompt_tokens,
            server.completion_tokens,
        )
        assert dataflow("caption", *engine).returncode in {0, 3}
        assert server.asked == 8 + after["requests"]["likely"] - unread(after)
        assert holds(after["prompt_tokens"], server.prompt_tokens - probed.prompt_tokens)
        assert holds(
            after["completion_tokens"], server.completion_tokens - probed.completion_tokens
        )
        assert holds(after["usd"], dollars(server) - dollars(probed))
        assert width(after["usd"]) < width(before["usd"]) / 3
        # all is answered now
        assert expected(*engine, *PRICES)["requests"]["likely"] == unread(after)


def unread(expected) -> int:
    return sum(span["likely"] for span in expected["unreadable"].values())


def width(span) -> float:
    return span["high"] / max(span["low"], 1e-9)


def test_a_model_of_unknown_family_is_measured_not_guessed(dataflow, expected):
    drawn(dataflow.folder / "photos", 30)
    with MeteredServer(patches_28) as server:
        engine = ["photos", "--api-url", server.url, "--model", "mystery", *PRICES]
        before = expected(*engine)
        assert before["family"] is None
        assert before["prompt_tokens"] is None
        assert before["usd"] is None
        assert server.asked == 0
        after = expected(*engine, "--probe", 10)
        asked, spent = server.asked, server.prompt_tokens
        assert asked == 10
        assert dataflow("caption", *engine[:5]).returncode == 0
        assert holds(after["prompt_tokens"], server.prompt_tokens - spent)


def test_a_server_that_counts_by_another_rule_is_found_out(dataflow, expected):
    drawn(dataflow.folder / "photos", 20)
    with MeteredServer(lambda w, h: 3 * tiles(w, h)) as server:
        engine = ["photos", "--api-url", server.url, "--model", "gpt-4o"]
        after = expected(*engine, "--probe", 5)
        assert after["charged_by_rule"] == pytest.approx(3, rel=0.1)
        said = dataflow("estimate", *engine).stderr
        assert "times what the rules say" in " ".join(said.split())


def test_of_many_requests_a_sample_is_measured_and_the_band_holds(dataflow, expected):
    few = drawn(dataflow.folder / "few", 40)
    folder = dataflow.folder / "many"
    folder.mkdir()
    for number in range(800):
        os.link(sorted(few.iterdir())[number % 40], folder / f"{number:03d}.jpg")
    engine = ["many", "--api-url", "http://127.0.0.1:9/v1", "--model", "gpt-4o"]
    whole, part = expected(*engine), expected(*engine, "--sample", 100)
    assert (whole["requests_measured"], part["requests_measured"]) == (800, 100)
    assert part["requests"] == whole["requests"]
    assert holds(part["picture_tokens"], whole["picture_tokens"]["likely"])
    assert width(part["picture_tokens"]) > width(whole["picture_tokens"])


def test_what_need_not_or_cannot_be_asked_is_told(dataflow, pictures, expected):
    folder = pictures(6)
    (folder / "00001.jpg").write_bytes(b"<html>not found</html>")
    names = ["00000", "00000", "00001", "00002", "00003", "00004", "00005", "none"]
    rows = [{"image": f"photos/{name}.jpg"} for name in names]
    lines = [json.dumps(row) for row in [*rows, {"image": None}]]
    (dataflow.folder / "data.jsonl").write_text("\n".join(lines))
    with MeteredServer(tiles) as server:
        engine = ["data.jsonl", "--api-url", server.url, "--model", "gpt-4o"]
        assert dataflow("caption", *engine, "--limit", 2).returncode == 0
        beside = sorted(path.name for path in dataflow.folder.iterdir())
        now = expected(*engine)
        assert server.asked == 1
    assert (now["rows"], now["rows_read"], now["rows_done"]) == (9, 9, 2)
    assert now["rows_without_request"] == 1
    assert now["requests"]["likely"] == 6
    unreadable = {kind: span["likely"] for kind, span in now["unreadable"].items()}
    assert unreadable == {"picture": 1, "picture_missing": 1}
    assert sorted(path.name for path in dataflow.folder.iterdir()) == beside


def test_other_sides_are_told_as_they_would_be_told_alone(dataflow, expected):
    drawn(dataflow.folder / "photos", 10)
    engine = ["photos", "--api-url", "http://127.0.0.1:9/v1", "--model", "gpt-4.1-mini", *PRICES]
    by_side = expected(*engine)["by_max_side"]
    assert list(by_side) == ["512", "768", "1024", "1536"]
    alone = expected(*engine, "--max-side", 512)
    assert by_side["512"] == {name: alone[name] for name in by_side["512"]}
    assert by_side["512"]["usd"]["likely"] < by_side["1536"]["usd"]["likely"]


def test_no_key_is_needed_where_nothing_is_asked(dataflow, pictures, expected):
    pictures(2)
    engine = ["photos", "--api-url", "https://api.openai.com/v1", "--model", "gpt-4o"]
    assert expected(*engine)["price"].startswith("genai-prices")
    done = dataflow("estimate", *engine, "--probe", 1)
    assert done.returncode == 1
    assert "no API key" in done.stderr


def test_a_probe_that_is_refused_stops_with_1_and_keeps_what_was_paid(dataflow, pictures, expected):
    pictures(6)
    with HostileServer(lambda number: "401" if number >= 2 else None) as server:
        engine = ["photos", "--api-url", server.url, "--model", MODEL, "--concurrency", 1]
        done = dataflow("estimate", *engine, "--probe", 5)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert expected(*engine)["rows_done"] == 2


def test_pictures_behind_urls_are_measured(dataflow, expected):
    folder = drawn(dataflow.folder / "photos", 3)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        rows = [{"image": f"{address}/{path.name}"} for path in sorted(folder.iterdir())]
        (dataflow.folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
        engine = ["--api-url", "http://127.0.0.1:9/v1", "--model", "gpt-4o"]
        by_url = expected("d.jsonl", *engine, "--allow-private-urls")
        assert by_url["picture_tokens"] == expected("photos", *engine)["picture_tokens"]
        refused = expected("d.jsonl", *engine)["unreadable"]
        assert refused["picture_forbidden"]["likely"] == 3
        server.shutdown()


@pytest.mark.parametrize("arguments", [["--probe", "1", "--fresh"], ["--price-in", "1"]])
def test_options_that_contradict_each_other_are_wrong_usage(dataflow, pictures, arguments):
    pictures(1)
    engine = ["--api-url", "http://127.0.0.1:9/v1", "--model", "gpt-4o"]
    assert dataflow("estimate", "photos", *engine, *arguments).returncode == 2


def test_with_fresh_nothing_counts_as_answered(dataflow, pictures, expected):
    pictures(3)
    with MeteredServer(tiles) as server:
        engine = ["photos", "--api-url", server.url, "--model", "gpt-4o"]
        assert dataflow("caption", *engine).returncode == 0
        assert expected(*engine)["rows_done"] == 3
        assert expected(*engine, "--fresh")["requests"]["likely"] == 3


def test_ctrl_c_while_reading_ends_at_once(dataflow):
    line = json.dumps({"image": "photos/00000.jpg"}) + "\n"
    (dataflow.folder / "d.jsonl").write_text(line * 1_000_000)
    engine = ["--api-url", "http://127.0.0.1:9/v1", "--model", "gpt-4o"]
    process = dataflow.start("estimate", "d.jsonl", *engine)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in err


def test_a_local_engine_costs_nothing(pictures, expected):
    pictures(2)
    now = expected("photos", "--model", "demo")
    assert now["usd"] == {"low": 0, "likely": 0, "high": 0}


def test_the_table_goes_to_stderr_and_says_what_was_assumed(dataflow, pictures):
    pictures(2)
    done = dataflow("estimate", "photos", "--api-url", "http://127.0.0.1:9/v1", "--model", "gpt-4o")
    assert done.returncode == 0
    assert done.stdout == ""
    said = " ".join(done.stderr.split())
    assert "assumed 30 to 1,000 an answer" in said
    assert "give --price-in and --price-out" in said


def test_an_empty_dataset_costs_nothing(dataflow, expected):
    (dataflow.folder / "none.jsonl").write_text("")
    now = expected("none.jsonl", "--api-url", "http://127.0.0.1:9/v1", "--model", "gpt-4o", *PRICES)
    assert (now["rows"], now["usd"]["high"]) == (0, 0)

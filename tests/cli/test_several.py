"""Several prompts and several captions, as the command asks them of a real server."""

from __future__ import annotations

import csv
import functools
import http.server
import json
import re
import threading
import time
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pyarrow.parquet
import pytest

from tests.servers.hostile_server import MODEL, HostileServer, caption_of
from tests.servers.metered_server import MeteredServer, tiles

QUESTIONS = {"short": "Briefly?", "detailed": "In every detail?", "tags": "Ten tags?"}
PROMPTS = "".join(f'[{name}]\nquestion = "{text}"\n' for name, text in QUESTIONS.items())


def api(server, *more) -> list:
    return ["--api-url", server.url, "--model", MODEL, "--prompt-file", "prompts.toml", *more]


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def right(folder: Path) -> list[dict[str, str]]:
    return [
        {name: caption_of(path.read_bytes(), question=q) for name, q in QUESTIONS.items()}
        for path in sorted(folder.glob("*.jpg"))
    ]


@pytest.fixture
def prompts(dataflow) -> Path:
    path = dataflow.folder / "prompts.toml"
    path.write_text(PROMPTS)
    return path


def columns(path: Path) -> list[dict[str, str]]:
    return [{name: row[name] for name in QUESTIONS} for row in rows_of(path)]


def test_each_prompt_of_the_file_fills_a_column_of_its_own(dataflow, pictures, prompts):
    folder = pictures(6)
    with HostileServer(asks_too=True) as server:
        done = dataflow("caption", "photos", *api(server), "--show")
        assert done.returncode == 0, done.stderr
        assert server.asked == 18
        assert dataflow("caption", "photos", *api(server)).returncode == 0
        assert server.asked == 18
    output = folder.with_name("photos.captions.jsonl")
    assert list(rows_of(output)[0]) == ["image", *QUESTIONS]
    assert columns(output) == right(folder)
    assert re.search(r"rows +6 *\n", done.stderr)
    assert re.search(r"captioned +18 of 18 captions", done.stderr)
    picture, name, text = done.stdout.splitlines()[1].split("\t")
    assert (picture, name, text) == ("photos/00000.jpg", "detailed", right(folder)[0]["detailed"])


def test_kill_9_in_the_middle_costs_only_what_was_in_flight_and_mixes_up_nothing(
    dataflow, pictures, prompts
):
    folder, count, in_flight = pictures(60), 180, 8
    with HostileServer(delay=0.02, asks_too=True) as server:
        arguments = ["caption", "photos", *api(server, "--concurrency", in_flight)]
        for stop in (50, 110):
            process = dataflow.start(*arguments)
            while server.asked < stop:
                assert process.poll() is None
                time.sleep(0.01)
            process.kill()
            process.communicate()
        done = dataflow(*arguments)
        assert done.returncode == 0, done.stderr
        assert count <= server.asked <= count + 2 * in_flight
        asked = server.asked
        # a prompt that is added asks only itself, one that is renamed nothing
        renamed = PROMPTS.replace("[tags]", "[words]")
        prompts.write_text(f'[mood]\nquestion = "Which mood?"\n{renamed}')
        output = folder.with_name("photos.captions.jsonl")
        assert columns(output) == right(folder)
        done = dataflow(*arguments)
        assert done.returncode == 0, done.stderr
        assert server.asked == asked + 60
    made, wanted = rows_of(output), right(folder)
    assert list(made[0]) == ["image", "mood", "short", "detailed", "words"]
    assert [row["words"] for row in made] == [row["tags"] for row in wanted]
    assert [row["short"] for row in made] == [row["short"] for row in wanted]


class Counting(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and counts what is fetched."""

    fetched: ClassVar[Counter[str]] = Counter()

    def do_GET(self):
        self.fetched[self.path] += 1
        super().do_GET()

    def log_message(self, *_):
        pass


def test_a_picture_by_url_is_fetched_once_for_all_prompts(dataflow, pictures, prompts):
    folder = pictures(8)
    handler = functools.partial(Counting, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{files.server_address[1]}"
        lines = [{"image": f"{base}/{path.name}"} for path in sorted(folder.iterdir())]
        data = dataflow.folder / "data.jsonl"
        data.write_text("".join(json.dumps(line) + "\n" for line in lines))
        with HostileServer(asks_too=True) as server:
            done = dataflow("caption", "data.jsonl", *api(server, "--allow-private-urls"))
            assert done.returncode == 0, done.stderr
            assert server.asked == 24
        files.shutdown()
    assert sorted(Counting.fetched.values()) == [1] * 8
    assert columns(dataflow.folder / "data.captions.jsonl") == right(folder)


def test_n_captions_are_a_list_in_every_format(dataflow, pictures):
    folder = pictures(3)
    with HostileServer() as server:
        engine = ["--api-url", server.url, "--model", MODEL, "--n", 3]
        for number, ending in enumerate(["jsonl", "json", "csv", "parquet", "arrow"]):
            done = dataflow("caption", "photos", "-o", f"out.{ending}", *engine)
            assert done.returncode == 0, done.stderr
            assert server.asked == 9 * (number + 1)
        assert all("n" not in body and "seed" not in body for body in server.bodies)
    captions = [[caption_of(path.read_bytes())] * 3 for path in sorted(folder.glob("*.jpg"))]
    here = dataflow.folder
    assert [row["caption"] for row in rows_of(here / "out.jsonl")] == captions
    assert [row["caption"] for row in json.loads((here / "out.json").read_text())] == captions
    lines = csv.DictReader((here / "out.csv").read_text().splitlines())
    assert [json.loads(row["caption"]) for row in lines] == captions
    table = pyarrow.parquet.read_table(here / "out.parquet")
    assert str(table.schema.field("caption").type).startswith("list<")
    assert table.column("caption").to_pylist() == captions
    with pyarrow.ipc.open_file(here / "out.arrow") as file:
        assert file.read_all().column("caption").to_pylist() == captions


def test_each_of_n_captions_is_asked_with_a_seed_of_its_own(dataflow, pictures):
    pictures(1)
    with HostileServer() as server:
        engine = ["--api-url", server.url, "--model", MODEL, "--n", 3, "--seed", 40]
        assert dataflow("caption", "photos", *engine).returncode == 0
        assert sorted(body["seed"] for body in server.bodies) == [40, 41, 42]


def test_a_prompts_own_system_and_sampling_are_sent_with_it_alone(dataflow, pictures):
    pictures(1)
    text = '[a]\nquestion = "A?"\nsystem = "You."\nmax_tokens = 40\n[b]\nquestion = "B?"\n'
    (dataflow.folder / "prompts.toml").write_text(text)
    with HostileServer() as server:
        more = ["--system-prompt", "All.", "--max-tokens", 99]
        assert dataflow("caption", "photos", *api(server, *more)).returncode == 0
        sent = {
            body["messages"][1]["content"][1]["text"]: (
                body["messages"][0]["content"],
                body["max_tokens"],
            )
            for body in server.bodies
        }
    assert sent == {"A?": ("You.", 40), "B?": ("All.", 99)}


def test_a_template_is_filled_and_braces_in_a_prompt_stay_braces(dataflow, pictures):
    pictures(1)
    data = {"image": "photos/00000.jpg", "title": "Moon {x}"}
    (dataflow.folder / "data.jsonl").write_text(json.dumps(data))
    with HostileServer() as server:
        engine = ["caption", "data.jsonl", "--api-url", server.url, "--model", MODEL]
        template = ["--prompt-template", 'Title: {title}. As {{"a": 1}}.', "-o", "a.jsonl"]
        assert dataflow(*engine, *template).returncode == 0
        prompt = ["--prompt", 'As {"a": 1} of {title}', "-o", "b.jsonl"]
        assert dataflow(*engine, *prompt).returncode == 0
        texts = [body["messages"][0]["content"][1]["text"] for body in server.bodies]
        missing = dataflow(*engine, "--prompt-template", "{author}?", "-o", "c.jsonl")
        assert missing.returncode == 1
        assert "no column 'author'; there is: 'image', 'title'" in missing.stderr
        assert server.asked == 2, "nothing is spent where the first row lacks the column"
    assert texts == ['Title: Moon {x}. As {"a": 1}.', 'As {"a": 1} of {title}']


WRONG = {
    "no file": (["--prompt-file", "none.toml"], "none.toml cannot be read"),
    "a sidecar": (["--prompt-file", "prompts.toml", "--sidecar", ".txt"], "of one prompt"),
    "a prompt too": (["--prompt-file", "prompts.toml", "--prompt", "x"], "names the questions"),
    "n too": (["--prompt-file", "prompts.toml", "--n", "2"], "write n = 2 in prompts.toml"),
    "a column too": (["--prompt-file", "prompts.toml", "--output-key", "x"], "names the columns"),
    "llava": (["-o", "o.json", "--output-format", "llava", "--n", "2"], "LLaVA's format holds one"),
    "two questions": (["--prompt", "x", "--prompt-template", "y"], "two questions"),
    "a lone brace": (["--prompt-template", "as {json"], "written twice"),
    "n at temperature 0": (["--n", "2", "--temperature", "0"], "all the same"),
    "n of nought": (["--n", "0"], "--n"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_asked_is_refused_with_its_reason(dataflow, pictures, prompts, name):
    pictures(1)
    arguments, reason = WRONG[name]
    engine = ["--api-url", "http://127.0.0.1:9/v1", "--model", "m"]
    done = dataflow("caption", "photos", *engine, *arguments)
    assert done.returncode == 2, done.stderr
    assert reason in " ".join(done.stderr.split())


def test_what_was_told_of_several_prompts_is_what_is_charged(dataflow, pictures, prompts):
    pictures(30)
    longer = "max_tokens = 40\n[detailed]"  # of the table before it
    prompts.write_text(PROMPTS.replace("[detailed]", longer) + "n = 2\n")
    with MeteredServer(tiles) as server:
        engine = ["photos", "--api-url", server.url, "--model", "gpt-4o"]
        engine += ["--prompt-file", "prompts.toml", "--price-in", 2.5, "--price-out", 10]

        def told(*more) -> dict:
            done = dataflow("estimate", *engine, "--json", *more)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        before = told()
        assert (before["rows"], before["requests"]["likely"], server.asked) == (30, 120, 0)
        after = told("--probe", 3)
        assert server.asked == 12, "three rows, four captions each"
        assert (after["rows_done"], after["requests"]["likely"]) == (3, 108)
        assert after["answers_measured"] == 12
        spent = server.prompt_tokens, server.completion_tokens
        assert dataflow("caption", *engine).returncode == 0
        assert server.asked == 120
        for span, charged, first in (
            ("prompt_tokens", server.prompt_tokens, spent[0]),
            ("completion_tokens", server.completion_tokens, spent[1]),
        ):
            assert before[span]["low"] <= charged <= before[span]["high"]
            assert after[span]["low"] <= charged - first <= after[span]["high"]
        assert told()["requests"]["likely"] == 0
        done = dataflow("status", "photos.captions.jsonl", "--json")
        found = json.loads(done.stdout)
        assert (found["rows"], found["wanted"], found["captioned"]) == (30, 120, 120)
        assert found["to_ask"] == found["unseen"] == 0

"""`dataflow presets`, and `--preset` as a real server gets it."""

from __future__ import annotations

import json

import pytest

from dataflow.operators.core_vision import preset_names, preset_of
from tests.servers.hostile_server import MODEL, HostileServer
from tests.servers.messages import all_parts


def test_the_list_and_the_file_go_to_stdout_as_they_are(dataflow):
    done = dataflow("presets")
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        preset_of(name).label.split() for name in preset_names()
    ]
    done = dataflow("presets", "tags-zh")
    assert done.stdout == preset_of("tags-zh").text
    assert done.stderr == ""
    done = dataflow("presets", "breif")
    assert done.returncode == 2
    assert "known are alt-text, brief" in done.stderr


def test_all_is_there_as_json(dataflow):
    listed = json.loads(dataflow("presets", "--json").stdout)
    assert [one["name"] for one in listed] == preset_names()
    one = json.loads(dataflow("presets", "ocr", "--json").stdout)
    assert one == next(other for other in listed if other["name"] == "ocr")
    assert one["question"] == preset_of("ocr").question
    assert len(one["examples"]) == 3


def sent(server):
    [body] = server.bodies
    texts = [part.get("text") for part in all_parts(body)]
    return [text for text in texts if text], body.get("max_tokens"), body.get("temperature")


BRIEF = preset_of("brief")


@pytest.mark.parametrize(
    ("arguments", "texts", "max_tokens", "temperature"),
    [
        ([], [BRIEF.system, BRIEF.question], 120, 0.2),
        (["--prompt", "Q?", "--max-tokens", 9], [BRIEF.system, "Q?"], 9, 0.2),
        (["--system-prompt", "", "--temperature", 1], [BRIEF.question], 120, 1),
    ],
)
def test_what_is_given_wins_over_the_preset(
    dataflow, pictures, arguments, texts, max_tokens, temperature
):
    pictures(1)
    with HostileServer() as server:
        engine = ["--api-url", server.url, "--model", MODEL, "--preset", "brief"]
        dataflow("caption", "photos", *engine, *arguments, "--on-reject", "fail")
        assert sent(server) == (texts, max_tokens, temperature)


def test_a_prompt_file_takes_presets_and_the_command_line_stands_between(dataflow, pictures):
    pictures(1)
    (dataflow.folder / "p.toml").write_text('[a]\npreset = "brief"\ntemperature = 0.5\n')
    with HostileServer() as server:
        engine = ["--api-url", server.url, "--model", MODEL, "--prompt-file", "p.toml"]
        more = ["--max-tokens", 9, "--temperature", 1, "--system-prompt", "S."]
        dataflow("caption", "photos", *engine, *more, "--on-reject", "fail")
        assert sent(server) == (["S.", BRIEF.question], 9, 0.5)
        done = dataflow("caption", "photos", *engine, "--preset", "brief")
        assert done.returncode == 2
        assert 'write preset = "brief" in p.toml' in done.stderr


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ([], None),
        (["--max-words", 4], "length"),
        (["--forbid", "mark", "--no-check", "length"], "wording"),
        (["--no-checks"], None),
    ],
)
def test_what_captions_must_be_is_the_presets_but_for_what_is_given(
    dataflow, pictures, arguments, kind
):
    pictures(1)
    with HostileServer() as server:
        engine = ["--api-url", server.url, "--model", MODEL, "--preset", "brief"]
        done = dataflow("caption", "photos", *engine, *arguments, "--on-reject", "flag")
    errors = dataflow.folder / "photos.captions.jsonl.errors.jsonl"
    lines = errors.read_text().splitlines() if errors.exists() else []
    found = [json.loads(line)["kind"] for line in lines]
    assert found == [kind] * bool(kind), done.stderr
    assert done.returncode == (3 if kind else 0)


@pytest.mark.parametrize("command", ["caption", "check"])
@pytest.mark.parametrize(
    ("given", "own", "bound"),
    [("--max-words", 10, "min_words is 25"), ("--min-words", 300, "max_words is 220")],
)
def test_a_bound_that_contradicts_the_presets_is_refused_with_its_name_and_the_cure(
    dataflow, pictures, command, given, own, bound
):
    pictures(1)
    (dataflow.folder / "photos" / "00000.txt").write_text("A cat.")
    engine = (
        ["--api-url", "http://127.0.0.1:1/v1", "--model", MODEL] if command == "caption" else []
    )
    done = dataflow(command, "photos", *engine, "--preset", "detailed", given, own)
    assert done.returncode == 2
    told = " ".join(done.stderr.split())
    assert f"the preset detailed asks for, whose {bound}" in told
    other = "--min-words" if given == "--max-words" else "--max-words"
    assert f"give {other} too" in told


def test_the_journal_keeps_name_and_version_of_the_latest_runs_presets(dataflow, pictures):
    pictures(1)
    own = preset_of("brief").text.replace("version = 1", "version = 7")
    (dataflow.folder / "mine.toml").write_text(own)
    with HostileServer() as server:
        engine = ["--api-url", server.url, "--model", MODEL]
        for preset, told in (("brief", "brief 1"), ("mine.toml", "mine 7"), (None, None)):
            more = ["--preset", preset] if preset else []
            done = dataflow("caption", "photos", *engine, *more, "--on-reject", "flag")
            assert done.returncode in (0, 3), done.stderr
            assert "set aside" not in done.stderr
            found = dataflow("status", "photos.captions.jsonl", "--json")
            assert json.loads(found.stdout)["presets"] == ({"caption": told} if told else {})
    assert server.asked == 2, "the same question by another preset's name is the same question"
    assert "caption: brief" not in dataflow("status", "photos.captions.jsonl").stderr


def test_a_preset_that_is_not_there_is_told_before_anything_is_asked(dataflow, pictures):
    pictures(1)
    engine = ["--api-url", "http://127.0.0.1:9/v1", "--model", "m"]
    done = dataflow("caption", "photos", *engine, "--preset", "none.toml")
    assert done.returncode == 2
    assert "none.toml cannot be read" in done.stderr

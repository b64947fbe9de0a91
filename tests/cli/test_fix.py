"""`dataflow check --fix` as a user runs it, against a real server."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Command
from tests.servers.erring_server import NARROWEST, ErringServer, caption
from tests.servers.hostile_server import MODEL, HostileServer, caption_of

REFUSAL = "I'm sorry, but I can't help with that."
PICTURES = ("photos/00000.jpg", "photos/00001.jpg")
SOUND = "A d\u00f6g runs along the beach."


def engine(server: HostileServer, *more: object) -> list[object]:
    """The options; faults are put into outputs by hand, and are to be asked for all the same."""
    return [
        "--fix",
        "--fix-edits",
        "--api-url",
        server.url,
        "--model",
        MODEL,
        "--concurrency",
        1,
        *more,
    ]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def dataset(folder: Path, captions: list[object], name: str = "out.jsonl") -> Path:
    rows = [{"image": f"photos/{n:05d}.jpg", "caption": c} for n, c in enumerate(captions)]
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def true_of(folder: Path, number: int, question: str = "") -> str:
    return caption_of((folder / "photos" / f"{number:05d}.jpg").read_bytes(), question=question)


def test_faulty_captions_are_asked_again_and_all_other_rows_keep_every_byte(dataflow, pictures):
    pictures(5)
    old = dataset(dataflow.folder, [SOUND, REFUSAL, SOUND, None, SOUND])
    before = old.read_bytes()
    with HostileServer() as server:
        done = dataflow("check", "out.jsonl", *engine(server))
        assert done.returncode == 0, done.stderr
        assert "2 captions are asked for again: “Please describe the image" in done.stderr
        assert server.asked == 2
        again = dataflow("check", "out.jsonl", *engine(server))
        assert again.returncode == 0, again.stderr
        assert server.asked == 2
    fixed = dataflow.folder / "out.fixed.jsonl"
    was, now = before.splitlines(), fixed.read_bytes().splitlines()
    assert [a == b for a, b in zip(was, now, strict=True)] == [True, False, True, False, True]
    captions = [row["caption"] for row in lines(fixed)]
    assert captions[1] == true_of(dataflow.folder, 1)
    assert captions[3] == true_of(dataflow.folder, 3)
    assert old.read_bytes() == before
    listed = lines(dataflow.folder / "out.fixed.jsonl.dataflow" / "faults.list")
    assert [(fault["row"], fault["kind"]) for fault in listed] == [(1, "refusal"), (3, "empty")]
    assert listed[0]["text"] == REFUSAL
    assert dataflow("check", "out.fixed.jsonl").returncode == 0


def test_kill_9_in_the_middle_costs_only_what_was_in_flight(dataflow, pictures):
    pictures(40)
    dataset(dataflow.folder, [REFUSAL if n % 2 else SOUND for n in range(40)])
    with HostileServer(delay=0.05) as server:
        process = dataflow.start("check", "out.jsonl", *engine(server, "--most-alike", 99))
        while server.asked < 8:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert not (dataflow.folder / "out.fixed.jsonl").exists()
        done = dataflow("check", "out.jsonl", *engine(server, "--most-alike", 99))
        assert done.returncode == 0, done.stderr
        assert 20 <= server.asked <= 21
    captions = [row["caption"] for row in lines(dataflow.folder / "out.fixed.jsonl")]
    assert captions == [true_of(dataflow.folder, n) if n % 2 else SOUND for n in range(40)]


def test_a_caption_that_cannot_be_had_leaves_the_old_one_and_is_told(dataflow, pictures):
    pictures(3)
    old = dataset(dataflow.folder, [SOUND, [SOUND, REFUSAL], [REFUSAL, SOUND]])
    with HostileServer("policy_openai") as server:
        done = dataflow("check", "out.jsonl", *engine(server))
    assert done.returncode == 3
    assert (dataflow.folder / "out.fixed.jsonl").read_bytes() == old.read_bytes()
    errors = lines(dataflow.folder / "out.fixed.jsonl.errors.jsonl")
    where = [(error["row"], error["column"], error["number"]) for error in errors]
    assert where == [(1, "caption", 1), (2, "caption", 0)]
    assert errors[0]["place"] == "out.jsonl, line 2"


@pytest.mark.parametrize(("asks", "status"), [(1, 3), (6, 0)])
def test_an_answer_with_a_fault_is_asked_for_again_so_often(dataflow, asks: int, status: int):
    from PIL import Image

    rows = []
    for number in range(12):
        picture = Image.new("RGB", (NARROWEST + number, 32), (90, 120, 150))
        picture.save(dataflow.folder / f"{number}.png")
        rows.append({"image": f"{number}.png", "caption": f"Error: 500 at row {number}"})
    (dataflow.folder / "out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sampling = ("--temperature", 0.2, "--seed", 7, "--max-tokens", 64, "--max-asks", asks)
    with ErringServer("refusal") as server:
        done = dataflow("check", "out.jsonl", *engine(server, *sampling))
        assert done.returncode == status, done.stderr
        assert (server.asked.total() > 12) == (asks > 1)
    new = [row["caption"] for row in lines(dataflow.folder / "out.fixed.jsonl")]
    kept = [n for n in range(12) if new[n] == rows[n]["caption"]]
    assert [new[n] for n in range(12) if n not in kept] == [
        caption(n) for n in range(12) if n not in kept
    ]
    assert bool(kept) == bool(status)


def test_a_caption_that_too_many_pictures_have_is_not_taken_again(dataflow, pictures):
    folder = pictures(5)
    for path in folder.iterdir():
        path.write_bytes((folder / "00000.jpg").read_bytes())
    old = dataset(dataflow.folder, [true_of(dataflow.folder, 0)] * 5)
    with HostileServer() as server:
        done = dataflow("check", "out.jsonl", *engine(server))
    assert done.returncode == 3
    assert "failed: repeated  2" in done.stderr
    assert (dataflow.folder / "out.fixed.jsonl").read_bytes() == old.read_bytes()


def test_several_captions_of_a_picture_are_several_questions(dataflow, pictures):
    pictures(1)
    dataset(dataflow.folder, [[REFUSAL, SOUND, REFUSAL]])
    with HostileServer() as server:
        done = dataflow("check", "out.jsonl", *engine(server, "--seed", 7))
        assert done.returncode == 0, done.stderr
        assert sorted(body["seed"] for body in server.bodies) == [7, 9]
    new = true_of(dataflow.folder, 0)
    assert lines(dataflow.folder / "out.fixed.jsonl")[0]["caption"] == [new, SOUND, new]


def test_each_column_is_asked_its_own_question(dataflow, pictures):
    pictures(2)
    questions = {"short": "Briefly?", "long": "In every detail?"}
    (dataflow.folder / "prompts.toml").write_text(
        "".join(f'[{name}]\nquestion = "{text}"\n' for name, text in questions.items())
    )
    rows = [
        {"image": "photos/00000.jpg", "short": REFUSAL, "long": SOUND},
        {"image": "photos/00001.jpg", "short": SOUND, "long": REFUSAL},
    ]
    (dataflow.folder / "out.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with HostileServer(asks_too=True) as server:
        done = dataflow("check", "out.jsonl", *engine(server, "--prompt-file", "prompts.toml"))
        assert done.returncode == 0, done.stderr
        assert server.asked == 2
    fixed = lines(dataflow.folder / "out.fixed.jsonl")
    assert fixed[0] == {**rows[0], "short": true_of(dataflow.folder, 0, "Briefly?")}
    assert fixed[1] == {**rows[1], "long": true_of(dataflow.folder, 1, "In every detail?")}


def test_an_answer_in_a_conversation_is_asked_for_with_what_was_said_before_it(dataflow, pictures):
    pictures(1)
    talk = [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": SOUND},
        {"from": "human", "value": "Which colour?"},
        {"from": "gpt", "value": REFUSAL},
        {"from": "human", "value": "And how big?"},
        {"from": "gpt", "value": SOUND},
    ]
    row = {"id": "7", "image": "photos/00000.jpg", "conversations": talk}
    (dataflow.folder / "llava.json").write_text(json.dumps([row]))
    with HostileServer() as server:
        done = dataflow("check", "llava.json", *engine(server))
        assert done.returncode == 0, done.stderr
        said = [turn["role"] for turn in server.bodies[0]["messages"]]
    assert said == ["user", "assistant", "user"]
    talk[3]["value"] = true_of(dataflow.folder, 0)
    assert json.loads((dataflow.folder / "llava.fixed.json").read_text()) == [row]


def test_the_meta_of_a_new_caption_is_new_and_the_others_stay(dataflow, pictures):
    folder = pictures(3)
    with HostileServer() as server:
        api = ["--api-url", server.url, "--model", MODEL]
        done = dataflow("caption", "photos", *api, "--meta", "--n", 2, "-o", "out.parquet")
        assert done.returncode == 0, done.stderr
        table = pq.read_table(dataflow.folder / "out.parquet").to_pylist()
        right = [row["caption"] for row in table]
        table[1]["caption"] = [right[1][0], REFUSAL]
        table[1]["caption_meta"][1]["attempts"] = 99
        schema = pq.read_schema(dataflow.folder / "out.parquet")
        pq.write_table(pa.Table.from_pylist(table, schema), dataflow.folder / "out.parquet")
        done = dataflow("check", "out.parquet", *engine(server))
        assert done.returncode == 0, done.stderr
    fixed = pq.read_table(dataflow.folder / "out.fixed.parquet")
    assert fixed.schema == schema
    assert [row["caption"] for row in fixed.to_pylist()] == right
    was, now = ([row["caption_meta"] for row in rows] for rows in (table, fixed.to_pylist()))
    assert (now[0], now[1][0], now[2]) == (was[0], was[1][0], was[2])
    assert now[1][1]["attempts"] == 1
    assert len([*folder.iterdir()]) == 3


def test_sidecars_are_fixed_where_they_are_and_the_old_texts_are_listed(dataflow, pictures):
    folder = pictures(3)
    for number, text in enumerate([SOUND, REFUSAL, f"{SOUND}\n"]):
        (folder / f"{number:05d}.txt").write_text(text)
    with HostileServer() as server:
        done = dataflow("check", "photos", *engine(server))
        assert done.returncode == 0, done.stderr
        assert server.asked == 1
        assert dataflow("check", "photos", *engine(server)).returncode == 0
        assert server.asked == 1
    assert [(folder / f"{n:05d}.txt").read_text() for n in range(3)] == [
        SOUND,
        true_of(dataflow.folder, 1),
        f"{SOUND}\n",
    ]
    kept = [*dataflow.folder.glob("photos.fixed.jsonl.dataflow/faults.list.*")]
    assert [fault["text"] for file in kept for fault in lines(file)] == [REFUSAL]


def test_a_shard_keeps_its_other_members_as_they_are(dataflow, pictures):
    folder = pictures(2)
    members = {}
    for number, text in enumerate([SOUND, REFUSAL]):
        members[f"{number}.jpg"] = (folder / f"{number:05d}.jpg").read_bytes()
        members[f"{number}.txt"] = text.encode()
    with tarfile.open(dataflow.folder / "out.tar", "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with HostileServer() as server:
        done = dataflow("check", "out.tar", *engine(server))
        assert done.returncode == 0, done.stderr
    with tarfile.open(dataflow.folder / "out.fixed.tar") as tar:
        found = {info.name: tar.extractfile(info).read() for info in tar}
    assert found == {**members, "1.txt": true_of(dataflow.folder, 1).encode()}


def test_of_a_coco_file_only_the_faulty_annotations_change(dataflow, pictures):
    folder = pictures(2)
    images = [
        {"id": n + 7, "file_name": path.name} for n, path in enumerate(sorted(folder.iterdir()))
    ]
    said = [SOUND, REFUSAL, SOUND]
    told = [{"id": n, "image_id": 7 + n % 2, "caption": text} for n, text in enumerate(said)]
    data = {"info": {"x": 1.10}, "annotations": told, "images": images, "licenses": []}
    (folder / "captions.json").write_text(json.dumps(data))
    with HostileServer() as server:
        done = dataflow("check", "photos/captions.json", *engine(server))
        assert done.returncode == 0, done.stderr
        assert server.asked == 1
    told[1]["caption"] = true_of(dataflow.folder, 1)
    text = (folder / "captions.fixed.json").read_text()
    assert json.loads(text) == data
    assert [*json.loads(text)] == [*data]
    assert json.dumps(SOUND) in text


def test_a_list_in_csv_stays_one(dataflow, pictures):
    pictures(2)
    rows = [json.dumps([SOUND, SOUND]), json.dumps([REFUSAL, SOUND])]
    with (dataflow.folder / "out.csv").open("w", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows([("image", "caption"), *zip(PICTURES, rows, strict=True)])
    with HostileServer() as server:
        done = dataflow("check", "out.csv", *engine(server), "-o", "new.csv")
        assert done.returncode == 0, done.stderr
    was, now = (
        (dataflow.folder / name).read_text(encoding="utf-8").splitlines()
        for name in ("out.csv", "new.csv")
    )
    assert now[:2] == was[:2]
    assert json.loads(next(csv.reader(now[2:]))[1]) == [true_of(dataflow.folder, 1), SOUND]


def test_where_nothing_is_wrong_nothing_is_asked_and_nothing_written(dataflow, pictures):
    pictures(1)
    dataset(dataflow.folder, [SOUND])
    with HostileServer() as server:
        done = dataflow("check", "out.jsonl", *engine(server))
        assert (done.returncode, server.asked) == (0, 0)
    assert "No caption needs fixing." in done.stderr
    assert not (dataflow.folder / "out.fixed.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["out.jsonl", "--model", "x"], "needs --fix"),
        (["out.jsonl", "--fix", "-o", "out.parquet"], "the fixed dataset stays .jsonl"),
        (["out.jsonl", "--fix", "-o", "out.jsonl"], "is the input itself"),
        (["bad.jsonl", "--fix"], "bad.jsonl, line 2"),
        (
            ["out.jsonl", "--fix", "--output-key", "caption", "--output-key", "image"],
            "name them with --prompt-file",
        ),
    ],
)
def test_a_wrong_argument_ends_with_2_before_anything_is_asked(
    dataflow: Command, arguments: list[str], message: str
):
    dataset(dataflow.folder, [SOUND, REFUSAL])
    (dataflow.folder / "bad.jsonl").write_text('{"caption": "null"}\n{"capt\n')
    with HostileServer() as server:
        api = ["--api-url", server.url, "--model", MODEL] if "--fix" in arguments else []
        done = dataflow("check", *arguments, *api)
        assert server.asked == 0
    assert done.returncode == 2, done.stderr
    assert message in done.stderr

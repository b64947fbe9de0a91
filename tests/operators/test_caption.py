"""The operators, as users' scripts call them."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
from PIL import Image

from dataflow.core import LLMServingABC
from dataflow.core.errors import InputError, RefusedError, UsageError, WrongKeyError
from dataflow.core.protocols.storage import DataFlowStorage
from dataflow.core.request import Reply, Usage
from dataflow.images.base.limits import Limits
from dataflow.operators.core_vision import ImageCaptionGenerator, PromptedVQAGenerator
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage
from tests.memory_storage import Memory
from tests.servers.picture_server import PictureServer

SYSTEM = "You are a image caption generator."
QUESTION = "Please describe the image in detail."


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A dataset's folder that is not the working directory."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        Image.new("RGB", (40 + number, 40)).save(tmp_path / "pictures" / f"{number}.png")
    return tmp_path


def dataset(folder: Path, rows: list[dict], cache_type="json") -> FileStorage:
    (folder / "captions.json").write_text(json.dumps(rows))
    storage = FileStorage(
        first_entry_file_name=str(folder / "captions.json"),
        cache_path=str(folder / "cache_local"),
        file_name_prefix="caption_task",
        cache_type=cache_type,
    )
    return storage.step()


def result(folder: Path) -> list[dict]:
    return json.loads((folder / "cache_local" / "caption_task_step1.json").read_text())


def said_to(serving_seen, number=0) -> list:
    """What a request held: role and parts, a picture shown by its width."""
    request, pictures = serving_seen[number]
    widths = iter(p.width for p in pictures)
    return [
        (t.role, [p if isinstance(p, str) else next(widths) for p in t.parts])
        for t in request.turns
    ]


@pytest.fixture
def seen():
    return []


@pytest.fixture
def serving(seen):
    def answer(request, pictures):
        seen.append((request, pictures))
        return f"{len(pictures)} pictures, {pictures[0].width if pictures else 0} wide"

    return FakeServing(answer, max_workers=1)


TURN = {"from": "human", "value": QUESTION}


def test_the_rows_come_back_untouched_with_the_caption_at_the_end(folder, serving):
    row = {"source": ["https://x/0.png"], "image": ["./pictures/0.png"], "conversation": [TURN]}
    storage = dataset(folder, [row])
    returned = ImageCaptionGenerator(llm_serving=serving, system_prompt=SYSTEM).run(
        storage=storage, input_modal_key="image", output_key="caption"
    )
    assert returned == ["caption"]
    (out,) = result(folder)
    assert list(out) == ["source", "image", "conversation", "caption"]
    assert out == {**row, "caption": "1 pictures, 40 wide"}


def test_system_prompt_then_pictures_then_the_question(folder, serving, seen):
    storage = dataset(folder, [{"image": "./pictures/1.png", "conversation": [TURN]}])
    ImageCaptionGenerator(serving, SYSTEM).run(storage)
    assert said_to(seen) == [("system", [SYSTEM]), ("user", [41, QUESTION])]


@pytest.mark.parametrize(
    "extra", [{}, {"conversation": []}, {"conversation": None}, {"conversation": ""}]
)
def test_without_a_conversation_the_question_is_the_default(folder, serving, seen, extra):
    ImageCaptionGenerator(serving, SYSTEM).run(
        dataset(folder, [{"image": "pictures/0.png", **extra}])
    )
    assert said_to(seen)[-1] == ("user", [40, QUESTION])


def test_a_marker_says_where_the_picture_goes_and_is_never_sent(folder, serving, seen):
    turn = {"from": "human", "value": "First <image> then <image>, which is wider?"}
    rows = [{"image": ["pictures/0.png", "pictures/1.png"], "conversation": [turn]}]
    ImageCaptionGenerator(serving, SYSTEM).run(dataset(folder, rows))
    user = said_to(seen)[-1][1]
    assert [p for p in user if not isinstance(p, str)] == [40, 41]
    assert "<image>" not in "".join(p for p in user if isinstance(p, str))
    assert isinstance(user[0], str)


def test_roles_of_both_families_are_known(folder, serving, seen):
    turns = [
        {"role": "user", "content": "What is it?"},
        {"from": "gpt", "value": "A square."},
        {"from": "user", "value": "Which colour?"},
    ]
    ImageCaptionGenerator(serving, SYSTEM).run(
        dataset(folder, [{"image": "pictures/0.png", "conversation": turns}])
    )
    assert [role for role, _ in said_to(seen)] == ["system", "user", "assistant", "user"]


def _forms(folder: Path) -> dict[str, object]:
    data = (folder / "pictures" / "2.png").read_bytes()
    text = base64.b64encode(data).decode()
    return {
        "a path": "pictures/2.png",
        "an absolute path": str(folder / "pictures" / "2.png"),
        "a list": ["pictures/2.png"],
        "a data URI": f"data:image/png;base64,{text}",
        "base64": text,
        "bytes and path": {"bytes": None, "path": "pictures/2.png"},
    }


@pytest.mark.parametrize("form", [
    "a path", "an absolute path", "a list", "a data URI", "base64", "bytes and path"
])  # fmt: skip
def test_a_picture_may_be_given_in_any_form(folder, serving, form):
    if form in ("base64", "a data URI"):
        # long enough to be told from a name
        Image.effect_noise((42, 42), 50).save(folder / "pictures" / "2.png")
    ImageCaptionGenerator(serving, SYSTEM).run(
        dataset(folder, [{"image": _forms(folder)[form]}]), output_key="caption"
    )
    assert result(folder)[0]["caption"] == "1 pictures, 42 wide"


def test_several_pictures_are_all_sent(folder, serving):
    rows = [{"image": [f"pictures/{n}.png" for n in range(3)]}]
    ImageCaptionGenerator(serving, SYSTEM).run(dataset(folder, rows), output_key="caption")
    assert result(folder)[0]["caption"] == "3 pictures, 40 wide"


def test_a_failed_row_is_null_in_place_and_run_returns(folder, caplog):
    rows = [{"image": f"pictures/{n}.png"} for n in range(3)]
    serving = FakeServing(["one", RefusedError("no"), "three"], max_workers=1)
    with caplog.at_level(logging.WARNING, "dataflow"):
        ImageCaptionGenerator(serving, SYSTEM).run(dataset(folder, rows), output_key="caption")
    assert sorted(str(row["caption"]) for row in result(folder)) == ["None", "one", "three"]
    errors = folder / "cache_local" / "caption_task_step1.json.errors.jsonl"
    assert json.loads(errors.read_text())["kind"] == "refused"
    assert "1 answers failed" in caplog.text


def test_a_wrong_key_is_one_clear_exception_and_no_output(folder):
    storage = dataset(folder, [{"image": "pictures/0.png"}])
    with pytest.raises(WrongKeyError):
        ImageCaptionGenerator(FakeServing([WrongKeyError("no")]), SYSTEM).run(storage)
    assert not (folder / "cache_local" / "caption_task_step1.json").exists()


def test_a_missing_picture_column_names_those_that_exist(folder, serving):
    with pytest.raises(InputError, match="'img'"):
        ImageCaptionGenerator(serving, SYSTEM).run(dataset(folder, [{"img": "pictures/0.png"}]))


def test_the_pipeline_can_be_called_again_without_asking_again(folder, serving, seen):
    for _ in range(2):
        ImageCaptionGenerator(serving, SYSTEM).run(dataset(folder, [{"image": "pictures/0.png"}]))
    assert len(seen) == 1


def test_two_operators_in_a_row(folder, serving):
    storage = dataset(folder, [{"image": "pictures/0.png"}])
    ImageCaptionGenerator(serving, SYSTEM).run(storage, output_key="caption")
    PromptedVQAGenerator(serving).run(
        storage.step(), input_prompt_key="caption", output_answer_key="echo"
    )
    (row,) = storage.step().read("dict")
    assert list(row) == ["image", "caption", "echo"]


@pytest.mark.parametrize("cache_type", ["json", "csv", "parquet"])
def test_a_later_step_finds_the_pictures_of_the_first_entry(folder, serving, cache_type):
    storage = dataset(folder, [{"image": ["pictures/0.png"]}], cache_type)
    ImageCaptionGenerator(serving, SYSTEM).run(storage, output_key="one")
    ImageCaptionGenerator(serving, SYSTEM).run(storage.step(), output_key="two")
    (row,) = storage.step().read("dict")
    assert row["one"] == row["two"] == "1 pictures, 40 wide"


def test_a_template_makes_the_question_of_the_rows_fields(folder, serving, seen):
    storage = dataset(folder, [{"title": "Moon", "image": "pictures/0.png"}])
    PromptedVQAGenerator(serving, prompt_template="Title: {title}. What is it?").run(
        storage, input_image_key="image"
    )
    assert said_to(seen)[-1][1][-1] == "Title: Moon. What is it?"


def test_a_column_that_exists_is_kept_and_refused(folder, serving, seen):
    rows = [{"image": "pictures/0.png"}, {"image": "pictures/1.png", "caption": "old"}]
    with pytest.raises(UsageError, match=r"'caption' already.*overwrite=True"):
        ImageCaptionGenerator(serving, SYSTEM).run(dataset(folder, rows), output_key="caption")
    assert seen == []
    assert not (folder / "cache_local" / "caption_task_step1.json").exists()


def test_a_column_that_exists_is_replaced_where_that_is_asked_for(folder, serving):
    storage = dataset(folder, [{"image": "pictures/0.png", "caption": "old", "id": 1}])
    ImageCaptionGenerator(serving, SYSTEM).run(storage, output_key="caption", overwrite=True)
    assert list(result(folder)[0].items())[1:] == [("caption", "1 pictures, 40 wide"), ("id", 1)]


@pytest.mark.parametrize("kind", [list, pandas.DataFrame])
def test_in_somebodys_own_storage_a_column_is_kept_and_refused_too(folder, serving, seen, kind):
    rows = kind([{"image": str(folder / "pictures/0.png"), "answer": "old"}])
    storage = OwnStorage(rows)
    with pytest.raises(UsageError, match="'answer' already"):
        PromptedVQAGenerator(serving).run(storage, input_image_key="image")
    assert (seen, storage.written) == ([], None)
    PromptedVQAGenerator(serving).run(storage, input_image_key="image", overwrite=True)
    written = pandas.DataFrame(storage.written).to_dict("records")
    assert [row["answer"] for row in written] == ["1 pictures, 40 wide"]


def test_a_video_column_is_fine_where_no_row_fills_it(folder, serving):
    asker = PromptedVQAGenerator(serving)
    rows = [{"image": "pictures/0.png"}, {"image": "pictures/1.png", "video": None}]
    asker.run(dataset(folder, rows), input_image_key="image", input_video_key="video")
    assert all(row["answer"] for row in result(folder))


def test_a_row_with_a_video_fails_and_says_so(folder, serving):
    rows = [{"image": "pictures/0.png"}, {"image": "pictures/1.png", "video": "clip.mp4"}]
    asker = PromptedVQAGenerator(serving)
    asker.run(dataset(folder, rows), input_image_key="image", input_video_key="video")
    assert [row["answer"] is None for row in result(folder)] == [False, True]
    [line] = (folder / "cache_local").glob("*.errors.jsonl")
    assert "videos are not supported" in line.read_text()


class OwnServing(LLMServingABC):
    """As a user wrote it: lists in, lists out."""

    def generate_from_input(self, user_inputs, system_prompt, image_inputs=None):
        return [f"{system_prompt}|{text}" for text in user_inputs]

    def cleanup(self):
        pass


class OwnStorage(DataFlowStorage):
    """As a user wrote it: knows only read and write."""

    def __init__(self, data):
        self.data, self.written = data, None

    def read(self, output_type="dataframe"):
        return self.data

    def write(self, data):
        self.written = data


def test_somebodys_own_serving_works(folder):
    storage = dataset(folder, [{"image": "pictures/0.png"}, {"image": "pictures/1.png"}])
    ImageCaptionGenerator(OwnServing(), SYSTEM).run(storage, output_key="caption")
    assert [row["caption"] for row in result(folder)] == [f"{SYSTEM}|{QUESTION}"] * 2


@pytest.mark.parametrize("kind", [list, pandas.DataFrame])
def test_somebodys_own_storage_works(folder, serving, kind):
    rows = [{"id": "007", "image": str(folder / f"pictures/{n}.png")} for n in range(2)]
    storage = OwnStorage(kind(rows))
    ImageCaptionGenerator(serving, SYSTEM).run(storage, output_key="caption")
    written = storage.written
    assert isinstance(written, kind)
    out = written if isinstance(written, list) else written.to_dict("records")
    captions = ["1 pictures, 40 wide", "1 pictures, 41 wide"]
    assert out == [{**row, "caption": c} for row, c in zip(rows, captions, strict=True)]


def test_importing_the_operators_loads_nothing_heavy():
    heavy = ["torch", "pandas", "pyarrow", "vllm", "aiohttp", "PIL", "xllamacpp"]
    script = (
        "import sys, dataflow.operators.core_vision\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_meta_adds_a_column_with_what_each_answer_took(folder):
    storage = dataset(folder, [{"image": f"pictures/{n}.png"} for n in range(2)])
    serving = FakeServing([Reply("one", "stop", Usage(10, 2)), RefusedError("no")], max_workers=1)
    captioner = ImageCaptionGenerator(serving, SYSTEM)
    captioner.run(storage, input_modal_key="image", output_key="caption", meta=True)
    metas = [row["caption_meta"] for row in result(folder)]
    assert sorted(meta["status"] for meta in metas) == ["ok", "refused"]
    assert {"prompt": 10, "completion": 2} in [
        {name: count for name, count in meta["tokens"].items() if count} for meta in metas
    ]


def test_meta_goes_into_a_storage_of_the_users_own_too(folder):
    storage = Memory([{"image": str(folder / "pictures" / "0.png")}])
    ImageCaptionGenerator(FakeServing("a cat"), SYSTEM).run(storage, output_key="c", meta=True)
    assert storage.data[0]["c_meta"]["status"] == "ok"


@pytest.mark.parametrize("kind", ["files", "own"])
def test_limits_reach_the_pictures_in_any_storage(folder, tmp_path, kind):
    limits = Limits(max_side=40, allow_private_urls=True, image_cache=str(tmp_path / "kept"))
    sizes = []

    def answer(request, pictures):
        sizes.extend((picture.width, picture.height) for picture in pictures)
        return "A picture."

    with PictureServer() as server:
        rows = [{"image": f"{server.url}/{number}.jpg"} for number in range(3)]
        for prompt in ("One?", "Two?"):
            storage = dataset(folder, rows) if kind == "files" else OwnStorage(rows)
            asker = PromptedVQAGenerator(FakeServing(answer), prompt_template=prompt, limits=limits)
            asker.run(storage, input_image_key="image")
        assert server.asked.total() == 3
    assert sizes == [(40, 32)] * 6  # 64x48 shrunk to 40x30, and white to the least side

"""The API serving as users hold it, and the list methods."""

from __future__ import annotations

import asyncio
import logging
import pickle
import subprocess
import sys

import pytest

from dataflow.core import errors
from dataflow.core.request import Reply
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai, MissingKeyError
from dataflow.serving.fake import FakeServing
from tests.servers.hostile_server import KEY, caption_of


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("DF_API_KEY", KEY)


def test_as_in_the_readme(key):
    serving = APIVLMServing_openai(
        api_url="https://api.example.com/v1",
        key_name_of_api_key="DF_API_KEY",
        model_name="some-model",
        image_io=None,
        send_request_stream=False,
        max_workers=10,
        timeout=1800,
    )
    assert serving.settings() == {"model": "some-model", "sampling": {}}
    assert KEY not in repr(serving)


def test_sampling_is_part_of_the_settings(key):
    serving = APIVLMServing_openai(temperature=0.0, max_tokens=9, seed=None, body={"top_k": 5})
    assert serving.settings()["sampling"] == {"temperature": 0.0, "max_tokens": 9, "top_k": 5}


def test_a_missing_key_names_variable_and_cure(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(MissingKeyError, match=r"MY_KEY is not set \(export MY_KEY=") as caught:
        APIVLMServing_openai("https://host.example/v1", key_name_of_api_key="MY_KEY")
    assert isinstance(caught.value, EnvironmentError)
    assert isinstance(caught.value, errors.WrongKeyError)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy)) == (MissingKeyError, str(caught.value))
    assert APIVLMServing_openai("http://localhost:1/v1", key_name_of_api_key="MY_KEY").model


def test_a_key_file_is_read_instead_of_the_variable(hostile, tmp_path, monkeypatch):
    monkeypatch.setenv("DF_API_KEY", "sk-another")
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    file.chmod(0o600)
    serving = APIVLMServing_openai(hostile(key=KEY).url, model_name="m", api_key_file=file)
    assert serving.generate_from_input(["What is it?"]) == [caption_of()]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), ("", "is empty"), (f"\n{KEY}\n", "is empty")],
    ids=["missing", "empty", "on a later line"],  # a key does not belong into a test's name
)
def test_a_key_file_without_a_key_is_named(tmp_path, key, content, said):
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    with pytest.raises(MissingKeyError, match=rf"{file}.* {said}") as caught:
        APIVLMServing_openai("http://localhost/v1", api_key_file=file)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "doubt"),
    [('{"key": "sk-secret"}', "begins like JSON"), ("DF_API_KEY='sk-secret'", "a quotation mark")],
    ids=["JSON", "shell"],
)
def test_a_key_file_that_holds_something_else_is_doubted_and_not_shown(
    hostile, tmp_path, content, doubt
):
    file = tmp_path / "key"
    file.write_text(content)
    serving = APIVLMServing_openai(hostile(key=KEY).url, model_name="m", api_key_file=file)
    with pytest.raises(errors.WrongKeyError, match=doubt) as caught:
        serving.generate_from_input(["What is it?"])
    assert "sk-secret" not in f"{caught.value!r} {caught.value} {vars(caught.value)}"


@pytest.mark.parametrize("content", ["sk-secret\x00", "sk-\x1bsecret"], ids=["null", "escape"])
def test_a_key_file_whose_line_no_header_can_carry_is_refused_and_not_shown(tmp_path, content):
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(errors.UsageError) as caught:
        APIVLMServing_openai("http://localhost/v1", api_key_file=file)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_workers": 0},
        {"timeout": -1},
        {"timeout": "soon"},
        {"model_name": ""},
        {"api_url": "host"},
        {"body": {"messages": []}},
    ],
)
def test_wrong_arguments(key, wrong):
    with pytest.raises(errors.UsageError):
        APIVLMServing_openai(**wrong)


def test_a_key_sent_in_the_clear_is_warned_of(key, caplog):
    APIVLMServing_openai("http://192.0.2.1/v1")
    assert "unencrypted" in caplog.text
    assert KEY not in caplog.text


def test_connecting_pays_nothing(hostile, question, key):
    server = hostile(key=KEY, model="m")

    async def run(model):
        before = server.asked
        async with APIVLMServing_openai(server.url, model_name=model).connect() as client:
            assert server.asked == before
            return await client.send(*question(1))

    assert asyncio.run(run("m")).text == caption_of(question(1)[1][0].data)
    with pytest.raises(errors.UnknownModelError):
        asyncio.run(run("other"))


def test_importing_is_light():
    code = (
        "import sys, dataflow.serving.api_vlm_serving_openai as m; m.APIVLMServing_openai; "
        "print([n for n in ('aiohttp', 'PIL', 'pyarrow', 'numpy', 'torch') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- lists in, lists out ------------------------------------------------------------------------


def test_lists(hostile, photos):
    server = hostile(rates={"429_ms": 0.1, "500": 0.1, "reset_after_headers": 0.1}, seed=2)
    serving = APIVLMServing_openai(server.url, max_workers=4)
    inputs = [str(path) for path in photos]
    expected = [caption_of(path.read_bytes()) for path in photos]
    assert serving.generate_from_input(["What?"] * 8, image_inputs=inputs) == expected
    conversations = [[{"from": "human", "value": "<image>What?"}]] * 8
    lists = [[path] for path in inputs]
    assert serving.generate_from_input_messages(conversations, lists) == expected
    assert serving.last_errors == {}
    assert server.faults


def test_a_failed_item_is_empty_and_its_error_is_kept(hostile, photos, caplog):
    serving = APIVLMServing_openai(hostile().url)
    photos[2].write_bytes(b"no picture")
    inputs = [str(photos[0]), "missing.jpg", str(photos[2]), None]
    asked = ["a", "b", "c", "<image> where?"]
    with caplog.at_level(logging.WARNING, "dataflow"):
        texts = serving.generate_from_input(asked, image_inputs=inputs)
    assert texts == [caption_of(photos[0].read_bytes()), "", "", ""]
    kinds = {index: error.kind for index, error in serving.last_errors.items()}
    assert kinds == {1: "picture_missing", 2: "picture", 3: "bad_row"}
    assert "item 1 has no answer" in caplog.text


def test_what_a_person_must_mend_is_raised(hostile, photos):
    serving = APIVLMServing_openai(hostile("401").url)
    with pytest.raises(errors.WrongKeyError):
        serving.generate_from_input(["a"], image_inputs=[str(photos[0])])


def test_lists_that_cannot_be():
    fake = FakeServing()
    with pytest.raises(errors.UsageError, match="no video"):
        fake.generate_from_input(["a"], video_inputs=["v.mp4"])
    with pytest.raises(errors.UsageError, match="no audio"):
        fake.generate_from_input_messages([None], audio_list=[])
    with pytest.raises(errors.UsageError, match="must be a list"):
        fake.generate_from_input("a")
    with pytest.raises(errors.UsageError, match="1 questions with 2 entries"):
        fake.generate_from_input(["a"], image_inputs=["x", "y"])
    assert fake.generate_from_input([]) == []


def test_it_works_inside_a_running_loop(photos):
    async def cell():
        return FakeServing("yes").generate_from_input(["a"], image_inputs=[str(photos[0])])

    assert asyncio.run(cell()) == ["yes"]


def test_short_forms(hostile, photos):
    server = hostile()
    serving = APIVLMServing_openai(server.url, model_name="m")
    paths = [str(path) for path in photos[:2]]
    one, two = (caption_of(path.read_bytes()) for path in photos[:2])
    both = caption_of(*(path.read_bytes() for path in photos[:2]))
    assert serving.chat_with_one_image(paths[0], "q", model="other", timeout=9) == one
    assert (server.bodies[-1]["model"], serving.model, serving.timeout) == ("other", "m", 1800)
    assert serving.chat_with_one_image_with_id(7, paths[1], "q") == (7, two)
    assert serving.generate_from_input_one_image(paths, ["q", "r"]) == [one, two]
    assert serving.analyze_images_with_gpt(paths, ["first", "second"]) == both
    kinds = [part["type"] for part in server.bodies[-1]["messages"][0]["content"]]
    assert kinds == ["text", "image_url"] * 2
    assert serving.analyze_images_with_gpt_with_id(paths, ["a", "b"], "id") == ("id", both)
    assert serving.generate_from_input_multi_images([paths, ["gone.jpg"]], [["a", "b"], ["c"]]) == [
        both,
        "",
    ]
    with pytest.raises(errors.PictureMissingError):
        serving.chat_with_one_image("gone.jpg", "q")


# --- the fake -----------------------------------------------------------------------------------


def test_the_fake_says_what_it_is_told(question):
    script = ["one", errors.RateLimitedError("slow"), Reply("two", "length")]
    fake = FakeServing(script, delay=0.01)

    async def run():
        async with fake.connect() as client:
            first = await client.send(*question(1))
            with pytest.raises(errors.RateLimitedError):
                await client.send(*question(1))
            second = await client.send(*question(1))
            with pytest.raises(errors.ServingContractError, match="3 replies"):
                await client.send(*question(1))
            return first.text, second.finish_reason

    assert asyncio.run(run()) == ("one", "length")
    assert (fake.asked, fake.most_in_flight) == (4, 1)

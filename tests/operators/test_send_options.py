"""Body, header, stream and detail: of a preset, of a prompt file, and on the wire."""

from __future__ import annotations

import pytest

from dataflow.core.errors import UsageError
from dataflow.core.request import Request, SendOptions, Turn
from dataflow.core.row import Row
from dataflow.engine.request_key import RequestHasher
from dataflow.operators.core_vision import Prompt, preset_of, read_prompts
from dataflow.operators.core_vision.prompts import check_prompts
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.serving.batch_vlm_serving_openai import BatchVLMServing_openai
from dataflow.serving.openai.adaptations import Adaptations

PRESET = """
version = 1
summary = "Mine."
question = "What is it?"
detail = "low"
stream = true

[sampling]
max_tokens = 50

[body]
enable_thinking = false
"chat_template_kwargs.thinking" = false

[header]
X-Team = "$TEAM"
X-Plain = "yes"
"""


@pytest.fixture
def preset(tmp_path, monkeypatch):
    monkeypatch.setenv("TEAM", "captions")
    path = tmp_path / "mine.toml"
    path.write_text(PRESET, encoding="utf-8")
    return path


def request_of(prompt):
    [request] = RowRequests(image_key=None, prompts=[prompt])(Row(0, {}, "line 1"))
    return request


def test_a_preset_says_how_its_requests_are_sent(preset):
    request = request_of(Prompt("caption", preset=preset_of(preset)))
    assert request.send == SendOptions("low", True, {"X-Team": "captions", "X-Plain": "yes"})
    assert request.sampling["enable_thinking"] is False
    assert "detail" in request.droppable


def test_a_prompt_file_says_so_too_and_wins_over_its_preset(preset, tmp_path):
    path = tmp_path / "prompts.toml"
    path.write_text(
        "[a]\npreset = 'mine.toml'\ndetail = 'high'\nstream = false\n"
        "header = { X-Plain = 'no' }\nbody = { enable_thinking = true }\n"
        "[b]\nquestion = 'Why?'\ndetail = 'low'\n"
    )
    first, second = map(request_of, read_prompts(path))
    assert first.send == SendOptions("high", False, {"X-Team": "captions", "X-Plain": "no"})
    assert first.sampling["enable_thinking"] is True
    assert "detail" not in first.droppable
    assert second.send == SendOptions("low")


def test_detail_is_part_of_a_requests_key_and_how_it_travels_is_not():
    def key(**send):
        request = Request((Turn("user", ("What?",)),), send=SendOptions(**send))
        return RequestHasher({}, lambda ref: ref.text).key(request)

    assert key() == key(stream=True) == key(headers={"X": "1"})
    assert len({key(), key(detail="low"), key(detail="high")}) == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [("detail = 'huge'", "detail"), ("stream = 'yes'", "stream"), ("header = { X = 5 }", "header"),
     ("body = 5", "body"), ("headers = {}", "unknown key 'headers'")],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_where_it_stands(tmp_path, line, said):
    path = tmp_path / "prompts.toml"
    path.write_text(f"[a]\nquestion = 'Why?'\n{line}\n")
    with pytest.raises(UsageError, match=said):
        read_prompts(path)


def test_a_batch_has_no_headers_by_prompt(monkeypatch):
    monkeypatch.setenv("DF_API_KEY", "sk-test")
    prompt = Prompt("a", question="?", header={"X": "1"})
    check_prompts([prompt], APIVLMServing_openai("https://x.example/v1", model_name="m"))
    with pytest.raises(UsageError, match="--header"):
        check_prompts([prompt], BatchVLMServing_openai("https://x.example/v1", model_name="m"))


def test_a_header_names_a_variable_that_must_be_set():
    with pytest.raises(UsageError, match="NOT_THERE"):
        _ = Prompt("a", question="?", header={"X": "$NOT_THERE"}).sent_options


def test_the_form_of_one_request_leaves_that_of_the_others():
    model = Adaptations("m")
    asked = Request((Turn("user", ("?",)),), send=SendOptions("low", True))
    assert (model.form_for(asked).detail, model.form_for(asked).stream) == ("low", True)
    assert not model.form.stream
    assert model.form.detail == ""

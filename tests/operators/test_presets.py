"""Presets: the package's own are sound, and what they say is what is asked."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest
from PIL import Image

from dataflow.core.errors import NothingCaptionedError, UsageError
from dataflow.core.protocols.check import CheckContext, Verdict
from dataflow.core.row import Row
from dataflow.operators.core_vision import (
    ImageCaptionGenerator,
    Preset,
    Prompt,
    PromptedVQAGenerator,
    preset_names,
    preset_of,
    read_prompts,
)
from dataflow.operators.core_vision import preset as presets
from dataflow.operators.core_vision.request_builder import RowRequests
from dataflow.serving.fake import FakeServing
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_llamacpp
from dataflow.utils.storage import FileStorage
from tests.memory_storage import Memory
from tests.serving.scenes import ROOT

WANTED = {"brief", "detailed", "dense", "tags", "alt-text", "product", "ocr"}
CHINESE = {"brief-zh", "detailed-zh", "tags-zh"}


def request_of(prompt: Prompt, **fields):
    make = RowRequests(image_key=None, prompts=[prompt], system_prompt="Shared.")
    [request] = make(Row(0, fields, "line 1"))
    return request


def texts_of(request):
    return [(turn.role, *turn.parts) for turn in request.turns]


# --- those of the package ----------------------------------------------------------------------


def test_all_kinds_are_there():
    assert set(preset_names()) >= WANTED | CHINESE


@pytest.mark.parametrize("name", preset_names())
def test_each_has_three_examples_that_pass_its_own_checks(name):
    preset = preset_of(name)
    assert len(preset.examples) == 3
    context = CheckContext("stop", (preset.system, preset.question))
    for example in preset.examples:
        verdicts = [check(example.answer, context) for check in preset.made_checks()]
        assert not any(verdicts), (example.answer, verdicts)


def test_examples_of_a_model_are_what_it_answers():
    pytest.importorskip("xllamacpp")
    cases = [
        (name, example)
        for name in preset_names()
        for example in preset_of(name).examples
        if example.by == "the demo model, in llama.cpp"
    ]
    assert len(cases) == 3
    serving = LocalModelVLMServing_llamacpp("demo", threads=1)
    try:
        for name, example in cases:
            rows = Memory([{"image": str(ROOT / example.picture)}])
            preset = replace(preset_of(name), sampling={"temperature": 0})
            ImageCaptionGenerator(serving, "", preset=preset, on_reject="fail").run(rows)
            assert rows.data[0]["output"] == example.answer
    finally:
        serving.cleanup()


FAULTY = {
    "alt-text": ["Image of a dog.", "A dog. " * 20, "A dog and"],
    "brief": ["A cat. It sleeps. It dreams.", "Ein Hund läuft am Strand entlang.", "A dog"],
    "brief-zh": ["A cat sleeps on a mat beside the window.", "猫。"],
    "dense": [f"The woman {'in a red coat stands there and ' * 3}seems to be sad."],
    "detailed": ["A dog on a beach.", "I'm sorry, but I can't help with that."],
    "detailed-zh": ["一只猫。"],
    "product": ["This premium quality bottle of steel is perfect for every day outdoors."],
    "tags": ["A cat sleeps.", "cat, sleeping, sun, window, newspaper.", "1girl\n2boys\nx, a, b, c"],
    "tags-zh": ["一只猫在睡觉。", "猫，睡觉，阳光，窗边，报纸。"],
    "ocr": [""],
}


@pytest.mark.parametrize("name", preset_names())
def test_each_turns_down_what_is_not_asked_for(name):
    preset = preset_of(name)
    for text in FAULTY[name]:
        assert any(check(text, CheckContext("stop")) for check in preset.made_checks()), text


@pytest.mark.parametrize("name", preset_names())
def test_each_can_be_sent(name):
    preset = preset_of(name)
    request = request_of(Prompt("a", preset=name), conversation=[{"value": "Own?"}])
    assert texts_of(request) == [("system", preset.system), ("user", preset.question)]
    assert request.sampling == preset.sampling
    assert request.sampling["max_tokens"] >= 80
    assert "\n\n" not in preset.question
    assert not preset.question.endswith("\n")


# --- a file of one's own -----------------------------------------------------------------------

OWN = """
version = 3
summary = "Mine."
question = "Which colours?"
[sampling]
temperature = 0
[checks]
max_words = 3
forbid = ["grey"]
disabled = ["cut_off"]
[steps]
strip_lead_in = true
strip_thinking = false
"""


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_file_of_ones_own_has_the_same_form(file):
    path = file(OWN)
    assert preset_of(str(path)) == Preset(
        name="mine",
        version=3,
        summary="Mine.",
        question="Which colours?",
        sampling={"temperature": 0},
        checks={"max_words": 3, "forbid": ("grey",), "disabled": ("cut_off",)},
        steps=("strip_lead_in",),
        text=OWN,
    )
    assert preset_of(path).label == "mine 3"
    request = request_of(Prompt("a", preset=path))
    assert texts_of(request) == [("user", "Which colours?")]
    assert [check("grey", CheckContext()) is None for check in request.checks].count(False) == 1


@pytest.mark.parametrize("table", ["", "\n[checks]"])
def test_a_preset_without_checks_has_those_that_need_no_asking(file, table):
    checks = preset_of(file(f'version = 1\nsummary = "x"\nquestion = "x"{table}')).made_checks()
    for text, kind in ((" ", "empty"), ("I'm sorry, but I can't help with that.", "refusal")):
        found = [verdict.kind for check in checks if (verdict := check(text, CheckContext()))]
        assert kind in found
    assert not any(check("A dog runs along the beach.", CheckContext()) for check in checks)


WRONG = {
    "no version": ('summary = "x"\nquestion = "x"', "lacks its version"),
    "an unknown key": (f'qestion = "x"\n{OWN}', r"unknown key 'qestion'; known are version"),
    "an unknown check": (OWN.replace("max_words", "most_words"), r"\[checks\]: unknown key"),
    "a schema": (OWN.replace("max_words = 3", "schema = {}"), r"unknown key 'schema'"),
    "a text for a number": (
        OWN.replace("= 3\nforbid", '= "3"\nforbid'),
        "max_words must be a whole",
    ),
    "words that are none": (OWN.replace('["grey"]', "[1]"), "forbid must be a list of texts"),
    "an unknown step": (OWN.replace("strip_lead_in", "strip"), r"\[steps\]: unknown key 'strip'"),
    "a hot sampling": (OWN.replace("temperature = 0", "temperature = 3"), "from 0 to 2, not 3"),
    "half an example": (f'{OWN}[[examples]]\npicture = "x"', "an example has a picture"),
    "no TOML": ("version", "no TOML"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_with_its_name_and_the_place(file, name):
    text, message = WRONG[name]
    path = file(text)
    with pytest.raises(UsageError, match=message) as caught:
        preset_of(path)
    assert str(path) in caught.value.message


def test_a_name_that_nothing_has_and_a_file_that_is_not_there_are_told(tmp_path):
    with pytest.raises(UsageError, match="no preset 'breif'; known are alt-text, brief,"):
        preset_of("breif")
    with pytest.raises(UsageError, match=r"none\.toml cannot be read"):
        preset_of(tmp_path / "none.toml")


# --- what wins ---------------------------------------------------------------------------------


def test_what_is_given_wins_over_the_preset():
    request = request_of(
        Prompt("a", preset="brief", system="", question="Q?", sampling={"max_tokens": 7})
    )
    assert texts_of(request) == [("user", "Q?")]
    assert request.sampling == {"max_tokens": 7, "temperature": 0.2}
    without = Prompt("a", preset="brief", sampling={"max_tokens": None})
    assert request_of(without).sampling == {"temperature": 0.2}
    template = request_of(Prompt("a", preset="brief", template="{x}?"), x=5)
    assert texts_of(template)[-1] == ("user", "5?")


def test_a_prompt_of_a_file_has_its_preset_and_its_keys_win(file, tmp_path):
    file(OWN)
    path = tmp_path / "prompts.toml"
    path.write_text(
        '[a]\npreset = "brief"\nmax_tokens = 9\n[b]\npreset = "mine.toml"\nquestion = "Q?"\n[c]\n'
    )
    first, second, third = read_prompts(path)
    assert first.preset.name == "brief"
    assert first.sent_sampling["max_tokens"] == 9
    assert (second.preset.name, second.sent_question) == ("mine", "Q?")
    assert third.preset is None
    path.write_text('[a]\npreset = "breif"\n')
    with pytest.raises(UsageError, match=r"prompts\.toml, \[a\]: there is no preset"):
        read_prompts(path)


@pytest.fixture
def storage(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "0.png")
    rows = [{"image": "0.png", "conversation": [{"from": "human", "value": "Own?"}]}]
    (tmp_path / "data.json").write_text(json.dumps(rows))
    return FileStorage(
        str(tmp_path / "data.json"), cache_path=str(tmp_path), cache_type="jsonl"
    ).step()


@pytest.mark.parametrize("own", ["", "You are a poet."])
def test_the_operators_ask_as_the_preset_says_unless_they_have_a_system_prompt(storage, own):
    asked = []

    def answer(request, pictures):
        asked.append(request)
        return "A red cube lies on the floor."

    captioner = ImageCaptionGenerator(FakeServing(answer), own, preset="brief")
    captioner.run(storage, output_key="a")
    storage.step()
    PromptedVQAGenerator(FakeServing(answer), preset="brief").run(storage, input_image_key="image")
    brief = preset_of("brief")
    for request, system in zip(asked, [own or brief.system, brief.system], strict=True):
        assert request.turns[0].parts == (system,)
        assert request.turns[-1].parts[-1] == brief.question
    assert storage.step().read("dict")[0]["answer"] == "A red cube lies on the floor."


def test_an_answer_that_the_checks_turn_down_is_an_error_of_its_row(storage, tmp_path):
    serving = FakeServing("I'm sorry, but I can't help with that.")
    with pytest.raises(NothingCaptionedError, match="1 × refusal"):
        ImageCaptionGenerator(serving, "", preset="brief").run(storage)
    [line] = (tmp_path / "dataflow_cache_step1.jsonl.errors.jsonl").read_text().splitlines()
    assert json.loads(line)["kind"] == "refusal"


def test_an_answer_is_refined_as_the_preset_says_and_asked_for_again(storage):
    answers = ["A dog", "<think>Hm.</think>The image shows a dog on a beach in the sun."]
    serving = FakeServing(answers)
    ImageCaptionGenerator(serving, "", preset="brief").run(storage)
    assert serving.asked == 2
    assert storage.step().read("dict")[0]["output"] == "A dog on a beach in the sun."


def test_checks_of_ones_own_are_made_besides(storage):
    def no_dogs(text, context):
        return Verdict("dog", "a dog") if "dog" in text else None

    serving = FakeServing(["A brown dog runs along the beach.", "A brown cat sleeps on a mat."])
    ImageCaptionGenerator(serving, "", preset="brief", checks=[no_dogs]).run(storage)
    assert storage.step().read("dict")[0]["output"] == "A brown cat sleeps on a mat."


def test_without_the_package_the_language_is_left_out_and_that_is_said(monkeypatch, caplog):
    monkeypatch.setattr(presets, "find_spec", lambda _: None)
    with caplog.at_level(logging.WARNING, "dataflow"):
        checks = preset_of("brief").made_checks()
    assert "check the language, which is left out" in caplog.text
    german = "Ein brauner Hund läuft am Strand entlang und bellt."
    assert not any(check(german, CheckContext("stop")) for check in checks)


def test_both_bounds_given_win_over_the_presets_own():
    checks = preset_of("detailed").made_checks({"min_words": 1, "max_words": 5})
    assert [check("A cat sleeps.", CheckContext("stop")) for check in checks] == [None] * len(
        checks
    )

"""Trials over a real socket: one sample for all, priced for the whole set, judged, and resumed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from dataflow.app.evaluation.trial.front_drawing import draw_front, money
from dataflow.app.evaluation.trial.result import trial_value
from dataflow.app.evaluation.trial.try_models import review_command, try_models, variants_of
from dataflow.app.options.evaluation.trial import TrialOptions
from dataflow.core.errors import LimitReachedError, StopRunError, UsageError
from tests.servers.chat_server import ChatServer
from tests.servers.judge_server import judgement

MODELS = ("large", "small", "tiny")
PRICES = {"large": (10.0, 30.0), "small": (1.0, 3.0), "tiny": (0.1, 0.3), "judge": (1.0, 1.0)}


def answer(text: str, body: dict) -> str:
    """Three models of different care, and a judge that counts what is wrong."""
    if body["model"] == "judge":
        return judgement(fewer_errors, text)
    number = len(str(body["messages"])) % 7
    if body["model"] == "large":
        return f"A plain picture of one color, seen from the front, number {number}."
    if body["model"] == "small":
        wrong = " It is wrong." if number % 3 == 0 else ""
        return f"A plain picture of one color, number {number}.{wrong}"
    return f"A wrong picture of two wrong colors, number {number}."


def fewer_errors(first: str, second: str) -> str:
    errors = first.count("wrong"), second.count("wrong")
    return "tie" if errors[0] == errors[1] else ("first" if errors[0] < errors[1] else "second")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        size = (32 + 8 * number, 40)
        Image.effect_noise(size, 50 + number).convert("RGB").save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def prices(tmp_path: Path) -> str:
    path = tmp_path / "prices.toml"
    path.write_text("".join(
        f'[[price]]\nmodel = "{name}"\ninput = {one}\noutput = {other}\n'
        for name, (one, other) in PRICES.items()
    ))  # fmt: skip
    return str(path)


def options(server: ChatServer, pictures: Path, prices: str | None, **more) -> TrialOptions:
    given = {
        "models": list(MODELS), "sample": 8, "api_url": server.url, "prices": prices,
        "output": str(pictures.parent / "trial"), **more,
    }  # fmt: skip
    return TrialOptions(source=str(pictures), **given)


def test_every_model_captions_the_same_sample(pictures, prices):
    with ChatServer(answer, models=MODELS) as server:
        result = try_models(options(server, pictures, prices))
        assert len(server.asked) == 24
    assert (result.rows, result.of) == (8, 20)
    assert [one.captions for one in result.variants] == [8, 8, 8]
    outputs = [path.read_text().splitlines() for path in result.outputs.values()]
    shown = [[json.loads(line)["image"] for line in lines] for lines in outputs]
    assert shown[0] == shown[1] == shown[2]


def test_the_price_of_the_whole_set_is_the_samples_mean_times_its_rows(pictures, prices):
    with ChatServer(answer, models=MODELS) as server:
        result = try_models(options(server, pictures, prices))
    large = result.variants[0]
    rows = [json.loads(line) for line in result.outputs["large"].read_text().splitlines()]
    spent = sum(row["caption_meta"]["cost"] for row in rows)
    assert large.sample_cost == pytest.approx(spent)
    assert large.cost.value == pytest.approx(spent / 8 * 20)
    assert large.cost.low <= large.cost.value <= large.cost.high
    assert large.prompt_tokens.value == pytest.approx(
        sum(row["caption_meta"]["tokens"]["prompt"] for row in rows) / 8 * 20
    )


def test_the_judge_ranks_and_the_front_leaves_out_what_is_beaten(pictures, prices):
    with ChatServer(answer, models=MODELS) as server:
        result = try_models(options(server, pictures, prices, judge="judge"))
    quality = result.quality
    assert quality["large"] > quality["small"] > quality["tiny"]
    assert result.front == ["tiny", "small", "large"]
    value = trial_value(result)
    assert value["quality"] == "judged"
    assert json.loads((result.folder / "trial.json").read_text()) == json.loads(json.dumps(value))


def test_the_same_command_asks_nothing_twice_and_keeps_the_speed(pictures, prices):
    with ChatServer(answer, models=MODELS) as server:
        first = try_models(options(server, pictures, prices, judge="judge"))
        asked = len(server.asked)
        again = try_models(options(server, pictures, prices, judge="judge"))
        assert len(server.asked) == asked
    assert [one.per_second for one in again.variants] == [one.per_second for one in first.variants]
    assert again.quality == first.quality


def test_another_model_joins_without_asking_the_others_again(pictures, prices):
    with ChatServer(answer, models=MODELS) as server:
        try_models(options(server, pictures, prices, models=["large"]))
        assert len(server.asked) == 8
        result = try_models(options(server, pictures, prices, models=["large", "tiny"]))
        assert len(server.asked) == 16
    assert [one.name for one in result.variants] == ["large", "tiny"]


def test_a_model_that_stops_is_told_and_the_others_go_on(pictures, prices):
    with ChatServer(answer, models=MODELS) as server:
        dead = "small@http://127.0.0.1:9/v1"
        given = options(server, pictures, prices, models=["large", dead], give_up_after=0)
        result = try_models(given)
    assert result.variants[0].captions == 8
    assert result.variants[1].stopped
    assert "small stopped" in (result.folder / "report.html").read_text()


def test_where_every_model_stops_so_does_the_trial(pictures):
    with ChatServer(answer) as server, pytest.raises(StopRunError):
        try_models(options(
            server, pictures, None, models=["a@http://127.0.0.1:9/v1"], give_up_after=0
        ))  # fmt: skip


def test_a_limit_on_money_covers_all_models_together(pictures, prices):
    with ChatServer(answer, models=MODELS) as server:
        given = {"max_tokens": 60, "max_cost": 0.03, "concurrency": 1}
        with pytest.raises(LimitReachedError):
            try_models(options(server, pictures, prices, models=["large", "small"], **given))
        spent = sum(
            len(body["messages"]) and PRICES[body["model"]][1] * 60 / 1e6 for body in server.bodies
        )
    assert spent <= 0.03


def test_prompts_and_presets_are_variants_of_each_model(pictures, prices):
    with ChatServer(answer, models=MODELS) as server:
        result = try_models(options(
            server, pictures, prices, models=["large"], sample=2, prompt=["What?", "Who?"],
            preset=["brief"],
        ))  # fmt: skip
        texts = set(server.asked)
    assert [one.name for one in result.variants] == [
        "large, prompt 1", "large, prompt 2", "large, preset brief"
    ]  # fmt: skip
    assert {"What?", "Who?"} <= texts
    assert result.prompts["large, prompt 2"] == "Who?"


def test_faults_are_counted_by_check_and_failures_by_kind(pictures, prices):
    def faulty(text: str, body: dict) -> str:
        if body["model"] == "tiny":
            return "I'm sorry, but I can't help with identifying this picture."
        return answer(text, body)

    with ChatServer(faulty, models=MODELS) as server:
        result = try_models(options(
            server, pictures, prices, models=["large", "tiny"], fault_alarm="off", max_words=8,
        ))  # fmt: skip
    large, tiny = result.variants
    assert large.faults["length"] == 8
    assert (tiny.captions, sum(tiny.failed.values()), tiny.sound) == (0, 8, 0.0)


def test_captions_are_side_by_side_in_the_report_and_in_a_dataset(pictures, prices):
    with ChatServer(answer, models=MODELS) as server:
        result = try_models(options(server, pictures, prices, judge="judge"))
    rows = [
        json.loads(line) for line in (result.folder / "side-by-side.jsonl").read_text().splitlines()
    ]
    assert len(rows) == 8
    assert list(rows[0]) == ["image", *MODELS]
    assert "--output-key large --output-key small --output-key tiny" in review_command(result)
    page = (result.folder / "report.html").read_text()
    assert page.count("<article>") == 8
    assert page.count("data:image/") == 8
    assert "<svg" in page
    assert "<script" not in page
    assert "On the front of price and quality" in (result.folder / "trial.md").read_text()


def test_rows_with_pictures_inside_and_questions_of_their_own_are_sampled_whole(tmp_path, prices):
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.effect_noise((40, 40), 10 + number).convert("RGB").save(path)
        data.append({"bytes": path.read_bytes(), "path": f"{number}.png"})
    talk = [[{"from": "human", "value": f"<image>\nWhich {n}?"}] for n in range(6)]
    table = tmp_path / "data.parquet"
    pq.write_table(pa.table({"image": data, "conversations": talk}), table)
    with ChatServer(answer, models=MODELS) as server:
        result = try_models(options(server, table, prices, models=["large"], sample=4))
        asked = sorted(server.asked)
    assert (result.rows, result.of) == (4, 6)
    assert all(re.search(r"Which \d\?", text) for text in asked)


def test_a_model_may_name_its_own_api_or_an_engine_here(tmp_path):
    given = TrialOptions(
        source="x", models=["a", "b@https://example.org/v1", "vllm:org/m"], api_url="http://h/v1",
        key_env=["K1", "K2", "K3"],
    )  # fmt: skip
    found = [one.options for one in variants_of(given)]
    assert found == [
        {"model": "a", "api_url": ["http://h/v1"], "key_env": ["K1"]},
        {"model": "b", "api_url": ["https://example.org/v1"], "key_env": ["K2"]},
        {"vllm": "org/m"},
    ]


def test_one_model_at_two_apis_is_two_variants():
    models = ["a@http://one/v1", "a@http://two/v1"]
    assert [one.name for one in variants_of(TrialOptions(source="x", models=models))] == models


def test_a_preset_that_is_none_is_refused_before_anything_is_asked(pictures, prices):
    with ChatServer(answer, models=MODELS) as server:
        with pytest.raises(UsageError, match="no preset"):
            try_models(options(server, pictures, prices, prompt=["What?"], preset=["nonesuch"]))
        assert server.asked == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"models": ["a", "a"]},
        {"models": ["a", "b", "c"], "key_env": ["K1", "K2"]},
        {"models": ["a"], "preset": ["x", "x"]},
    ],
)
def test_what_cannot_be_told_apart_is_refused(wrong):
    with pytest.raises(UsageError):
        variants_of(TrialOptions(source="x", **wrong))


@pytest.mark.parametrize(
    "offers",
    [
        {"a": (1.0, 0.5)},
        {"a": (0.0, 0.5), "b": (0.0, 0.5)},
        {"a": (0.001, 0.2), "b": (5.0, 0.9), "c": (5.0, 0.9)},
        {f"model-{n}": (1.0 + n / 100, 0.5) for n in range(12)},
        {'<b onload="x">&': (3.0, 0.0), "x" * 200: (3.0, 1.0)},
    ],
)
def test_any_offers_can_be_drawn_inside_the_frame(offers):
    svg = draw_front(offers, list(offers), quality="judged quality")
    root = ElementTree.fromstring(svg)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    circles = root.findall("circle")
    assert len(circles) == len(offers)
    for circle in circles:
        assert 0 <= float(circle.attrib["cx"]) <= width
        assert 0 <= float(circle.attrib["cy"]) <= height


@pytest.mark.parametrize(
    ("dollars", "text"),
    [(0, "$0"), (0.0000123, "$1.2e-05"), (0.25, "$0.25"), (1234.5, "$1,234.50")],
)
def test_money_is_short(dollars, text):
    assert money(dollars) == text

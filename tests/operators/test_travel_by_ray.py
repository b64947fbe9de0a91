"""Servings and operators in Ray's tasks and actors, before and after use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ray():
    """One small Ray on this machine."""
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


def caption(operator, rows, cache):
    storage = FileStorage(rows, cache_path=cache)
    operator.run(storage.step(), output_key="caption")
    return [row["caption"] for row in storage.step().read("dict")]


class Captioner:
    """An actor that holds a serving and makes its operator itself."""

    def __init__(self, serving):
        self.operator = ImageCaptionGenerator(serving, "")

    def caption(self, rows, cache):
        return caption(self.operator, rows, cache)


@pytest.mark.parametrize("is_used", [False, True], ids=["fresh", "used"])
def test_servings_and_operators_work_in_tasks_and_actors(ray, tmp_path, is_used):
    rows = tmp_path / "rows.json"
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    Path(rows).write_text(json.dumps([{"image": str(tmp_path / "a.png")}]), encoding="utf-8")
    serving = FakeServing("A cat.")
    operator = ImageCaptionGenerator(serving, "")
    if is_used:
        serving.generate_from_input(["q"])
        caption(operator, str(rows), str(tmp_path / "own"))
    task = ray.remote(caption).remote(operator, str(rows), str(tmp_path / "task"))
    actor = ray.remote(Captioner).remote(serving)
    answers = [task, *(actor.caption.remote(str(rows), str(tmp_path / f"{n}")) for n in range(2))]
    assert ray.get(answers, timeout=120) == [["A cat."]] * 3

"""A column that is asked about and that rows lack: a fault of the row, or of the whole dataset."""

from __future__ import annotations

import json
import shutil

import pytest

from dataflow.core.errors import InputError
from dataflow.operators.core_vision import ImageCaptionGenerator, PromptedVQAGenerator
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage
from tests.paths import ROOT

SCENE = ROOT / "examples" / "scenes" / "001.png"


@pytest.fixture
def storage(tmp_path):
    shutil.copy(SCENE, tmp_path)

    def make(*rows):
        (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return FileStorage(str(tmp_path / "data.jsonl"), str(tmp_path / "cache")).step()

    return make


def test_a_first_row_that_lacks_it_fails_alone(storage):
    steps = storage({"id": 1}, {"id": 2, "image": SCENE.name})
    ImageCaptionGenerator(FakeServing("a scene"), "").run(steps, output_key="caption")
    assert [row["caption"] for row in steps.step().read("dict")] == [None, "a scene"]


def test_a_dataset_that_lacks_it_is_told_before_anything_is_asked(storage):
    serving = FakeServing("a scene")
    steps = storage({"id": 1, "pic": 1}, {"id": 2})
    with pytest.raises(InputError, match=r"line 1: no column 'image'; there is: 'id', 'pic'"):
        ImageCaptionGenerator(serving, "").run(steps)
    assert serving.asked == 0


def test_so_is_one_that_lacks_what_a_template_names(storage):
    serving = FakeServing("a scene")
    steps = storage({"image": SCENE.name})
    with pytest.raises(InputError, match=r"no column 'title'; there is: 'image'"):
        PromptedVQAGenerator(serving, prompt_template="{title[0]}?").run(steps)
    assert serving.asked == 0

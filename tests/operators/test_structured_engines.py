"""Drawn scenes as JSON, under the grammars of llama.cpp and vLLM: every answer fits the schema.

The model has learnt sentences only. It says nothing true in JSON, and need not: what is tried is
that whatever it says is of the schema, from the request to the output. The schema is bounded, so
that every answer ends.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest

from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.local_model_vlm_serving import (
    LocalModelVLMServing_llamacpp,
    LocalModelVLMServing_vllm,
)
from dataflow.utils.storage import FileStorage
from tests.serving.scenes import CHECKPOINT, drawer

ITEM = {
    "type": "object",
    "properties": {
        "shape": {"enum": [*drawer.SHAPES]},
        "colour": {"enum": [*drawer.COLOURS]},
        "size": {"enum": [*drawer.SIZES]},
    },
    "required": ["shape", "colour", "size"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "shapes": {"type": "array", "items": ITEM, "minItems": 1, "maxItems": 3},
        "background": {"enum": [*drawer.GROUNDS]},
    },
    "required": ["shapes", "background"],
    "additionalProperties": False,
}
NO_BLANKS = {"backend": "xgrammar", "disable_any_whitespace": True}
MAX_TOKENS = 3000  # blanks between the words included, of which a grammar allows many


def described(serving, folder: Path, count: int) -> list:
    """What the output says of so many scenes."""
    rows = []
    for number in range(count):
        drawer.draw(drawer.scene(drawer.HELD_OUT + number)).save(folder / f"{number}.png")
        rows.append({"image": f"{number}.png"})
    (folder / "data.json").write_text(json.dumps(rows))
    storage = FileStorage(
        str(folder / "data.json"), cache_path=str(folder), cache_type="parquet"
    ).step()
    # the first answers count
    ImageCaptionGenerator(serving, "", schema=SCHEMA, on_reject="fail").run(storage)
    assert not (folder / "dataflow_cache_step1.parquet.errors.jsonl").exists()
    return [row["output"] for row in storage.step().read("dict")]


def assert_all_fit(captions: list, count: int) -> None:
    assert len(captions) == count
    for caption in captions:
        jsonschema.validate(caption, SCHEMA)


@pytest.mark.parametrize(
    "count", [20, pytest.param(500, marks=(pytest.mark.slow, pytest.mark.timeout(1200)))]
)
def test_every_answer_fits_under_llama_cpp(tmp_path, count):
    pytest.importorskip("xllamacpp")
    serving = LocalModelVLMServing_llamacpp("demo", threads=1, max_tokens=MAX_TOKENS)
    try:
        assert_all_fit(described(serving, tmp_path, count), count)
    finally:
        serving.cleanup()


@pytest.mark.vllm
@pytest.mark.timeout(1200)
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
def test_every_answer_fits_under_vllm(tmp_path):
    small = ("--kv-cache-memory-bytes", str(512 * 2**20))
    # else this model fills its answers with line breaks without end, which the grammar allows
    no_blanks = ("--structured-outputs-config", json.dumps(NO_BLANKS))
    serving = LocalModelVLMServing_vllm(
        str(CHECKPOINT),
        vllm_temperature=0.0,
        vllm_max_tokens=1000,
        vllm_args=(*small, *no_blanks),
    )
    try:
        assert_all_fit(described(serving, tmp_path, 500), 500)
    finally:
        serving.cleanup()

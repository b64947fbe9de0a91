"""A model's folder: whole or not, seeing or not, found by names, sizes and headers alone."""

from __future__ import annotations

import json

import pytest

from dataflow.core.errors import NoVisionError, UnknownModelError
from dataflow.serving.weights.checkpoint import check_checkpoint, own_limit, pixels_per_token
from tests.serving.small_models import BLIND, checkpoint, safetensors


@pytest.fixture
def folder(tmp_path):
    return checkpoint(tmp_path / "model")


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def put_index(folder, *names):
    index = {"weight_map": {str(n): name for n, name in enumerate(names)}}
    put(folder, "model.safetensors.index.json", json.dumps(index))


def test_a_whole_model_passes(folder):
    put_index(folder, "model.safetensors")
    check_checkpoint(folder)


BROKEN = {
    "it is empty": lambda f: [one.unlink() for one in f.iterdir()],
    "no config.json in it": lambda f: (f / "config.json").unlink(),
    "files are for llama.cpp .eyes.gguf.; give the folder with --model": lambda f: (
        (f / "config.json").unlink(),
        put(f, "eyes.gguf", b"GGUF"),
    ),
    "config.json cannot be read": lambda f: put(f, "config.json", '{"architectures": ['),
    "is no model's configuration": lambda f: put(f, "config.json", "[]"),
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "half a download .model-2.safetensors.incomplete": lambda f: put(
        f, "model-2.safetensors.incomplete", b""
    ),
    "lacks no.safetensors of the 2 files": lambda f: put_index(
        f, "model.safetensors", "no.safetensors"
    ),
    "lacks a.safetensors and 1 more of the 3": lambda f: put_index(
        f, "model.safetensors", "b.safetensors", "a.safetensors"
    ),
    "index.json cannot be read": lambda f: put(f, "model.safetensors.index.json", '{"weight_'),
    "has 0 bytes": lambda f: put(f, "model.safetensors", b""),
    "ends within its header": lambda f: put(f, "model.safetensors", safetensors()[:40]),
    r"of [\d,]+ bytes": lambda f: put(f, "model.safetensors", safetensors()[:-1]),
    "does not begin as a safetensors file": lambda f: put(
        f, "model.safetensors", b"<!DOCTYPE html><html>"
    ),
    "its header cannot be read": lambda f: put(f, "model.safetensors", b"\2" + b"\0" * 7 + b"{]"),
}


@pytest.mark.parametrize("message", BROKEN)
def test_what_is_broken_is_named(folder, message):
    BROKEN[message](folder)
    with pytest.raises(UnknownModelError, match=message):
        check_checkpoint(folder)


def test_a_folder_within_is_suggested(folder):
    with pytest.raises(UnknownModelError, match="do you mean its folder model"):
        check_checkpoint(folder.parent)


def test_a_text_model_is_told_from_one_that_sees(folder):
    put(folder, "config.json", json.dumps(BLIND))
    with pytest.raises(NoVisionError, match=r"text model .LlamaForCausalLM. and cannot see"):
        check_checkpoint(folder)


@pytest.mark.parametrize(
    "sign", [{"vision_config": {}}, {"mm_vision_tower": "x"}, {"image_token_id": 3},
             {"auto_map": {}}, {"visual": {}}]
)  # fmt: skip
def test_any_sign_of_sight_is_taken(folder, sign):
    put(folder, "config.json", json.dumps(BLIND | sign))
    check_checkpoint(folder)


def test_a_picture_processor_is_a_sign_of_sight(folder):
    put(folder, "config.json", json.dumps(BLIND))
    put(folder, "preprocessor_config.json", '{"patch_size": 14, "merge_size": 2}')
    check_checkpoint(folder)
    assert pixels_per_token(folder) == 784


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ("{}", None),
        ("no json", None),
        ('{"max_position_embeddings": 100}', 100),
        ('{"text_config": {"max_position_embeddings": 200}}', 200),
        ('{"max_position_embeddings": 100, "rope_scaling": {"type": "mrope"}}', 100),
        ('{"max_position_embeddings": 100, "rope_scaling": {"factor": 4.0}}', None),
    ],
)
def test_the_weights_own_limit(tmp_path, config, limit):
    (tmp_path / "config.json").write_text(config)
    assert own_limit(tmp_path) == limit
    assert own_limit(tmp_path / "none") is None

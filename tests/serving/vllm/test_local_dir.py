"""A folder into which a hub model's weights are put."""

from __future__ import annotations

import json

import pytest

from dataflow.core.errors import UnknownModelError
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_vllm
from dataflow.serving.vllm import command, local_dir


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"x")
    return tmp_path


def test_a_folder_with_all_files_is_whole(weights):
    assert local_dir.is_whole(weights)


BROKEN = {
    "no config": lambda f: (f / "config.json").unlink(),
    "no weights": lambda f: (f / "model.safetensors").unlink(),
    "a file under way": lambda f: put(f, ".cache/huggingface/download/a.incomplete", ""),
    "a shard missing": lambda f: put(
        f, "model.safetensors.index.json", json.dumps({"weight_map": {"a": "no.safetensors"}})
    ),
    "half an index": lambda f: put(f, "model.safetensors.index.json", '{"weight_map": {'),
}


def put(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize("name", BROKEN)
def test_a_fetch_that_was_broken_off_is_seen(weights, name):
    BROKEN[name](weights)
    assert not local_dir.is_whole(weights)


def test_a_folder_of_one_s_own_is_never_fetched_into(weights):
    (weights / "model.safetensors").unlink()
    assert not local_dir.is_from_hub(weights)
    local_dir.note_owner(weights, "acme/one")
    assert local_dir.is_from_hub(weights)


def test_the_weights_of_another_name_are_not_served(weights, monkeypatch):
    monkeypatch.setattr(command, "check_installed", lambda: None)
    local_dir.note_owner(weights, "acme/one")
    serving = LocalModelVLMServing_vllm("acme/one", hf_local_dir=str(weights))
    assert serving.model == "acme/one"
    with pytest.raises(UnknownModelError, match="holds acme/one, not acme/two"):
        LocalModelVLMServing_vllm("acme/two", hf_local_dir=str(weights))


def test_home_is_expanded(weights, monkeypatch):
    monkeypatch.setattr(command, "check_installed", lambda: None)
    monkeypatch.setenv("HOME", str(weights.parent))
    local_dir.note_owner(weights, "acme/one")
    with pytest.raises(UnknownModelError, match="holds acme/one"):
        LocalModelVLMServing_vllm("acme/two", hf_local_dir=f"~/{weights.name}")

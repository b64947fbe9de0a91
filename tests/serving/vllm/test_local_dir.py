"""A folder into which a hub model's weights are put."""

from __future__ import annotations

import pytest

from dataflow.core.errors import UnknownModelError
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_vllm
from dataflow.serving.vllm import command, local_dir
from tests.serving.small_models import checkpoint


@pytest.fixture
def weights(tmp_path):
    return checkpoint(tmp_path)


def test_a_folder_of_one_s_own_is_never_fetched_into(weights):
    assert not local_dir.is_from_hub(weights)
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


def test_a_broken_folder_of_one_s_own_is_an_error_and_a_broken_download_goes_on(
    weights, monkeypatch
):
    monkeypatch.setattr(command, "check_installed", lambda: None)
    (weights / "model.safetensors").unlink()
    with pytest.raises(UnknownModelError, match="no weights"):
        LocalModelVLMServing_vllm("acme/one", hf_local_dir=str(weights))
    local_dir.note_owner(weights, "acme/one")
    serving = LocalModelVLMServing_vllm("acme/one", hf_local_dir=str(weights))
    assert serving.settings()["weights"] == "huggingface acme/one"

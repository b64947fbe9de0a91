"""Which files a model's name means."""

from __future__ import annotations

import pytest

from dataflow.core.errors import UnknownModelError, UsageError
from dataflow.serving.llamacpp.model_files import GgufPair, HubPair, read_model_name
from tests.serving import small_models


@pytest.fixture
def folder(tmp_path):
    return small_models.pair(tmp_path)


def test_the_bundled_model():
    pair = read_model_name("demo", None)
    assert pair.model.name == "scenes-demo.gguf"
    assert pair.mmproj.name == "scenes-demo-mmproj.gguf"


def test_a_file_with_the_projector_beside_it(folder):
    pair = GgufPair(folder / "eyes.gguf", folder / "mmproj-eyes.gguf")
    assert read_model_name(str(folder / "eyes.gguf"), None) == pair
    assert read_model_name(str(folder / "eyes.gguf"), str(folder / "mmproj-eyes.gguf")) == pair


def test_a_projector_that_is_not_clear(folder):
    (folder / "other-mmproj.gguf").write_bytes(b"GGUF")
    with pytest.raises(UsageError, match="there are 2 beside it: mmproj-eyes"):
        read_model_name(str(folder / "eyes.gguf"), None)
    for file in folder.glob("*mmproj*"):
        file.unlink()
    with pytest.raises(UsageError, match=r"there are 0 beside it; name it .--mmproj FILE"):
        read_model_name(str(folder / "eyes.gguf"), None)


def test_what_is_no_model(folder):
    (folder / "page.gguf").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(UnknownModelError, match=r"it is no GGUF file .it begins with b'<!DO'"):
        read_model_name(str(folder / "page.gguf"), None)
    with pytest.raises(UnknownModelError, match="there is no file"):
        read_model_name(str(folder / "none.gguf"), None)
    with pytest.raises(UnknownModelError, match="cannot read"):
        read_model_name(str(folder / "eyes.gguf"), str(folder / "none.gguf"))
    with pytest.raises(UsageError, match="is no model: give 'demo'"):
        read_model_name("gpt-4o", None)
    with pytest.raises(UsageError, match="brings its own"):
        read_model_name("owner/name", "mmproj.gguf")


def test_the_best_pair_of_a_repository():
    files = [
        "README.md",
        "sub/eyes-Q4_K_M.gguf",
        "eyes-f16.gguf",
        "eyes-Q8_0.gguf",
        "eyes-Q8_0-00001-of-00002.gguf",
        "mmproj-eyes-f16.gguf",
        "mmproj-eyes-Q8_0.gguf",
    ]
    assert read_model_name("a/b", None) == HubPair("a/b")
    assert HubPair("a/b").choose(files) == ["eyes-Q8_0.gguf", "mmproj-eyes-Q8_0.gguf"]
    picked = read_model_name("a/b:q4_k_m", None)
    assert picked.choose(files)[0] == "sub/eyes-Q4_K_M.gguf"
    assert read_model_name("a/b:eyes-f16.gguf", None).choose(files)[0] == "eyes-f16.gguf"


def test_a_folder_with_one_pair_is_taken(folder, monkeypatch):
    pair = GgufPair(folder / "eyes.gguf", folder / "mmproj-eyes.gguf")
    assert read_model_name(str(folder), None) == pair
    monkeypatch.setenv("HOME", str(folder.parent))
    assert read_model_name(f"~/{folder.name}", None) == pair
    (folder / "more.gguf").write_bytes(small_models.model())
    with pytest.raises(UsageError, match=r"several models: give one of eyes.gguf, more.gguf"):
        read_model_name(str(folder), None)


def test_a_folder_that_exists_is_never_asked_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme" / "eyes").mkdir(parents=True)
    with pytest.raises(UnknownModelError, match=r"a folder without a .gguf file"):
        read_model_name("acme/eyes", None)
    small_models.checkpoint(tmp_path / "acme" / "eyes")
    with pytest.raises(UnknownModelError, match="give it with --vllm"):
        read_model_name("acme/eyes", None)


def test_swapped_files_are_told(folder):
    with pytest.raises(UsageError, match=r"the model's own .gguf file with --model"):
        read_model_name(str(folder / "mmproj-eyes.gguf"), str(folder / "eyes.gguf"))
    with pytest.raises(UsageError, match=r"no picture projector but a model .llama"):
        read_model_name(str(folder / "eyes.gguf"), str(folder / "eyes.gguf"))


def test_a_projector_of_another_model_is_told(folder):
    (folder / "mmproj-eyes.gguf").write_bytes(small_models.projector(12))
    with pytest.raises(UsageError, match=r"makes vectors of 12 numbers, and eyes.gguf takes 8"):
        read_model_name(str(folder), None)


@pytest.mark.parametrize("cut", [5, 30, 150])
def test_half_a_file_is_told(folder, cut):
    whole = (folder / "eyes.gguf").read_bytes()
    (folder / "eyes.gguf").write_bytes(whole[:cut])
    with pytest.raises(UnknownModelError, match="ends within its header"):
        read_model_name(str(folder / "eyes.gguf"), None)
    (folder / "eyes.gguf").write_bytes(whole[:-1])
    with pytest.raises(UnknownModelError, match="is incomplete: it has"):
        read_model_name(str(folder / "eyes.gguf"), None)


def test_the_bundled_model_takes_no_projector(folder):
    with pytest.raises(UsageError, match="leave --mmproj out"):
        read_model_name("demo", str(folder / "mmproj-eyes.gguf"))

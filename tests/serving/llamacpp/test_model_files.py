"""Which files a model's name means."""

from __future__ import annotations

import pytest

from dataflow.core.errors import UnknownModelError, UsageError
from dataflow.serving.llamacpp.model_files import GgufPair, HubPair, read_model_name


@pytest.fixture
def folder(tmp_path):
    for name in ("eyes.gguf", "mmproj-eyes.gguf"):
        (tmp_path / name).write_bytes(b"GGUF....")
    return tmp_path


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
    with pytest.raises(UnknownModelError, match=r"no GGUF file .it begins with b'<!DO'"):
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

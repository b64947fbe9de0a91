"""The same weights are the same, wherever they lie; others are others."""

from __future__ import annotations

import os
import shutil

import pytest

from dataflow.serving.weights import weights_fingerprint as module
from dataflow.serving.weights.weights_fingerprint import weights_fingerprint


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dataflow" / "weights.json"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a" / "model.bin"
    path.parent.mkdir()
    path.write_bytes(os.urandom(300_000))
    return path


def linked(file, tmp_path):
    (tmp_path / "link").symlink_to(file)
    return tmp_path / "link"


def touched(file, tmp_path):
    os.utime(file, (1, 1))
    return file


SAME = {
    "a link": linked,
    "touched": touched,
    "copied with its times": lambda f, t: shutil.copy2(f, t / "b"),
    "copied without them": lambda f, t: shutil.copyfile(f, t / "c"),
    "another name": lambda f, t: f.rename(t / "other"),
}


@pytest.mark.parametrize("how", SAME)
def test_the_same_bytes_are_the_same_weights(file, tmp_path, how):
    before = weights_fingerprint([file])
    assert weights_fingerprint([SAME[how](file, tmp_path)]) == before


def test_the_order_of_files_does_not_matter(file, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"x")
    assert weights_fingerprint([file, other]) == weights_fingerprint([other, file])


@pytest.mark.parametrize("at", [0, 150_000, 299_999])
def test_another_byte_makes_other_weights(file, at):
    before = weights_fingerprint([file])
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(1, at + 7))
    assert weights_fingerprint([file]) != before


def test_a_large_file_counts_by_samples_and_its_size(file, monkeypatch):
    monkeypatch.setattr(module, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(module, "SAMPLE_BYTES", 1000)
    before = weights_fingerprint([file])
    with file.open("ab") as opened:
        opened.write(b"x")
    longer = weights_fingerprint([file])
    assert longer != before
    data = file.read_bytes()
    file.write_bytes(os.urandom(len(data)))
    os.utime(file, (5, 5))
    assert weights_fingerprint([file]) != longer


def test_what_was_read_is_not_read_again(file, cache, monkeypatch):
    before = weights_fingerprint([file])
    assert cache.is_file()
    monkeypatch.setattr(module, "_file_digest", None)
    assert weights_fingerprint([file]) == before


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', "\0"])
def test_a_broken_cache_is_passed_over(file, cache, content):
    before = weights_fingerprint([file])
    cache.write_text(content)
    assert weights_fingerprint([file]) == before

"""A file at a URL, as far as its name tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflow.engine.paths import escaped_name
from dataflow.remote.path import RemotePath, is_remote, server_of, to_path


@pytest.mark.parametrize(
    "name", ["s3://b/a.jsonl", "gs://b/a", "gcs://b/a", "hf://datasets/o/n/a", "HTTPS://h/a"]
)
def test_a_url_of_a_store_or_of_the_web_is_remote(name):
    assert is_remote(name)
    assert isinstance(to_path(name), RemotePath)


@pytest.mark.parametrize(
    "name",
    ["a.jsonl", "/s3/a", "hf:owner/name", "ftp://h/a", "s3:/b/a", "s3://", "C:/a", "file:///a"],
)
def test_anything_else_is_a_path_of_this_machine(name):
    assert not is_remote(name)
    assert to_path(name) == Path(name)


def test_the_parts_of_a_name_are_those_of_a_path():
    place = RemotePath("s3://bucket/some/rows.jsonl.gz")
    assert (place.name, place.suffix, place.stem) == ("rows.jsonl.gz", ".gz", "rows.jsonl")
    assert str(place.parent) == "s3://bucket/some"
    assert str(place.with_name("b c.txt")) == "s3://bucket/some/b c.txt"
    assert str(RemotePath("s3://bucket").parent) == "s3://bucket"


def test_a_signature_and_a_password_are_kept_but_never_shown():
    place = RemotePath("https://me:pass@host/rows.jsonl?signature=secret#x")
    assert place.url.endswith("?signature=secret#x")
    assert str(place) == "https://host/rows.jsonl"
    assert "secret" not in repr(place)
    assert "pass" not in repr(place)
    assert place.name == "rows.jsonl"


@pytest.mark.parametrize(
    ("folder", "path", "expected"),
    [
        ("s3://b/data", "images/1 #2?.jpg", "s3://b/data/images/1 #2?.jpg"),
        ("s3://b/data", "../images/./1.jpg", "s3://b/images/1.jpg"),
        ("https://h/data", "images/1 #2?.jpg", "https://h/data/images/1%20%232%3F.jpg"),
        ("https://h/data?signature=x", "1.jpg", "https://h/data/1.jpg"),
    ],
)
def test_a_relative_path_is_looked_up_at_the_url_of_its_folder(folder, path, expected):
    joined = RemotePath(folder).joined(path)
    assert joined is not None
    assert joined.url == expected


@pytest.mark.parametrize(
    "folder", ["s3://b/data", "https://h/data", "hf://datasets/o/n/data", "hf://o/n/data"]
)
@pytest.mark.parametrize("path", ["../../1.jpg", "a/../../../1.jpg"])
def test_a_relative_path_does_not_leave_its_bucket_server_or_repository(folder, path):
    assert RemotePath(folder).joined("../1.jpg") is not None
    assert RemotePath(folder).joined(path) is None


def test_the_server_of_a_url_has_the_port_of_its_scheme():
    assert server_of("https://h/a") == ("h", 443)
    assert server_of("http://127.0.0.1:8000/a") == ("127.0.0.1", 8000)
    assert server_of("s3://b/a") is None
    assert server_of("a.jsonl") is None


def test_each_output_at_a_url_has_its_own_place_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one = escaped_name(RemotePath("s3://b/en/out.jsonl"))
    assert one == tmp_path / "dataflow/s3/b/en/out.jsonl"
    odd = escaped_name(RemotePath("s3://b/../en//out.jsonl"), tmp_path)
    assert ".." not in odd.parts
    assert odd.is_relative_to(tmp_path)
    assert odd != escaped_name(RemotePath("s3://b/en/out.jsonl"), tmp_path)


def test_a_long_name_in_a_store_leaves_room_for_what_lies_beside_it_here(tmp_path):
    here = escaped_name(RemotePath(f"s3://b/{'字' * 60}/{'字' * 60}.jsonl"), tmp_path)
    assert all(len(part) <= 227 for part in here.parts)
    assert here != escaped_name(RemotePath(f"s3://b/{'字' * 60}/{'字' * 61}.jsonl"), tmp_path)


def test_a_scheme_may_be_written_in_upper_case():
    assert RemotePath("S3://b/A.jsonl") == RemotePath("s3://b/A.jsonl")

"""Patterns of picture names, as in .gitignore."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dataflow.core.errors import InputError, UsageError
from dataflow.formats.patterns.glob_filter import GlobFilter, split_pattern
from dataflow.formats.registry import open_reader
from tests.formats.folder.test_pictures import touch

NAMES = ["a.jpg", "b.png", "2024/a.jpg", "2024/may/a.png", "raw/2024/c.jpg", "raw/[x].jpg", "é.jpg"]


def taken(folder, *, source=None, **pick):
    reader = open_reader(source or folder, pick=GlobFilter(**pick))
    found = [row.fields["image"] for row in reader.rows()]
    return [path.removeprefix(f"{folder}/") for path in found]


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("*.png", ["2024/may/a.png", "b.png"]),
        ("a.*", ["2024/a.jpg", "2024/may/a.png", "a.jpg"]),
        ("/a.*", ["a.jpg"]),
        ("2024/*", ["2024/a.jpg", "2024/may/a.png"]),
        ("2024/*.jpg", ["2024/a.jpg"]),
        ("2024", ["2024/a.jpg", "2024/may/a.png", "raw/2024/c.jpg"]),
        ("**/2024/**", ["2024/a.jpg", "2024/may/a.png", "raw/2024/c.jpg"]),
        ("raw/**/*.jpg", ["raw/2024/c.jpg", "raw/[x].jpg"]),
        ("?.jpg", ["2024/a.jpg", "a.jpg", "raw/2024/c.jpg", "é.jpg"]),
        ("[a-b].*", ["2024/a.jpg", "2024/may/a.png", "a.jpg", "b.png"]),
        ("[!a].png", ["b.png"]),
        ("[[]x].jpg", ["raw/[x].jpg"]),
    ],
)
def test_only_what_fits_is_taken(tmp_path, include, expected):
    touch(tmp_path, *NAMES)
    assert taken(tmp_path, include=(include,)) == expected


def test_a_filter_that_fits_nothing_is_an_error(tmp_path):
    touch(tmp_path, *NAMES)
    with pytest.raises(UsageError, match="no picture fits this"):
        taken(tmp_path, include=("nothing",))


def test_what_fits_an_exclude_is_left_out_whatever_else_it_fits(tmp_path):
    touch(tmp_path, *NAMES)
    assert taken(tmp_path, include=("*.jpg",), exclude=("raw", "é*")) == ["2024/a.jpg", "a.jpg"]


def test_an_excluded_folder_is_not_even_looked_into(tmp_path, monkeypatch):
    touch(tmp_path, "a.jpg", "secret/b.jpg")
    listed = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (listed.append(str(path)), real(path))[1])
    assert taken(tmp_path, exclude=("secret/",)) == ["a.jpg"]
    assert not [path for path in listed if "secret" in path]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["b.png"]),
        ("**/*.png", ["2024/may/a.png", "b.png"]),
        ("2*/**/a.*", ["2024/a.jpg", "2024/may/a.png"]),
        ("raw/*/c.jpg", ["raw/2024/c.jpg"]),
    ],
)
def test_the_input_may_be_a_pattern(tmp_path, pattern, expected):
    touch(tmp_path, *NAMES)
    assert taken(tmp_path, source=f"{tmp_path}/{pattern}") == expected


def test_a_folder_that_is_called_like_a_pattern_is_that_folder(tmp_path):
    touch(tmp_path, "[x]/a.jpg")
    assert taken(tmp_path, source=f"{tmp_path}/[x]") == ["[x]/a.jpg"]


def test_a_pattern_below_no_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="nowhere/: no such file or folder"):
        open_reader(tmp_path / "nowhere" / "*.jpg")


@pytest.mark.parametrize("wrong", ["", "/", "[z-a].jpg"])
def test_a_wrong_pattern_is_told(wrong):
    with pytest.raises(UsageError, match="no pattern of picture names"):
        GlobFilter(include=(wrong,))


def test_patterns_are_for_folders(tmp_path):
    (tmp_path / "x.jsonl").write_text("")
    with pytest.raises(UsageError, match="only a folder"):
        open_reader(tmp_path / "x.jsonl", pick=GlobFilter(include=("*",)))


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("photos/*.jpg", ("photos/", ("/*.jpg",))),
        ("*.jpg", (".", ("/*.jpg",))),
        ("/a/b[0-9]/c/*", ("/a/", ("/b[0-9]/c/*",))),
        ("photos/a.jpg", ("photos/a.jpg", ())),
    ],
)
def test_a_pattern_begins_at_its_last_sure_folder(path, split):
    assert split_pattern(path) == split


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the judge")
@settings(max_examples=100, deadline=None)
@example("a/")
@example("a**b")
@example("**/b")
@example("a/**")
@given(pattern=st.text(st.sampled_from("ab/*?.["), min_size=1, max_size=5))
def test_git_leaves_out_the_same(tmp_path_factory, pattern):
    """Where git and we both take the pattern for one."""
    names = ["a", "b", "ab", "a.b", "a/b", "a/a/b", "b/a.b", "b/b/a"]
    try:
        pick = GlobFilter(exclude=(pattern,))
    except UsageError:
        return
    if "[" in pattern or "//" in pattern:
        return
    folder = tmp_path_factory.mktemp("git")
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / ".gitignore").write_text(pattern + "\n")
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", *names], cwd=folder, capture_output=True, text=True
    )
    assert [name for name in names if not _taken(pick, name)] == asked.stdout.splitlines()


def _taken(pick, path):
    parts = path.split("/")
    above = ["/".join(parts[:n]) for n in range(1, len(parts))]
    return all(map(pick.enters, above)) and pick.takes(path)


@pytest.mark.parametrize("glob", ["*a" * 30 + "b", "**/" * 12 + "*a*a*a*b", "*[ab]" * 25 + "c"])
@pytest.mark.parametrize("path", ["a" * 250, "a/" * 200 + "a" * 250])
def test_many_stars_take_no_longer_than_one(glob, path):
    assert not GlobFilter((glob,)).takes(path)


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("a*b*c", "axbxbxc", True),
        ("a*b*c", "axbxc.", False),
        ("*ab*ab", "abab", True),
        ("*ab*ab", "ab", False),
        ("*a?*c", "xaac", True),
        ("*a?*c", "xaabc", True),
        ("x*/y*z/a*b", "x1/yzz/acbb", True),
    ],
)
def test_stars_fit_what_they_should(glob, path, fits):
    assert GlobFilter((glob,)).takes(path) is fits

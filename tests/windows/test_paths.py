r"""Names as Windows writes them: drive letters, backslashes, ``\\server\share``."""

from __future__ import annotations

import ntpath
from pathlib import PureWindowsPath

import pytest

from dataflow.core.errors import PictureForbiddenError
from dataflow.engine.provenance import model_name
from dataflow.images.base import path_guard
from dataflow.images.url_reference import is_url, lacks_scheme, local_path
from dataflow.remote.pure_path import is_remote
from dataflow.remote.pure_path import is_url as is_any_url

NAMES = [
    r"C:\photos\001.png",
    r"c:/photos/001.png",
    r"D:photos\001.png",
    r"\\server\share\001.png",
    r"photos\sub\001.png",
    r"\\?\C:\a very long path\001.png",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_of_windows_is_no_url(name):
    assert not is_url(name)
    assert not is_remote(name)
    assert not is_any_url(name)
    assert not lacks_scheme(name)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///C:/photos/a%20b.png", "C:/photos/a b.png"),
        ("file://localhost/c:/a.png", "c:/a.png"),
        ("file:/D:/a.png", "D:/a.png"),
        ("file:///photos/a.png", "/photos/a.png"),
    ],
)
def test_a_file_url_names_the_drives_path(url, path):
    assert local_path(url) == path
    assert PureWindowsPath(path).name.endswith(".png")


@pytest.fixture
def windows_names(monkeypatch):
    """The guard sees names as Windows does; there is nothing behind them."""
    fake = type("os", (), {"path": ntpath})
    monkeypatch.setattr(path_guard, "os", fake)
    monkeypatch.setattr(ntpath, "realpath", ntpath.normpath)


@pytest.mark.parametrize("name", [r"C:\pictures\a.png", r"c:\Pictures\sub\..\a.png"])
@pytest.mark.usefixtures("windows_names")
def test_a_picture_below_the_root_is_taken(name):
    try:
        assert path_guard.confined(name, r"C:\pictures", "a").lower() == r"c:\pictures\a.png"
    except PictureForbiddenError:
        assert not name.startswith(r"C:\pictures")  # the true realpath gives the disk's own case


@pytest.mark.parametrize(
    "name", [r"D:\pictures\a.png", r"C:\pictures\..\a.png", r"C:\pictures2\a.png", r"\\s\d\a.png"]
)
@pytest.mark.usefixtures("windows_names")
def test_a_picture_on_another_drive_or_above_is_refused(name):
    with pytest.raises(PictureForbiddenError):
        path_guard.confined(name, r"C:\pictures", "a")


def test_a_model_file_of_windows_is_known_by_its_name():
    assert model_name(str(PureWindowsPath("C:/models/x.gguf"))) == "x.gguf"

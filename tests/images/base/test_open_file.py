"""What a name can lead to besides a picture."""

import os
import resource
import shutil
import socket
import threading
import time

import pytest

from dataflow.core.errors import (
    PictureError,
    PictureForbiddenError,
    PictureMissingError,
    StopRunError,
)
from dataflow.core.picture import ImageRef
from dataflow.images.base import open_file
from dataflow.images.base.limits import Limits
from dataflow.images.reference import parse_reference


@pytest.fixture
def jpeg(encode, photo):
    return encode(photo, "JPEG")


def refused(load, path, words, kind=PictureError):
    started = time.monotonic()
    with pytest.raises(kind, match=words):
        load(path)
    assert time.monotonic() - started < 5


def test_a_fifo_does_not_block(load, tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    refused(load, tmp_path / "a.jpg", "no regular file")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    refused(load, tmp_path / "link.jpg", "no regular file")


def test_a_socket(load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.jpg")
        refused(load, tmp_path / "a.jpg", "no regular file")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device(load, device):
    if not os.path.exists(device):
        pytest.skip(f"no {device} here")
    refused(load, device, "no regular file")


def test_a_folder(load, tmp_path):
    (tmp_path / "a.jpg").mkdir()
    refused(load, tmp_path / "a.jpg", "is a folder")


def test_dangling_and_looping_links(load, tmp_path):
    (tmp_path / "a.jpg").symlink_to("nothing")
    refused(load, tmp_path / "a.jpg", "no such file", PictureMissingError)
    (tmp_path / "b.jpg").symlink_to("c.jpg")
    (tmp_path / "c.jpg").symlink_to("b.jpg")
    refused(load, tmp_path / "b.jpg", "symbolic links")


def test_missing(load, tmp_path, jpeg):
    (tmp_path / "a.jpg").write_bytes(jpeg)
    for path in ("b.jpg", "x/y.jpg", "a.jpg/b.jpg", "n" * 300):
        refused(load, tmp_path / path, "no such file", PictureMissingError)


def test_a_name_with_nul(load):
    refused(load, ImageRef("path", "a", "a\0b"), "no file can have this name")
    refused(load, ImageRef("path", "a", "\ud800"), "no file can have this name")


def test_unreadable(load, tmp_path, jpeg):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    refused(load, path, "Permission denied")


@pytest.mark.parametrize(
    "name",
    [
        b"new\nline.jpg",
        "u\u2028.jpg".encode(),
        "🐈.jpg".encode(),
        b"caf\xe9.jpg",
        b"n" * 249 + b".jpg",
    ],
)
def test_odd_names_load(load, tmp_path, jpeg, name):
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
        file.write(jpeg)
    (ref,) = parse_reference(os.fsdecode(name), [str(tmp_path)])
    assert load(ref).data == jpeg


def test_composed_and_decomposed_twins_are_two_files(load, tmp_path, encode, photo):
    twins = {"\u00e9.jpg": photo, "e\u0301.jpg": photo.rotate(180)}
    for name, image in twins.items():
        (tmp_path / name).write_bytes(encode(image, "JPEG"))
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system holds them for one")
    for name, image in twins.items():
        assert load(tmp_path / name).data == encode(image, "JPEG")


def test_the_image_root_holds_when_links_change_after_parsing(load, tmp_path, jpeg):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.jpg").write_bytes(jpeg)
    (tmp_path / "secret.jpg").write_bytes(jpeg)
    (ref,) = parse_reference("a.jpg", [str(root)], image_root=str(root))
    assert load(ref, image_root=str(root)).data == jpeg
    (root / "a.jpg").unlink()
    (root / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(PictureForbiddenError, match="outside the image root"):
        load(ref, image_root=str(root))


def test_a_relative_path_that_moves_with_its_dataset(load, tmp_path, jpeg):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.jpg").write_bytes(jpeg)
    shutil.move(tmp_path / "old", tmp_path / "new")
    (ref,) = parse_reference("a.jpg", [str(tmp_path / "old"), str(tmp_path / "new")])
    assert load(ref).data == jpeg


@pytest.fixture
def no_more_files():
    """While it is entered no file can be opened; `end` makes room again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    class NoMore:
        def __enter__(self):
            free = os.open(os.devnull, os.O_RDONLY)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))

        def __exit__(self, *_):
            self.end()

        def end(self):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return NoMore()


def test_too_many_open_files_are_waited_for(jpeg, tmp_path, no_more_files):
    (tmp_path / "a.jpg").write_bytes(jpeg)
    (ref,) = parse_reference(str(tmp_path / "a.jpg"), ())
    with no_more_files:
        later = threading.Timer(0.3, no_more_files.end)
        later.start()
        assert open_file.open_file(ref, Limits()) == jpeg
    later.join()


def test_too_many_open_files_are_never_the_rows_fault(jpeg, tmp_path, no_more_files, monkeypatch):
    monkeypatch.setattr(open_file, "_WAITS", 1)
    (tmp_path / "a.jpg").write_bytes(jpeg)
    (ref,) = parse_reference(str(tmp_path / "a.jpg"), ())
    with no_more_files, pytest.raises(StopRunError, match="ulimit -n"):
        open_file.open_file(ref, Limits())

"""Pictures from URLs, kept between runs: real sockets, real files."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from dataflow.core.errors import PictureError, PictureForbiddenError, RowError
from dataflow.images.base.limits import Limits
from dataflow.images.fetch import disk_cache
from dataflow.images.loader import Loader
from dataflow.images.reference import parse_reference
from tests.servers.picture_server import PictureServer, jpeg


@pytest.fixture
def server():
    with PictureServer() as running:
        yield running


@pytest.fixture
def load(server, tmp_path):
    """``load("0.jpg", …, **limits)`` → what a run of its own gets for each: bytes or an error."""

    def run(*paths, measure=False, **limits):
        options = {"allow_private_urls": True, "image_cache": str(tmp_path / "cache"), **limits}

        async def main():
            async def one(path):
                [ref] = parse_reference(f"{server.url}/{path}", [])
                try:
                    return await (loader.measure(ref) if measure else loader.load(ref))
                except RowError as error:
                    return error

            async with Loader(Limits(**options)) as loader:
                return await asyncio.gather(*map(one, paths))

        return [getattr(found, "data", found) for found in asyncio.run(main())]

    return run


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file() and "index" not in path.name]


def test_a_second_run_fetches_nothing(server, load):
    paths = [f"{number}.jpg" for number in range(40)]
    assert load(*paths) == [jpeg(number) for number in range(40)]
    assert load(*paths) == [jpeg(number) for number in range(40)]
    assert server.asked.total() == 40


def test_without_a_cache_every_run_fetches(server, load):
    assert load("1.jpg", image_cache=None) == load("1.jpg", image_cache=None)
    assert server.asked.total() == 2


def test_one_picture_of_many_rows_is_fetched_once(server, load):
    assert load(*["3.jpg"] * 50, *["4.jpg"] * 50) == [jpeg(3)] * 50 + [jpeg(4)] * 50
    assert server.asked == {"/3.jpg": 1, "/4.jpg": 1}


def test_many_rows_of_a_dead_link_fail_together_not_one_after_the_other(server, load):
    server.instead["/5.jpg"] = 404
    began = time.monotonic()
    assert all(isinstance(found, PictureError) for found in load(*["5.jpg"] * 200))
    assert time.monotonic() - began < 20


def test_a_query_makes_another_picture_and_stands_in_no_file(server, load, tmp_path):
    load("6.jpg?X-Amz-Signature=s3cret", "6.jpg?X-Amz-Signature=0ther")
    assert server.asked.total() == 2
    for path in (tmp_path / "cache").rglob("*"):
        assert "s3cret" not in path.name
        assert path.is_dir() or b"s3cret" not in path.read_bytes()


@pytest.mark.parametrize("damage", ["cut", "other", "gone"])
def test_a_damaged_picture_is_fetched_again(server, load, tmp_path, damage):
    load("7.jpg")
    [kept] = files_in(tmp_path / "cache")
    if damage == "gone":
        kept.unlink()
    else:
        kept.write_bytes(jpeg(7)[:-100] if damage == "cut" else jpeg(8))
    assert load("7.jpg") == load("7.jpg") == [jpeg(7)]
    assert server.asked.total() == 2


@pytest.mark.parametrize("wrong", [b"<html>sign in</html>", jpeg(9)[:200], b"", 404, 403])
def test_what_is_no_picture_is_not_kept_and_asked_for_again(server, load, wrong):
    server.instead["/9.jpg"] = wrong
    [error] = load("9.jpg")
    assert isinstance(error, PictureError)
    del server.instead["/9.jpg"]
    assert load("9.jpg") == [jpeg(9)]


def test_a_picture_whose_header_alone_was_looked_at_is_fetched_again_where_it_is_broken(
    server, load
):
    """`dataflow estimate` reads headers; what it kept must not fail the run after it for ever."""
    server.instead["/9.jpg"] = jpeg(9, (640, 480))[:-1000]
    assert load("9.jpg", measure=True) == [(640, 480)]
    del server.instead["/9.jpg"]
    assert load("9.jpg") == [jpeg(9)]
    assert load("9.jpg") == [jpeg(9)]
    assert server.asked.total() == 2


def test_a_private_address_is_refused_also_where_another_run_was_let_in(server, load):
    assert load("1.jpg") == [jpeg(1)]
    [error] = load("1.jpg", allow_private_urls=False)
    assert isinstance(error, PictureForbiddenError)
    [error] = load("1.jpg", max_picture_bytes=100)
    assert "the limit" in error.message


def test_the_side_that_is_sent_is_the_runs_own(server, load):
    server.instead["/1.jpg"] = jpeg(1, (640, 480))
    [large] = load("1.jpg")
    [small] = load("1.jpg", max_side=64)
    assert large == jpeg(1, (640, 480))
    assert len(small) < len(large)
    assert server.asked.total() == 1


def test_a_picture_that_passes_this_runs_limits_stays_for_others(server, load):
    load("1.jpg")
    [error] = load("1.jpg", max_pixels=100)
    assert isinstance(error, PictureError)
    assert load("1.jpg") == [jpeg(1)]
    assert server.asked.total() == 1


def test_a_large_picture_goes_through_the_disk(server, load):
    large = jpeg(1, (200, 100)) + bytes(disk_cache.SMALL)
    server.instead["/1.jpg"] = large
    assert load("1.jpg") == load("1.jpg")
    assert server.asked.total() == 1


def test_a_cache_that_cannot_be_written_is_told_once_and_stops_nothing(
    server, load, tmp_path, caplog
):
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING, "dataflow"):
        paths = [f"{number}.jpg" for number in range(20)]
        found = load(*paths, image_cache=str(tmp_path / "file"))
    assert found == [jpeg(number) for number in range(20)]
    [told] = caplog.messages
    assert "the run goes on" in told


def test_a_disk_that_hangs_is_told_once_and_stops_nothing(server, load, monkeypatch, caplog):
    find = disk_cache.DiskCache._read

    def hanging(self, *line):
        time.sleep(3)
        return find(self, *line)

    paths = [f"{number}.jpg" for number in range(12)]
    load(*paths)
    monkeypatch.setattr(disk_cache.DiskCache, "_read", hanging)
    with caplog.at_level(logging.WARNING, "dataflow"):
        found = load(*paths, max_seconds=0.5)
    assert found == [jpeg(number) for number in range(12)]
    [told] = caplog.messages
    assert "does not answer" in told

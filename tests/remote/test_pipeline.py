"""A pipeline whose first entry is in a store or on the web; its steps are files of this machine."""

from __future__ import annotations

import pytest

from dataflow.core.errors import InputError
from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.fake import FakeServing
from dataflow.utils.storage import FileStorage
from tests.formats.shards import jpeg
from tests.servers.web_server import WebServer

LINES = b"".join(b'{"image": "images/%d.jpg", "n": %d}\n' % (n, n) for n in range(3))


def answer(request, pictures):
    return f"{len(pictures[0].data)} bytes"


def check(first_entry, cache):
    """Both operators see the pictures, which lie beside the first entry alone."""
    storage = FileStorage(first_entry, str(cache))
    for key in ("short", "long"):
        ImageCaptionGenerator(FakeServing(answer), "Say it.").run(storage.step(), output_key=key)
    rows = storage.step().read("dict")
    said = [f"{len(jpeg(n))} bytes" for n in range(3)]
    assert [(row["n"], row["short"], row["long"]) for row in rows] == [
        (n, said[n], said[n]) for n in range(3)
    ]


def test_a_first_entry_in_a_store_is_read_and_its_pictures_found_at_every_step(s3, tmp_path):
    s3.put("data/rows.jsonl", LINES)
    for n in range(3):
        s3.put(f"data/images/{n}.jpg", jpeg(n))
    check("s3://bucket/data/rows.jsonl", tmp_path)


def test_a_first_entry_of_the_web_is_read_and_its_pictures_found_at_every_step(tmp_path):
    files = {f"/data/images/{n}.jpg": jpeg(n) for n in range(3)}
    with WebServer({"/data/rows.jsonl": LINES, **files}) as server:
        check(f"{server.url}/data/rows.jsonl", tmp_path)


def test_a_first_entry_that_is_not_there_is_told(s3, tmp_path):
    storage = FileStorage("s3://bucket/none.jsonl", str(tmp_path)).step()
    with pytest.raises(InputError, match=r"s3://bucket/none\.jsonl: no such file"):
        storage.read("dict")

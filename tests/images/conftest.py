"""Helpers for the tests of pictures."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from PIL import Image

from dataflow.core.errors import RowError
from dataflow.core.picture import ImageRef
from dataflow.images.base.limits import Limits
from dataflow.images.loader import Loader
from tests.paths import SHARED

CORPUS = SHARED / "images"


@pytest.fixture(scope="session")
def corpus():
    """The manifests' rows, each with its file's path under ``path``."""
    if not CORPUS.is_dir():
        pytest.skip(f"needs the picture corpus at {CORPUS}")
    rows = []
    for folder in ("hard", "photos"):
        for line in (CORPUS / folder / "manifest.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            rows.append({**row, "path": str(CORPUS / folder / row["file"])})
    return rows


@pytest.fixture
def in_corpus(corpus):
    """``in_corpus("name")`` → the path of the corpus file ``<digest>-name``."""

    def find(name):
        (path,) = [row["path"] for row in corpus if row["file"][9:] == name]
        return path

    return find


@pytest.fixture
def load_all():
    """``load_all(refs, **limits)`` → a Picture or RowError for each, 16 in flight."""

    def run(refs, **limits):
        async def main():
            slots = asyncio.Semaphore(16)
            async with Loader(Limits(**limits)) as loader:

                async def one(ref):
                    async with slots:
                        try:
                            return await loader.load(ref)
                        except RowError as error:
                            return error

                return await asyncio.gather(*map(one, refs))

        return asyncio.run(main())

    return run


@pytest.fixture
def load(load_all):
    """``load(bytes or path, **limits)`` → its Picture; raises its error."""

    def run(what, **limits):
        if isinstance(what, bytes):
            ref = ImageRef("bytes", "test picture", data=what)
        elif isinstance(what, ImageRef):
            ref = what
        else:
            ref = ImageRef("path", str(what)[-60:], str(what))
        (result,) = load_all([ref], **limits)
        if isinstance(result, RowError):
            raise result
        return result

    return run


@pytest.fixture
def encode():
    """``encode(image, "PNG", **options)`` → bytes."""

    def run(image, kind, **options):
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return run


@pytest.fixture
def pixels():
    """``pixels(picture)`` → the sent picture as an RGB image."""

    def run(picture):
        image = Image.open(io.BytesIO(picture.data))
        assert picture.media_type == f"image/{image.format.lower()}"
        assert image.format in {"JPEG", "PNG"}
        assert image.size == (picture.width, picture.height)
        assert image.mode in {"L", "RGB"}
        return image.convert("RGB")

    return run


@pytest.fixture
def photo():
    """A made-up picture of 300×200 whose four corners differ, smooth enough for JPEG."""
    across = Image.linear_gradient("L").resize((200, 300)).rotate(90, expand=True)
    down = Image.linear_gradient("L").resize((300, 200))
    return Image.merge("RGB", (across, down, Image.new("L", (300, 200), 60)))


@pytest.fixture
def far():
    """``far(a, b)`` → the mean absolute difference of two images' RGB values, 0-255."""

    def run(a, b):
        a, b = a.convert("RGB"), b.convert("RGB")
        assert a.size == b.size
        x, y = a.tobytes(), b.tobytes()
        return sum(abs(i - j) for i, j in zip(x, y, strict=True)) / len(x)

    return run

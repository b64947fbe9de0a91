"""Picture columns and picture bytes: any value is pictures, or an error of its row."""

from __future__ import annotations

import asyncio
import atexit
import base64
import functools
import io
import os

from hypothesis import strategies as st
from PIL import Image, features

from dataflow.core.errors import RowError
from dataflow.core.picture import ImageRef
from dataflow.images.base.limits import Limits
from dataflow.images.identity import identify
from dataflow.images.loader import Loader
from dataflow.images.reference import parse_reference
from tests.fuzz.mutate import mutated

LIMITS = Limits(max_side=256, max_pixels=2_000_000)


def _seeds() -> list[bytes]:
    modes = {"JPEG": ("RGB", "L", "CMYK"), "PNG": ("RGBA", "P", "I;16", "1", "LA"), "GIF": ("P",)}
    modes |= {"BMP": ("RGB", "P"), "TIFF": ("RGB", "F"), "PPM": ("RGB",), "ICO": ("RGBA",)}
    modes |= {"WEBP": ("RGBA",)} if features.check("webp") else {}
    modes |= {"AVIF": ("RGB",)} if features.check("avif") else {}
    found = []
    for kind, each in modes.items():
        for mode in each:
            file = io.BytesIO()
            Image.radial_gradient("L").resize((40, 36)).convert("RGB").convert(
                mode if mode != "I;16" else "L"
            ).convert(mode).save(file, kind)
            found.append(file.getvalue())
    progressive, animated = io.BytesIO(), io.BytesIO()
    Image.radial_gradient("L").resize((48, 40)).save(progressive, "JPEG", progressive=True)
    frames = [Image.new("P", (33, 33), n) for n in range(3)]
    frames[0].save(animated, "GIF", save_all=True, append_images=frames[1:])
    return [*found, progressive.getvalue(), animated.getvalue()]


SEEDS = _seeds()
_WORDS = (
    b"\xff\xda",
    b"\xff\xd9",
    b"\xff\xe1\x00\x10Exif\x00\x00",
    b"IHDR",
    b"IDAT",
    b"acTL",
    b"eXIf",
)
_TEXTS = (
    "a.jpg", "../../etc/passwd", "file:///etc/passwd", "http://a/b.jpg", "HTTPS://u:p@h/x?k=v#f",
    "data:image/png;base64,", "data:,", "http://[::1", "http://\u0130.example/", "ftp://x/y",
    "\x00", "\ud800", "\u2028", "x" * 5000, "http://h:99999999/x",
    "data:image/jpeg;base64,/9j/4AAQ",
)  # fmt: skip
_TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(_TEXTS),
    st.tuples(st.sampled_from(_TEXTS), st.text(max_size=20)).map("".join),
    st.sampled_from(SEEDS).map(lambda data: base64.b64encode(data).decode()),
    mutated([base64.b64encode(seed) for seed in SEEDS[:4]]).map(lambda b: b.decode("latin-1")),
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=30) | _TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("bytes", "path", "url", "x")), inner, max_size=3)
    ),
    max_leaves=4,
)
inputs = st.one_of(
    st.tuples(st.just("value"), _VALUES), st.tuples(st.just("bytes"), mutated(SEEDS, _WORDS))
)


@functools.cache
def _loader() -> tuple[asyncio.AbstractEventLoop, Loader]:
    loop = asyncio.new_event_loop()
    loader = Loader(LIMITS)
    loop.run_until_complete(loader.__aenter__())

    def close() -> None:
        loop.run_until_complete(loader.__aexit__(None, None, None))
        loop.close()

    atexit.register(close)
    return loop, loader


def check(given: tuple[str, object]) -> None:
    """A value becomes references with an identity; bytes a small JPEG or PNG; else a `RowError`."""
    kind, value = given
    refused = ""
    try:
        if kind == "bytes":
            _check_bytes(value)
        else:
            for root in (None, os.curdir):
                for ref in parse_reference(value, ["nowhere", os.curdir], image_root=root):
                    identify(ref).encode("utf-8")
                    ref.name.encode("utf-8")
                    assert "\n" not in ref.name, ref.name
                    assert len(ref.name) < 500, len(ref.name)
    except RowError as error:
        refused = error.message
    assert len(refused) < 1500, refused
    refused.encode("utf-8")


def _check_bytes(data: object) -> None:
    assert isinstance(data, bytes)
    loop, loader = _loader()
    picture = loop.run_until_complete(loader.load(ImageRef("bytes", "fuzz", data=data)))
    with Image.open(io.BytesIO(picture.data), formats=["JPEG", "PNG"]) as image:
        image.load()
        assert image.size == (picture.width, picture.height)
    assert max(image.size) <= 256
    assert min(image.size) >= 3

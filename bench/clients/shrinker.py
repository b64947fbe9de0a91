"""Shrinks each picture of a folder, one after the other, and says what CPU that took.

    python shrinker.py WAY FOLDER COUNT

One JSON line: ``cpu``, the seconds of one picture; ``size``, the sides of the last.
"""

from __future__ import annotations

import io
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

SIDE = 1024
Shrink = Callable[[bytes], tuple[int, int]]


def ours() -> Shrink:
    """What the road does with a picture."""
    from dataflow.images.base.limits import Limits
    from dataflow.images.decode import codecs
    from dataflow.images.decode.decode import to_picture

    limits = Limits(max_side=SIDE)
    codecs.prepare(limits.max_pixels)

    def shrink(data: bytes) -> tuple[int, int]:
        picture = to_picture(data, name="", limits=limits, reserve=lambda _: None)
        return picture.width, picture.height

    return shrink


def pillow() -> Shrink:
    """The least that Pillow can be made to do at this quality of the result."""
    from PIL import Image

    def shrink(data: bytes) -> tuple[int, int]:
        with Image.open(io.BytesIO(data)) as image:
            scale = SIDE / max(image.size)
            size = (round(image.width * scale), round(image.height * scale))
            image.draft("RGB", size)
            small = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        small.save(io.BytesIO(), "JPEG", quality=90)
        return small.size

    return shrink


def libvips() -> Shrink:
    """The thumbnail of libvips, on its own threads."""
    import pyvips

    pyvips.cache_set_max(0)

    def shrink(data: bytes) -> tuple[int, int]:
        image = pyvips.Image.thumbnail_buffer(data, SIDE, height=SIDE, size="down")
        image.jpegsave_buffer(Q=90, strip=True)
        return image.width, image.height

    return shrink


WAYS = {"images/": ours, "Pillow, draft": pillow, "libvips thumbnail": libvips}


def main() -> None:
    """Shrink as the arguments say."""
    way, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    shrink = WAYS[way]()
    encoded = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    size = shrink(encoded[0])
    began = time.process_time()
    for data in itertools.islice(itertools.cycle(encoded), count):
        size = shrink(data)
    seconds = (time.process_time() - began) / count
    sys.stdout.write(json.dumps({"cpu": seconds, "size": size}) + "\n")


if __name__ == "__main__":
    main()

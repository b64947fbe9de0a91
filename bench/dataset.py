"""The pictures and rows that the benches caption."""

from __future__ import annotations

import io
import json
import random
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from PIL import Image, ImageFilter, ImageOps

from bench.process import DATA, ROOT

PHOTOS = ROOT.parent / "shared" / "images" / "photos"
"""Photographs, where there are any; else pictures are made up."""

KILOBYTES = 150


def pictures(count: int, size: tuple[int, int] = (640, 480), *, weight: int = KILOBYTES) -> Path:
    """A folder of `count` different JPEGs of about `weight` kB, made at first use."""
    folder = DATA / f"pictures-{size[0]}x{size[1]}-{weight}kB"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(count) if not (folder / f"{n:03}.jpg").exists()]
    if missing:
        # in a process of its own: a child's peak memory counts from that of its parent on
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            process.submit(_make, folder, missing, size, weight).result()
    return folder


def _make(folder: Path, numbers: Sequence[int], size: tuple[int, int], weight: int) -> None:
    sources = _sources()
    for number in numbers:
        part = folder / "part"
        part.write_bytes(_jpeg(_cut(sources, number, size), weight * 1000))
        part.replace(folder / f"{number:03}.jpg")


def _sources() -> list[Image.Image]:
    found = sorted(PHOTOS.glob("*.jpg")) if PHOTOS.is_dir() else []
    images = []
    for path in found:
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        if min(image.size) >= 360:
            images.append(image)
    return images or [_made_up(number) for number in range(8)]


def _made_up(seed: int) -> Image.Image:
    """Soft shapes under film grain: about as hard to encode as a photograph."""
    noise = random.Random(seed).randbytes(40 * 30 * 3)
    soft = Image.frombytes("RGB", (40, 30), noise).resize((1600, 1200), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((1600, 1200), 60).filter(ImageFilter.GaussianBlur(1))
    return Image.blend(soft, Image.merge("RGB", (grain,) * 3), 0.25)


def _cut(sources: Sequence[Image.Image], number: int, size: tuple[int, int]) -> Image.Image:
    """Another part of another source for each number."""
    rng = random.Random(number)
    source = sources[number % len(sources)]
    share = rng.uniform(0.75, 1.0)
    width, height = int(source.width * share), int(source.height * share)
    left = rng.randint(0, source.width - width)
    top = rng.randint(0, source.height - height)
    return ImageOps.fit(source.crop((left, top, left + width, top + height)), size)


def _jpeg(image: Image.Image, wanted: int) -> bytes:
    best = b""
    for quality in range(70, 99, 4):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        if not best or abs(len(file.getvalue()) - wanted) < abs(len(best) - wanted):
            best = file.getvalue()
    return best


def rows_file(folder: Path, rows: int, count: int = 100, *, start: int = 0) -> Path:
    """A JSON Lines dataset beside the pictures of `folder`, each row with its own question."""
    path = folder / f"rows-{rows}-of-{count}{f'-from-{start}' if start else ''}.jsonl"
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("w") as file:
            file.writelines(_lines(rows, count, start))
        part.replace(path)
    return path


def _lines(rows: int, count: int, start: int) -> Iterator[str]:
    for number in range(start, start + rows):
        question = f"Describe this picture in one sentence. (No. {number})"
        row = {
            "image": f"{number % count:03}.jpg",
            "id": number,
            "conversation": [{"from": "human", "value": question}],
        }
        yield json.dumps(row) + "\n"


def say(text: str) -> None:
    """Tell whoever waits what is being done."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()

"""Scenes of one to three coloured shapes: how they are made up, drawn and put into words.

A scene is made up from a seed alone, so that everyone gets the same one. Lengths in a
scene are in units: its canvas always covers 112 x 112 units, whatever its aspect ratio.

    python demo/scenes.py OUTDIR --count 500 --seed 1000000 --format mixed

writes pictures and their captions (``truth.jsonl``). Needs Pillow only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]

UNITS = 112.0
"""Side of a square canvas, in units."""
HELD_OUT = 1_000_000
"""Seeds from here on are for tests only; training draws from another stream altogether."""

COLOURS: dict[str, RGB] = {
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (40, 70, 220),
    "yellow": (240, 220, 40),
    "orange": (245, 140, 20),
    "purple": (140, 50, 180),
    "cyan": (40, 210, 220),
    "pink": (250, 130, 190),
}
GROUNDS: dict[str, RGB] = {"white": (250, 250, 250), "black": (12, 12, 12), "gray": (128, 128, 128)}
SHAPES = ("circle", "square", "triangle", "star", "cross")
SIZES: dict[str, tuple[float, float]] = {"small": (9.0, 11.0), "large": (16.0, 19.0)}
"""Least and greatest radius of each size, in units."""
ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "center", "right")

WIDEST = 5 / 3
"""Width over height of the widest canvas; the tallest is its inverse."""
_CLEARANCE = 2.0
_APART = 14.0
_SURE = 0.1


@dataclass(frozen=True)
class Item:
    """One shape: what it is, and where its centre lies (in units from the top left)."""

    shape: str
    colour: str
    size: str
    rgb: RGB
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """A canvas (in units), its ground, and its items in the order in which they are named."""

    width: float
    height: float
    ground: str
    ground_rgb: RGB
    items: tuple[Item, ...]


def scene(seed: int) -> Scene:
    """Return the scene of this seed: half of the canvases are square, half are not."""
    rng = random.Random(seed)
    return compose(rng, aspect_ratio(rng))


def aspect_ratio(rng: random.Random) -> float:
    """Draw width over height: 1 in half of the cases, else anything from 3/5 to 5/3."""
    if rng.random() < 0.5:
        return 1.0
    return math.exp(rng.uniform(-1, 1) * math.log(WIDEST))


def compose(rng: random.Random, aspect: float) -> Scene:
    """Make up a scene whose caption is beyond doubt, on a canvas of this width over height."""
    width, height = UNITS * math.sqrt(aspect), UNITS / math.sqrt(aspect)
    kinds = [_kind(rng) for _ in range(rng.choice((1, 2, 2, 3, 3)))]
    while True:
        items = [_place(rng, kind, (width, height), lone=len(kinds) == 1) for kind in kinds]
        ordered = _in_order(items, width, height)
        if ordered is not None:
            break
    ground = rng.choice(tuple(GROUNDS))
    return Scene(width, height, ground, _near(rng, GROUNDS[ground], 6), ordered)


def _kind(rng: random.Random) -> Item:
    """Draw an item that has no place yet."""
    size, colour = rng.choice(tuple(SIZES)), rng.choice(tuple(COLOURS))
    rgb = _near(rng, COLOURS[colour], 10)
    return Item(rng.choice(SHAPES), colour, size, rgb, 0.0, 0.0, rng.uniform(*SIZES[size]))


def _near(rng: random.Random, rgb: RGB, by: int) -> RGB:
    """Vary a colour by up to `by` in each channel."""
    red, green, blue = (min(255, max(0, value + rng.randint(-by, by))) for value in rgb)
    return red, green, blue


def _place(rng: random.Random, item: Item, canvas: tuple[float, float], *, lone: bool) -> Item:
    """Give the item a place; a lone one lies well inside one cell of a 3 x 3 division."""
    edge = item.radius + _CLEARANCE
    place = []
    for length in canvas:
        if lone:
            wanted = length / 3 * (rng.randrange(3) + 0.5 + rng.uniform(-0.27, 0.27))
            place.append(min(max(wanted, edge), length - edge))
        else:
            place.append(rng.uniform(edge, length - edge))
    return Item(item.shape, item.colour, item.size, item.rgb, place[0], place[1], item.radius)


def _in_order(items: list[Item], width: float, height: float) -> tuple[Item, ...] | None:
    """Order the items as the caption names them, or None where the caption would be in doubt."""
    for i, a in enumerate(items):
        for b in items[:i]:
            if math.hypot(a.x - b.x, a.y - b.y) < (a.radius + b.radius) * 1.15 + 3:
                return None
    if len(items) == 2:
        across, down = (abs(items[0].x - items[1].x), abs(items[0].y - items[1].y))
        sure = min(abs(across - down) / UNITS, abs(across / width - down / height))
        agree = (across > down) == (across / width > down / height)
        if sure < _SURE or not agree:
            return None
        return tuple(sorted(items, key=lambda item: item.x if across > down else item.y))
    by_x = sorted(items, key=lambda item: item.x)
    if any(b.x - a.x < _APART for a, b in itertools.pairwise(by_x)):
        return None
    return tuple(by_x)


def caption(scene: Scene) -> str:
    """Put the scene into one sentence."""
    names = [f"a {item.size} {item.colour} {item.shape}" for item in scene.items]
    first = scene.items[0]
    if len(names) == 1:
        row = ROWS[int(first.y / scene.height * 3)]
        said = f"{names[0]} in the {row} {COLUMNS[int(first.x / scene.width * 3)]}"
    elif len(names) == 2:
        second = scene.items[1]
        beside = abs(first.x - second.x) > abs(first.y - second.y)
        said = f"{names[0]} {'to the left of' if beside else 'above'} {names[1]}"
    else:
        said = f"from left to right, {names[0]}, {names[1]} and {names[2]}"
    return f"{said[0].upper()}{said[1:]} on a {scene.ground} background."


def pixel_size(scene: Scene, side: int) -> tuple[int, int]:
    """Return width and height in pixels of the picture whose longer side is `side`."""
    scale = side / max(scene.width, scene.height)
    return max(1, round(scene.width * scale)), max(1, round(scene.height * scale))


def draw(scene: Scene, *, side: int = 224, smooth: bool = True) -> Image.Image:
    """Draw the scene, `side` pixels on its longer side, with smooth or with jagged edges."""
    size = pixel_size(scene, side)
    grain = 2 if smooth else 1
    large = (size[0] * grain, size[1] * grain)
    picture = Image.new("RGB", large, scene.ground_rgb)
    pen = ImageDraw.Draw(picture)
    scale = (large[0] / scene.width, large[1] / scene.height)
    for item in scene.items:
        outline = [(x * scale[0], y * scale[1]) for x, y in _outline(item)]
        if item.shape == "circle":
            pen.ellipse(outline, fill=item.rgb)
        else:
            pen.polygon(outline, fill=item.rgb)
    return picture.reduce(grain) if smooth else picture


def _outline(item: Item) -> list[tuple[float, float]]:
    """Return the corners of the shape in units; of a circle, those of the box around it."""
    x, y, r = item.x, item.y, item.radius
    if item.shape == "circle":
        return [(x - r, y - r), (x + r, y + r)]
    if item.shape == "square":
        a = r * 0.88
        return [(x - a, y - a), (x + a, y - a), (x + a, y + a), (x - a, y + a)]
    if item.shape == "triangle":
        return [(x, y - r), (x + r * 0.95, y + r * 0.8), (x - r * 0.95, y + r * 0.8)]
    if item.shape == "star":
        spokes = [(r if i % 2 == 0 else r * 0.42, i * math.pi / 5) for i in range(10)]
        return [(x + length * math.sin(t), y - length * math.cos(t)) for length, t in spokes]
    a = r * 0.36
    steps = [(-a, -r), (a, -r), (a, -a), (r, -a), (r, a), (a, a)]
    return [(x + dx, y + dy) for dx, dy in steps + [(-dx, -dy) for dx, dy in steps]]


def write_pictures(folder: Path, *, count: int, seed: int, kind: str) -> None:
    """Write `count` pictures of several sizes and, beside them, ``truth.jsonl``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for i in range(count):
            rng = random.Random(f"picture {seed + i}")
            side = round(math.exp(rng.uniform(math.log(96), math.log(640))))
            ending = rng.choice(("png", "jpg")) if kind == "mixed" else kind
            this = scene(seed + i)
            name = f"{i:06d}.{ending}"
            draw(this, side=side).save(folder / name, quality=rng.randint(70, 95))
            line = {"image": name, "caption": caption(this)}
            truth.write(json.dumps(line, ensure_ascii=False) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Draw scenes of coloured shapes.")
    parser.add_argument("folder", type=Path, metavar="OUTDIR")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=HELD_OUT, help="seed of the first scene")
    parser.add_argument("--format", choices=("png", "jpg", "mixed"), default="mixed")
    args = parser.parse_args(arguments)
    write_pictures(args.folder, count=args.count, seed=args.seed, kind=args.format)


if __name__ == "__main__":
    main()

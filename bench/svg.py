"""Line plots as SVG (https://www.w3.org/TR/SVG11/): as much as the benches need, and no more."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT = 760, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 130, 40, 44
_ACROSS, _UP, _BASE = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM, HEIGHT - _BOTTOM
_OPEN = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    'font-family="sans-serif" font-size="12">'
    f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot.

    Attributes:
        name: Written at its end.
        points: x and y, neither below 0.
        colour: As CSS knows it.
        dashed: For bounds rather than measurements.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over one another.

    Attributes:
        title: Above it.
        x: What goes to the right.
        y: What goes up.
        lines: From back to front.
    """

    title: str
    x: str
    y: str
    lines: Sequence[Line]

    def write(self, path: Path) -> None:
        """Write it to `path`."""
        right = max(x for line in self.lines for x, _ in line.points)
        highest = max(y for line in self.lines for _, y in line.points)
        top = math.ceil(highest * 1.02 / _step(highest)) * _step(highest)
        turned = f'<g transform="rotate(-90 14 {_TOP + _UP / 2})">'
        parts = [
            _OPEN,
            _text(_LEFT, 22, self.title, "start"),
            _text(_LEFT + _ACROSS / 2, HEIGHT - 8, self.x),
            turned + _text(14, _TOP + _UP / 2, self.y) + "</g>",
            *_grid(right, top),
            *self._drawn(right, top),
            "</svg>\n",
        ]
        path.write_text("\n".join(parts), encoding="utf-8")

    def _drawn(self, right: float, top: float) -> Iterator[str]:
        ends: list[float] = []
        for line in self.lines:
            places = [
                (round(_LEFT + x / right * _ACROSS, 1), round(_BASE - y / top * _UP, 1))
                for x, y in line.points
            ]
            ends.append(places[-1][1])
            path = "L".join(f"{x:g} {y:g}" for x, y in places)
            dash = ' stroke-dasharray="5 4"' if line.dashed else ""
            look = f'fill="none" stroke="{line.colour}" stroke-width="1.6"{dash}'
            yield f'<path d="M{path}" {look}/>'
        named = [(line, end) for line, end in zip(self.lines, ends, strict=True) if line.name]
        heights = _apart([end for _, end in named])
        for (line, _), height in zip(named, heights, strict=True):
            yield _text(WIDTH - _RIGHT + 6, height + 4, line.name, "start", line.colour)


def _grid(right: float, top: float) -> Iterator[str]:
    for number in range(round(top / _step(top)) + 1):
        value = number * _step(top)
        height = round(_BASE - value / top * _UP, 1)
        yield f'<path d="M{_LEFT} {height}h{_ACROSS}" stroke="#d8d8d8"/>'
        yield _text(_LEFT - 6, height + 4, f"{value:g}", "end")
    for number in range(int(right / _step(right)) + 1):
        value = number * _step(right)
        yield _text(round(_LEFT + value / right * _ACROSS, 1), _BASE + 16, f"{value:g}")


def _step(most: float) -> float:
    """A round distance of which 3 to 8 fill `most`."""
    power: float = 10 ** math.floor(math.log10(most / 4))
    return next(power * factor for factor in (1, 2, 5, 10) if most / (power * factor) <= 8)


def _apart(heights: Sequence[float], least: float = 15.0) -> list[float]:
    """`heights` moved down where they are too near for what is written there."""
    moved, last = dict[int, float](), -math.inf
    for number in sorted(range(len(heights)), key=heights.__getitem__):
        last = moved[number] = max(heights[number], last + least)
    return [moved[number] for number in range(len(heights))]


def _text(x: float, y: float, words: str, anchor: str = "middle", colour: str = "#333") -> str:
    start = f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}">'
    return f"{start}{html.escape(words)}</text>"

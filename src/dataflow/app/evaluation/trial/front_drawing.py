"""Price against quality, drawn: every variant a point, those on the front joined by a line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 30, 24, 56
_WIDE = 20.0  # prices that differ more than so many times are drawn by their logarithm
_LINE = 15  # height of a label


def draw_front(
    offers: Mapping[str, tuple[float, float]], front: Sequence[str], *, quality: str
) -> str:
    """The drawing, SVG.

    Args:
        offers: Name → price in US dollars, and quality from 0 to 1.
        front: The names on the front, the cheapest first.
        quality: What the quality is, for the axis.
    """
    prices = [price for price, _ in offers.values()]
    axis = _PriceAxis(prices)
    low, high = _bounds([value for _, value in offers.values()])
    place = {
        name: (axis.at(price), _vertical(value, low, high))
        for name, (price, value) in offers.items()
    }
    parts = [
        (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" fill="currentColor" font-size="13" '
            f'aria-label="Price against quality of {len(offers)} variants">'
        ),
        *axis.drawn(),
        *_quality_axis(low, high, quality),
    ]
    if len(front) > 1:
        points = " ".join(f"{place[name][0]:.1f},{place[name][1]:.1f}" for name in front)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="#0b6e4f" stroke-width="2.5"/>'
        )
    parts += _points(offers, front, place)
    return "".join([*parts, "</svg>"])


class _PriceAxis:
    """Where a price is drawn, by itself or by its logarithm."""

    def __init__(self, prices: Sequence[float]) -> None:
        self._is_log = min(prices) > 0 and max(prices) / min(prices) > _WIDE
        most = max(prices)
        if self._is_log:
            self._low, self._high = math.log10(min(prices) / 1.5), math.log10(most * 1.5)
        else:
            self._low, self._high = 0.0, most * 1.15 or 1.0

    def at(self, price: float) -> float:
        """The horizontal position of a price."""
        value = math.log10(price) if self._is_log else price
        share = (value - self._low) / (self._high - self._low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def drawn(self) -> list[str]:
        """The axis with its ticks and its title."""
        bottom = HEIGHT - _BOTTOM
        line = f"M{_LEFT} {_TOP}V{bottom}H{WIDTH - _RIGHT}"
        parts = [f'<path d="{line}" fill="none" stroke="currentColor" stroke-opacity=".5"/>']
        parts += [
            f'<text x="{self.at(price):.1f}" y="{bottom + 18}" text-anchor="middle">'
            f"{escape(money(price))}</text>"
            for price in self._ticks()
        ]
        title = "price for the whole dataset, US dollars" + (", log scale" if self._is_log else "")
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(f'<text x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{title}</text>')
        return parts

    def _ticks(self) -> list[float]:
        if self._is_log:
            first, last = math.ceil(self._low), math.floor(self._high)
            whole = [10.0**power for power in range(first, last + 1)]
            return whole if len(whole) > 1 else [10**self._low * 1.5, 10**self._high / 1.5]
        return _nice_ticks(self._low, self._high)


def _nice_ticks(low: float, high: float) -> list[float]:
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step + 1e-9) + 1)]


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """What part of the quality's scale is drawn."""
    room = max(0.05, (max(values) - min(values)) * 0.2)
    return max(0.0, min(values) - room), min(1.0, max(values) + room)


def _vertical(value: float, low: float, high: float) -> float:
    return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)


def _quality_axis(low: float, high: float, title: str) -> list[str]:
    middle = (HEIGHT - _BOTTOM + _TOP) / 2
    parts = [
        (
            f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">'
            f"{escape(title)}</text>"
        )
    ]
    for value in _nice_ticks(low, high):
        y = _vertical(value, low, high)
        parts.append(
            f'<path d="M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}" stroke="currentColor" '
            f'stroke-opacity=".12"/><text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{value:.0%}</text>"
        )
    return parts


def _points(
    offers: Mapping[str, tuple[float, float]],
    front: Sequence[str],
    place: Mapping[str, tuple[float, float]],
) -> list[str]:
    """The points with their names, which give way to each other."""
    parts: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for name in sorted(offers, key=lambda one: place[one][1]):
        x, y = place[name]
        color = "#0b6e4f" if name in front else "#8a8a8a"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{color}"><title>{escape(name)}: '
            f"{escape(money(offers[name][0]))}, {offers[name][1]:.1%}</title></circle>"
        )
        shown = name if len(name) <= 40 else f"{name[:39]}…"
        width = 7.0 * len(shown)
        is_left = x + 12 + width > WIDTH
        start = x - 12 - width if is_left else x + 12
        label = y + 4
        while any(
            abs(label - other) < _LINE and start < right and start + width > left
            for other, left, right in taken
        ):
            label += _LINE
        taken.append((label, start, start + width))
        anchor, at = ("end", x - 12) if is_left else ("start", x + 12)
        weight = ' font-weight="600"' if name in front else ""
        parts.append(
            f'<text x="{at:.1f}" y="{label:.1f}" text-anchor="{anchor}"{weight}>'
            f"{escape(shown)}</text>"
        )
    return parts


def money(dollars: float) -> str:
    """An amount of US dollars, short."""
    if dollars == 0:
        return "$0"
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.2g}"

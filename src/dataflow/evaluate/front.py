"""Which offers are worth their price: those that no other beats in price and in quality.

Source: V. Pareto's efficiency, as usual in multi-objective choice (Ehrgott, "Multicriteria
Optimization", 2nd ed., chapter 2).
"""

from __future__ import annotations

from collections.abc import Mapping


def pareto_front(offers: Mapping[str, tuple[float, float]]) -> list[str]:
    """The names of the offers on the front, the cheapest first.

    Args:
        offers: Name → price and quality; a lower price and a higher quality are better.
    """
    return sorted(
        (name for name in offers if not _is_beaten(name, offers)), key=lambda name: offers[name]
    )


def _is_beaten(name: str, offers: Mapping[str, tuple[float, float]]) -> bool:
    price, quality = offers[name]
    return any(
        other_price <= price
        and other_quality >= quality
        and (other_price, other_quality) != (price, quality)
        for other_price, other_quality in offers.values()
    )

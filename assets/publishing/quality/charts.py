"""Small line charts as points of an SVG: one unit thick, the network's median thin.

What belongs here: turning rates and counts into points, and the median. What does not: SVG elements (templates).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN = 240, 64, 4
"""A chart's inner size; pages scale it."""
QUARTERS = 12
"""A small multiple shows so many quarters, the latest on the right."""


@dataclass(frozen=True)
class Chart:
    """One small chart: paths for `d`, dots where a value stands, ticks below, and all of it in words."""

    line: str
    median: str
    dots: tuple[tuple[float, float], ...]
    ticks: tuple[tuple[float, str], ...]
    title: str


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the middle two."""
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def across(place: int, n: int) -> float:
    """Where the place-th of n values stands."""
    return round(MARGIN + (place * (WIDTH - 2 * MARGIN) / (n - 1) if n > 1 else (WIDTH - 2 * MARGIN) / 2), 1)


def up(value: float, top: float = 1.0) -> float:
    """Height of a value when `top` reaches the upper edge."""
    return round(MARGIN + (1 - min(1.0, value / top if top else 0.0)) * (HEIGHT - 2 * MARGIN), 1)


def path(values: Sequence[float | None], top: float = 1.0) -> str:
    """A line through the values; it breaks where there is none, and a value that stands alone is a short stroke."""
    parts: list[str] = []
    for place, value in enumerate(values):
        if value is None:
            continue
        x, y = across(place, len(values)), up(value, top)
        goes_on = place > 0 and values[place - 1] is not None
        is_alone = not goes_on and (place + 1 == len(values) or values[place + 1] is None)
        parts.append(f"{'L' if goes_on else 'M'}{x:g} {y:g}{'h1' if is_alone else ''}")
    return "".join(parts)


def medians(rates: Mapping[str, Sequence[float | None]], n: int) -> list[float | None]:
    """Median over the units that have a value, place by place."""
    found: list[float | None] = []
    for place in range(n):
        own = [value for values in rates.values() if (value := values[place]) is not None]
        found.append(median(own) if own else None)
    return found


def bars(values: Sequence[float]) -> str:
    """Upright bars in a box of 144 × 24, the highest filling it; nought leaves a gap."""
    top, step = max([*values, 1.0]), min(6.0, 144 / len(values))
    parts = []
    for place, value in enumerate(values):
        if value:
            height = max(1.0, 23 * value / top)
            parts.append(f"M{place * step:.1f} 24v{-height:.1f}h{step - 1:.1f}v{height:.1f}z")
    return "".join(parts)

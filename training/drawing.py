"""Charts as inline SVG: coloured by the page's own style, so they are light or dark as it is, and need no script."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH = 360.0
LETTER, LINE = 5.5, 10.0  # of small words: about the width of a letter, and the height of a line
NAME_LETTER = 6.2  # the same of names


@dataclass(frozen=True)
class Plane:
    """Where values lie on a drawing: two ranges, and the inner rectangle that they fill, in units of the drawing."""

    x: tuple[float, float]
    y: tuple[float, float]
    height: float = 240.0
    left: float = 34.0
    right: float = 12.0
    top: float = 12.0
    bottom: float = 34.0
    width: float = WIDTH

    def at_x(self, value: float) -> float:
        """How far from the left a value lies."""
        low, high = self.x
        return self.left + (value - low) / ((high - low) or 1) * (self.width - self.left - self.right)

    def at_y(self, value: float) -> float:
        """How far from the top a value lies."""
        low, high = self.y
        return self.height - self.bottom - (value - low) / ((high - low) or 1) * (self.height - self.top - self.bottom)

    def points(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        """`points` of a line; what is not finite is left out."""
        pairs = ((x, y) for x, y in zip(xs, ys, strict=True) if np.isfinite(x) and np.isfinite(y))
        return " ".join(f"{self.at_x(x):.1f},{self.at_y(y):.1f}" for x, y in pairs)


def svg(plane: Plane, parts: Iterable[str], label: str) -> str:
    """The drawing; `label` is what a screen reader says of it."""
    return (
        f'<svg viewBox="0 0 {plane.width:g} {plane.height:g}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def line(plane: Plane, xs: Sequence[float], ys: Sequence[float], kind: str, tip: str = "") -> str:
    """A line through points, of a style's class."""
    return f'<polyline class="line {kind}" points="{plane.points(xs, ys)}">{_tip(tip)}</polyline>'


def band(plane: Plane, xs: Sequence[float], low: Sequence[float], high: Sequence[float], kind: str) -> str:
    """The area between two lines."""
    there, back = plane.points(xs, low), plane.points(list(xs)[::-1], list(high)[::-1])
    return f'<polygon class="band {kind}" points="{there} {back}"/>'


def box(plane: Plane, x: tuple[float, float], y: tuple[float, float], kind: str, tip: str = "") -> str:
    """A rectangle between values."""
    left, right = sorted(plane.at_x(v) for v in x)
    top, bottom = sorted(plane.at_y(v) for v in y)
    return (
        f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}">'
        f"{_tip(tip)}</rect>"
    )


def dot(plane: Plane, x: float, y: float, kind: str, tip: str = "", radius: float = 4.0) -> str:
    """A point; nothing for one that is not finite."""
    if not (np.isfinite(x) and np.isfinite(y)):
        return ""
    return (
        f'<circle class="dot {kind}" cx="{plane.at_x(x):.1f}" cy="{plane.at_y(y):.1f}" r="{radius:g}">'
        f"{_tip(tip)}</circle>"
    )


def stroke(plane: Plane, start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    """A straight stroke between two points, cut off at the edges; nothing where it has no end."""
    if not np.isfinite([*start, *end]).all():
        return ""
    (x1, y1), (x2, y2) = ((np.clip(x, *plane.x), np.clip(y, *plane.y)) for x, y in (start, end))
    return (
        f'<line class="{kind}" x1="{plane.at_x(x1):.1f}" y1="{plane.at_y(y1):.1f}" '
        f'x2="{plane.at_x(x2):.1f}" y2="{plane.at_y(y2):.1f}"/>'
    )


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start", tip: str = "") -> str:
    """Words at a place of the drawing (not of the values)."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}{_tip(tip)}</text>'


def name(right: float, y: float, words: str) -> str:
    """A name that ends at `right` and begins on the drawing: a longer one is cut, and told whole as its tip."""
    most = int(right / NAME_LETTER)
    if len(words) <= most:
        return text(right, y, words, "", "end")
    cut = words[: most - 1].rstrip() + "…"
    return text(right, y, cut, "", "end", words)


def labels(wanted: Iterable[tuple[float, float, str, str]]) -> list[str]:
    """Small words at places of the drawing, (x, y, words, anchor): each is moved up until it touches no other."""
    parts: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for x, y, words, anchor in sorted(wanted, key=lambda label: -label[1]):
        left = x - LETTER * len(words) if anchor == "end" else x
        right = left + LETTER * len(words)
        while any(left < end and start < right and abs(y - at) < LINE for start, end, at in taken):
            y -= 1
        taken.append((left, right, y))
        parts.append(text(x, y, words, "small", anchor))
    return parts


def axis_y(plane: Plane, ticks: Sequence[float], form: Callable[[float], str] = "{:g}".format, title: str = "") -> str:
    """Horizontal grid lines with their values, and what they mean above them."""
    parts = [
        stroke(plane, (plane.x[0], tick), (plane.x[1], tick), "grid")
        + text(plane.left - 6, plane.at_y(tick) + 4, form(tick), "tick", "end")
        for tick in ticks
    ]
    if title:
        parts.append(text(0, 11, title, "axis"))
    return "".join(parts)


def axis_x(plane: Plane, ticks: Sequence[tuple[float, str]], title: str = "", *, lines: bool = False) -> str:
    """Values along the foot, and what they mean beneath them; with `lines` a grid."""
    foot = plane.height - plane.bottom
    parts = [stroke(plane, (at, plane.y[0]), (at, plane.y[1]), "grid") for at, _ in ticks if lines]
    parts += [text(plane.at_x(at), foot + 15, words, "tick", "middle") for at, words in ticks]
    if title:
        parts.append(text(plane.width - plane.right, plane.height - 4, title, "axis", "end"))
    return "".join(parts)


def ticks_between(low: float, high: float, about: int = 5) -> list[float]:
    """Round values from `low` to `high`, some four to seven."""
    span = max(high - low, 1e-9)
    power = 10.0 ** np.floor(np.log10(span / about))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= about + 1)
    first = np.ceil(low / step - 1e-9) * step
    return [round(float(v), 10) + 0.0 for v in np.arange(first, high + step * 1e-6, step)]


def legend(plane: Plane, entries: Sequence[tuple[str, str]], x: float, y: float) -> str:
    """Marks and words in a row, from a place on; entries of (a style's class, words)."""
    parts = []
    for kind, words in entries:
        parts.append(f'<circle class="dot {kind}" cx="{x + 4:.1f}" cy="{y - 4:.1f}" r="4"/>')
        parts.append(text(x + 12, y, words, "tick"))
        x += 12 + 6.4 * len(words) + 14
    return "".join(parts)


def _tip(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""

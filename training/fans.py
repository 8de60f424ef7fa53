"""Fan charts: forecasts from a few moments over what the sensor said then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.tables import FULL_PCT
from training import drawing
from training.drawing import Plane
from training.hindsight import HOUR, Hindsight, Stretch
from training.page import Card

STRETCH_D, BEFORE_H, ORIGINS, KINDS = 9.0, 8.0, 3, 2
FAN = ("q10", "q30", "q50", "q70", "q90")
LONGEST_LINE_H = 3.0  # the line of readings breaks at longer gaps, but for sparse bins


@dataclass(frozen=True)
class Fan:
    """One forecast: start_h (hours on the drawing), level then, hours (k,) and quantiles (k, 5) at `FAN`."""

    start_h: float
    level: float
    hours: np.ndarray
    quantiles: np.ndarray


def fan_drawing(
    stretch: Stretch,
    fans: Sequence[Fan],
    plane: Plane,
    ticks: list[tuple[float, str]],
    label: str,
    full_pct: float = FULL_PCT,
) -> str:
    """Readings and forecasts of a bin that is full at `full_pct`; `stretch` counts hours as the plane does."""
    parts = [drawing.axis_y(plane, [0, 25, 50, 75, 100], title="fill, %"), drawing.axis_x(plane, ticks, lines=True)]
    parts.append(drawing.stroke(plane, (plane.x[0], full_pct), (plane.x[1], full_pct), "full"))
    for fan in fans:
        xs = [fan.start_h, *fan.hours.tolist()]
        rows = [[fan.level, *fan.quantiles[:, k].tolist()] for k in range(len(FAN))]
        parts.append(drawing.band(plane, xs, rows[0], rows[4], "ours"))
        parts.append(drawing.band(plane, xs, rows[1], rows[3], "inner"))
        parts.append(drawing.line(plane, xs, rows[2], "ours"))
        parts.append(drawing.stroke(plane, (fan.start_h, 0), (fan.start_h, 100), "origin"))
    longest = max(LONGEST_LINE_H, 2.5 * stretch.step_h)
    breaks = np.flatnonzero((np.diff(stretch.hours) > longest) | stretch.emptied[1:]) + 1
    parts += [
        drawing.line(plane, stretch.hours[part].tolist(), stretch.level[part].tolist(), "truth")
        for part in np.split(np.arange(len(stretch.hours)), breaks)
    ]
    small = 1.3 if len(stretch.hours) > 120 else 1.9
    parts += [
        drawing.dot(plane, x, y, "reading", radius=small)
        for x, y in zip(stretch.hours.tolist(), stretch.level.tolist(), strict=True)
    ]
    return drawing.svg(plane, parts, label)


def fan_cards(rows: pd.DataFrame, forecasts: pd.DataFrame, past: Hindsight) -> list[Card]:
    """Cards of the best, typical and worst bins: a stretch of days as usual for the bin, with forecasts over it.

    rows: `row_scores` with stream and full_pct; forecasts: the contract's table of all windows asked, the
    horizons not scored too.
    """
    usual = rows.groupby("horizon_h")["crps"].transform("mean").to_numpy(float)
    scored = rows.assign(hard=rows["crps"] / np.maximum(usual, 1e-9))
    bins = scored.groupby("bin_id").agg(hard=("hard", "mean"), n=("hard", "size"), crps=("crps", "mean"))
    bins = bins[bins["n"] >= 0.2 * bins["n"].median()].sort_values("hard")
    cards, asked = [], forecasts.groupby("bin_id")
    for kind, bin_id in _chosen(bins):
        own = scored[scored["bin_id"] == bin_id]
        stretch, ahead, start = _days(own, asked.get_group(bin_id), past)
        far = ahead[-1].hours[-1] if ahead else STRETCH_D * 24
        end = float(max(STRETCH_D * 24, far))
        plane = Plane((-BEFORE_H, end), (0, 102), height=200, left=30, top=20, bottom=24)
        inside, total = _held(own, start, end)
        days = pd.date_range(start.ceil("D"), start + end * HOUR, freq="2D")
        ticks = [((day - start) / HOUR, f"{day:%-d %b}") for day in days]
        place = bins.index.tolist().index(bin_id) + 1
        words = f"Off by {own['crps'].mean():.1f} points on average; in these days {inside} of {total} truths"
        words += " in the 80% band."
        drawn = fan_drawing(stretch, ahead, plane, ticks, f"{kind} bin {bin_id}", float(own["full_pct"].iloc[0]))
        tag = f"{own['stream'].iloc[0]}, {place} of {len(bins)} by how well it is forecast"
        cards.append(Card(f"{kind}: {bin_id}", drawn, words, tag))
    return cards


def _chosen(bins: pd.DataFrame) -> list[tuple[str, str]]:
    """(kind, bin_id): the best, those in the middle and the worst, each bin once."""
    n = len(bins)
    many = KINDS if n >= 3 * KINDS else 1
    half = max((n - many) // 2, 0)
    places = {"Best": range(many), "Typical": range(half, half + many), "Worst": range(n - 1, n - 1 - many, -1)}
    seen: dict[str, str] = {}
    for kind in ("Best", "Worst", "Typical"):
        for place in places[kind]:
            if 0 <= place < n:
                seen.setdefault(str(bins.index[place]), kind)
    order = {"Typical": 0, "Best": 1, "Worst": 2}
    return sorted(((kind, bin_id) for bin_id, kind in seen.items()), key=lambda pair: order[pair[0]])


def _days(own: pd.DataFrame, asked: pd.DataFrame, past: Hindsight) -> tuple[Stretch, list[Fan], pd.Timestamp]:
    """The days of the test that are as usual for the bin, and the forecasts made on some of them."""
    first = own["as_of"].min()
    block = ((own["as_of"] - first) / pd.Timedelta(days=STRETCH_D)).astype(int)
    each = own.groupby(block.to_numpy())["hard"].agg(["mean", "size"])
    each = each[each["size"] >= 0.6 * each["size"].max()]
    chosen = (each["mean"] - own["hard"].mean()).abs().idxmin()
    start = first + chosen * pd.Timedelta(days=STRETCH_D)
    stretch = past.stretch(str(own["bin_id"].iloc[0]), start, BEFORE_H, STRETCH_D * 24)
    counts = own.groupby("as_of").size()
    step = pd.Timedelta(days=STRETCH_D / ORIGINS)
    fans: list[Fan] = []
    for k in range(ORIGINS):
        here = counts[(counts.index >= start + k * step) & (counts.index < start + (k + 0.5) * step)]
        if len(here):
            fans.append(fan_of(asked, here.idxmax(), start, stretch))
    return stretch, [fan for fan in fans if len(fan.hours)], start


def fan_of(
    asked: pd.DataFrame, as_of: pd.Timestamp, start: pd.Timestamp, stretch: Stretch, end_h: float = np.inf
) -> Fan:
    """The forecast made at `as_of`, up to the next emptying that came or `end_h`; hours count from `start`."""
    made = asked[asked["as_of"] == as_of].dropna(subset="q50").sort_values("at")
    begin = (as_of - start) / HOUR
    hours = ((made["at"] - start) / HOUR).to_numpy(float)
    emptied = stretch.hours[stretch.emptied & (stretch.hours > begin)]
    keep = hours <= min(emptied[0] if len(emptied) else np.inf, end_h)
    before = np.flatnonzero(stretch.hours <= begin)
    level = float(stretch.level[before[-1]]) if len(before) else float("nan")
    # One that begins lower did not believe the last reading.
    level = float(np.nanmin([level, *made["q50"].head(1)])) if len(made) else level
    return Fan(begin, level, hours[keep], made[list(FAN)].to_numpy(float)[keep])


def _held(own: pd.DataFrame, start: pd.Timestamp, hours: float) -> tuple[int, int]:
    part = own[(own["as_of"] >= start) & (own["at"] <= start + hours * HOUR)]
    return int(part["cover80"].sum()), len(part)

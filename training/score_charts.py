"""Charts of how far off forecasts were: by forecaster, by horizon, by slice; each with a sentence for its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from training import drawing
from training.drawing import Plane
from training.page import Card
from training.slices import ORDER, TITLES

LEAST_SHOWN = 100  # windows; fewer are told in the table only


def span_h(hours: float) -> str:
    """A horizon in words: 6 h, 72 h, 14 d."""
    return f"{hours:g} h" if hours <= 72 else f"{hours / 24:g} d"


def error_chart(crps: pd.DataFrame, ours: str, other: str | None) -> Card:
    """CRPS by horizon; `crps` has a row per forecaster and a column per horizon."""
    hours = [float(h) for h in crps.columns]
    place = list(range(len(hours)))
    top = float(np.nanmax(crps.to_numpy())) * 1.08
    plane = Plane((-0.3, len(hours) - 0.7), (0, top), left=30, bottom=40, top=26)
    parts = [drawing.axis_y(plane, drawing.ticks_between(0, top), title="CRPS, points of fill (less is better)")]
    parts.append(drawing.axis_x(plane, [(p, span_h(h)) for p, h in zip(place, hours, strict=True)], "horizon"))
    kinds = dict.fromkeys(crps.index, "rest") | {other: "other", ours: "ours"}
    for name in sorted(crps.index, key=lambda n: ["rest", "other", "ours"].index(kinds[n])):
        values = crps.loc[name].to_numpy(float)
        parts.append(drawing.line(plane, place, values.tolist(), kinds[name], str(name)))
        if kinds[name] != "rest" or len(hours) == 1:
            parts += [
                drawing.dot(plane, p, v, kinds[name], f"{name}, {span_h(h)}: {v:.2f}", 3.5)
                for p, v, h in zip(place, values, hours, strict=True)
            ]
    entries = [("ours", ours)] + ([("other", other)] if other else []) + ([("rest", "others")] if len(crps) > 2 else [])
    parts.append(drawing.legend(plane, entries, plane.left, plane.height - 4))
    first, last = crps.loc[ours].iloc[0], crps.loc[ours].iloc[-1]
    words = f"At {span_h(hours[0])} a forecast is off by {first:.1f} points"
    if len(hours) > 1:
        words += f", at {span_h(hours[-1])} by {last:.1f}"
    if other:
        wins = int((crps.drop(index=ours).min() > crps.loc[ours]).sum())
        words += f"; {wins} of {len(hours)} horizons are won against every baseline"
    return Card("The error by horizon", drawing.svg(plane, parts, words), words + ".")


def ranking_chart(overall: pd.Series, ours: str, other: str | None) -> Card:
    """Overall CRPS of every forecaster, the best on top."""
    ranked = overall.sort_values()
    plane = Plane(
        (0, float(ranked.max())), (0, len(ranked)), left=98, right=44, top=18, bottom=6, height=26 + 31.0 * len(ranked)
    )
    parts = [drawing.text(0, 11, "CRPS over all horizons, points of fill", "axis")]
    for place, (name, value) in enumerate(ranked.items()):
        low = len(ranked) - place - 0.86
        kind = "ours" if name == ours else "other" if name == other else "rest"
        parts.append(drawing.box(plane, (0, value), (low, low + 0.72), kind, f"{name}: {value:.3f}"))
        middle = plane.at_y(low + 0.36) + 4
        parts.append(drawing.text(plane.left - 8, middle, str(name), "head" if name == ours else "", "end"))
        parts.append(drawing.text(plane.at_x(value) + 6, middle, f"{value:.2f}", "head" if name == ours else ""))
    rest = ranked.drop(ours)
    words = "No baseline was asked."
    if len(rest):
        words = f"The best baseline, {rest.index[0]}, is off by {rest.iloc[0]:.2f} points; {ours} by {ranked[ours]:.2f}"
        if rest.iloc[0] > 0:
            gap = 1 - ranked[ours] / rest.iloc[0]
            words += f", {abs(gap):.1%} {'less' if gap >= 0 else 'more'}"
        words += "."
    return Card("All forecasters", drawing.svg(plane, parts, words), words)


def skill_chart(rows: pd.DataFrame, other: str) -> Card:
    """Skill against the best baseline by horizon with 95% intervals; `rows` of `evidence`, the slice of all windows."""
    by_hour = rows.dropna(subset="horizon_h")
    shown = [*zip(by_hour["horizon_h"].map(span_h), by_hour.to_dict("records"), strict=True)]
    shown.append(("all", rows[rows["horizon_h"].isna()].iloc[0].to_dict()))
    values = rows[["skill", "skill_low", "skill_high"]].to_numpy(float) * 100
    seen = np.append(values[np.isfinite(values)], 0.0)
    low, high = float(seen.min()), float(seen.max())
    room = max(high - low, 2.0) * 0.1
    plane = Plane((-0.5, len(shown) - 0.5), (low - room, high + room), left=40, top=26)
    ticks = drawing.ticks_between(*plane.y)
    parts = [drawing.axis_y(plane, ticks, signed, f"CRPS less than that of {other}, with 95% interval")]
    parts.append(drawing.axis_x(plane, [(p, words) for p, (words, _) in enumerate(shown)], "horizon"))
    parts.append(drawing.stroke(plane, (plane.x[0], 0), (plane.x[1], 0), "zero"))
    for place, (words, row) in enumerate(shown):
        parts.append(drawing.stroke(plane, (place, 100 * row["skill_low"]), (place, 100 * row["skill_high"]), "ours"))
        tip = f"{words}: {row['skill']:+.1%}{ends(row['skill_low'], row['skill_high'], '+.1%')}"
        parts.append(drawing.dot(plane, place, 100 * row["skill"], "ours", tip, 5))
    better = [words for words, row in shown[:-1] if row["skill_low"] > 0]
    worse = [words for words, row in shown[:-1] if row["skill_high"] < 0]
    words = _named(better, "Surely better at", len(shown) - 1) + _named(worse, "Surely worse at", len(shown) - 1)
    unsure = sum(not np.isfinite(row["skill_low"]) for _, row in shown[:-1])
    open_ = len(shown) - 1 - len(better) - len(worse) - unsure
    if open_:
        words += f" {open_} of {len(shown) - 1} intervals hold zero: there it could be chance."
    if unsure:
        words += f" {unsure} of {len(shown) - 1} have no interval: too few bins and weeks to tell skill from chance."
    return Card("Skill by horizon", drawing.svg(plane, parts, words.strip()), words.strip())


def slice_rows(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The slices of `evidence` over all horizons, in the order in which they are shown, without the smallest."""
    overall = table[table["horizon_h"].isna()]
    shown = []
    for name, title in TITLES.items():
        part = overall[overall["slice"] == name]
        part = part[part["n"] >= LEAST_SHOWN]
        order = part["value"].map(lambda v: ORDER.get(v, 0)).to_numpy()
        if len(part) > 1:
            shown.append((title, part.iloc[np.argsort(order, kind="stable")]))
    return shown


def slice_error_chart(table: pd.DataFrame, ours: str, other: str | None) -> Card:
    """CRPS of the model and of the best baseline, slice by slice."""
    groups = slice_rows(table)
    values = np.concatenate([g[["crps", "other"]].to_numpy(float).ravel() for _, g in groups])
    plane, places, parts = _rows(groups, (0.0, float(np.nanmax(values)) * 1.05))
    parts.append(drawing.axis_x(plane, [(t, f"{t:g}") for t in drawing.ticks_between(*plane.x)], lines=True))
    for row, y in places:
        if other:
            parts.append(drawing.stroke(plane, (row["crps"], y), (row["other"], y), "link"))
            parts.append(drawing.dot(plane, row["other"], y, "other", f"{other}, {row['value']}: {row['other']:.2f}"))
        parts.append(drawing.dot(plane, row["crps"], y, "ours", f"{ours}, {row['value']}: {row['crps']:.2f}", 5))
    entries = [("ours", ours)] + ([("other", other)] if other else [])
    parts.append(drawing.legend(plane, entries, plane.left, 12))
    everything = [row for row, _ in places]
    hard, easy = max(everything, key=lambda r: r["crps"]), min(everything, key=lambda r: r["crps"])
    words = f"Hardest: {_name(hard)}, off by {hard['crps']:.1f} points. Easiest: {_name(easy)}, by {easy['crps']:.1f}."
    return Card("CRPS by slice, points of fill", drawing.svg(plane, parts, words), words)


def slice_skill_chart(table: pd.DataFrame, other: str) -> Card:
    """Skill with its interval, slice by slice."""
    groups = slice_rows(table)
    columns = ["skill", "skill_low", "skill_high"]
    values = np.concatenate([g[columns].to_numpy(float).ravel() for _, g in groups]) * 100
    seen = np.append(values[np.isfinite(values)], 0.0)
    # One wide interval must not squeeze all the others: it is cut off at the edge.
    low, high = min(-2.0, max(float(seen.min()), -40.0)), max(2.0, min(float(seen.max()), 80.0))
    plane, places, parts = _rows(groups, (low * 1.05, high * 1.05))
    parts.append(drawing.axis_x(plane, [(t, signed(t)) for t in drawing.ticks_between(*plane.x, about=4)], lines=True))
    parts.append(drawing.stroke(plane, (0, plane.y[0]), (0, plane.y[1]), "zero"))
    for row, y in places:
        parts.append(drawing.stroke(plane, (100 * row["skill_low"], y), (100 * row["skill_high"], y), "ours"))
        tip = f"{row['value']}: {row['skill']:+.1%}{ends(row['skill_low'], row['skill_high'], '+.1%')}"
        where = float(np.clip(100 * row["skill"], *plane.x))
        parts.append(drawing.dot(plane, where, y, "bad" if row["skill_high"] < 0 else "ours", tip, 5))
    losing = [_name(row) for row, _ in places if row["skill_high"] < 0]
    sure = sum(row["skill_low"] > 0 for row, _ in places)
    words = f"In {sure} of {len(places)} slices {other} is surely beaten"
    words += f"; it surely wins at {listed(losing)}." if losing else ", in none does it surely win."
    return Card(f"Skill against {other} by slice", drawing.svg(plane, parts, words), words)


def _rows(
    groups: Sequence[tuple[str, pd.DataFrame]], x: tuple[float, float]
) -> tuple[Plane, list[tuple[Mapping, float]], list[str]]:
    """A tall drawing with a line for each slice: its plane, the slices with their heights, and the labels."""
    pitch, gap = 21.0, 25.0
    height = 24 + sum(gap + pitch * len(part) for _, part in groups) + 26
    inner = height - 18 - 24
    plane = Plane(x, (0, inner), height=height, left=112, right=44, top=18, bottom=24)
    places: list[tuple[Mapping, float]] = []
    parts: list[str] = [drawing.text(plane.width - 2, 12, "windows", "tick small", "end")]
    y = inner
    for title, part in groups:
        y -= gap
        parts.append(drawing.text(0, plane.at_y(y) + 4, title, "head"))
        for row in part.to_dict("records"):
            y -= pitch
            parts.append(drawing.name(plane.left - 10, plane.at_y(y) + 4, str(row["value"])))
            parts.append(drawing.text(plane.width - 2, plane.at_y(y) + 4, short(row["n"]), "tick small", "end"))
            places.append((row, y))
    return plane, places, parts


def short(n: float) -> str:
    """A count in few characters: 950, 1.2k, 34k."""
    return f"{n:.0f}" if n < 1000 else f"{n / 1000:.1f}k" if n < 9950 else f"{n / 1000:.0f}k"


def signed(percent: float) -> str:
    """A percentage with its sign, but for zero."""
    return f"{percent:+g}%" if percent else "0%"


def ends(low: float, high: float, form: str) -> str:
    """An interval in brackets, or nothing where it is not known."""
    return f" ({low:{form}} to {high:{form}})" if np.isfinite(low + high) else ""


def listed(names: Sequence[str]) -> str:
    """Names with commas and an `and`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _name(row: Mapping) -> str:
    return f"{row['value']} ({TITLES[row['slice']].lower().removesuffix(', %')})"


def _named(names: Sequence[str], before: str, of: int) -> str:
    if not names:
        return ""
    return f" {before} {'every horizon' if len(names) == of and of > 1 else listed(names)}."

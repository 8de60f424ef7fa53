"""Charts of whether forecasts can be taken at their word: probabilities of being full, and intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training import drawing
from training.drawing import Plane
from training.evidence import reliability_table
from training.page import Card
from training.score_charts import _rows, ends, listed, slice_rows, span_h

WANTED80, WANTED50 = (0.74, 0.86), (0.44, 0.56)
SLACK, LEAST = 0.05, 200
AS_WANTED = 0.03


def reliability_chart(title: str, rows: pd.DataFrame, other: pd.DataFrame | None, names: tuple[str, str]) -> Card:
    """How often bins were full when p_full said so, with 95% bands, over how often it said so.

    rows, other: `row_scores` of the model and of the best baseline; names: theirs.
    """
    table = reliability_table(rows)
    plane = Plane((0, 1), (-0.22, 1), height=300, left=36, bottom=38, top=26)
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    parts = [drawing.axis_y(plane, ticks, title="share that came to be full")]
    parts.append(drawing.axis_x(plane, [(t, f"{t:g}") for t in ticks], "p_full, forecast"))
    parts.append(drawing.band(plane, [0, 1], [-SLACK, 1 - SLACK], [SLACK, 1 + SLACK], "wantedband"))
    parts.append(drawing.line(plane, [0, 1], [0, 1], "wanted"))
    if other is not None:
        theirs = reliability_table(other, draws=1)
        parts.append(drawing.line(plane, theirs["p_mean"].tolist(), theirs["event_rate"].tolist(), "other", names[1]))
    banded = table.dropna()
    said, low, high = (banded[name].tolist() for name in ("p_mean", "low", "high"))
    parts.append(drawing.band(plane, said, low, high, "ours"))
    parts.append(drawing.line(plane, table["p_mean"].tolist(), table["event_rate"].tolist(), "ours", names[0]))
    most = np.sqrt(table["n"].max()) if len(table) else 1.0
    for row in table.to_dict("records"):
        said, came = row["p_mean"], row["event_rate"]
        tip = f"said {said:.0%}, came true {came:.0%}{ends(row['low'], row['high'], '.0%')}, {row['n']:,.0f} windows"
        tenth = min(int(said * 10), 9) / 10
        tall = 0.17 * float(np.sqrt(row["n"])) / most
        parts.append(drawing.box(plane, (tenth + 0.01, tenth + 0.09), (-0.22, -0.22 + tall), "count", tip))
        parts.append(drawing.dot(plane, said, came, "ours" if trusted(row) else "bad", tip, 4.5))
    entries = [("ours", names[0])] + ([("other", names[1])] if other is not None else [])
    parts.append(drawing.legend(plane, entries, plane.left, plane.height - 4))
    words = _reliable_words(table, rows, other, names)
    return Card(title, drawing.svg(plane, parts, words), words)


def trusted(row: dict) -> bool:
    """Whether a tenth of p_full came true within five points, or within its interval; small ones are not judged."""
    near = abs(row["event_rate"] - row["p_mean"]) <= SLACK
    inside = row["low"] <= row["p_mean"] <= row["high"]
    return bool(near or inside or row["n"] < LEAST)


def _reliable_words(table: pd.DataFrame, rows: pd.DataFrame, other: pd.DataFrame | None, names: tuple[str, str]) -> str:
    if not len(table):
        return "No probabilities were forecast."
    events = int(rows["event"].sum())
    if not events:
        return f"No bin came to be full; the mean p_full was {rows['p_full'].mean():.1%}."
    judged = [row for row in table.to_dict("records") if row["n"] >= LEAST]
    off = [row for row in judged if not trusted(row)]
    words = f"{len(judged) - len(off)} of {len(judged)} tenths with {LEAST} windows or more are as they should be"
    if len(judged) < 2:
        words = f"Hardly anything can be judged: {len(judged)} of {len(table)} tenths have {LEAST} windows or more"
    if off:
        worst = max(off, key=lambda row: abs(row["event_rate"] - row["p_mean"]))
        words += f"; worst, {worst['p_mean']:.0%} said came true in {worst['event_rate']:.0%}"
    words += f". Brier {_brier(rows):.3f}"
    if other is not None:
        words += f", {names[1]} {_brier(other):.3f}"
    return words + "."


def _brier(rows: pd.DataFrame) -> float:
    """Bins count the same, horizons too."""
    return float(rows.groupby(["horizon_h", "bin_id"])["brier"].mean().groupby("horizon_h").mean().mean())


def coverage_chart(table: pd.DataFrame, ours: str) -> Card:
    """Share of truths inside the 80% and the 50% interval by horizon with 95% intervals, over what is wanted."""
    rows = table[(table["slice"] == "all") & table["horizon_h"].notna()]
    plane = Plane((-0.5, len(rows) - 0.5), (0.2, 1.0), height=300, left=38, bottom=38, top=26)
    of_what = "share of truths inside the interval (dashed: wanted)"
    parts = [drawing.axis_y(plane, [0.2, 0.4, 0.6, 0.8, 1.0], "{:.0%}".format, of_what)]
    parts.append(drawing.axis_x(plane, [(p, span_h(h)) for p, h in enumerate(rows["horizon_h"])], "horizon"))
    for wanted, middle in ((WANTED80, 0.8), (WANTED50, 0.5)):
        parts.append(drawing.box(plane, plane.x, wanted, "wantedband"))
        parts.append(drawing.stroke(plane, (plane.x[0], middle), (plane.x[1], middle), "wanted"))
    for place, row in enumerate(rows.to_dict("records")):
        for name, kind in (("cover80", "ours"), ("cover50", "hollow")):
            low, high = row[f"{name}_low"], row[f"{name}_high"]
            parts.append(drawing.stroke(plane, (place, low), (place, high), "ours"))
            tip = f"{span_h(row['horizon_h'])}: {row[name]:.1%}{ends(low, high, '.1%')}"
            parts.append(drawing.dot(plane, place, row[name], kind, tip, 5))
    parts.append(drawing.legend(plane, [("ours", "80% interval"), ("hollow", "50%")], plane.left, plane.height - 4))
    all_ = table[(table["slice"] == "all") & table["horizon_h"].isna()].iloc[0]
    words = f"The 80% intervals of {ours} held {all_['cover80']:.0%} of what came ({_lean(all_['cover80'], 0.8)}), "
    words += f"the 50% intervals {all_['cover50']:.0%} ({_lean(all_['cover50'], 0.5)}). "
    words += "What lies half a point beyond an end counts as held, as sensors tell whole percents."
    return Card("Coverage by horizon", drawing.svg(plane, parts, words), words)


def _lean(held: float, wanted: float) -> str:
    return "as wanted" if abs(held - wanted) <= AS_WANTED else "too wide" if held > wanted else "too narrow"


def slice_coverage_chart(table: pd.DataFrame) -> Card:
    """Coverage of the 80% and 50% intervals, slice by slice."""
    groups = slice_rows(table)
    plane, places, parts = _rows(groups, (0.3, 1.0))
    parts.append(drawing.axis_x(plane, [(t, f"{t:.0%}") for t in (0.3, 0.5, 0.8, 1.0)]))
    for wanted, middle in ((WANTED80, 0.8), (WANTED50, 0.5)):
        parts.append(drawing.box(plane, wanted, plane.y, "wantedband"))
        parts.append(drawing.stroke(plane, (middle, plane.y[0]), (middle, plane.y[1]), "wanted"))
    out = []
    for row, y in places:
        parts.append(drawing.stroke(plane, (row["cover80_low"], y), (row["cover80_high"], y), "ours"))
        tip = f"{row['value']}: {row['cover80']:.1%}{ends(row['cover80_low'], row['cover80_high'], '.1%')}"
        good = WANTED80[0] <= row["cover80"] <= WANTED80[1]
        parts.append(drawing.dot(plane, row["cover50"], y, "hollow", f"{row['value']}: {row['cover50']:.1%}", 4))
        parts.append(drawing.dot(plane, row["cover80"], y, "ours" if good else "bad", tip, 5))
        out += [] if good else [f"{row['value']} ({row['cover80']:.0%})"]
    parts.append(drawing.legend(plane, [("ours", "80% interval"), ("hollow", "50%")], plane.left, 12))
    words = f"All {len(places)} slices lie between {WANTED80[0]:.0%} and {WANTED80[1]:.0%}."
    if out:
        words = (
            f"{len(places) - len(out)} of {len(places)} slices lie between {WANTED80[0]:.0%} and {WANTED80[1]:.0%}; "
        )
        words += f"not so: {listed(out)}."
    return Card("Coverage by slice", drawing.svg(plane, parts, words), words)

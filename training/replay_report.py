"""What a replay says: as text for a terminal, and as a page to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from training import drawing, page
from training.drawing import Plane
from training.page import Card
from training.policies import ALWAYS, DAYS, FORESIGHT, OWN_DAYS, THRESHOLD, WEEKDAY
from training.replay import EXCESS_H, SCHEDULE, Replay

REFERENCES = (THRESHOLD, DAYS, OWN_DAYS, WEEKDAY, SCHEDULE)
COLUMNS = ["emptyings", *(f"vs {reference}" for reference in REFERENCES)]
RANGE = f"{EXCESS_H[0]:g} to {EXCESS_H[1]:g}"
SHOWN_H = 6.0
LEGEND = (
    f"Emptyings at equal overflow, {RANGE} overflow hours per bin-week above collecting at every opportunity (against "
    "the schedule: at its own overflow), with 95% intervals; below 0: fewer. Overflow: hours at full_pct or above."
)


def equal_overflow(result: Replay) -> pd.DataFrame:
    """A row a rule: emptyings per bin-week at equal overflow, and against each reference, as texts."""
    rules = [name for name in dict.fromkeys(result.points["family"]) if name not in (SCHEDULE, ALWAYS)]
    return pd.DataFrame.from_dict({name: _row(result, name) for name in rules}, orient="index", columns=COLUMNS)


def by_stream(result: Replay, forecasters: Sequence[str]) -> pd.DataFrame:
    """A row a forecaster and stream, as `equal_overflow`."""
    parts = {
        (name, stream): _row(result.of_stream(stream), name)
        for name in forecasters
        for stream in sorted(set(result.streams))
    }
    return pd.DataFrame.from_dict(parts, orient="index", columns=COLUMNS)


def replay_text(result: Replay, forecasters: Sequence[str]) -> str:
    """Emptyings at equal overflow, then the policies of most interest one by one."""
    shown = result.frontier[result.frontier["family"].isin([SCHEDULE, ALWAYS, FORESIGHT, *forecasters])]
    points = shown.rename(columns={"family": "policy", "emptyings": "emptyings/week", "overflow_h": "overflow h/week"})
    parts = [f"{LEGEND}\n{equal_overflow(result).to_string()}"]
    if len(set(result.streams)) > 1:
        parts.append(f"By stream:\n{by_stream(result, forecasters).to_string()}")
    shapes = {"parameter": lambda value: _shown(value, "g") or "-"}
    numbers = points.to_string(index=False, na_rep="-", float_format="{:.2f}".format, formatters=shapes)
    return "\n\n".join([*parts, f"Per bin and week, and the fill at pick-up, percent:\n{numbers}"])


def replay_page(result: Replay, forecasters: Sequence[str], title: str) -> str:
    """One HTML file, complete without a network: the frontier, and every policy in a table."""
    table = equal_overflow(result)
    rows = [[str(name), *row] for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)]
    points = [
        [str(p["family"]), _shown(p["parameter"], "g"), *(_shown(p[c], ".2f") for c in ("emptyings", "overflow_h")),
         _shown(p["fill_pct"], ".0f")]
        for p in result.frontier.to_dict("records")
    ]  # fmt: skip
    ours = forecasters[0] if len(forecasters) else WEEKDAY
    lead = f"{ours}: {_against(result, ours, THRESHOLD)} emptyings against the best threshold, at equal overflow"
    head = ["policy", "parameter", "emptyings per bin-week", "overflow h per bin-week", "fill at pick-up, %"]
    return page.page(
        title,
        [
            f"<h1>{lead}</h1>",
            f'<p class="note">{LEGEND}</p>',
            page.grid([frontier_chart(result, forecasters)], two=True),
            page.table("At equal overflow", ["policy", *table.columns], rows, marked=ours, shown=True),
            page.table("Every policy", head, points, marked=ours),
        ],
    )


def frontier_chart(result: Replay, forecasters: Sequence[str]) -> Card:
    """Emptyings against overflow: a line a rule, down and left is better."""
    points = result.frontier
    base = float(points.loc[points["family"] == ALWAYS, "overflow_h"].iloc[0])
    top = float(points["emptyings"].max()) * 1.05
    plane = Plane((base, base + SHOWN_H), (0, top), left=30, bottom=56, top=24, width=520, height=380)
    parts = [
        drawing.box(plane, (base + EXCESS_H[0], base + EXCESS_H[1]), (0, top), "wantedband", RANGE),
        drawing.axis_y(plane, drawing.ticks_between(0, top), title="emptyings per bin and week (less is better)"),
        drawing.axis_x(
            plane, [(at, f"{at:g}") for at in drawing.ticks_between(base, base + SHOWN_H)],
            "overflow, h a bin-week",
        ),
    ]  # fmt: skip
    kinds = {DAYS: "rest", OWN_DAYS: "rest", THRESHOLD: "other", WEEKDAY: "other", FORESIGHT: "wanted"}
    kinds |= dict.fromkeys(forecasters, "ours")
    names = []
    for name, kind in kinds.items():
        rule = points[points["family"].isin([name, ALWAYS])]
        rule = rule.sort_values(["overflow_h", "emptyings"], ascending=[True, False])  # of equals the best goes on
        rule = rule[rule["overflow_h"] <= base + SHOWN_H]
        hours, count = rule["overflow_h"].tolist(), rule["emptyings"].tolist()
        parts.append(drawing.line(plane, hours, count, kind, name))
        parts += [
            drawing.dot(plane, x, y, kind if kind != "wanted" else "truth", f"{name} {value:g}: {y:.2f}, {x:.2f} h", 3)
            for x, y, value in zip(hours, count, rule["parameter"], strict=True)
        ]
        x, y = plane.at_x(hours[-1]), plane.at_y(count[-1]) - 7
        beside = (x + 4, "start") if hours[-1] < base + SHOWN_H / 4 else (x - 4, "end")  # inside the plane
        names.append((beside[0], y, name, beside[1]))
    parts += drawing.labels(names)
    was = points[points["family"] == SCHEDULE].iloc[0]
    if was["overflow_h"] <= base + SHOWN_H:
        parts.append(drawing.dot(plane, was["overflow_h"], was["emptyings"], "bad", "the schedule as it was"))
    legend = [
        ("ours", "forecasts"),
        ("other", "rules"),
        ("rest", "fixed"),
        ("truth", "foresight"),
        ("bad", "as it was"),
    ]
    parts.append(drawing.legend(plane, legend, plane.left, plane.height - 8))
    words = (
        f"Collecting at every opportunity leaves {base:.2f} hours of overflow per bin and week; the band is {RANGE} "
        f"hours more. The schedule as it was: {was['emptyings']:.2f} emptyings, {was['overflow_h']:.2f} hours."
    )
    return Card("Emptyings against overflow", drawing.svg(plane, parts, words), words)


def _row(result: Replay, name: str) -> list[str]:
    return [f"{result.needed(name):.2f}", *(_against(result, name, ref) if ref != name else "-" for ref in REFERENCES)]


def _against(result: Replay, name: str, reference: str) -> str:
    made = result.against(name, reference)
    if not np.isfinite(made.estimate):
        return "out of reach"
    sure = f"{made.low:+.0%} to {made.high:+.0%}" if np.isfinite([made.low, made.high]).all() else "too few to tell"
    return f"{made.estimate:+.0%} ({sure})"


def _shown(value: float, form: str) -> str:
    return "" if pd.isna(value) else format(value, form)

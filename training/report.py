"""The scorecard of a backtest as a page to look at: charts first, each with a sentence, the numbers underneath."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from training import page
from training.evidence import evidence
from training.fans import fan_cards
from training.hindsight import Hindsight
from training.misses import miss_cards, where_worst
from training.page import Tile
from training.score_charts import (
    LEAST_SHOWN,
    ends,
    error_chart,
    ranking_chart,
    skill_chart,
    slice_error_chart,
    slice_rows,
    slice_skill_chart,
    span_h,
)
from training.slices import SLICES, TITLES
from training.trust_charts import AS_WANTED, coverage_chart, reliability_chart, slice_coverage_chart

if TYPE_CHECKING:
    from training.backtest import Backtest

SOON_H = 12.0
METRICS = {
    "n": "windows", "bins": "bins", "missing": "missing", "crps": "CRPS", "mae": "MAE", "bias": "bias",
    "cover80": "80% holds", "width80": "80% width", "brier": "Brier", "logloss": "log loss", "auc": "AUC",
}  # fmt: skip


def report(result: Backtest, past: Hindsight | None = None) -> str:
    """One HTML file, complete without a network. The first forecaster is the one that the page is about.

    past: all readings, for the charts of single bins; without it these are left out.
    """
    rows = {name: result.rows(name) for name in result.forecasts}
    card = result.scorecard()
    overall = card[(card["slice"] == "all") & (card["horizon_h"] == "overall")].set_index("model")
    ours = next(iter(rows))
    rest = overall["crps"].drop(ours)
    other = str(rest.idxmin()) if len(rest) else None
    theirs = rows[other] if other else None
    table = evidence(rows[ours], theirs, [name for name in SLICES if name in rows[ours]])
    parts = [*_top(result, rows[ours], overall, table, ours, other)]
    parts += _errors(card, overall, table, ours, other)
    parts += _trust(rows[ours], theirs, table, ours, other)
    if past is not None:
        made = result.forecasts[ours]
        note = (
            "Dots are readings, the fan is the forecast (line: middle; bands: 40% and 80%) of windows left alone, as "
            "they are scored: it ends where readings show an emptying, and may fall where nearly empty bins are "
            "emptied unseen. Dashed: full. Times in UTC."
        )
        parts += [page.heading("What it looks like", note), page.grid(fan_cards(rows[ours], made, past))]
        note = f"Of one event only the worst, of one bin at most two; red is what came. {where_worst(rows[ours])}"
        parts += [page.heading("The ten worst misses, and what happened", note)]
        parts += [page.grid(miss_cards(rows[ours], made, past), two=True)]
    parts += _numbers(card, table, ours, other)
    return page.page(f"Brimcast backtest: {_span(rows[ours])}", parts)


def _top(
    result: Backtest, rows: pd.DataFrame, overall: pd.DataFrame, table: pd.DataFrame, ours: str, other: str | None
) -> list[str]:
    """The title, what was tested, and the numbers that matter most."""
    all_ = table.iloc[table.index[(table["slice"] == "all") & table["horizon_h"].isna()][0]]
    hours = sorted(rows["horizon_h"].unique())
    reach = f"{span_h(hours[0]).removesuffix(' h')} to {span_h(hours[-1])}" if len(hours) > 1 else span_h(hours[0])
    lead = f"A forecast {reach} ahead is off by {all_['crps']:.2f} points of fill (CRPS)"
    if other and np.isfinite(all_["skill"]):
        lead += f", {abs(all_['skill']):.1%} {'less' if all_['skill'] >= 0 else 'more'} than the best baseline, {other}"
    tiles = [Tile(f"{all_['crps']:.2f}", "CRPS, points of fill")]
    if other and np.isfinite(all_["skill"]):
        kind = "good" if all_["skill_low"] > 0 else "bad" if all_["skill_high"] < 0 else ""
        words = f"skill over {other}{ends(all_['skill_low'], all_['skill_high'], '+.1%')}"
        tiles.append(Tile(f"{all_['skill']:+.1%}", words, kind))
    held = abs(all_["cover80"] - 0.8)
    kind = "good" if held <= AS_WANTED else "bad" if held > 0.06 else ""
    tiles.append(Tile(f"{all_['cover80']:.1%}", "of truths in the 80% interval", kind))
    brier = "Brier score of p_full" + (f" ({other}: {all_['other_brier']:.3f})" if other else "")
    tiles.append(Tile(f"{all_['brier']:.3f}", brier))
    tiles.append(
        Tile(f"{len(rows):,}", f"windows of {rows['bin_id'].nunique():,} bins, of {len(result.windows):,} asked")
    )
    missing = int(overall["missing"].loc[ours])
    if missing:
        tiles.append(Tile(f"{missing:,}", "windows without a forecast, scored as a shrug", "bad"))
    note = (
        f"{_span(rows)}. Scored where a fresh reading stands at the origin, one at the target, no emptying between. "
        "Bins count the same, horizons too. Intervals: blocks of bin and week, drawn in pairs."
    )
    return [f"<h1>{lead}</h1>", f'<p class="note">{note}</p>', page.tiles(tiles)]


def _errors(card: pd.DataFrame, overall: pd.DataFrame, table: pd.DataFrame, ours: str, other: str | None) -> list[str]:
    everything = card[(card["slice"] == "all") & (card["horizon_h"] != "overall")]
    order = list(dict.fromkeys(everything["horizon_h"]))
    crps = everything.pivot(index="model", columns="horizon_h", values="crps").reindex(overall.index, columns=order)
    cards = [error_chart(crps, ours, other)]
    if other:
        cards.append(skill_chart(table[table["slice"] == "all"], other))
    cards.append(ranking_chart(overall["crps"], ours, other))
    parts = [page.heading("How far off"), page.grid(cards)]
    if not slice_rows(table):
        few = f"There are too few windows to slice: no two slices of a kind have {LEAST_SHOWN} or more each."
        return [*parts, page.heading("Where it is hard", few)]
    slices = [slice_error_chart(table, ours, other)]
    if other:
        slices.append(slice_skill_chart(table, other))
    slices.append(slice_coverage_chart(table))
    note = "Each line is a slice of the windows; their number stands at the right."
    return [*parts, page.heading("Where it is hard", note), page.grid(slices)]


def _trust(
    rows: pd.DataFrame, theirs: pd.DataFrame | None, table: pd.DataFrame, ours: str, other: str | None
) -> list[str]:
    names = (ours, other or "")
    cards = [coverage_chart(table, ours), reliability_chart("p_full, all horizons", rows, theirs, names)]
    for title, part in (
        (f"p_full, up to {span_h(SOON_H)}", rows["horizon_h"] <= SOON_H),
        (f"p_full, beyond {span_h(SOON_H)}", rows["horizon_h"] > SOON_H),
    ):
        if part.any() and not part.all():
            same = None if theirs is None else theirs[part.to_numpy()]
            cards.append(reliability_chart(title, rows[part], same, names))
    note = "On the diagonal a probability came true as often as it said. Bars: how often it was said (square root)."
    return [page.heading("Can it be taken at its word?", note), page.grid(cards, two=len(cards) == 4)]


def _numbers(card: pd.DataFrame, table: pd.DataFrame, ours: str, other: str | None) -> list[str]:
    """The tables, folded but for the first."""
    head = ["forecaster", *METRICS.values()]
    everything = card[card["slice"] == "all"]
    overall = everything[everything["horizon_h"] == "overall"]
    rows = [[str(row["model"]), *(_shown(row[c]) for c in METRICS)] for row in overall.to_dict("records")]
    parts = [page.heading("The numbers"), page.table("Overall", head, rows, marked=ours, shown=True)]
    by_hour = everything[everything["horizon_h"] != "overall"]
    rows = [
        [str(row["model"]), span_h(float(row["horizon_h"])), *(_shown(row[c]) for c in METRICS)]
        for row in by_hour.to_dict("records")
    ]
    parts.append(page.table("By horizon", ["forecaster", "horizon", *METRICS.values()], rows, marked=ours))
    columns = ["n", "bins", "crps", "other", "skill", "skill_low", "skill_high"]
    columns += ["cover80", "cover80_low", "cover80_high", "cover50", "bias", "width80", "brier", "other_brier"]
    titles = {"n": "windows", "other": other or "", "skill_low": "low", "skill_high": "high", "cover80": "80% holds",
              "cover80_low": "low", "cover80_high": "high", "cover50": "50% holds", "width80": "80% width",
              "other_brier": f"Brier, {other}", "crps": "CRPS", "brier": "Brier"}  # fmt: skip
    columns = [c for c in columns if other or c not in ("other", "skill", "skill_low", "skill_high", "other_brier")]
    rows = [
        [
            TITLES.get(row["slice"], "All"),
            row["value"],
            "all" if pd.isna(row["horizon_h"]) else span_h(row["horizon_h"]),
        ]
        + [_shown(row[c]) for c in columns]
        for row in table.to_dict("records")
    ]
    head = ["slice", "value", "horizon", *(titles.get(c, c) for c in columns)]
    parts.append(page.table(f"By slice and horizon: {ours}{f' against {other}' if other else ''}", head, rows))
    return parts


def _span(rows: pd.DataFrame) -> str:
    return f"{rows['as_of'].min():%-d %b %Y} to {rows['as_of'].max():%-d %b %Y}"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)

"""A freshly fitted model with the evidence for it: scores on windows it has not learned from, and figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from data.errors import InputError
from data.history import History
from training.backtest import backtest
from training.baselines import Forecaster, baseline
from training.figures import coverage_chart, fan_charts, reliability_chart
from training.model import FillModel
from training.model_card import scored_card
from training.practice import known_by
from training.rules import RULES
from training.scores import METRICS, reliability, summary, summary_by
from training.settings import ModelSettings
from training.slices import SLICES

HORIZONS_H = (6.0, 12.0, 24.0, 48.0, 72.0)
EVERY = pd.Timedelta(hours=6)
HELD_BACK = pd.Timedelta(days=14)
LEAST = pd.Timedelta(days=3)
LEAST_TO_LEARN = pd.Timedelta(days=28)
SCORED_BINS = 500
FAN_BINS, FAN_H, FAN_BEFORE_H = 4, 72, 48


@dataclass(frozen=True)
class Candidate:
    """What `tracking.log` keeps of one fit.

    history: what was heard by `until`, the moment up to which the model learned; source: where the readings came from;
    rows: `scores.row_scores` with the bin's stream, None where nothing could be scored; scored_on: those windows, in
    words; rehearsal: the model that was scored where no window was left for the model itself.
    """

    model: FillModel
    history: History
    until: pd.Timestamp
    source: str
    seed: int
    rows: pd.DataFrame | None
    scored_on: str
    figures: dict[str, Figure] = field(default_factory=dict)
    rehearsal: FillModel | None = None

    @property
    def scores(self) -> pd.DataFrame | None:
        """Scores by horizon and overall."""
        return None if self.rows is None else summary(self.rows)

    @property
    def fingerprint(self) -> str:
        """The hash of what the model learned from."""
        return str(self.model.card["fingerprint"])

    @property
    def parameters(self) -> dict[str, object]:
        """What made the fit what it is."""
        given = self.model.card.get("parameters", {})
        return {"seed": self.seed, "until": self.until.isoformat(), "scored_on": self.scored_on, **given}

    @property
    def evaluation(self) -> pd.DataFrame:
        """Scores by slice, value and horizon, a row each: the table to sort and filter by."""
        if self.rows is None:
            return pd.DataFrame()
        parts = [summary(self.rows).assign(slice="all", value="all")]
        for name in (name for name in SLICES if name in self.rows):
            parts += [summary(part).assign(slice=name, value=str(value)) for value, part in self.rows.groupby(name)]
        table = pd.concat(parts).reset_index().astype({"horizon_h": "str"})
        return table[["slice", "value", *(name for name in table if name not in ("slice", "value"))]]

    def metrics(self) -> dict[str, float]:
        """Flat names for MLflow: crps, crps_24h, paper/crps, paper/crps_24h …; what is not finite is left out."""
        if self.rows is None:
            return {}
        flat = _flat(summary(self.rows), "")
        if "skill" in self.model.card:
            flat["skill"] = float(self.model.card["skill"]["value"])
        for stream, table in summary_by(self.rows, "stream").groupby(level="stream"):
            flat |= _flat(table.droplevel("stream"), re.sub(r"[^\w. -]", "_", str(stream)) + "/")
        return flat


def fit_candidate(
    history: History,
    source: str,
    *,
    until: pd.Timestamp | None = None,
    seed: int = 0,
    evaluate: bool = True,
    against: Sequence[str] = tuple(RULES),
    settings: ModelSettings | None = None,
    say: Callable[[str], None] = lambda step: None,
) -> Candidate:
    """Fit on what was heard by `until` (None: all) and score on windows that the fit has not seen.

    Readings of at least three days after `until` are such windows (the first 14 days). Without them the same recipe
    is fitted once more without its last 14 days, and scored on these; `evaluate=False` spares that. The baselines
    named in `against` are fitted and scored there too, and all goes into the model's card.
    Raises InputError where there is nothing to learn from.
    """
    past, end = known_by(history, until)
    how: dict[str, Any] = {"seed": seed} if settings is None else {"seed": seed, "settings": settings}
    model = FillModel.fit(past, until=end, progress=say, **how)
    candidate = Candidate(model, past, end, source, seed, None, "nothing")
    if not evaluate:
        return candidate
    first, last = history.span or (end, end)
    if last - end >= LEAST:
        return _scored(candidate, model, history, end, min(last, end + HELD_BACK), "held-out", against, say)
    start = end - HELD_BACK
    if start - first < LEAST_TO_LEARN:
        say("too short a history to hold back two weeks: no scores")
        return candidate
    say("the same without the last 14 days, to score it on them")
    try:
        rehearsal = FillModel.fit(past, until=start, progress=lambda step: None, **how)
    except InputError as error:
        say(f"no scores: {error.found}")
        return candidate
    candidate = replace(candidate, rehearsal=rehearsal)
    return _scored(candidate, rehearsal, past, start, end, "held-back", against, say)


def _scored(
    candidate: Candidate,
    model: FillModel,
    history: History,
    start: pd.Timestamp,
    end: pd.Timestamp,
    kind: str,
    against: Sequence[str],
    say: Callable[[str], None],
) -> Candidate:
    """The candidate with the scores and figures of `model` on the windows from `start` to `end`."""
    ids = history.readings.frame["bin_id"].unique()
    if len(ids) > SCORED_BINS:  # enough to judge by
        chosen = np.random.default_rng(candidate.seed).choice(len(ids), SCORED_BINS, replace=False)
        history = history.select(sorted(ids[chosen]))
    forecasters: dict[str, Forecaster] = {"model": model}
    try:
        for name in against:
            say(f"fitting {name}, to score it too")
            forecasters[name] = baseline(name).fit(history, start, candidate.seed)
        say("scoring")
        result = backtest(
            forecasters,
            history,
            start=start,
            end=end,
            every=EVERY,
            horizons_h=HORIZONS_H,
            country=model.settings.country,
        )
    except InputError as error:
        say(f"no scores: {error.found}")
        return candidate
    rows = result.rows("model")
    words = f"{len(rows):,} {kind} windows from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    figures = {
        "fan_charts": _fans(model, history, start, end),
        "p_full_reliability": reliability_chart(reliability(rows)),
        "coverage": coverage_chart(rows),
    }
    others = {name: result.rows(name) for name in against}
    told = replace(candidate.model, card=scored_card(candidate.model.card, rows, others, words))
    return replace(candidate, model=told, rows=rows, scored_on=words, figures=figures)


def _fans(model: FillModel, history: History, start: pd.Timestamp, end: pd.Timestamp) -> Figure:
    """Forecasts of the bins most read, from the middle of the span, hour by hour, with the readings around."""
    as_of = start + (end - start) / 2
    frame = history.readings.frame
    near = frame[
        frame["measured_at"].between(as_of - pd.Timedelta(hours=FAN_BEFORE_H), as_of + pd.Timedelta(hours=FAN_H))
    ]
    bins = near["bin_id"].value_counts(sort=True).index[:FAN_BINS].sort_values()
    hours = np.tile(np.arange(FAN_H + 1), len(bins))
    windows = pd.DataFrame({"bin_id": bins.repeat(FAN_H + 1).astype("str"), "as_of": as_of})
    windows["at"] = windows["as_of"] + pd.to_timedelta(hours, unit="h")
    windows = windows.astype({"as_of": "datetime64[us, UTC]", "at": "datetime64[us, UTC]"})
    return fan_charts(model.forecast_windows(history, windows), near, history.bins.unique)


def _flat(table: pd.DataFrame, prefix: str) -> dict[str, float]:
    """Table of scores by horizon as name -> value."""
    named: dict[str, Any] = {}
    for index, row in table[METRICS].iterrows():
        suffix = "" if index == "overall" else f"_{index}h"
        named |= {f"{prefix}{metric}{suffix}": float(value) for metric, value in row.items()}
    return {name: value for name, value in named.items() if np.isfinite(value)}

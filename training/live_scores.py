"""How good the forecasts were that a service gave, by the yardstick that judges a backtest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.given import Given
from data.history import History
from data.store import Store
from training.labels import CYCLE_REACH_H, judge
from training.scores import KEY, row_scores

SETTLED = pd.Timedelta(hours=CYCLE_REACH_H)
"""A truth is the median of readings up to six hours around `at`: before that it may still change."""
LOOK_BACK = pd.Timedelta(days=7)
"""Readings so long before a forecast tell how often the bin reports, and whether it was silent."""
NOT_YET_DUE = "not_yet_due"
MODEL = ["role", "model_name", "model_version"]
BINS_AT_ONCE = 1_000


@dataclass(frozen=True)
class LiveScores:
    """Forecasts that were given, scored.

    rows: those that could be, as `row_scores` (bin_id, as_of, at, horizon_h, y, crps, mae, cover80, brier …), with
    role, model_name, model_version, status and full_pct; unscored: the others (bin_id, as_of, at, role, model_name,
    model_version) and why: not_yet_due, or one of `labels.UNSCORED`.
    """

    rows: pd.DataFrame
    unscored: pd.DataFrame


def score_given(given: Given, history: History, now: pd.Timestamp) -> LiveScores:
    """Score what is due by `now`: `at` lies six hours back. `history` holds the readings around, all versions.

    Windows are left out, and truths smoothed, as in a backtest of the same windows (`labels.judge`).
    """
    frame = given.frame
    due = (frame["at"] + SETTLED <= now).to_numpy()
    told = frame[due].reset_index(drop=True)
    emptyings = history.emptyings if len(history.emptyings) else None
    truths = judge(history.readings, told[KEY], emptyings)
    good = (truths["unscored"] == "").to_numpy()
    windows = told.loc[good, [*KEY, *MODEL, "status", "full_pct"]].assign(**truths.loc[good, ["horizon_h", "y"]])
    scored = [
        row_scores(part.reset_index(drop=True), told.loc[part.index]) for _, part in windows.groupby(MODEL, sort=False)
    ]
    rows = pd.concat(scored, ignore_index=True) if scored else row_scores(windows, told[:0])
    aside = [
        told.loc[~good, [*KEY, *MODEL]].assign(unscored=truths.loc[~good, "unscored"]),
        frame.loc[~due, [*KEY, *MODEL]].assign(unscored=pd.Series(NOT_YET_DUE, index=frame.index[~due], dtype="str")),
    ]
    return LiveScores(rows, pd.concat(aside, ignore_index=True))


def score_store(
    store: Store,
    since: pd.Timestamp,
    now: pd.Timestamp,
    progress: Callable[[str], None] = lambda step: None,
) -> LiveScores:
    """Score what the store keeps of forecasts given since then, a thousand bins at a time."""
    frame = store.given(since, now).frame
    ids = np.sort(frame["bin_id"].unique())
    parts = []
    for start in range(0, max(len(ids), 1), BINS_AT_ONCE):
        some = ids[start : start + BINS_AT_ONCE].tolist()
        progress(f"scoring bins {start:,} to {start + len(some):,} of {len(ids):,}")
        part = Given(frame[frame["bin_id"].isin(some)].reset_index(drop=True))
        parts.append(score_given(part, store.history(some, since=since - LOOK_BACK, bare=True), now))
    return LiveScores(
        pd.concat([part.rows for part in parts], ignore_index=True),
        pd.concat([part.unscored for part in parts], ignore_index=True),
    )

"""What it would gain to learn from the tested months too: bench_hindsight.py [held-out|test] [STREAM ...].

Of Prague (../shared/data), on held-out months or on the test period, a stream at a time: nine plain LightGBM quantile
boosters on the model's own features learn from all moments before the span, then besides from the span's other blocks
of four weeks, before and after the one that is asked (three days apart). No forecast may; what the second gains is what
fresher learning, or another season, could teach at most. CRPS by horizon of both, and their ratio with 95% intervals
(whole weeks of bins are drawn). It takes ten minutes; nothing is to be tuned by it.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "2")

import lightgbm as lgb
import numpy as np
import pandas as pd
from bench_new_stream import FOLDER, HORIZONS_H

from data.health import RECENT_DAYS
from data.history import History
from data.sequences import HOUR_US, microseconds
from training.curriculum import plan
from training.examples import Asks, Examples, learn_examples
from training.grid import NEAR_H
from training.inputs import read_history
from training.labels import asks
from training.model import _holidays
from training.practice import known_by
from training.scores import TAUS, bootstrap_ratio, crps_deciles
from training.settings import ModelSettings
from training.threads import beside_each_other

SPANS = {
    "held-out": (pd.Timestamp("2024-10-01T00:00Z"), pd.Timestamp("2025-02-01T00:00Z")),
    "test": (pd.Timestamp("2025-02-01T00:00Z"), pd.Timestamp("2025-09-01T00:00Z")),
}
EVERY = pd.Timedelta(hours=5)
BLOCK, APART = (days * 24 * HOUR_US for days in (28, 3))
ROWS, TREES = 60_000, 300
SETTINGS = {
    "objective": "quantile", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 50, "feature_fraction": 0.5,
    "extra_trees": True, "bagging_fraction": 0.8, "bagging_freq": 1, "num_threads": 1, "verbosity": -1,
}  # fmt: skip


def main(span: str = "held-out", *wanted: str) -> None:
    """Print for each stream, by default all, what it gains to know the other weeks of the span."""
    start, stop = SPANS[span]
    whole = read_history(str(FOLDER / "prague_readings.parquet"), str(FOLDER / "prague_bins.csv")).history
    before, tested = lessons(whole, start, stop)
    for stream in wanted or sorted(set(tested.stream)):
        past, asked = (some.take(np.flatnonzero(some.stream == stream)) for some in (before, tested))
        past = past.sample(ROWS, np.random.default_rng(0))
        plain, block = learned(past, asked), (asked.as_of - asked.as_of.min()) // BLOCK
        knowing = np.empty_like(plain)
        for number in np.unique(block):
            mine = block == number
            edges = asked.as_of[mine].min() - APART, asked.as_of[mine].max() + APART
            others = asked.take(np.flatnonzero((asked.as_of < edges[0]) | (asked.as_of > edges[1])))
            knowing[mine] = learned(past, asked.take(np.flatnonzero(mine)), others)
        show(f"{span}, {stream}", scores(asked, plain), scores(asked, knowing))


def lessons(whole: History, start: pd.Timestamp, stop: pd.Timestamp) -> tuple[Examples, Examples]:
    """All that can be learned from moments before `start`, and of every `EVERY` between it and `stop`."""
    settings, rng = ModelSettings(country="CZ"), np.random.default_rng(0)
    past, _ = known_by(whole, start)
    lesson = plan(past, start, settings, rng)
    history, _ = known_by(whole, stop)
    moments = asks(history.readings, start, stop, EVERY, HORIZONS_H)[["bin_id", "as_of"]].drop_duplicates()
    ids, as_of = moments["bin_id"].to_numpy(object), microseconds(moments["as_of"])
    known = history.bins.unique.reindex(ids)
    streams, zones = known["stream"].to_numpy(object), known["timezone"].to_numpy(object)
    sites = known["site_kind"].fillna("").to_numpy(object)
    profiles = lesson.profiles
    code = pd.Index(profiles.bin_ids_).get_indexer(pd.Index(ids))
    days, row = np.full(len(ids), RECENT_DAYS), profiles.rows(ids, streams, sites)
    then = Asks(ids, streams, sites, zones, as_of, as_of, days, row, code)
    holidays = _holidays(settings, past, stop)

    def told(some: History, questions: Asks, table: np.ndarray, horizons_h: np.ndarray) -> Examples:
        codes = pd.Index(history.bins.unique["stream"].unique()).get_indexer(pd.Index(questions.streams))
        how = lesson.resistance, lesson.seasons, codes, horizons_h, holidays, 2, lambda said: None
        return learn_examples(some, questions, table, *how)

    return told(past, lesson.asks, lesson.table, NEAR_H[1:]), told(
        history, then, profiles.table, np.array(HORIZONS_H, dtype=float)
    )


def learned(past: Examples, asked: Examples, others: Examples | None = None) -> np.ndarray:
    """(k, 9) percent: deciles of what is asked, by boosters of `past` and of `others`."""
    some = [past] if others is None else [past, others]
    x, y = np.vstack([part.features.matrix for part in some]), np.concatenate([part.rise for part in some])

    def one(tau: float) -> np.ndarray:
        booster = lgb.train({**SETTINGS, "alpha": tau}, lgb.Dataset(x, y, params={"verbosity": -1}), TREES)
        return np.asarray(booster.predict(asked.features.matrix))

    rises = np.column_stack(list(beside_each_other(one, TAUS, 2)))
    return np.asarray(np.sort(np.clip(rises + asked.features.level[:, None], 0, 100), axis=1))


def scores(asked: Examples, deciles: np.ndarray) -> pd.DataFrame:
    """As `row_scores` gives them, as far as they are needed here."""
    truth = np.clip(asked.rise + asked.features.level, 0, 100)
    as_of = pd.to_datetime(asked.as_of, unit="us", utc=True)
    horizon_h = np.round(asked.horizon_h)
    at = as_of + pd.to_timedelta(horizon_h, unit="h")
    rows = {"bin_id": asked.bin_ids, "as_of": as_of, "at": at, "horizon_h": horizon_h}
    rows = pd.DataFrame(rows | {"crps": crps_deciles(truth, deciles)})
    return rows[rows["horizon_h"].isin(HORIZONS_H)].reset_index(drop=True)


def show(name: str, plain: pd.DataFrame, knowing: pd.DataFrame) -> None:
    """Both scores by horizon, every bin the same, and their ratio."""
    print(name)
    for h in HORIZONS_H:
        some = plain["horizon_h"] == h
        share, low, high = bootstrap_ratio(knowing[some], plain[some], np.random.default_rng(0))
        means = [rows[some].groupby("bin_id")["crps"].mean().mean() for rows in (plain, knowing)]
        print(f"{h:>4} h  {means[0]:.2f} {means[1]:.2f}  {share:.3f} ({low:.3f}, {high:.3f})", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

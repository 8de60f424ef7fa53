"""Teaching: the detector's trees, grown on simulated cities and on reported emptyings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from data.city_settings import CitySettings
from data.cleaning import clean, clean_bins
from data.cycles import drops_of
from data.drops import FEATURES
from data.history import History
from data.sequences import HOUR_US, Archive, microseconds, search
from data.simulation import simulate

CITY_BINS = 40
WEEK_DAYS = 7.0
TREES, LEAVES = 120, 15
STRANGERS = 0.3
"""So many drops get another's habit, lest the detector believes that trucks come on time everywhere."""


def teach(cities: int, rng: np.random.Generator, reported: History | None = None) -> Any:
    """A LightGBM booster taught on as many simulated cities and on the bins of `reported` that have emptyings.

    In a city all that happened is known; of a bin with reports it is taken that every emptying was reported.
    """
    lessons = [_lesson(*_city(city_rng)) for city_rng in rng.spawn(cities)]
    if reported is not None:
        told = reported.emptyings.frame
        lessons.append(_lesson(reported.select(told["bin_id"].unique()), told))
    features, emptied = (np.concatenate(part) for part in zip(*lessons, strict=True))
    return grow(features, emptied, rng)


def grow(features: np.ndarray, emptied: np.ndarray, rng: np.random.Generator) -> Any:
    """A LightGBM booster of (k, 20) `FEATURES` and whether (k,) each drop was an emptying."""
    import lightgbm

    mixed, strange = features.copy(), np.flatnonzero(rng.random(len(features)) < STRANGERS)
    others = rng.permutation(strange)
    for name in ("same_hour", "same_week"):
        mixed[strange, FEATURES.index(name)] = features[others, FEATURES.index(name)]
    how = {
        "objective": "binary", "num_leaves": LEAVES, "learning_rate": 0.1, "min_data_in_leaf": 60, "lambda_l2": 1.0,
        "num_threads": 1, "seed": 0, "deterministic": True, "force_row_wise": True, "verbose": -1,
    }  # fmt: skip
    return lightgbm.train(how, lightgbm.Dataset(mixed, emptied, feature_name=list(FEATURES)), TREES)


def _lesson(history: History, emptied: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Features of a history's drops, and whether an emptying lies between the readings around, give or take one."""
    archive = Archive.of(history)
    last = int(archive.heard.max())
    weeks = np.arange(last, archive.measured.min(), -int(WEEK_DAYS * 24 * HOUR_US))
    # Whole, and cut into weeks: little is known of a new bin, and at the beginning of what a forecast looks at.
    parts = [(np.array([last]), None), (weeks, WEEK_DAYS)]
    lessons = [_judged(archive, ends, days, emptied) for ends, days in parts]
    features, hits = (np.concatenate(part) for part in zip(*lessons, strict=True))
    return features, hits


def _judged(
    archive: Archive, ends: np.ndarray, days: float | None, emptied: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """As `_lesson`, of every bin's `days` before each of `ends` (microseconds)."""
    bin_ids = np.repeat(archive.bin_ids.to_numpy(), len(ends))
    s, drops = drops_of(archive.sequences(bin_ids, np.tile(ends, len(archive.bin_ids)), days))
    emptied = emptied.sort_values(["bin_id", "emptied_at"])
    ids, moments = emptied["bin_id"].to_numpy(), microseconds(emptied["emptied_at"])
    low, high = (np.searchsorted(ids, bin_ids, side=side) for side in ("left", "right"))
    seq = s.seq[drops.at]
    begin = np.maximum(drops.at - 2, s.offsets[:-1][seq])
    first, last = (search(moments, low[seq], high[seq], s.measured[at], right=True) for at in (begin, drops.at + 1))
    return drops.features, last > first


def _city(rng: np.random.Generator) -> tuple[History, pd.DataFrame]:
    """A city of its own kind: sensors finer and coarser, fewer and more faults, other hours and residues."""
    base_rate = float(rng.choice([4, 8, 16, 32]))
    settings = CitySettings(
        bins=CITY_BINS,
        days=90 if base_rate < 10 else 60,
        base_rate_pct_per_day=base_rate,
        bulky_share=float(rng.choice([0.05, 0.3])),
        settling_share=float(rng.choice([0.0, 0.3, 0.6])),
        compactions_per_month=float(rng.choice([0, 3, 10, 25])),
        compaction_share=(0.05, 0.4),
        visit_hours=((5.5, 10.5), (6.0, 18.0), (0.0, 24.0))[rng.integers(3)],
        visit_delay_sd_min=float(rng.choice([12, 40])),
        partial_share=float(rng.choice([0.03, 0.15])),
        residue_pct=float(rng.choice([1.5, 8, 20])),
        report_interval_h=float(rng.choice([0.5, 1, 1, 2, 3, 3])),
        noise_pct=float(rng.choice([0.5, 1, 2, 3, 4, 5, 6])),
        step_pct=float(rng.choice([0, 1, 1, 2, 5])),
        spike_share=float(rng.choice([0.002, 0.006, 0.03])),
        erratic_share=float(rng.choice([0, 0.1])),
        echoes_per_month=float(rng.choice([0, 1, 5])),
        moved_share=float(rng.choice([0, 0.3])),
    )
    told = simulate(settings, rng)
    bins, _ = clean_bins(told.bins)
    return History.of(clean(told.readings, bins).readings, None, bins), told.true_emptyings

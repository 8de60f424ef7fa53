from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from training.examples import Examples
from training.features import Features
from training.grid import inverse
from training.threads import beside_each_other

RISES_PCT = np.array(
    [-20, -10, -5, -2.5, -1, -0.5, 0.5, 1, 1.5, 2.5, 3.5, 5, 7, 9, 12, 15, 19, 24, 30, 38, 48, 60, 75], dtype=float
)
EMPTY_PCT, RIM_PCT = 0.5, 99.5
THRESHOLDS = len(RISES_PCT) + 2
FEWEST = 20  # outcomes of either kind


@dataclass(frozen=True)
class ThresholdBoosters:
    """LightGBM boosters of how probably the level is at most so high: the distribution function at 25 thresholds.

    Thresholds are EMPTY_PCT, the filtered level plus each of RISES_PCT as far as that lies between the first and the
    last, and RIM_PCT. Each booster learns of the examples for which its threshold is one (distribution regression,
    Foresi and Peracchi 1995). What lies between two is even. Where levels leap to the rim or stay where they are, no
    quantile lies between, and the quantile loss learns what the logarithmic one does not: a compromise.

    boosters (25,)  None where hardly any example, or nearly each, lies below
    shares (25,)    of the examples that lie below; what is answered where there is no booster
    """

    boosters: tuple[lgb.Booster | None, ...]
    shares: tuple[float, ...]

    @classmethod
    def fit(
        cls, examples: Examples, parameters: dict[str, Any], trees: int, threads: int, seed: int,
        progress: Callable[[str], None],
    ) -> ThresholdBoosters:  # fmt: skip
        """Fit all boosters, `threads` at a time and each on one thread: the result depends on the seed alone.

        LightGBM's own threads cost more than they give on so few rows, and far more beside a busy process.
        """
        chosen = {
            "objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
            "seed": seed, **parameters,
        }  # fmt: skip
        names = list(examples.features.names)
        thresholds = thresholds_of(examples.features.level)
        below = np.clip(examples.rise + examples.features.level, 0, 100)[:, None] <= thresholds
        real = _real(thresholds)
        # Binned once; each takes a copy of its rows, as boosters trained at the same time must not share a dataset.
        binned = lgb.Dataset(examples.features.matrix, np.zeros(len(below)), feature_name=names, params=chosen)
        if len(below):
            binned.construct()

        def fit_one(k: int) -> tuple[lgb.Booster | None, float]:
            rows = np.flatnonzero(real[:, k])
            outcome = below[rows, k]
            share = float(outcome.mean()) if len(rows) else float(k >= THRESHOLDS // 2)
            if min(outcome.sum(), (~outcome).sum()) < FEWEST:
                return None, share
            data = binned.subset(rows).construct().set_label(outcome.astype(float))
            return lgb.train(chosen, data, trees), share

        boosters: list[lgb.Booster | None] = []
        shares: list[float] = []
        for k, (booster, share) in enumerate(beside_each_other(fit_one, range(THRESHOLDS), threads)):
            boosters.append(booster)
            shares.append(share)
            progress(f"booster {k + 1} of {THRESHOLDS}, {trees} trees")
        return cls(tuple(boosters), tuple(shares))

    def predict(self, features: Features) -> np.ndarray:
        """(k, 13) percent: quantiles of the level for k rows of features, rising.

        On as many threads as OMP_NUM_THREADS says; the answer does not depend on it.
        """
        thresholds = thresholds_of(features.level)
        real = _real(thresholds)
        below = np.empty(thresholds.shape)
        for k, (booster, share) in enumerate(zip(self.boosters, self.shares, strict=True)):
            below[:, k] = share
            rows = np.flatnonzero(real[:, k])
            if booster is not None and len(rows):
                below[rows, k] = booster.predict(features.matrix[rows])
        below = np.where(thresholds <= EMPTY_PCT, below[:, :1], below)
        below = np.where(thresholds >= RIM_PCT, below[:, -1:], below)
        up, down = np.maximum.accumulate(below, axis=1), np.minimum.accumulate(below[:, ::-1], axis=1)[:, ::-1]
        none, all_ = np.zeros((len(below), 1)), np.ones((len(below), 1))
        return inverse(np.hstack([none, (up + down) / 2, all_]), np.hstack([none, thresholds, 100 * all_]))


def thresholds_of(level: np.ndarray) -> np.ndarray:
    """(k, 25) percent, rising: the thresholds of rows whose filtered level is `level` (k,)."""
    between = np.clip(level[:, None] + RISES_PCT, EMPTY_PCT, RIM_PCT)
    return np.hstack([np.full((len(level), 1), EMPTY_PCT), between, np.full((len(level), 1), RIM_PCT)])


def _real(thresholds: np.ndarray) -> np.ndarray:
    """(k, 25) bool: the first and the last, and those that lie between them."""
    real = (thresholds > EMPTY_PCT) & (thresholds < RIM_PCT)
    real[:, [0, -1]] = True
    return real

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from training.examples import Examples
from training.grid import LEARNED


@dataclass(frozen=True)
class QuantileBoosters:
    """One pooled LightGBM booster for each learned level: quantiles of the rise above the filtered level.

    The quantile loss on the level capped at the rim is exact for a censored level, so full bins teach as well.
    """

    boosters: tuple[lgb.Booster, ...]

    @classmethod
    def fit(
        cls, examples: Examples, parameters: dict[str, Any], trees: int, threads: int, seed: int,
        progress: Callable[[str], None],
    ) -> QuantileBoosters:  # fmt: skip
        """Fit 13 boosters, `threads` at a time and each on one thread: the result depends on the seed alone.

        LightGBM's own threads cost more than they give on so few rows, and far more beside a busy process.
        """
        shared = {
            "objective": "quantile", "verbosity": -1, "num_threads": 1, "seed": seed, "deterministic": True,
            "force_row_wise": True, **parameters,
        }  # fmt: skip
        names = list(examples.features.names)

        def fit_one(level: float) -> lgb.Booster:
            # Each its own dataset: boosters that are trained at the same time must not share one.
            data = lgb.Dataset(examples.features.matrix, examples.rise, feature_name=names, params=shared)
            return lgb.train({**shared, "alpha": level}, data, trees)

        boosters = []
        with ThreadPoolExecutor(max_workers=threads) as pool:
            for level, booster in zip(LEARNED, pool.map(fit_one, LEARNED.tolist()), strict=True):
                boosters.append(booster)
                progress(f"booster of the {level:.0%} quantile, {trees} trees")
        return cls(tuple(boosters))

    def predict(self, matrix: np.ndarray, level: np.ndarray) -> np.ndarray:
        """(k, 13) percent: quantiles of the level for rows of features (k, F) whose filtered level is `level` (k,).

        On as many threads as OMP_NUM_THREADS says; the answer does not depend on it.
        """
        if not len(matrix):
            return np.zeros((0, len(self.boosters)))
        rises = [booster.predict(matrix) for booster in self.boosters]
        return np.stack(rises, axis=1) + level[:, None]

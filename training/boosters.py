from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from training.examples import Examples
from training.features import Features
from training.grid import LEARNED


@dataclass(frozen=True)
class QuantileBoosters:
    """LightGBM boosters of the quantiles of the rise above the filtered level, one for each learned level.

    The quantile loss on the level capped at the rim is exact for a censored level, so full bins teach as well.
    """

    boosters: tuple[lgb.Booster, ...]

    @classmethod
    def fit(
        cls, examples: Examples, parameters: dict[str, Any], trees: int, threads: int, seed: int,
        progress: Callable[[str], None],
    ) -> QuantileBoosters:  # fmt: skip
        """Fit all boosters, `threads` at a time and each on one thread: the result depends on the seed alone.

        LightGBM's own threads cost more than they give on so few rows, and far more beside a busy process.
        """
        shared = {
            "objective": "quantile", "verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
            "seed": seed, **parameters,
        }  # fmt: skip
        names = list(examples.features.names)

        def fit_one(level: float) -> lgb.Booster:
            chosen = {**shared, "alpha": level}
            # Each its own dataset: boosters that are trained at the same time must not share one.
            data = lgb.Dataset(examples.features.matrix, examples.rise, feature_name=names, params=chosen)
            return lgb.train(chosen, data, trees)

        boosters: list[lgb.Booster] = []
        with ThreadPoolExecutor(max_workers=threads) as pool:
            for level, booster in zip(LEARNED.tolist(), pool.map(fit_one, LEARNED.tolist()), strict=True):
                boosters.append(booster)
                progress(f"booster of the {level:.0%} quantile, {trees} trees")
        return cls(tuple(boosters))

    def predict(self, features: Features) -> np.ndarray:
        """(k, 13) percent: quantiles of the level for k rows of features, not sorted.

        On as many threads as OMP_NUM_THREADS says; the answer does not depend on it.
        """
        if not len(features.matrix):
            return np.zeros((0, len(self.boosters)))
        rises = np.stack([booster.predict(features.matrix) for booster in self.boosters], axis=1)
        return rises + features.level[:, None]

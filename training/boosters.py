from __future__ import annotations

from collections.abc import Callable
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
        """Fit 13 boosters; the same examples, parameters, seed and number of threads give the same trees."""
        shared = {
            "objective": "quantile", "verbosity": -1, "num_threads": threads, "seed": seed, "deterministic": True,
            "force_row_wise": True, **parameters,
        }  # fmt: skip
        names = list(examples.features.names)
        data = lgb.Dataset(
            examples.features.matrix, examples.rise, feature_name=names, params=shared, free_raw_data=False
        )
        boosters = []
        for level in LEARNED:
            boosters.append(lgb.train({**shared, "alpha": float(level)}, data, trees))
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

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from training.examples import Examples
from training.features import Features
from training.grid import LEARNED

WEEK_US = 7 * 24 * 3_600_000_000
HALF_WEEKS = 50.0  # bin-weeks of a stream at which its own boosters get half of the weight that they can have
FEWEST_OWN = 2_000


@dataclass(frozen=True)
class QuantileBoosters:
    """LightGBM boosters of the quantiles of the rise above the filtered level, one for each learned level.

    Some are pooled over all streams; each stream with enough examples has others of its own, and its quantiles are a
    mean of both, weighted by its evidence (averaging quantiles keeps them sharp: Lichtendahl et al. 2013).
    The quantile loss on the level capped at the rim is exact for a censored level, so full bins teach as well.

    pooled       13 boosters
    own, weight  by the number of the stream: 13 boosters each, and their share of the mean, below 1/2
    """

    pooled: tuple[lgb.Booster, ...]
    own: dict[int, tuple[lgb.Booster, ...]]
    weight: dict[int, float]

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
            **parameters,
        }  # fmt: skip
        names = list(examples.features.names)
        weight = _weights(examples)
        stream = examples.features.column("stream")
        groups = {-1: examples} | {code: examples.take(np.flatnonzero(stream == code)) for code in weight}

        def fit_one(task: tuple[int, float]) -> lgb.Booster:
            code, level = task
            some = groups[code]
            chosen = {**shared, "alpha": level, "seed": seed + code + 1}
            # Each its own dataset: boosters that are trained at the same time must not share one.
            data = lgb.Dataset(some.features.matrix, some.rise, feature_name=names, params=chosen)
            return lgb.train(chosen, data, trees)

        tasks = [(code, level) for code in groups for level in LEARNED.tolist()]
        boosters: dict[int, list[lgb.Booster]] = {code: [] for code in groups}
        with ThreadPoolExecutor(max_workers=threads) as pool:
            for (code, level), booster in zip(tasks, pool.map(fit_one, tasks), strict=True):
                boosters[code].append(booster)
                whose = "all streams" if code < 0 else str(groups[code].stream[0])
                progress(f"booster of the {level:.0%} quantile, {whose}, {trees} trees")
        own = {code: tuple(some) for code, some in boosters.items() if code >= 0}
        return cls(tuple(boosters[-1]), own, weight)

    def predict(self, features: Features) -> np.ndarray:
        """(k, 13) percent: quantiles of the level for k rows of features.

        On as many threads as OMP_NUM_THREADS says; the answer does not depend on it.
        """
        if not len(features.matrix):
            return np.zeros((0, len(self.pooled)))
        rises = _rises(self.pooled, features.matrix)
        stream = features.column("stream")
        for code, boosters in self.own.items():  # a handful of streams
            rows = np.flatnonzero(stream == code)
            if len(rows):
                own = _rises(boosters, features.matrix[rows])
                rises[rows] += self.weight[code] * (own - rises[rows])
        return rises + features.level[:, None]

    @property
    def files(self) -> dict[str, lgb.Booster]:
        """Every booster by the name of its file: pooled/q05, stream-0/q05, ..."""
        groups = {"pooled": self.pooled} | {f"stream-{code}": some for code, some in self.own.items()}
        return {
            f"{group}/q{round(level * 100):02d}": booster
            for group, some in groups.items()
            for level, booster in zip(LEARNED, some, strict=True)
        }

    @classmethod
    def of_files(cls, read: Callable[[str], lgb.Booster], weight: dict[int, float]) -> QuantileBoosters:
        """The boosters that `read` gives for the names in `files`."""

        def group(name: str) -> tuple[lgb.Booster, ...]:
            return tuple(read(f"{name}/q{round(level * 100):02d}") for level in LEARNED)

        return cls(group("pooled"), {code: group(f"stream-{code}") for code in weight}, weight)


def _rises(boosters: tuple[lgb.Booster, ...], matrix: np.ndarray) -> np.ndarray:
    return np.stack([booster.predict(matrix) for booster in boosters], axis=1)


def _weights(examples: Examples) -> dict[int, float]:
    """The share of its own boosters for each stream that has enough examples, by its bin-weeks."""
    table = pd.DataFrame(
        {
            "stream": examples.features.column("stream").astype(int),
            "bin": examples.bin_ids,
            "week": examples.as_of // WEEK_US,
        }
    )
    rows = table.groupby("stream").size()
    weeks = table.drop_duplicates().groupby("stream").size()
    enough = weeks[rows >= FEWEST_OWN]
    share = 0.5 * enough / (enough + HALF_WEEKS)
    return dict(zip(enough.index.astype(int).tolist(), share.tolist(), strict=True))

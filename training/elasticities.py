"""By how much more than usual each bin fills when it is warmer, or wetter, than usual."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from data.sequences import HOUR_US
from training.departures import KINDS

if TYPE_CHECKING:
    from training.examples import Examples
    from training.resistance import Resistance

BLOCK_H = 7 * 24  # windows overlap, and a day's weather and moods are all bins': errors are counted by the week
FEWEST_BLOCKS, SEASON_BLOCKS = 4, 4
BELOW_PCT = 85.0  # what is expected beyond may be cut off by the rim
FEW_WEEKS = 5 / 3  # mean square of Student's t of five: so much do a few leading weeks understate their own error
SURE = 2.0  # standard errors that a city's share must exceed: moods of all bins go with the weather by chance
TINY = 1e-9


@dataclass(frozen=True)
class Elasticities:
    """Shares of a bin's rate that a degree of warmth, and a whole of wetness, add (see `training.departures`).

    Two numbers a bin, not features of trees and networks: what all bins of a city share has as many independent values
    as the city had weeks, and whatever can tell days apart by it learns these days by heart.

    own (b, 2): of the bins that the profiles know; pooled (2,): of all others
    """

    own: np.ndarray
    pooled: np.ndarray

    @classmethod
    def learn(cls, examples: Examples, bins: int) -> Elasticities:
        """By least squares from the examples' rises against the expected; bins are drawn toward the pooled, which is
        drawn toward none, each by its error: empirical Bayes, the spread of bins by DerSimonian and Laird (1986).
        """  # noqa: D205 - the sentence is that long
        features = examples.features
        code, hope = features.column("bin").astype(int), features.column("expected_pace_pct")
        pace = features.column("pace_672h")
        used = np.flatnonzero((code >= 0) & (features.level + hope < BELOW_PCT) & (examples.weather != 0).any(axis=1))
        none = cls(np.zeros((bins, len(KINDS))), np.zeros(len(KINDS)))
        if not len(used):
            return none
        code, hope = code[used], hope[used]
        weight = 1 / (4 + 2 * hope + 0.1 * hope**2)  # of noise, lumps, and what paces err by
        block = (examples.as_of[used] - examples.as_of.min()) // int(BLOCK_H * HOUR_US)
        # Only what differs within four weeks counts: seasons change rates as they change the weather.
        cell = code * (block.max() // SEASON_BLOCKS + 1) + block // SEASON_BLOCKS
        x = _within(examples.weather[used] * pace[used, None], hope, weight, cell)
        y = _within((examples.rise[used] - hope)[:, None], hope, weight, cell)[:, 0]
        pooled, error = _fitted(x, y, weight, np.zeros(len(used), dtype=int), block, 1)
        if not np.isfinite(error).all():
            return none
        pooled, error = pooled[0], error[0]
        pooled = pooled * np.maximum(1 - SURE**2 * error / np.maximum(pooled**2, TINY), 0)
        apart, errors = _fitted(x, y - x @ pooled, weight, code, block, bins)
        own = pooled + np.column_stack([_drawn(apart[:, k], errors[:, k]) for k in range(len(KINDS))])
        return cls(own, pooled)

    def more(self, code: np.ndarray, sums: np.ndarray, pace: np.ndarray) -> np.ndarray:
        """(k,) points that bins `code` (k,) (-1: unknown) gather besides the expected at their `pace`, for `sums`."""
        share = np.where((code >= 0)[:, None], self.own[np.maximum(code, 0)], self.pooled)
        return np.asarray((share[:, 0] * sums[:, 0] + share[:, 1] * sums[:, 1]) * pace)

    def expecting(self, examples: Examples, held: Resistance) -> Examples:
        """The examples with the weather's part in what is expected; `held` as the examples were made with."""
        features = examples.features
        code, pace = features.column("bin").astype(int), features.column("pace_672h")
        more = self.more(code, examples.weather, pace)
        return replace(examples, features=features.expecting(more, held, held.rows(examples.stream)))

    def to_json(self) -> dict[str, Any]:
        """As plain values, for model.json."""
        return {"own": self.own.tolist(), "pooled": self.pooled.tolist()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Elasticities:
        """From the values of `to_json`."""
        own = np.array(values["own"], dtype=float).reshape(-1, len(KINDS))
        return cls(own, np.array(values["pooled"], dtype=float))


def _within(values: np.ndarray, hope: np.ndarray, weight: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(n, c) the values (n, c) without the share of `hope` (n,) that fits them best in each cell."""
    total = np.bincount(cell, weight * hope**2)
    share = np.column_stack([np.bincount(cell, weight * hope * column) for column in values.T])
    return values - hope[:, None] * (share / np.maximum(total, TINY)[:, None])[cell]


def _fitted(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, group: np.ndarray, block: np.ndarray, groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """(g, c) each: weighted least squares of y (n,) on x (n, c) in every group, and the estimates' variances.

    The variances are the jackknife's over whole blocks (Efron and Stein 1981): a few wet weeks may carry all that is
    known of the rain. Infinite where a group has too few blocks.
    """
    kinds, blocks = x.shape[1], int(block.max()) + 1
    square, product = np.zeros((groups, blocks, kinds, kinds)), np.zeros((groups, blocks, kinds))
    np.add.at(square, (group, block), weight[:, None, None] * x[:, :, None] * x[:, None, :])
    np.add.at(product, (group, block), weight[:, None] * x * y[:, None])
    total, found = square.sum(axis=1), _solved(square.sum(axis=1), product.sum(axis=1))
    left_out = _solved(total[:, None] - square, product.sum(axis=1, keepdims=True) - product)
    moved = ((left_out - found[:, None]) ** 2).sum(axis=1)
    count = (square != 0).any(axis=(2, 3)).sum(axis=1)[:, None]
    variance = FEW_WEEKS * moved * (count - 1) / np.maximum(count, 1) + TINY
    return found, np.where(count >= FEWEST_BLOCKS, variance, np.inf)


def _solved(square: np.ndarray, product: np.ndarray) -> np.ndarray:
    return np.linalg.solve(square + TINY * np.eye(square.shape[-1]), product[..., None])[..., 0]


def _drawn(apart: np.ndarray, error: np.ndarray) -> np.ndarray:
    """(b,) bins' departures from the pooled, as far as they are believed, by their variances `error` (b,)."""
    seen = np.isfinite(error)
    if seen.sum() < 2:
        return np.zeros_like(apart)
    precision = np.where(seen, 1 / error, 0.0)
    excess = (precision * apart**2).sum() - seen.sum()  # what chi-squared has beyond its mean, were there no spread
    spread = max(excess / precision.sum(), 0.0)
    return np.where(seen, apart * spread / (spread + np.where(seen, error, 1.0)), 0.0)

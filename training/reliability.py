from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from data.sequences import HOUR_US
from data.tables import FULL_PCT
from training.calibration import PRIOR_BLOCKS
from training.forecast import reached
from training.grid import LEARNED, LEVELS, at_levels, with_ends
from training.lookup import EVERYONE, by_stream

EDGES = np.array([0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98, 1])
SURE = 1e-4  # who is told with less than this, or all but this, that a bin is full is not corrected


@dataclass(frozen=True)
class Reliability:
    """How often bins were full where that was told with a probability, in weeks held back: the curve of each stream.

    curves: stream -> (2, k) probability told and share that was full, both rising from 0 to 1. Sensors leap to the rim,
    which no quantile of the level tells: that of 80% passes through levels that no bin shows before it arrives there,
    so small risks are told too small. A forecast is answered with the share observed (isotonic recalibration,
    Zadrozny & Elkan 2002), by weighing what lies below FULL_PCT against what lies above it; within both nothing moves.
    Streams are shrunk toward all bins, and these toward what was told, by blocks of bin and week.
    """

    curves: dict[str, np.ndarray]

    @classmethod
    def identity(cls) -> Reliability:
        """Change nothing: there was no week to hold back."""
        return cls({})

    @classmethod
    def learn(
        cls, truth: np.ndarray, quantiles: np.ndarray, stream: np.ndarray, bins: np.ndarray, as_of: np.ndarray
    ) -> Reliability:
        """From truth (k,) and rising quantiles (k, 13) in percent, with each row's stream, bin and microseconds."""
        rows = pd.DataFrame(
            {
                "told": told_full(with_ends(quantiles)), "full": truth >= FULL_PCT, "bin": bins,
                "block": pd.Series(bins).astype(str) + "/" + pd.Series(as_of // (7 * 24 * HOUR_US)).astype(str),
            }
        )  # fmt: skip
        rows["weight"] = 1 / rows.groupby("bin")["bin"].transform("size")  # every bin counts the same
        rows["part"] = np.clip(np.searchsorted(EDGES, rows["told"], side="right") - 1, 0, len(EDGES) - 2)
        pooled = _curve(rows, np.vstack([EDGES, EDGES]))
        curves = {str(name): _curve(part, pooled) for name, part in rows.groupby(stream)}
        return cls({EVERYONE: pooled, **curves})

    def softened(self, share: float) -> Reliability:
        """Only this share of every correction."""
        return Reliability({name: np.vstack([c[0], c[0] + share * (c[1] - c[0])]) for name, c in self.curves.items()})

    def apply(self, values: np.ndarray, stream: np.ndarray) -> np.ndarray:
        """(k, 13) set right, of rising quantiles `values` (k, 13) within 0-100, rows of `stream` (k,)."""
        if not self.curves:
            return values
        ends = with_ends(values)
        told = told_full(ends)
        out = values.copy()
        doubtful = (told > SURE) & (told < 1 - SURE)
        for name, found in by_stream(stream, self.curves):  # a handful of streams
            rows = found[doubtful[found]]
            p = told[rows, None]
            seen = np.clip(np.interp(p, *self.curves[name]), SURE, 1 - SURE)
            level = np.where(1 - seen >= LEARNED, LEARNED * (1 - p) / (1 - seen), 1 - (1 - LEARNED) * p / seen)
            out[rows] = at_levels(ends[rows], level)
        return out

    def to_json(self) -> dict[str, Any]:
        """As plain values, for model.json."""
        return {name: curve.tolist() for name, curve in self.curves.items()}

    @classmethod
    def from_json(cls, curves: dict[str, Any]) -> Reliability:
        """From the values of `to_json`."""
        return cls({str(name): np.array(curve, dtype=float) for name, curve in curves.items()})


def told_full(quantiles: np.ndarray) -> np.ndarray:
    """(n,) probability of at least FULL_PCT by quantiles (n, 19) at LEVELS."""
    below = reached(quantiles, LEVELS, np.full(len(quantiles), FULL_PCT))
    return np.where(np.isnan(below), 0.0, 1 - below)


def _curve(rows: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
    """(2, k) of these rows, shrunk toward the curve `prior`."""
    part = rows.assign(told=rows["told"] * rows["weight"], full=rows["full"] * rows["weight"]).groupby("part")
    sums = part[["told", "full", "weight"]].sum()
    told = (sums["told"] / sums["weight"]).to_numpy()
    blocks = part["block"].nunique().to_numpy()
    full = (sums["full"] / sums["weight"]).to_numpy()
    shrunk = (blocks * full + PRIOR_BLOCKS * np.interp(told, *prior)) / (blocks + PRIOR_BLOCKS)
    seen = IsotonicRegression(y_min=0, y_max=1).fit_transform(told, shrunk, sample_weight=blocks)
    return np.hstack([[[0.0], [0.0]], [told, seen], [[1.0], [1.0]]])

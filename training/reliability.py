from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from data.sequences import HOUR_US
from data.tables import FULL_PCT
from training.calibration import EVERYONE, PARTS, PRIOR_BLOCKS, by_stream_and_part, horizons
from training.grid import LEARNED, LEVELS, p_full, with_ends, with_p_full

EDGES = np.array([0, 0.005, 0.01, 0.02, 0.04, 0.08, 0.12, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.98, 1])
SURE = 1e-4  # who is told with less than this, or all but this, that a bin is full is not corrected


@dataclass(frozen=True)
class Reliability:
    """How often bins were full where that was told with a probability, in weeks held back, by stream and horizon.

    curves: (stream, bucket) -> (2, k) probability told and share that was full, both rising from 0 to 1.

    Sensors leap to the rim, which no quantile of the level tells: that of 80% passes through levels that no bin shows
    before it arrives there, so small risks are told too small, the more so far ahead. A forecast is answered with the
    share observed (isotonic recalibration, Zadrozny & Elkan 2002), by weighing what lies below FULL_PCT against what
    lies above it; within both nothing moves. A horizon's curve is shrunk toward its stream's, that toward all bins',
    and that toward what was told, by blocks of bin and week.
    """

    curves: dict[tuple[str, int], np.ndarray]

    @classmethod
    def identity(cls) -> Reliability:
        """Change nothing: there was no week to hold back."""
        return cls({})

    @classmethod
    def learn(
        cls, truth: np.ndarray, quantiles: np.ndarray, stream: np.ndarray, horizon_h: np.ndarray, bins: np.ndarray,
        as_of: np.ndarray,
    ) -> Reliability:  # fmt: skip
        """From truth (k,) and rising quantiles (k, 13) in percent, with each row's stream, horizon, bin and moment."""
        rows = pd.DataFrame(
            {
                "told": p_full(with_ends(quantiles)), "full": truth >= FULL_PCT, "bin": bins,
                "block": pd.Series(bins).astype(str) + "/" + pd.Series(as_of // (7 * 24 * HOUR_US)).astype(str),
                "bucket": horizons(horizon_h),
            }
        )  # fmt: skip
        rows["weight"] = 1 / rows.groupby("bin")["bin"].transform("size")  # every bin counts the same
        rows["part"] = np.clip(np.searchsorted(EDGES, rows["told"], side="right") - 1, 0, len(EDGES) - 2)
        everyone = _curve(rows, np.vstack([EDGES, EDGES]))
        curves: dict[tuple[str, int], np.ndarray] = {}
        for name, part in [(EVERYONE, rows), *rows.groupby(stream)]:
            whole = everyone if name == EVERYONE else _curve(part, everyone)
            for b in range(PARTS):
                curves[str(name), b] = _curve(part[part["bucket"] == b], whole)
        return cls(curves)

    def softened(self, share: float) -> Reliability:
        """Only this share of every correction."""
        return Reliability({key: np.vstack([c[0], c[0] + share * (c[1] - c[0])]) for key, c in self.curves.items()})

    def apply(self, values: np.ndarray, stream: np.ndarray, horizon_h: np.ndarray) -> np.ndarray:
        """(k, 13) set right, of rising `values` (k, 13) within 0-100, rows of `stream` (k,) at `horizon_h` (k,)."""
        if not self.curves:
            return values
        ends = with_ends(values)
        told = p_full(ends)
        out = values.copy()
        doubtful = (told > SURE) & (told < 1 - SURE)
        for key, found in by_stream_and_part(stream, horizons(horizon_h), {name for name, _ in self.curves}):
            rows = found[doubtful[found]]
            seen = np.clip(np.interp(told[rows], *self.curves[key]), SURE, 1 - SURE)
            out[rows] = with_p_full(ends[rows], told[rows], seen)[:, np.isin(LEVELS, LEARNED)]
        return out

    def to_json(self) -> list[dict[str, Any]]:
        """As plain values, for model.json."""
        return [{"stream": s, "bucket": b, "told_full": c.tolist()} for (s, b), c in sorted(self.curves.items())]

    @classmethod
    def from_json(cls, rows: list[dict[str, Any]]) -> Reliability:
        """From the values of `to_json`."""
        return cls({(str(r["stream"]), int(r["bucket"])): np.array(r["told_full"], dtype=float) for r in rows})


def _curve(rows: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
    """(2, k) of these rows, shrunk toward the curve `prior`; that itself where there are none."""
    if not len(rows):
        return prior
    part = rows.assign(told=rows["told"] * rows["weight"], full=rows["full"] * rows["weight"]).groupby("part")
    sums = part[["told", "full", "weight"]].sum()
    told = (sums["told"] / sums["weight"]).to_numpy()
    blocks = part["block"].nunique().to_numpy()
    full = (sums["full"] / sums["weight"]).to_numpy()
    shrunk = (blocks * full + PRIOR_BLOCKS * np.interp(told, *prior)) / (blocks + PRIOR_BLOCKS)
    seen = IsotonicRegression(y_min=0, y_max=1).fit_transform(told, shrunk, sample_weight=blocks)
    return np.hstack([[[0.0], [0.0]], [told, seen], [[1.0], [1.0]]])

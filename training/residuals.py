from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

LEVELS = np.array([0.05, *(np.arange(1, 10) / 10), 0.95])
COLUMNS = ["q05", *(f"q{p}" for p in range(10, 100, 10)), "q95"]
FINE = (np.arange(100) + 0.5) / 100
BANDS_PCT = np.array([20.0, 40.0, 60.0, 80.0, 95.0])  # near the rim there is no room to err
BANDS = len(BANDS_PCT) + 1
ENOUGH = 60  # residuals that a group and horizon need for quantiles of their own


@dataclass(frozen=True)
class Residuals:
    """How far truths lay from point forecasts: fine quantiles (g, h, 100) by group and horizon, in percent.

    Groups are all together (first), then each stream and band of the level now (`BANDS_PCT`). With too little evidence
    a band's horizon takes its stream's, a stream's its own nearest horizon's, or that of all. Between horizons the
    quantiles run straight; beyond the first and last they stay.
    """

    streams: pd.Index
    horizons_h: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, residual: np.ndarray, horizon_h: np.ndarray, stream: np.ndarray, level_pct: np.ndarray) -> Residuals:
        """From the residuals of calibration windows, whose horizons come from a short grid."""
        horizons, at = np.unique(horizon_h, return_inverse=True) if len(horizon_h) else (np.array([24.0]), horizon_h)
        everything = _quantiles(residual, np.zeros(len(residual), dtype=int), at, 1, len(horizons))
        everything = _nearest(everything)
        if np.isnan(everything).any():
            everything[:] = np.quantile(residual, FINE) if len(residual) else 0.0
        of_stream, streams = pd.factorize(pd.Series(stream, dtype=object), sort=True)
        by_stream = _nearest(_quantiles(residual, of_stream, at, len(streams), len(horizons)))
        by_stream = np.repeat(np.where(np.isnan(by_stream), everything, by_stream), BANDS, axis=0)
        by_band = _quantiles(residual, of_stream * BANDS + _band(level_pct), at, len(by_stream), len(horizons))
        by_band = np.where(np.isnan(by_band), by_stream, by_band)
        return cls(pd.Index(streams), horizons, np.concatenate([everything, by_band]))

    @classmethod
    def none(cls) -> Residuals:
        """No spread at all."""
        return cls.of(np.zeros(0), np.zeros(0), np.zeros(0, dtype=object), np.zeros(0))

    def spread(self, point: np.ndarray, horizon_h: np.ndarray, stream: np.ndarray, level_pct: np.ndarray) -> np.ndarray:
        """(m, 100) fine quantiles of the fill around point forecasts, clipped to 0-100."""
        of_stream = self.streams.get_indexer(pd.Index(stream))
        group = np.where(of_stream >= 0, 1 + of_stream * BANDS + _band(level_pct), 0)
        last = len(self.horizons_h) - 1
        right = np.minimum(np.clip(np.searchsorted(self.horizons_h, horizon_h), 1, max(last, 1)), last)
        left = np.maximum(right - 1, 0)
        width = np.maximum(self.horizons_h[right] - self.horizons_h[left], 1e-9)
        share = np.clip((horizon_h - self.horizons_h[left]) / width, 0, 1)[:, None]
        fine = self.values[group, left] * (1 - share) + self.values[group, right] * share
        return (point.clip(0, 100)[:, None] + fine).clip(0, 100)


def _band(level_pct: np.ndarray) -> np.ndarray:
    return np.digitize(np.nan_to_num(level_pct), BANDS_PCT)


def _quantiles(residual: np.ndarray, group: np.ndarray, at: np.ndarray, groups: int, horizons: int) -> np.ndarray:
    """(groups, horizons, 100) fine quantiles of each cell, NaN in cells with too little evidence."""
    cell = group.astype(np.int64) * horizons + at.astype(np.int64)
    order = np.lexsort((residual, cell))
    ordered = residual[order]
    count = np.bincount(cell, minlength=groups * horizons)
    out = np.full((groups * horizons, len(FINE)), np.nan)
    enough = np.flatnonzero(count >= ENOUGH)
    place = (np.cumsum(count) - count)[enough][:, None] + FINE[None, :] * (count[enough][:, None] - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, max(len(ordered) - 1, 0))
    if len(enough):
        out[enough] = ordered[low] + (place - low) * (ordered[high] - ordered[low])
    return out.reshape(groups, horizons, len(FINE))


def _nearest(values: np.ndarray) -> np.ndarray:
    """Cells that are NaN take the group's nearest horizon that is not; a group without any stays NaN."""
    present = ~np.isnan(values[:, :, 0])
    far = np.abs(np.arange(values.shape[1])[:, None] - np.arange(values.shape[1])[None, :])
    nearest = np.where(present[:, None, :], far[None], len(far) + 1).argmin(axis=2)
    return values[np.arange(len(values))[:, None], nearest]


def table(fine: np.ndarray, full_pct: np.ndarray) -> dict[str, np.ndarray]:
    """Forecast columns from fine quantiles (m, 100): q05 … q95, mean, and p_full at each row's full_pct."""
    at = np.interp(LEVELS, FINE, np.arange(len(FINE)))
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(FINE) - 1)
    quantiles = fine[:, low] + (at - low) * (fine[:, high] - fine[:, low])
    columns = dict(zip(COLUMNS, quantiles.T, strict=True))
    p_full = (fine >= np.minimum(full_pct, 100.0)[:, None]).mean(axis=1)
    return columns | {"mean": fine.mean(axis=1), "p_full": p_full}

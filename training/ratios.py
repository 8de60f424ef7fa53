"""How much better one forecaster is than another in many slices at once, and how sure that is of all of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from training.evidence import Blocks

POINT = 1.0  # where CRPS is below a point (full bins, that sensors round), a change is a share of a point
COLUMNS = ["champion", "challenger", "ratio", "low", "high", "cover", "cover_before", "cover_low", "cover_high"]


def ratios(
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    groups: Mapping[tuple[str, str], np.ndarray],
    *,
    draws: int,
    confidence: float,
    least_blocks: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """A row per slice (columns slice, value): CRPS of both, our ratio to theirs, coverage of 80% intervals.

    ours, theirs: `row_scores` of the same windows in one order; groups: rows (n,) bool of each slice, first of them
    all. low, high: bounds of the ratio, each with `confidence`; those of the first alone, those of the others for all
    of them together, by the largest studentized error of each draw (Romano & Wolf 2005). cover_low, cover_high likewise
    of one slice alone. Blocks of a bin and a week are drawn in pairs, the same in every slice: the bins are taken as
    given, their weeks are not. NaN where a slice has fewer than `least_blocks`. Further columns: n, bins, blocks.
    """
    values = np.column_stack([frame[name].to_numpy(float) for name in ("crps", "cover80") for frame in (ours, theirs)])
    blocks = Blocks.of(ours)
    weights = np.concatenate([np.ones((1, len(blocks))), blocks.draw(draws, rng)])
    means = np.stack([blocks.only(rows).weighed(values[rows], weights)[:, -1] for rows in groups.values()], axis=1)
    crps, crps_before, cover, cover_before = np.moveaxis(means, -1, 0)  # (1 + draws, slices) each
    log_ratio = np.log1p((crps - crps_before) / np.maximum(crps_before, POINT))
    table = pd.DataFrame([*groups], columns=["slice", "value"])
    table["n"] = [int(rows.sum()) for rows in groups.values()]
    table["bins"] = [ours.loc[rows, "bin_id"].nunique() for rows in groups.values()]
    table["blocks"] = [len(np.unique(blocks.block[rows])) for rows in groups.values()]
    enough = (table["blocks"] >= least_blocks).to_numpy()
    low, high = _bounds(log_ratio, enough, confidence)
    ends = _ends(cover[1:], enough, confidence)
    columns = [
        crps_before[0],
        crps[0],
        np.exp(log_ratio[0]),
        np.exp(low),
        np.exp(high),
        cover[0],
        cover_before[0],
        *ends,
    ]
    return table.assign(**dict(zip(COLUMNS, columns, strict=True)))


def _bounds(log_ratio: np.ndarray, enough: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (slices,) of the log ratio (1 + draws, slices); the first is one question, the others are many at once."""
    low, high = _ends(log_ratio[1:], enough, confidence)
    many = np.flatnonzero(enough[1:]) + 1
    if len(many):
        found, drawn = log_ratio[0, many], log_ratio[1:, many]
        spread = np.maximum(np.nanstd(drawn, axis=0), 1e-9)
        error = np.nan_to_num((drawn - found) / spread)
        above, below = (np.quantile((sign * error).max(axis=1), confidence) for sign in (1, -1))
        low[many], high[many] = found - above * spread, found + below * spread
    return low, high


def _ends(drawn: np.ndarray, enough: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    filled = np.where(enough, drawn, 0.0)
    low, high = np.nanquantile(filled, [1 - confidence, confidence], axis=0)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)

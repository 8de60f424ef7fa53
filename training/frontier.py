"""The frontier of a rule: how few emptyings it needs for each amount of overflow."""

from __future__ import annotations

import numpy as np


def least(overflow: np.ndarray, emptyings: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """(d, t) the fewest emptyings at `allowed` (d, t) overflow, of d sets of p points (d, p); NaN where out of reach.

    The lower convex hull: between two members of a rule lies what bins reach that follow one or the other; who may
    overflow more than a member does can follow it all the same.
    """
    o, e, x = overflow[:, :, None], emptyings[:, :, None], allowed[:, None, :]
    best = np.where(o <= x, e, np.inf).min(axis=1)
    for p in range(overflow.shape[1]):  # members of a rule, a dozen or two
        low_o, low_e = o[:, p : p + 1], e[:, p : p + 1]
        run = o - low_o
        between = (low_o <= x) & (o > x)
        chord = low_e + (e - low_e) * (x - low_o) / np.where(run > 0, run, 1.0)
        best = np.minimum(best, np.where(between, chord, np.inf).min(axis=1))
    return np.where(np.isfinite(best), best, np.nan)

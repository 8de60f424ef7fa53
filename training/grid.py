from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.tables import FULL_PCT
from training.forecast import reached
from training.resistance import Resistance

NEAR_H = np.array([0, 1, 3, 6, 9, 12, 15, 18, 21, 24, 30, 36, 42, 48, 60, 72], dtype=float)
FAR_H = np.arange(84, 337, 12, dtype=float)
FORGOTTEN_H = 108.0
ENDS = 1 / 5000
MIXED_AT_ONCE, POOLED_AT_ONCE = 500, 10_000
NARROWEST = 1e-9  # percent between two quantiles; what is narrower is a point
HORIZONS_H = np.concatenate([NEAR_H, FAR_H])
LEARNED = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98])
TAIL = np.array([0.0, 0.001, 0.005])  # probabilities beyond the outermost learned quantile
LEVELS = np.concatenate([TAIL, LEARNED, 1 - TAIL[::-1]])
MEDIAN = int(np.flatnonzero(LEVELS == 0.5)[0])
MIDDLE = int(np.flatnonzero(LEARNED == 0.5)[0])
Q10, Q90 = (int(np.flatnonzero(level == LEARNED)[0]) for level in (0.1, 0.9))
# Standard normal quantiles of LEARNED: only the relative width of the levels beyond the learned horizons hangs on it.
NORMAL = np.array(
    [-2.0537, -1.6449, -1.2816, -0.8416, -0.5244, -0.2533, 0, 0.2533, 0.5244, 0.8416, 1.2816, 1.6449, 2.0537]
)


def with_ends(values: np.ndarray) -> np.ndarray:
    """(..., 19) quantiles at LEVELS from those at LEARNED (..., 13): tails go on exponentially, as they end.

    What lies beyond the last quantile falls by the factor by which it fell from the one before; where a level of
    probability 0 would be endless, it stands for one in 5,000.
    """
    further = np.log(LEARNED[0] / np.maximum(TAIL, ENDS)) / np.log(LEARNED[1] / LEARNED[0])
    low = values[..., :1] - further * (values[..., 1:2] - values[..., :1])
    high = values[..., -1:] + further[::-1] * (values[..., -1:] - values[..., -2:-1])
    return np.concatenate([low, values, high], axis=-1)


def at_levels(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(..., k) quantiles at the probabilities `levels` (..., k), or (k,) for all, by interpolation of those at LEVELS.

    values (..., 19)
    """
    right = np.clip(np.searchsorted(LEVELS, levels, side="left"), 1, len(LEVELS) - 1)
    share = (levels - LEVELS[right - 1]) / (LEVELS[right] - LEVELS[right - 1])
    place = np.broadcast_to(right, (*values.shape[:-1], right.shape[-1]))
    below, above = np.take_along_axis(values, place - 1, axis=-1), np.take_along_axis(values, place, axis=-1)
    return below + share * (above - below)


def inverse(below: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(k, 13) quantiles at LEARNED of the distributions that reach `below` (k, w) at `points` (k, w), both rising.

    Straight between two points; before the first and after the last they are the first and the last.
    """
    out = np.empty((len(points), len(LEARNED)))
    for k, level in enumerate(LEARNED):
        right = (below < level).sum(axis=1)[:, None]
        left, right = (np.clip(place, 0, points.shape[1] - 1) for place in (right - 1, right))
        low, high = (np.take_along_axis(below, place, axis=1)[:, 0] for place in (left, right))
        start, end = (np.take_along_axis(points, place, axis=1)[:, 0] for place in (left, right))
        out[:, k] = start + np.clip((level - low) / np.where(high > low, high - low, 1), 0, 1) * (end - start)
    return out


def p_full(quantiles: np.ndarray, full_pct: np.ndarray | float = FULL_PCT) -> np.ndarray:
    """(...) probability of at least `full_pct`, which broadcasts to (...), by quantiles (..., 19) at LEVELS."""
    rows = quantiles.reshape(-1, len(LEVELS))
    below = reached(rows, LEVELS, np.broadcast_to(full_pct, quantiles.shape[:-1]).ravel())
    return np.where(np.isnan(below), 0.0, 1 - below).reshape(quantiles.shape[:-1])


def with_p_full(quantiles: np.ndarray, told: np.ndarray, full: np.ndarray) -> np.ndarray:
    """(k, 19) as `quantiles` (k, 19), but at FULL_PCT or more with probability `full` (k,) where they tell `told` (k,).

    Both lie strictly within 0-1. What lies below counts less, or more, against what lies above; within both parts
    nothing moves.
    """
    p, q = told[:, None], full[:, None]
    return at_levels(quantiles, np.where(1 - q >= LEVELS, LEVELS * (1 - p) / (1 - q), 1 - (1 - LEVELS) * p / q))


def monotone(values: np.ndarray) -> np.ndarray:
    """The nearest-by (n, H, P) that falls neither with the horizon, the first H of HORIZONS_H, nor with the level.

    Along the horizon the isotonic regression, the nearest in the squares summed over time (a horizon counts for the
    hours around it), by its max-min formula (Barlow et al. 1972): the largest over beginnings of the smallest over ends
    of the means between. Then sorted by level, which keeps the horizons' order.
    """
    falls = (np.diff(values, axis=1) < 0).any(axis=1)  # what does not fall stays to the last digit
    if not falls.any():
        return np.sort(values, axis=2)
    out = values.copy()
    curves = values.transpose(0, 2, 1)[falls]  # (k, H)
    hours = np.gradient(HORIZONS_H)[: curves.shape[1]]
    total = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(curves * hours, axis=1)], axis=1)
    time = np.concatenate([[0.0], np.cumsum(hours)])
    fitted = np.full(curves.shape, -np.inf)
    for begin in range(curves.shape[1]):  # a handful
        means = (total[:, begin + 1 :] - total[:, begin : begin + 1]) / (time[begin + 1 :] - time[begin])
        smallest = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]
        fitted[:, begin:] = np.maximum(fitted[:, begin:], smallest)
    fitted = np.maximum.accumulate(fitted, axis=1)
    out.transpose(0, 2, 1)[falls] = fitted.clip(curves.min(axis=1, keepdims=True), curves.max(axis=1, keepdims=True))
    return np.sort(out, axis=2)


def added(now: np.ndarray, gained: np.ndarray) -> np.ndarray:
    """(n, H, 13) quantiles of what is, (n, 1, 13), and what comes, (n, H, 13): medians add, spreads in squares."""
    middle, rise = (part[:, :, MIDDLE : MIDDLE + 1] for part in (now, gained))
    return middle + rise + np.sign(NORMAL) * np.sqrt((now - middle) ** 2 + (gained - rise) ** 2)


def by_own_rates(near: np.ndarray, gained: np.ndarray, stream: np.ndarray, held: Resistance) -> np.ndarray:
    """(n, H, 13) points that lie in bins that were as `near` (n, 16, 13) tells of now, and gain `gained` (n, H, 13)."""
    return added(held.gathered(near[:, :1], stream), gained)


def go_on(near: np.ndarray, gained: np.ndarray, trust: np.ndarray, stream: np.ndarray, held: Resistance) -> np.ndarray:
    """(n, H, 13) over all HORIZONS_H from the learned (n, 16, 13) and what the bin's own rates add since as_of.

    gained (n, H, 13): quantiles of the points expected to be gathered by HORIZONS_H. Added to the level now, whose
    spread they widen, and slowed by the resistance of bins of `stream` (n,), they are believed where the boosters are
    not: `trust` (n, 16) is the share of these. Beyond 72 h what is gathered after it is added to where they lead, and
    counts less and less: from 108 h on only the own rates speak.
    """
    k = len(NEAR_H)
    own = by_own_rates(near, gained, stream, held)
    joined = trust[:, :, None] * near + (1 - trust[:, :, None]) * held.level(own[:, :k], stream)
    after = held.gathered(joined[:, -1:], stream) + own[:, k:] - own[:, k - 1 : k]
    left = np.clip((FORGOTTEN_H - FAR_H) / (FORGOTTEN_H - NEAR_H[-1]), 0, 1)[None, :, None]
    far = held.level(left * after + (1 - left) * own[:, k:], stream)
    return np.concatenate([joined, np.maximum(far, joined[:, -1:])], axis=1)


def mixture(values: np.ndarray, others: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(n, H, P) quantiles at LEVELS of what is with probability `share` (n,) as `others` tell, else as `values` do.

    Both (n, H, P), rising with the horizon and the level, and so is the mixture. Distribution functions are straight
    between the quantiles, and added; rows of a share of 0 stay as they are.
    """
    out = values.copy()
    rows = np.flatnonzero(share > 0)
    for begin in range(0, len(rows), MIXED_AT_ONCE):
        some = rows[begin : begin + MIXED_AT_ONCE]
        flat = len(some) * values.shape[1], len(LEVELS)
        mixed = _mixed(values[some].reshape(flat), others[some].reshape(flat), share[some])
        out[some] = np.maximum.accumulate(mixed.reshape(len(some), -1, len(LEVELS)), axis=1)
    return out


def pooled(members: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """(k, 13) quantiles at LEARNED of the mixture of distributions told by those of `members`, each (k, 13), rising.

    `weights` (k, m) of each row sum to 1; what has none is not looked at. Distribution functions are as in `mixture`.
    """
    out = np.empty_like(members[0])
    for begin in range(0, len(out), POOLED_AT_ONCE):
        part = slice(begin, begin + POOLED_AT_ONCE)
        told, total = with_ends(members[0][part]), weights[part, 0].copy()
        for member, weight in zip(members[1:], weights[part, 1:].T, strict=True):
            rows = np.flatnonzero(weight > 0)
            if not len(rows):
                continue
            total[rows] += weight[rows]
            told[rows] = _mixed(told[rows], with_ends(member[part][rows]), weight[rows] / total[rows])
        out[part] = told[:, len(TAIL) : -len(TAIL)]
    return out


def _mixed(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(r, P) quantiles of the mixture of those of `first` and `second` (r, P); `share` (n,) of r / n rows each."""
    both = np.concatenate([first, second], axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    points = np.take_along_axis(both, order, axis=1)
    weight = np.repeat(share, len(first) // len(share))[:, None]
    is_second = order >= first.shape[1]
    below = (1 - weight) * _distribution(points, first, np.cumsum(~is_second, axis=1))
    below = np.maximum.accumulate(below + weight * _distribution(points, second, np.cumsum(is_second, axis=1)), axis=1)
    right = np.clip((below[:, :, None] < LEVELS).sum(axis=1), 1, points.shape[1] - 1)
    low, high = (np.take_along_axis(below, place, axis=1) for place in (right - 1, right))
    start, end = (np.take_along_axis(points, place, axis=1) for place in (right - 1, right))
    part = np.clip((LEVELS - low) / np.where(high > low, high - low, 1), 0, 1)
    return np.maximum.accumulate(start + part * (end - start), axis=1)


def _distribution(points: np.ndarray, quantiles: np.ndarray, passed: np.ndarray) -> np.ndarray:
    """(r, k) probability of at most `points` (r, k) by `quantiles` (r, P), of which `passed` (r, k) are not above."""
    left = np.clip(passed - 1, 0, len(LEVELS) - 2)
    low, high = (np.take_along_axis(quantiles, place, axis=1) for place in (left, left + 1))
    part = np.clip((points - low) / np.where(high > low + NARROWEST, high - low, 1), 0, 1)
    inside = LEVELS[left] + part * (LEVELS[left + 1] - LEVELS[left])
    return np.where(passed == 0, 0.0, np.where(passed == len(LEVELS), 1.0, inside))

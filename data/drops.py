"""Drops: falls of the level that may be emptyings, and what tells whether they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.sequences import HOUR_US, MILLI, Sequences, sums
from data.spikes import SPIKE_PCT

LEAST_PCT, CLEAR_PCT = 5.0, 15.0
BACK = 8
STEPS = 336
EMPTYINGS = 16
SAME_HOUR_H, SAME_WEEK_H = 3.0, 6.0
LITTLE_NOISE_PCT = 0.3
FEATURES = (
    "before_pct", "drop_pct", "speed_pct", "parted_4_pct", "parted_8_pct", "spread_8_pct", "level_pct", "rise_pct",
    "noise_pct", "parted_by_noise", "drop_by_noise", "gap_h", "step_h", "next_h", "readings", "above_usual_pct",
    "before_usual_pct", "same_hour", "same_week", "emptyings",
)  # fmt: skip
"""What is known of each drop, in the order of the detector's columns; see `describe`."""


@dataclass(frozen=True)
class Drops:
    """k falls of sequences, each between two readings.

    at (k,)             index of the first reading after the fall
    later (k,)          bool: the second must be followed by another before it can be judged
    features (k, 20)    see `FEATURES`; NaN where there is nothing to tell it from
    """

    at: np.ndarray
    later: np.ndarray
    features: np.ndarray

    @property
    def clear(self) -> np.ndarray:
        """(k,) bool: falls of 15 points and more, which lie beyond the noise of most sensors."""
        return self.features[:, FEATURES.index("drop_pct")] >= CLEAR_PCT


def find_drops(s: Sequences, before: np.ndarray, usable: np.ndarray, followed: np.ndarray) -> Drops:
    """Falls of five points and more below `before` (n,), the steepest of their neighbourhood, where `usable` (n,) bool.

    A drop is judged with the next reading; where that lies so far off that it may be a spike, once it is `followed`
    (n,) bool by another. Nothing later is looked at.
    """
    x = s.fill
    far = np.int64(1) << 40
    down = s.lag(x, 1, -far) - x
    next1 = s.lag(x, -1, far)
    fell = usable & (down > s.lag(down, 1, -far)) & (down > s.lag(down, 2, -far)) & (down > 0) & (x - next1 <= down)
    low = (np.abs(next1 - x) <= SPIKE_PCT * MILLI) & (before - next1 >= LEAST_PCT * MILLI)
    later = (np.abs(next1 - x) > SPIKE_PCT * MILLI) & s.lag(followed, -1, False)
    at = np.flatnonzero(fell & (before - x >= LEAST_PCT * MILLI) & (low | later))
    # What this bin's emptyings are like is learned from the clear ones.
    clear = low[at] & (np.minimum(before[at] - x[at], before[at] - next1[at]) >= CLEAR_PCT * MILLI)
    return Drops(at, later[at], describe(s, before, at[clear], at))


def describe(s: Sequences, before: np.ndarray, clear: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(k, 20) `FEATURES` of the falls before the readings `at` (k,), from what came before and the next reading.

    `clear` (c,) are the first readings after falls that count as earlier emptyings.
    parted_4, _8: how far all of the 4 or 8 readings before lie above both after; spread_8: how far those 8 lie apart;
    noise: mean step down of the last 336 steps, emptyings cut to 12 points; above_usual, before_usual: levels after
    and before against the means of the last 16 emptyings; same_hour, same_week: how near in the day and in the week
    to those, as a share (triangles of 3 and 6 hours to each side, drawn toward what is usual without a habit).
    """
    first = s.offsets[:-1][s.seq[at]]
    age = at - first
    back = at[:, None] - np.arange(1, BACK + 1)
    past = np.where(back >= first[:, None], s.fill[np.maximum(back, 0)] / MILLI, np.nan)
    x, next1 = s.fill[at] / MILLI, s.fill[at + 1] / MILLI
    highest = np.maximum(x, next1)
    level_before = before[at] / MILLI
    noise = _noise(s, at, first)
    parted = np.fmin.reduce(past[:, :4], axis=1) - highest
    drop = level_before - highest
    seen = np.minimum(age, BACK)
    t = s.measured
    step = (t[at - 1] - t[at - seen]) / np.maximum(seen - 1, 1)
    habit = _habit(s, before, clear, at, highest)
    lowest = np.fmin.reduce(past, axis=1)
    columns = (
        level_before, drop, past[:, 0] - x, parted, lowest - highest, np.fmax.reduce(past, axis=1) - lowest, x,
        next1 - x, noise, parted / (noise + LITTLE_NOISE_PCT), drop / (noise + LITTLE_NOISE_PCT),
        (t[at] - t[at - 1]) / HOUR_US, step / HOUR_US, (t[at + 1] - t[at]) / HOUR_US, np.minimum(age, 2 * STEPS),
        *habit,
    )  # fmt: skip
    return np.stack(columns, axis=1).astype(float).reshape(len(at), len(FEATURES))


def _noise(s: Sequences, at: np.ndarray, first: np.ndarray) -> np.ndarray:
    down = np.zeros(len(s.fill), dtype=np.int64)
    down[1:] = np.clip(s.fill[:-1] - s.fill[1:], 0, int(SPIKE_PCT * MILLI))
    total = sums(down)
    begin = np.maximum(at - STEPS, first + 1)
    return (total[np.maximum(at, begin)] - total[begin]) / np.maximum(at - begin, 1) / MILLI


def _habit(
    s: Sequences, before: np.ndarray, of: np.ndarray, at: np.ndarray, level: np.ndarray
) -> tuple[np.ndarray, ...]:
    """above_usual, before_usual, same_hour, same_week, emptyings; each (k,)."""
    end = np.searchsorted(of, at)
    begin = np.maximum(np.searchsorted(of, s.offsets[:-1][s.seq[at]]), end - EMPTYINGS)
    when, after, high = (s.measured[of] + s.measured[of - 1]) // 2, s.fill[of] / MILLI, before[of] / MILLI
    moment = (s.measured[at] + s.measured[at - 1]) // 2
    same_hour, same_week, lows, highs = np.zeros((4, len(at)))
    for back in range(1, EMPTYINGS + 1):
        some = np.flatnonzero(end - back >= begin)
        which = end[some] - back
        apart = (moment[some] - when[which]) / HOUR_US
        same_hour[some] += np.maximum(1 - np.abs((apart + 12) % 24 - 12) / SAME_HOUR_H, 0)
        same_week[some] += np.maximum(1 - np.abs((apart + 84) % 168 - 84) / SAME_WEEK_H, 0)
        lows[some] += after[which]
        highs[some] += high[which]
    count = end - begin
    with np.errstate(invalid="ignore"):
        usual_low, usual_high = lows / count, highs / count
    return (
        level - usual_low, before[at] / MILLI - usual_high, (same_hour + 0.3) / (count + 2),
        (same_week + 0.05) / (count + 1), count.astype(float),
    )  # fmt: skip

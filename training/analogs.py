"""What came of the moments of the past that were most like the one asked about: the analog ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from training.examples import Examples
from training.features import Features
from training.grid import LEARNED, NEAR_H, inverse

MOST = 200  # analogs of a moment
HOUR_WIDTH_H, LEVEL_WIDTH_PCT, AGE_WIDTH = 1.5, 8.0, 1.5
OTHER_DAY_SHARE = 0.1
SOON_H = 0.1  # a reading that has just come is told apart from one of an hour ago, since the next will not come soon
SAME_H = 0.25
PAIRS_AT_ONCE = 2_000_000
TIE = 1e-9
READ = ("bin", "hour", "weekday", "age_h", "raw_minus_level")


@dataclass(frozen=True)
class Analogs:
    """Past moments of each bin with what came of them by NEAR_H, to be weighed by how like they are to a moment asked.

    Boosters and networks see that a bin is emptied, filled or left in peace at such an hour of such a weekday only as
    far as its hourly rate tells; what a shop puts out on Wednesdays at five is found here as it came. A moment's
    analogs are the MOST most alike of its own bin, and quantiles are those of their rises, weighted (Delle Monache et
    al. 2013). Likeness is a product of kernels: the hour of the day (normal, HOUR_WIDTH_H), the weekday
    (another counts OTHER_DAY_SHARE), the newest reading (normal, LEVEL_WIDTH_PCT) and the logarithm of its age (normal,
    AGE_WIDTH). What wins hardly hangs on their widths.

    begin (b + 1,)  where each bin's moments begin, in the profiles' order
    hour, weekday, level, age (m,) float32: local time, the newest reading, percent, and log(1 + its age / SOON_H)
    rise (m, 15)    float32 percent from the newest reading to what came true at NEAR_H[1:]; NaN where nobody knows
    """

    begin: np.ndarray
    hour: np.ndarray
    weekday: np.ndarray
    level: np.ndarray
    age: np.ndarray
    rise: np.ndarray

    @classmethod
    def learn(cls, examples: Examples, bin_ids: np.ndarray) -> Analogs:
        """From all examples of the moments asked, which lie at most SAME_H from the horizon that they stand for."""
        code = pd.Index(bin_ids).get_indexer(pd.Index(examples.bin_ids))
        place = np.abs(examples.horizon_h[:, None] - NEAR_H[1:]).argmin(axis=1)
        good = np.abs(examples.horizon_h - NEAR_H[1:][place]) <= SAME_H
        good &= (code >= 0) & ~np.isnan(examples.features.level)
        key = pd.DataFrame({"bin": code, "as_of": examples.as_of})[good]
        moment, first = _moments(key)
        now = _Moments.of(examples.features.take(np.flatnonzero(good)))
        rise = np.full((len(first), len(NEAR_H) - 1), np.nan, dtype=np.float32)
        truth = (examples.rise + examples.features.level)[good]
        rise[moment, place[good]] = truth - now.level
        begin = np.searchsorted(key["bin"].to_numpy()[first], np.arange(len(bin_ids) + 1))
        kept = now.take(first)
        hour, weekday, level, age = (
            column.astype(np.float32) for column in (kept.hour, kept.weekday, kept.level, kept.age)
        )
        return cls(begin, hour, weekday, level, age, rise)

    def predict(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """(k, 13) percent: quantiles of the level for k rows of features; (k,) how many analogs tell it, effectively.

        The number counts by weights (Kish 1965); where it is 0 the quantiles are of the newest reading.
        """
        now = _Moments.of(features)
        alike = pd.DataFrame({name: getattr(now, name) for name in ("code", "hour", "weekday", "level", "age")})
        moment, first = _moments(alike)
        asked = now.take(first)
        rises = np.zeros((len(first), len(NEAR_H), len(LEARNED)))
        count = np.zeros((len(first), len(NEAR_H)))
        size = np.diff(self.begin, append=self.begin[-1:])[asked.code] * (asked.code >= 0)
        for part in _portions(size):
            rises[part, 1:], count[part, 1:] = self._rises(asked.take(part), size[part])
        risen, told = _between(rises, count, moment, features.column("horizon_h"))
        return np.clip(now.level[:, None] + risen, 0, 100), told

    def _rises(self, asked: _Moments, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, 15, 13) quantiles of the rises of the analogs, and (n, 15) how many there are, effectively."""
        width = int(size.max())
        step = np.arange(width)
        row = np.minimum(self.begin[asked.code][:, None] + step, len(self.hour) - 1)
        apart = np.abs(asked.hour[:, None] - self.hour[row])
        far = (np.minimum(apart, 24 - apart) / HOUR_WIDTH_H) ** 2 / 2
        far -= np.log(OTHER_DAY_SHARE) * (asked.weekday[:, None] != self.weekday[row])
        far += ((asked.level[:, None] - self.level[row]) / LEVEL_WIDTH_PCT) ** 2 / 2
        far += ((asked.age[:, None] - self.age[row]) / AGE_WIDTH) ** 2 / 2
        far -= TIE * step  # of two alike the later, so that none is left to chance
        far[step >= size[:, None]] = np.inf
        if width > MOST:
            nearest = np.sort(np.argpartition(far, MOST - 1, axis=1)[:, :MOST], axis=1)
            far, row = (np.take_along_axis(some, nearest, axis=1) for some in (far, row))
        weight = np.exp(far.min(axis=1, keepdims=True) - far)
        rises = np.empty((len(row), len(NEAR_H) - 1, len(LEARNED)))
        count = np.empty(rises.shape[:2])
        for horizon in range(rises.shape[1]):
            rises[:, horizon], count[:, horizon] = weighted_quantiles(self.rise[row, horizon], weight)
        return rises, count

    def arrays(self) -> dict[str, np.ndarray]:
        """As plain arrays, for the artifact."""
        return {name: getattr(self, name) for name in ("begin", "hour", "weekday", "level", "age", "rise")}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Analogs:
        """From what `arrays` gave."""
        return cls(**arrays)


def weighted_quantiles(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 13) quantiles at LEARNED of `values` (n, w), NaN where unknown, by `weight` (n, w); (n,) effective number.

    Each value stands at the middle of its weight, and between two it is straight (Hazen 1914). NaN without any; what
    weighs nothing is not there.
    """
    values = np.where(weight > 0, values, np.nan)
    order = np.argsort(values, axis=1, kind="stable")  # NaN last
    values = np.take_along_axis(values, order, axis=1).astype(float)
    weight = np.where(np.isnan(values), 0, np.take_along_axis(weight, order, axis=1))
    reached = np.cumsum(weight, axis=1)  # term by term: a sum's last bits would hang on how many zeros there are
    total, squares = reached[:, -1:], np.cumsum(weight**2, axis=1)[:, -1]
    count = np.divide(total[:, 0] ** 2, squares, out=np.zeros(len(total)), where=squares > 0)
    middle = (reached - weight / 2) / np.where(total > 0, total, 1)
    return inverse(middle, np.fmax.accumulate(values, axis=1)), count


@dataclass(frozen=True)
class _Moments:
    """What likeness is told by, of n rows: `code` of the bin (-1: unknown), and what `Analogs` keeps of moments."""

    code: np.ndarray
    hour: np.ndarray
    weekday: np.ndarray
    level: np.ndarray
    age: np.ndarray

    @classmethod
    def of(cls, features: Features) -> _Moments:
        code, hour, weekday, age_h, above = (features.column(name) for name in READ)
        newest = features.level + np.nan_to_num(above)
        age = np.log1p(np.nan_to_num(age_h) / SOON_H)
        return cls(np.nan_to_num(code, nan=-1).astype(int), hour, weekday, newest, age)

    def take(self, rows: np.ndarray) -> _Moments:
        return _Moments(self.code[rows], self.hour[rows], self.weekday[rows], self.level[rows], self.age[rows])


def _moments(key: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(k,) the number of each row's moment, in the order of the key's columns, and where each first occurs."""
    moment = key.groupby(list(key.columns), sort=True, dropna=False).ngroup().to_numpy()
    return moment, np.unique(moment, return_index=True)[1]


def _portions(size: np.ndarray) -> list[np.ndarray]:
    """Rows of `size` (n,) other than 0, in portions of about PAIRS_AT_ONCE in all, of which none is twice another."""
    order = np.argsort(size, kind="stable")
    order = order[size[order] > 0]
    doubled = np.log2(size[order]).astype(int)
    portion = np.cumsum(size[order]) // PAIRS_AT_ONCE
    cuts = np.flatnonzero((np.diff(doubled) != 0) | (np.diff(portion) != 0)) + 1
    return [part for part in np.split(order, cuts) if len(part)]


def _between(
    rises: np.ndarray, count: np.ndarray, moment: np.ndarray, horizon_h: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(k, 13) rises and (k,) numbers at `horizon_h` (k,) of each row's `moment` (k,), from those at NEAR_H.

    Straight between the nearest horizons on both sides that analogs tell of; none tell of what lies beyond the last.
    """
    known = count > 0
    known[:, 0] = True
    place = np.arange(len(NEAR_H))
    left = np.maximum.accumulate(np.where(known, place, 0), axis=1)
    right = np.minimum.accumulate(np.where(known, place, len(NEAR_H))[:, ::-1], axis=1)[:, ::-1]
    at = np.clip(np.searchsorted(NEAR_H, horizon_h, side="right") - 1, 0, len(NEAR_H) - 1)
    low = left[moment, at]
    high = right[moment, np.minimum(at + (horizon_h > NEAR_H[at]), len(NEAR_H) - 1)]
    told = high < len(NEAR_H)
    high = np.where(told, high, low)
    gap = NEAR_H[high] - NEAR_H[low]
    share = np.clip(np.divide(horizon_h - NEAR_H[low], gap, out=np.zeros(len(gap)), where=gap > 0), 0, 1)
    start, end = (np.nan_to_num(rises[moment, some]) for some in (low, high))
    number = (1 - share) * count[moment, low] + share * count[moment, high]
    return start + share[:, None] * (end - start), np.where(told, number, 0)

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.sequences import HOUR_US, microseconds, search


@dataclass(frozen=True)
class Timelines:
    """The rows of many bins laid end to end, each bin's own in order of time.

    bin_ids: (b,) the bins; bounds: (b + 1,) bin k owns rows bounds[k] up to bounds[k + 1]; code: (n,) each row's bin;
    time_us: (n,) int64 microseconds UTC, ascending within a bin; hours: (n,) the same in hours; value: (n,).
    """

    bin_ids: pd.Index
    bounds: np.ndarray
    code: np.ndarray
    time_us: np.ndarray
    hours: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, ids: pd.Series, times: pd.Series, value: np.ndarray) -> Timelines:
        """From columns of equal length in any order; of equal times of one bin the last row comes last."""
        code, bin_ids = pd.factorize(ids, sort=True)
        time_us = microseconds(times)
        same = code[1:] == code[:-1]
        if np.any(code[1:] < code[:-1]) or np.any(same & (time_us[1:] < time_us[:-1])):
            order = np.lexsort((time_us, code))
            code, time_us, value = code[order], time_us[order], value[order]
        bounds = np.searchsorted(code, np.arange(len(bin_ids) + 1))
        return cls(pd.Index(bin_ids), bounds, code, time_us, time_us / HOUR_US, np.asarray(value, dtype=float))

    @property
    def count(self) -> np.ndarray:
        """(b,) rows per bin."""
        return np.diff(self.bounds)

    def codes_of(self, ids: pd.Series) -> np.ndarray:
        """(m,) the bins' codes, -1 for bins that have no row."""
        names, index = pd.factorize(ids)
        return self.bin_ids.get_indexer(pd.Index(index))[names]

    def before(self, code: np.ndarray, time_us: np.ndarray, *, inclusive: bool) -> np.ndarray:
        """(m,) position just after the last of the bin's rows that is earlier than (inclusive: or at) the time asked.

        It is the bin's first row's position where none is earlier. `code` must be >= 0. Binary search of all at once.
        """
        return search(self.time_us, self.bounds[code], self.bounds[code + 1], time_us, right=inclusive)

    def nearest(self, code: np.ndarray, time_us: np.ndarray) -> np.ndarray:
        """(m,) position of the bin's row nearest in time; of two as near, the earlier. Bins must have rows."""
        first, last = self.bounds[code], self.bounds[code + 1] - 1
        right = np.clip(self.before(code, time_us, inclusive=False), np.minimum(first + 1, last), last)
        left = np.maximum(right - 1, first)
        hours = time_us / HOUR_US
        return np.where(np.abs(self.hours[left] - hours) <= np.abs(self.hours[right] - hours), left, right)

    def median_step_h(self) -> np.ndarray:
        """(b,) median hours between a bin's neighbouring rows, NaN for bins with fewer than two."""
        step = np.diff(self.hours)
        inner = self.code[1:] == self.code[:-1]
        median = pd.Series(step[inner]).groupby(self.code[1:][inner]).median()
        return median.reindex(np.arange(len(self.bin_ids))).to_numpy()

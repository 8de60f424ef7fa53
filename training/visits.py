"""When bins were emptied in the same hours of the weeks before: rounds come by habit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.cycles import Cycles
from data.sequences import search
from training.calendar import Clock

DAY_S = 24 * 3600
WEEK_S = 7 * DAY_S
WEEKS = 4
SLACK_S = DAY_S  # of what happened four weeks ago the first day may lie beyond what is looked at


@dataclass(frozen=True)
class Visits:
    """Emptyings of m bins, each as known at its own moment; times in local seconds.

    offsets (m + 1,)  the emptyings offsets[i]:offsets[i + 1] are bin i's
    low, high (k,)    the readings between which each happened, rising in each bin
    first (m,)        the first reading: of the time before nothing is known
    reported (m,)     bool: some of them were reported
    last_reported (m,) the last that was; the first reading where none was
    """

    offsets: np.ndarray
    low: np.ndarray
    high: np.ndarray
    first: np.ndarray
    reported: np.ndarray
    last_reported: np.ndarray

    @classmethod
    def of(cls, cycles: Cycles, clock: Clock) -> Visits:
        """Those of fill cycles; `clock` holds the local time of each sequence."""
        s = cycles.sequences
        at = np.flatnonzero(cycles.begins & ~s.is_first)
        first = np.full(len(s), np.iinfo(np.int64).max // 2)
        some = np.flatnonzero(s.last >= 0)
        first[some] = clock.local_s(s.measured[s.offsets[some]], some)
        reports = np.flatnonzero(cycles.reported)
        reported, last_reported = np.zeros(len(s), dtype=bool), first.copy()
        reported[s.seq[reports]] = True
        np.maximum.at(last_reported, s.seq[reports], clock.local_s(s.measured[reports], s.seq[reports]))
        low, high = (clock.local_s(s.measured[i], s.seq[at]) for i in (at - 1, at))
        return cls(np.searchsorted(at, s.offsets), low, high, first, reported, last_reported)

    def before(self, moment: np.ndarray, row: np.ndarray) -> np.ndarray:
        """(k,) emptyings of bins `row` (k,) before `moment` (k,); one of which it is uncertain counts in part."""
        low, high = self.offsets[row], self.offsets[row + 1]
        done = search(self.high, low, high, moment, right=True)
        if not len(self.low):
            return np.zeros(len(row))
        following = np.minimum(done, len(self.low) - 1)
        part = (moment - self.low[following]) / np.maximum(self.high[following] - self.low[following], 1)
        return done - low + np.where(done < high, np.clip(part, 0, 1), 0)

    def lagged(self, begin: np.ndarray, end: np.ndarray, row: np.ndarray, lag_s: int) -> np.ndarray:
        """(k,) 0 to 1: whether bins `row` (k,) were emptied between `begin` and `end` (k,) so long before.

        NaN where nothing is known of that time.
        """
        count = self.before(end - lag_s, row) - self.before(begin - lag_s, row)
        return np.where(begin - lag_s >= self.first[row] - SLACK_S, np.minimum(count, 1), np.nan)

    def weekly(self, begin: np.ndarray, end: np.ndarray, row: np.ndarray) -> np.ndarray:
        """(k, 4) likewise in the same hours one, two, three and four weeks before."""
        return np.stack([self.lagged(begin, end, row, week * WEEK_S) for week in range(1, WEEKS + 1)], axis=1)

    def since_s(self, begin: np.ndarray, end: np.ndarray, row: np.ndarray) -> np.ndarray:
        """(k,) seconds until `end` from the last emptying that was over at `begin`, or from the first reading."""
        done = search(self.high, self.offsets[row], self.offsets[row + 1], begin, right=True)
        last = self.first[row]
        if len(self.high):
            last = np.where(done > self.offsets[row], self.high[np.maximum(done - 1, 0)], last)
        return end - last

    def usual(self, begin: np.ndarray, end: np.ndarray, row: np.ndarray) -> np.ndarray:
        """(k,) between `begin` and `end`, the moment of the last emptying in these hours of a week before.

        Of the last week that has one; where none has, the middle.
        """
        found = (begin + end) // 2
        if not len(self.high):
            return found
        middle = (self.low + self.high) // 2
        for week in range(WEEKS, 0, -1):
            lag = week * WEEK_S
            done = search(middle, self.offsets[row], self.offsets[row + 1], end - lag, right=True)
            moment = middle[np.maximum(done - 1, 0)] + lag
            found = np.where((done > self.offsets[row]) & (moment > begin), moment, found)
        return found


def mean_known(shares: np.ndarray) -> np.ndarray:
    """(k,) means over the columns of `shares` (k, w) that are known, NaN where none is."""
    known = (~np.isnan(shares)).sum(axis=1)
    return np.where(known > 0, np.nan_to_num(shares).sum(axis=1) / np.maximum(known, 1), np.nan)

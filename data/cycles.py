from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from data.sequences import HOUR_US, MILLI, Sequences, search
from data.spikes import SPIKE_PCT, find_spikes

MIN_DROP_PCT = 15.0
MIN_DROP_DAILY_PCT = 20.0
DAILY_STEP_H = 12.0
SAME_EMPTYING_H = 3.0
FAR = np.int64(1) << 40


@dataclass(frozen=True)
class Reports:
    """Reported emptyings as they were known: k events, in order of sequence and moment.

    seq (k,), emptied (k,) microseconds, heard (k,) microseconds, after (k,) thousandths of a percent (0 if not told)
    """

    seq: np.ndarray
    emptied: np.ndarray
    heard: np.ndarray
    after: np.ndarray

    @classmethod
    def none(cls) -> Reports:
        """No report."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(empty, empty, empty, empty)


@dataclass(frozen=True)
class Cycles:
    """Sequences without spikes and doubtful readings, cut into fill cycles.

    sequences          n readings; where an emptying was reported after a bin's last reading, it stands as one more
    begins (n,)        bool: the first reading after an emptying
    reported (n,)      bool: that emptying was reported
    known (n,)         microseconds: when the emptying before this reading was known; only where `begins`
    before (n,)        thousandths of a percent: the level before it; only where `begins`
    """

    sequences: Sequences
    begins: np.ndarray
    reported: np.ndarray
    known: np.ndarray
    before: np.ndarray

    @property
    def cycle(self) -> np.ndarray:
        """(n,) a number for each fill cycle, distinct over all sequences."""
        return np.cumsum(self.begins | self.sequences.is_first)


def find_cycles(sequences: Sequences, reports: Reports | None = None) -> Cycles:
    """Cut sequences into fill cycles at reported emptyings and at those the readings show.

    An emptying is seen between two readings where the median of the three before lies at least 15 points above the
    readings after (20 for bins that report every 12 hours or less often, on the first low reading). It is decided by
    the second low reading, or by the median of three, never on one alone, and then never revised by later readings.
    A reported emptying within 3 hours of a seen one is the same.
    """
    spikes, doubtful = find_spikes(sequences)
    kept = sequences.where(~(spikes | doubtful))
    begins, known, before = _seen(kept)
    return _join(kept, begins, known, before, reports if reports is not None else Reports.none())


def _median3(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def _seen(s: Sequences) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Emptyings seen in the readings: begins, known and before as in `Cycles`."""
    x, t = s.fill, s.measured
    past = [s.lag(x, k, -FAR) for k in (1, 2, 3)]
    # With two readings before, the lower; with one, that one.
    before = np.where(past[2] > -FAR, _median3(*past), np.where(past[1] > -FAR, np.minimum(past[0], past[1]), past[0]))
    next1, next2 = s.lag(x, -1, FAR), s.lag(x, -2, FAR)
    drop = past[0] - x
    steepest = (drop > s.lag(drop, 1, -FAR)) & (drop > s.lag(drop, 2, -FAR))

    step1 = t - s.lag(t, 1, 0)
    step2 = s.lag(step1, 1, 0)
    daily = (step1 >= DAILY_STEP_H * HOUR_US) & (step2 >= DAILY_STEP_H * HOUR_US) & (past[1] > -FAR)

    least = np.int64(MIN_DROP_PCT * MILLI)
    two = (before - x >= least) & (before - next1 >= least) & (x - next1 <= drop)
    two &= np.abs(next1 - x) <= SPIKE_PCT * MILLI
    three = (before - _median3(x, next1, next2) >= least) & (before - x >= 0.6 * least) & (next2 < FAR)
    three &= (x - next1 <= drop) & (next1 - next2 <= drop)
    at_once = past[0] - x >= MIN_DROP_DAILY_PCT * MILLI
    begins = np.where(daily, at_once, steepest & (two | three) & (drop > 0))
    heard_next1 = np.maximum(s.heard, s.lag(s.heard, -1, 0))
    heard_next2 = np.maximum(heard_next1, s.lag(s.heard, -2, 0))
    known = np.where(daily, s.heard, np.where(two, heard_next1, heard_next2))
    for k in (1, 2, 3):  # a late reading before the drop was needed to see it
        known = np.maximum(known, s.lag(s.heard, k, 0))
    return begins, known, np.where(daily, past[0], before)


def _join(s: Sequences, begins: np.ndarray, known: np.ndarray, before: np.ndarray, reports: Reports) -> Cycles:
    """Reported emptyings win: each begins a cycle where none was seen close to it."""
    reported = np.zeros(len(begins), dtype=bool)
    if not len(reports.seq):
        return Cycles(s, begins, reported, known, before)
    begins, known = begins.copy(), known.copy()
    low, high = s.offsets[reports.seq], s.offsets[reports.seq + 1]
    reach = np.int64(SAME_EMPTYING_H * HOUR_US)
    after = search(s.measured, low, high, reports.emptied, right=False)  # the first reading at or after the report
    seen = np.flatnonzero(begins)
    seen_low, seen_high = np.searchsorted(seen, low), np.searchsorted(seen, high)
    near = search(s.measured[seen], seen_low, seen_high, reports.emptied - reach, right=False)
    is_near = near < seen_high
    match = np.where(is_near, seen[np.minimum(near, len(seen) - 1)], 0) if len(seen) else np.zeros(len(low), dtype=int)
    is_near &= (s.measured[match] <= reports.emptied + reach) | (match == after) if len(s.seq) else False
    where = np.where(is_near, match, after)
    inside = where < high
    begins[where[inside]] = True
    reported[where[inside]] = True
    known[where[inside]] = reports.heard[inside]
    of_inside = where[inside]
    before[of_inside] = s.fill[np.where(of_inside > low[inside], of_inside - 1, of_inside)]
    late = np.flatnonzero(~inside)
    last_of_its = np.ones(len(late), dtype=bool)  # of several reports after the last reading, the last
    last_of_its[:-1] = reports.seq[late][1:] != reports.seq[late][:-1]
    late = late[last_of_its]
    return _append(Cycles(s, begins, reported, known, before), reports, late)


def _append(cycles: Cycles, reports: Reports, late: np.ndarray) -> Cycles:
    """An emptying reported after the last reading stands as a reading of the level after it."""
    s = cycles.sequences
    at = s.offsets[reports.seq[late] + 1]

    def put(values: np.ndarray, new: np.ndarray | bool) -> np.ndarray:
        return np.insert(values, at, new)

    level_before = np.where(at > s.offsets[reports.seq[late]], s.fill[np.maximum(at - 1, 0)] if len(s.fill) else 0, 0)
    more = np.zeros(len(s), dtype=np.int64)
    more[reports.seq[late]] = 1
    grown = replace(
        s,
        offsets=s.offsets + np.concatenate([[0], np.cumsum(more)]),
        seq=put(s.seq, reports.seq[late]),
        measured=put(s.measured, reports.emptied[late]),
        heard=put(s.heard, reports.heard[late]),
        fill=put(s.fill, reports.after[late]),
    )
    return Cycles(
        grown, put(cycles.begins, True), put(cycles.reported, True), put(cycles.known, reports.heard[late]),
        put(cycles.before, level_before),
    )  # fmt: skip

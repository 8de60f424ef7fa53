from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from data.detector import probabilities
from data.drops import Drops, find_drops
from data.sequences import HOUR_US, MILLI, Sequences, search, sums
from data.spikes import find_spikes

MIN_DROP_DAILY_PCT = 20.0
DAILY_STEP_H = 12.0
DAILY_PROBABILITY = 0.98
MIN_PROBABILITY, MIN_PROBABILITY_SMALL = 0.4, 0.75
SAME_EMPTYING_H = 3.0
FAR = np.int64(1) << 40
NEVER = np.int64(1) << 62


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
    probability (n,)   that it happened; only where `begins`, NaN where it was reported
    fell (n,)          bool: the first reading after a clear fall that is no emptying, but an echo, a moved sensor,
                       settled content: the readings before it say nothing of the level after
    """

    sequences: Sequences
    begins: np.ndarray
    reported: np.ndarray
    known: np.ndarray
    before: np.ndarray
    probability: np.ndarray
    fell: np.ndarray

    @property
    def breaks(self) -> np.ndarray:
        """(n,) bool: readings that do not go on from the one before: after an emptying or a fall, or the first."""
        return self.begins | self.fell | self.sequences.is_first

    @property
    def cycle(self) -> np.ndarray:
        """(n,) a number for each run of readings between breaks, distinct over all sequences."""
        return np.cumsum(self.breaks)


def find_cycles(sequences: Sequences, reports: Reports | None = None) -> Cycles:
    """Cut sequences into fill cycles at reported emptyings and at those the readings show.

    A fall is an emptying where the detector (`data.detector`) gives it a probability of 0.4 and more, or of 0.75 if it
    is smaller than 15 points. It is judged once: with the second reading after it, never on one alone, or, where that
    lies far off, when the one after it is heard; later readings never revise it. Bins that report every 12 hours or
    less often were emptied where a reading lies 20 points below the one before. A reported emptying within 3 hours of
    a seen one is the same.
    """
    seen = _seen(*_kept(sequences))
    return _join(seen, reports) if reports is not None and len(reports.seq) else seen


def drops_of(sequences: Sequences) -> tuple[Sequences, Drops]:
    """The falls that may be emptyings, in the sequences without spikes and doubtful readings."""
    kept, next_heard = _kept(sequences)
    before, daily = _before(kept)
    return kept, find_drops(kept, before, ~daily, next_heard < NEVER)


def _kept(sequences: Sequences) -> tuple[Sequences, np.ndarray]:
    """Without spikes and doubtful readings; and when the reading after each, such or not, was heard: else `NEVER`."""
    spikes, doubtful = find_spikes(sequences)
    keep = ~(spikes | doubtful)
    return sequences.where(keep), sequences.lag(sequences.heard, -1, NEVER)[keep]


def _median3(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def _before(s: Sequences) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the level before each reading, and whether its bin reports every 12 hours or less often."""
    x, t = s.fill, s.measured
    past = [s.lag(x, k, -FAR) for k in (1, 2, 3)]
    # With two readings before, the lower; with one, that one.
    before = np.where(past[2] > -FAR, _median3(*past), np.where(past[1] > -FAR, np.minimum(past[0], past[1]), past[0]))
    long = (t - s.lag(t, 1, 0) >= DAILY_STEP_H * HOUR_US) & (past[0] > -FAR)
    daily = long & (s.lag(long, 1, True) | (past[1] == -FAR))
    return np.where(daily, past[0], before), daily


def _seen(s: Sequences, next_heard: np.ndarray) -> Cycles:
    """Cut at the emptyings seen in the readings; `next_heard` (n,) as `_kept` gives it."""
    before, daily = _before(s)
    drops = find_drops(s, before, ~daily, next_heard < NEVER)
    begins = daily & (before - s.fill >= MIN_DROP_DAILY_PCT * MILLI)
    probability = np.where(begins, DAILY_PROBABILITY, np.nan)
    probability[drops.at] = likely = probabilities(drops.features)
    begins[drops.at] = likely >= np.where(drops.clear, MIN_PROBABILITY, MIN_PROBABILITY_SMALL)
    fell = np.zeros(len(begins), dtype=bool)
    fell[drops.at] = drops.clear & ~begins[drops.at]
    known = s.heard.copy()
    after = drops.at + 1
    known[drops.at] = np.maximum(known[drops.at], np.where(drops.later, next_heard[after], s.heard[after]))
    for k in (1, 2, 3):  # a late reading before the drop was needed to see it
        known = np.maximum(known, s.lag(s.heard, k, 0))
    return Cycles(s, begins, np.zeros(len(begins), dtype=bool), known, before, probability, fell)


def _join(cycles: Cycles, reports: Reports) -> Cycles:
    """Reported emptyings win: each begins a cycle where none was seen close to it."""
    s = cycles.sequences
    begins, reported, known, before, probability = (
        x.copy() for x in (cycles.begins, cycles.reported, cycles.known, cycles.before, cycles.probability)
    )
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
    probability[where[inside]] = np.nan
    fell = cycles.fell & ~begins
    known[where[inside]] = reports.heard[inside]
    of_inside = where[inside]
    before[of_inside] = s.fill[np.where(of_inside > low[inside], of_inside - 1, of_inside)]
    late = np.flatnonzero(~inside)
    last_of_its = np.ones(len(late), dtype=bool)  # of several reports after the last reading, the last
    last_of_its[:-1] = reports.seq[late][1:] != reports.seq[late][:-1]
    late = late[last_of_its]
    return _append(Cycles(s, begins, reported, known, before, probability, fell), reports, late)


def _append(cycles: Cycles, reports: Reports, late: np.ndarray) -> Cycles:
    """An emptying reported after the last reading stands as a reading of the level after it."""
    s = cycles.sequences
    at = s.offsets[reports.seq[late] + 1]

    def put(values: np.ndarray, new: np.ndarray | bool | float) -> np.ndarray:
        return np.insert(values, at, new)

    level_before = np.where(at > s.offsets[reports.seq[late]], s.fill[np.maximum(at - 1, 0)] if len(s.fill) else 0, 0)
    more = np.zeros(len(s), dtype=np.int64)
    more[reports.seq[late]] = 1
    grown = replace(
        s,
        offsets=s.offsets + sums(more),
        seq=put(s.seq, reports.seq[late]),
        measured=put(s.measured, reports.emptied[late]),
        heard=put(s.heard, reports.heard[late]),
        fill=put(s.fill, reports.after[late]),
    )
    return Cycles(
        grown, put(cycles.begins, True), put(cycles.reported, True), put(cycles.known, reports.heard[late]),
        put(cycles.before, level_before), put(cycles.probability, np.nan), put(cycles.fell, False),
    )  # fmt: skip

"""What was thrown into bins: the rise of their level seen with hindsight, and the rate where no sensor could see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from data.cycles import Cycles, find_cycles
from data.health import RIM_PCT
from data.history import History
from data.reports import known_reports
from data.sequences import HOUR_US, MILLI, Archive, Sequences, search
from training.deposit_rates import DepositRates
from training.resistance import Resistance
from training.timelines import Timelines

APART_PCT = 1000.0
SIDE, SIDE_H = 5, 48.0
SMALL_PCT, SMALL_NOISES = 6.0, 3.0
SILENT_H, MISSED_SHARE = 6.0, 0.6
PACE_PRIOR_PCT, SEASON_DAYS = 20.0, 14.0
ROUNDS = 4
STUCK_CHANCE, STUCK_LEAST = 1e-4, 8
EMPTY_MOST_PCT = 30.0
RIM_TOP_PCT = 100.0


@dataclass(frozen=True)
class Deposits:
    """What came into b bins, known at n readings (or hours) in all; not capped at the rim.

    It is told in points: percent by which it would raise an empty bin. A full one rises by less (`Resistance`), and had
    it been emptied at another time, by more.

    lines: when, and the points thrown in since the bin's first reading; base (n,): what to add to that sum for the
    points that lay in the bin; filled (n,): what came since the reading before was not seen but taken from the bin's
    rate (a saturated sensor, an emptying in between); left (b,): points that emptyings leave; streams (b,)
    """

    lines: Timelines
    base: np.ndarray
    filled: np.ndarray
    left: np.ndarray
    streams: np.ndarray
    resistance: Resistance

    @classmethod
    def of(cls, history: History) -> Deposits:
        """From all readings, with hindsight. Raises InputError where no two readings show a rate.

        The level within a fill cycle is the isotonic fit of its readings, since nothing but an emptying takes out.
        """
        archive = Archive.of(history)
        ids = archive.bin_ids.to_numpy(object)
        always = np.full(len(ids), np.iinfo(np.int64).max // 2)
        told = archive.sequences(ids, always, None)
        cycles = find_cycles(told.where(~_stuck(told)), known_reports(history, ids, always, None))
        s = cycles.sequences
        cycles = replace(cycles, begins=cycles.begins | _small_emptyings(cycles))
        rates = DepositRates.of(history, ids, cycles)
        level = _levels(cycles)
        inner = ~(cycles.begins | s.is_first)
        hidden = inner & (np.maximum(s.lag(level, 1, 0.0), level) >= RIM_PCT)
        lay = rates.resistance.gathered(level, rates.streams[s.seq])
        seen = np.where(inner, lay - s.lag(lay, 1, 0.0), 0.0)
        silent = inner & (s.measured - s.lag(s.measured, 1, 0) >= SILENT_H * HOUR_US)
        rise, missed = seen, np.zeros(len(seen), dtype=bool)
        for again in range(ROUNDS):  # what was hidden is what came on busy days: only with it are the rates whole
            if again:  # but a guess at emptyings that nobody saw must not feed itself
                rates = rates.learn(np.where(missed, seen, rise))
            expected = rates.expected()
            missed = silent & (seen < MISSED_SHARE * expected - SMALL_PCT)  # emptied, and nobody saw it
            filled = cycles.begins | missed | (hidden & (seen < expected))
            pace, usual = _paces(cycles, seen, expected, inner & ~filled)
            rise = np.where(filled, expected * np.where(missed, usual, pace), seen)
        thrown = _running(rise, s.offsets)
        # Within a cycle the base stays: above the rim the level goes on rising by what is filled in.
        begin = np.maximum.accumulate(np.where(inner & ~missed, 0, np.arange(len(level))))
        base = (lay - thrown)[begin]
        lines = Timelines(pd.Index(archive.bin_ids), s.offsets, s.seq, s.measured, s.measured / HOUR_US, thrown)
        left = rates.resistance.gathered(_left(cycles, level, len(ids)), rates.streams)
        return cls(lines, base, filled, left, rates.streams, rates.resistance)

    @classmethod
    def known(cls, frame: pd.DataFrame, left_pct: float = 0.0) -> Deposits:
        """From a table of bin_id, at, thrown_pct (since the time before) and level: a truth that is known."""
        ordered = frame.sort_values(["bin_id", "at"], kind="stable")
        first = ~ordered["bin_id"].duplicated().to_numpy()
        rise = np.where(first, 0.0, ordered["thrown_pct"].to_numpy(float))
        lines = Timelines.of(ordered["bin_id"], ordered["at"], rise)
        lines = Timelines(lines.bin_ids, lines.bounds, lines.code, lines.time_us, lines.hours,
                          _running(rise, lines.bounds))  # fmt: skip
        base = ordered["level"].to_numpy(float) - lines.value
        bins = len(lines.bin_ids)
        streams, left = np.full(bins, "mixed", dtype=object), np.full(bins, left_pct)
        return cls(lines, base, np.zeros(len(base), dtype=bool), left, streams, Resistance.none())

    def until(self, code: np.ndarray, time_us: np.ndarray) -> np.ndarray:
        """Points thrown into bins `code` until `time_us` (same shape), evenly between two readings."""
        shape = np.broadcast_shapes(code.shape, time_us.shape)
        code, time_us = (np.broadcast_to(a, shape).ravel() for a in (code, time_us))
        low, high = self.lines.bounds[code], self.lines.bounds[code + 1] - 1
        right = np.clip(self.lines.before(code, time_us, inclusive=False), np.minimum(low + 1, high), high)
        left = np.maximum(right - 1, low)
        length = np.maximum(self.lines.time_us[right] - self.lines.time_us[left], 1)
        share = np.clip((time_us - self.lines.time_us[left]) / length, 0.0, 1.0)
        value = self.lines.value
        return (value[left] + share * (value[right] - value[left])).reshape(shape)

    def level(self, code: np.ndarray, time_us: np.ndarray) -> np.ndarray:
        """Percent in bins `code` at `time_us` (same shape), as they were; emptied half-way between two readings."""
        return self.shown(code, self.until(code, time_us) + self.base_at(code, time_us))

    def base_at(self, code: np.ndarray, time_us: np.ndarray) -> np.ndarray:
        """What to add to the points thrown into bins `code` until `time_us` (same shape) for those that lay in them."""
        shape = np.broadcast_shapes(code.shape, time_us.shape)
        flat, moments = (np.broadcast_to(a, shape).ravel() for a in (code, time_us))
        return self.base[self.lines.nearest(flat, moments)].reshape(shape)

    def shown(self, code: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Percent, not capped at the rim, of bins `code` (same shape) in which so many points lie."""
        shape = np.broadcast_shapes(code.shape, points.shape)
        flat, lying = (np.broadcast_to(a, shape).ravel() for a in (code, points))
        return self.resistance.onward(np.zeros(len(lying)), lying, self._kind[flat]).reshape(shape)

    @cached_property
    def _kind(self) -> np.ndarray:
        """(b,) the row of each bin in the table of `resistance`: looked up once, however often levels are told."""
        return self.resistance.rows(self.streams)

    @cached_property
    def left_pct(self) -> np.ndarray:
        """(b,) percent that emptyings leave."""
        return self.shown(np.arange(len(self.left)), self.left)

    def emptyings(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(k,) bins, (k,) microseconds and (k,) percent before: the emptyings as they were."""
        lines = self.lines
        fell = np.flatnonzero((lines.code[1:] == lines.code[:-1]) & (np.diff(self.base) < -SMALL_PCT)) + 1
        code = lines.code[fell]
        before = self.shown(code, self.base[fell - 1] + lines.value[fell])
        return code, (lines.time_us[fell - 1] + lines.time_us[fell]) // 2, before


def _stuck(s: Sequences) -> np.ndarray:
    """(n,) bool: readings within a run of one value that is too long to be chance, for how often this sensor repeats.

    An empty bin and a full one rightly repeat themselves. The first reading of a run and its last stay.
    """
    fill = s.fill / MILLI
    same = (s.lag(s.fill, 1, -1) == s.fill) & ~s.is_first
    moving = (fill > SMALL_PCT) & (fill < RIM_PCT) & ~s.is_first
    count = np.bincount(s.seq[moving], minlength=len(s))
    often = np.clip(np.bincount(s.seq[moving & same], minlength=len(s)) / np.maximum(count, 1), 0.05, 0.99)
    longest = np.maximum(np.log(STUCK_CHANCE / np.maximum(count, 1)) / np.log(often), STUCK_LEAST)
    run = np.cumsum(~same)
    length = np.bincount(run)[run]
    return same & s.lag(same, -1, False) & moving & (length > longest[s.seq])


def _small_emptyings(cycles: Cycles) -> np.ndarray:
    """(n,) bool: readings from which on the level stays lower, by less than what is taken for an emptying at once.

    A bin emptied daily is now and then emptied at 10%. With hindsight five readings on each side tell that from noise.
    """
    s, cycle = cycles.sequences, cycles.cycle
    fill = s.fill / MILLI

    def beside(k: int) -> np.ndarray:
        return np.where(s.lag(cycle, k, -1) == cycle, s.lag(fill, k, np.nan), np.nan)

    around = {k: beside(k) for k in range(-SIDE + 1, SIDE + 1) if k} | {0: fill}
    enough = ~(np.isnan(around[SIDE]) | np.isnan(around[1 - SIDE]))
    near = s.lag(s.measured, 1 - SIDE, 0) - s.lag(s.measured, SIDE, 0) <= SIDE_H * HOUR_US
    step = pd.Series(np.where(enough, np.abs(around[1] - fill), np.nan))
    noise = step.groupby(s.seq).quantile(0.68).reindex(range(len(s))).fillna(0.0).to_numpy(float) / np.sqrt(2)
    drop = np.full(len(fill), 0.0)
    rows = np.flatnonzero(enough & near)
    past, later = (np.stack([around[k][rows] for k in ks]) for ks in (range(1, SIDE + 1), range(1 - SIDE, 1)))
    drop[rows] = np.median(past, axis=0) - np.median(later, axis=0)
    steep = np.nan_to_num(around[1] - fill)
    steepest = np.ones(len(fill), dtype=bool)
    for k in (-2, -1, 1, 2):
        steepest &= steep > s.lag(steep, k, -1.0)
    return (drop >= np.maximum(SMALL_PCT, SMALL_NOISES * noise)[s.seq]) & steepest


def _levels(cycles: Cycles) -> np.ndarray:
    """(n,) percent: the isotonic fit of every fill cycle; all at once, since a cycle is lifted above the one before."""
    apart = APART_PCT * cycles.cycle
    fill = np.clip(cycles.sequences.fill / MILLI, 0.0, RIM_TOP_PCT)
    return np.asarray(isotonic_regression(fill + apart).x) - apart if len(fill) else fill


def _paces(cycles: Cycles, rise: np.ndarray, expected: np.ndarray, told: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) rise over expected rise in the fill cycle, and in the weeks around.

    What overfills a bin is a busier day than others. The cycle's is drawn toward that of the weeks around, since
    seasons change rates by more than days do.
    """
    s, cycle = cycles.sequences, cycles.cycle - 1
    begin, end = s.offsets[:-1][s.seq], s.offsets[1:][s.seq]
    around_us = round(SEASON_DAYS * 24 * HOUR_US)
    first = search(s.measured, begin, end, s.measured - around_us, right=False)
    last = search(s.measured, begin, end, s.measured + around_us, right=True)

    def sums(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the cycle, and of the weeks around."""
        some = np.where(told, values, 0.0)
        total = np.concatenate([[0.0], np.cumsum(some)])
        return np.bincount(cycle, weights=some)[cycle], total[last] - total[first]

    (risen, risen_around), (hoped, hoped_around) = sums(rise), sums(expected)
    usual = (risen_around + PACE_PRIOR_PCT) / (hoped_around + PACE_PRIOR_PCT)
    return (risen + PACE_PRIOR_PCT * usual) / (hoped + PACE_PRIOR_PCT), usual


def _running(rise: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """(n,) running sums within each bin."""
    total = np.cumsum(rise)
    first = np.minimum(offsets[:-1], max(len(rise) - 1, 0))
    start = np.where(offsets[1:] > offsets[:-1], (total - rise)[first], 0.0) if len(rise) else np.zeros(len(first))
    return total - np.repeat(start, np.diff(offsets))


def _left(cycles: Cycles, level: np.ndarray, bins: int) -> np.ndarray:
    """(b,) percent: the median level right after a bin's emptyings; the fleet's where it had none."""
    after = pd.Series(level[cycles.begins]).groupby(cycles.sequences.seq[cycles.begins]).median()
    fleet = float(after.median()) if len(after) else 0.0
    return np.clip(after.reindex(range(bins)).fillna(fleet).to_numpy(float), 0.0, EMPTY_MOST_PCT)

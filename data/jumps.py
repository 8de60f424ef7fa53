"""Jumps: what readings do that neither deposits, emptyings nor a sensor's usual noise explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.cycles import Cycles
from data.sequences import HOUR_US, MILLI, Sequences, search, sums

DAY_US = 24 * HOUR_US
JUMP_PCT, NOISE_FACTOR, NOISE_QUANTILE, COARSE_FACTOR = 12.0, 5.4, 0.4, 1.5
COARSEST_PCT = 40.0
NOISE_MAX_PCT, NOISE_BINS = 6.5, 81
RESTLESS_PCT, RESTLESS_SHARE, RESTLESS_READINGS, RESTLESS_PER_DAY = 12.0, 0.35, 24, 6.0
RISE_HOURS, RISE_FACTOR, RISE_MAX_PCT_PER_H = 12.0, 6.0, 6.0
FLOOR_MAX_PCT, FLOOR_ZONE_PCT, FLOOR_ZONE_SHARE = 20.0, 12.0, 0.3
RETURN_SHARE = 0.4
DAYS_AT_ONCE = 2.0
GAP_STEPS = 3.0
RECENT_DAYS, WEEK_DAYS = 2, 7
USUAL_MIN, USUAL_PER_RATE, USUAL_MAX = 0.2, 0.5, 2.0
WANDER_PCT, WANDER_DAYS = 6.0, 28


@dataclass(frozen=True)
class Jumps:
    """Unexplained jumps of m sequences; all (m,).

    last_12_h, last_2_days, last_7_days   how many, until as_of
    falls          those of the last 7 days that go down
    usual          how many a bin like this has in 2 days, from its own earlier weeks
    threshold_pct  how far a step must go to be a jump, for this sensor's noise and step
    noise_pct      what the sensor's readings go down by when they go down (0.4 quantile)
    restless       a sensor that often measures goes down nearly every other time, and far: it measures nothing
    wanderings     days of the last 28 on which the mean level fell, and not to where emptyings end
    """

    last_12_h: np.ndarray
    last_2_days: np.ndarray
    last_7_days: np.ndarray
    falls: np.ndarray
    usual: np.ndarray
    threshold_pct: np.ndarray
    noise_pct: np.ndarray
    restless: np.ndarray
    wanderings: np.ndarray


def find_jumps(s: Sequences, cycles: Cycles, as_of: np.ndarray, rate: np.ndarray) -> Jumps:
    """Count the jumps in raw sequences `s` as of `as_of` (m,) microseconds, for bins that fill at `rate` (m,) %/h.

    A step is a jump where it is larger than the sensor's noise, and
    - falls to a level at which no emptying of this bin ends, or falls back after a jump up, or is one emptying more
      than the bin's habit, and no emptying was reported; or
    - rises within 12 hours by more than six times what the bin would in that time.
    A step out and back again (a lone spike) is one jump.
    """
    m = len(s)
    step = steps(s)
    size_of = np.abs(step)
    noise, finest, downs = _noise(s, step, size_of)
    threshold = _threshold(noise, finest)
    floor = _floors(s)
    at = np.flatnonzero(size_of > JUMP_PCT * MILLI)
    at = at[size_of[at] > threshold[s.seq[at]] * MILLI]
    seq, when, size = s.seq[at], s.measured[at], step[at] / MILLI
    after = s.fill[at] / MILLI
    hours = (when - s.measured[at - 1]) / HOUR_US
    natural = RISE_FACTOR * np.minimum(rate, RISE_MAX_PCT_PER_H)[seq] * hours
    up = (size > threshold[seq] + natural) & (hours <= RISE_HOURS)
    follows = np.zeros(len(at), dtype=bool)  # the large step before is of the same sequence
    follows[1:] = seq[1:] == seq[:-1]
    returned = np.zeros(len(at), dtype=bool)
    returned[1:] = follows[1:] & up[:-1] & (when[1:] - when[:-1] <= RECENT_DAYS * DAY_US)
    recent = when > as_of[seq] - RECENT_DAYS * DAY_US
    emptied = (size < 0) & _is_low(after, after - size, floor[seq]) & ~returned
    emptied &= ~recent | (_so_far(emptied & recent, seq, m) <= _possible_emptyings(s, cycles, as_of)[seq])
    emptied |= (size < 0) & _is_reported(cycles, seq, when)
    jump = up | ((size < 0) & ~emptied)
    jump = _out_and_back(jump, at, size, follows)

    def count(which: np.ndarray) -> np.ndarray:
        return np.bincount(seq[which], minlength=m)

    of_week = jump & (when > as_of[seq] - WEEK_DAYS * DAY_US)
    last_2_days = count(jump & recent)
    usual = (count(jump) - last_2_days + 0.2) / (_days_before(s, as_of) / RECENT_DAYS + 1)
    most = np.clip(USUAL_PER_RATE * rate, USUAL_MIN * threshold / JUMP_PCT, USUAL_MAX)
    return Jumps(
        last_12_h=count(jump & (when > as_of[seq] - DAY_US // 2)),
        last_2_days=last_2_days,
        last_7_days=count(of_week),
        falls=count(of_week & (size < 0)),
        usual=np.minimum(usual, most),
        threshold_pct=threshold,
        noise_pct=noise,
        restless=_is_restless(s, noise, downs),
        wanderings=_wanderings(cycles, as_of, floor, WANDER_PCT + 12.0 * rate),
    )


def noise_limit(s: Sequences) -> np.ndarray:
    """(m,) percent: how far a step of each sensor may go that is nothing but noise."""
    step = steps(s)
    return _threshold(*_noise(s, step, np.abs(step))[:2])


def unexplained(s: Sequences, per_day: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """(n,) bool: steps that say nothing of what was thrown in, for bins that gather `per_day` (m,) percent.

    Within 12 hours those that go farther, up or down, than noise (`noise_limit`, (m,)) and two days' worth: an erratic
    sensor jumps up and returns. And those over longer gaps than three of the sensor's usual: behind them an emptying
    may hide.
    """
    step = steps(s)
    hours = (s.measured - s.lag(s.measured, 1, 0)) / HOUR_US
    most = limit + DAYS_AT_ONCE * per_day
    gap = np.fmax(RISE_HOURS, GAP_STEPS * s.step_h)
    too_far = (hours <= RISE_HOURS) & (np.abs(step) / MILLI > most[s.seq])
    return (too_far | (hours > gap[s.seq])) & ~s.is_first


def _threshold(noise: np.ndarray, finest: np.ndarray) -> np.ndarray:
    """(m,) percent that a step must exceed to be a jump; one step of a coarse sensor is none."""
    return np.maximum(np.maximum(JUMP_PCT, NOISE_FACTOR * np.minimum(noise, NOISE_MAX_PCT)), COARSE_FACTOR * finest)


def steps(s: Sequences) -> np.ndarray:
    """(n,) change from the reading before in the same sequence, thousandths of a percent; 0 for the first."""
    step = np.zeros(len(s.fill), dtype=np.int64)
    np.subtract(s.fill[1:], s.fill[:-1], out=step[1:])
    step[s.offsets[:-1][s.offsets[:-1] < s.offsets[1:]]] = 0
    return step


def _noise(s: Sequences, step: np.ndarray, size_of: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise and finest step of each sensor in percent, and the number of its steps down; all (m,).

    Noise is what a sensor shows when it goes down, since deposits only go up. The 0.4 quantile leaves out emptyings
    and jumps; sensors that hardly ever go down have no noise.
    """
    m = len(s)
    count = s.offsets[1:] - s.offsets[:-1]
    down = np.flatnonzero(step < 0)
    half_points = np.minimum(size_of[down] // 500, NOISE_BINS - 1)
    found = np.bincount(s.seq[down] * NOISE_BINS + half_points, minlength=m * NOISE_BINS).reshape(m, NOISE_BINS)
    downs = found.sum(axis=1)
    found[:, 0] += np.maximum(count // 5 - downs, 0)
    below = np.cumsum(found, axis=1)
    noise = 0.5 * (below < NOISE_QUANTILE * below[:, -1:]).sum(axis=1)
    finest = _finest(s, size_of)
    return np.maximum(noise - finest / 4, 0.0), finest, downs  # a coarse sensor's quantile is its step


def _finest(s: Sequences, size_of: np.ndarray) -> np.ndarray:
    """(m,) percent: the smallest step of each sensor; 0 where it hardly tells."""
    some = s.last >= 0
    finest = np.zeros(len(s))
    if some.any():
        moved = np.where(size_of > 0, size_of, np.int64(COARSEST_PCT * MILLI))
        finest[some] = np.minimum.reduceat(moved, s.offsets[:-1][some]) / MILLI
    return np.where(finest < COARSEST_PCT, finest, 0.0)


def _is_restless(s: Sequences, noise: np.ndarray, downs: np.ndarray) -> np.ndarray:
    """Noise no sensor has, where emptyings are too rare among the readings to be taken for it."""
    some, end = s.last >= 0, np.maximum(s.last, 0)
    if not some.any():
        return some
    count = s.offsets[1:] - s.offsets[:-1]
    days = (s.measured[end] - s.measured[np.minimum(s.offsets[:-1], len(s.measured) - 1)]) / DAY_US
    often = (count >= RESTLESS_READINGS) & (count >= RESTLESS_PER_DAY * days)
    return some & often & (noise >= RESTLESS_PCT) & (downs >= RESTLESS_SHARE * count)


def _floors(s: Sequences) -> np.ndarray:
    """(m,) percent: the lowest level that three readings in a row did not exceed, at most 20."""
    held = s.fill.copy()
    held[1:] = np.maximum(s.fill[1:], s.fill[:-1])
    held[2:] = np.maximum(held[2:], s.fill[:-2])
    low, some = s.offsets[:-1], s.offsets[1:] > s.offsets[:-1]
    for k in (0, 1):  # a window that reaches into the sequence before says nothing
        inside = low + k < s.offsets[1:]
        held[(low + k)[inside]] = np.int64(FLOOR_MAX_PCT * MILLI)
    floor = np.full(len(s), FLOOR_MAX_PCT)
    if some.any():
        floor[some] = np.minimum(np.minimum.reduceat(held, low[some]) / MILLI, FLOOR_MAX_PCT)
    return floor


def _is_low(after: np.ndarray, before: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Whether a fall from `before` ends where emptyings do: near the floor, or having lost most of what there was."""
    return after - floor <= np.maximum(FLOOR_ZONE_PCT, FLOOR_ZONE_SHARE * (before - floor))


def _so_far(which: np.ndarray, seq: np.ndarray, m: int) -> np.ndarray:
    """(k,) how many of `which` there are in the same sequence until each of them."""
    total = sums(which)
    return total[1:] - total[np.searchsorted(seq, np.arange(m))][seq]


def _days_before(s: Sequences, as_of: np.ndarray) -> np.ndarray:
    """(m,) days of history before the last two."""
    if not len(s.measured):
        return np.zeros(len(s))
    first = s.measured[np.minimum(s.offsets[:-1], len(s.measured) - 1)]
    days = np.maximum(as_of - RECENT_DAYS * DAY_US - first, 0) / DAY_US
    return np.where(s.offsets[1:] > s.offsets[:-1], days, 0.0)


def _possible_emptyings(s: Sequences, cycles: Cycles, as_of: np.ndarray) -> np.ndarray:
    """(m,) as many emptyings may happen in two days: twice what the bin is used to, and one."""
    c = cycles.sequences
    begins = np.flatnonzero(cycles.begins)
    earlier = begins[c.measured[begins] <= as_of[c.seq[begins]] - RECENT_DAYS * DAY_US]
    habit = np.bincount(c.seq[earlier], minlength=len(s))
    return 1 + np.ceil(2 * RECENT_DAYS * (habit + 0.5) / (_days_before(s, as_of) + RECENT_DAYS))


def _is_reported(cycles: Cycles, seq: np.ndarray, when: np.ndarray) -> np.ndarray:
    """Whether an emptying was reported right before the readings (seq, when)."""
    c = cycles.sequences
    told = np.flatnonzero(cycles.begins & cycles.reported)
    if not len(told):
        return np.zeros(len(seq), dtype=bool)
    return np.isin(seq * (1 << 52) + when, c.seq[told] * (1 << 52) + c.measured[told])


def _out_and_back(jump: np.ndarray, at: np.ndarray, size: np.ndarray, follows: np.ndarray) -> np.ndarray:
    """`jump` with a step out and the step back right after it, of about the same size, counted once."""
    back = np.zeros(len(at), dtype=bool)
    smaller = np.minimum(np.abs(size[1:]), np.abs(size[:-1]))
    back[1:] = follows[1:] & (at[1:] - at[:-1] == 1) & (np.abs(size[1:] + size[:-1]) <= RETURN_SHARE * smaller)
    index = np.arange(len(at))
    since = index - np.maximum.accumulate(np.where(back, 0, index)) if len(at) else index
    second = np.flatnonzero(back & (since % 2 == 1))
    once = jump.copy()
    once[second] |= jump[second - 1]
    once[second - 1] = False
    return once


def _wanderings(cycles: Cycles, as_of: np.ndarray, floor: np.ndarray, least_pct: np.ndarray) -> np.ndarray:
    """(m,) days, of those that end at as_of, whose mean lies `least_pct` below the day before, but nowhere low.

    Where a fall was as sudden as an emptying, the mean says nothing: it may have been one in part.
    """
    s = cycles.sequences
    m = len(s)
    if not len(s.seq):
        return np.zeros(m, dtype=np.int64)
    day = WANDER_DAYS - 1 - np.clip((as_of[s.seq] - s.measured) // DAY_US, 0, WANDER_DAYS - 1)
    key = s.seq * WANDER_DAYS + day
    begins = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    count = np.diff(np.append(begins, len(key)))
    sudden = np.bincount(key[np.flatnonzero(cycles.begins)], minlength=m * WANDER_DAYS).reshape(m, WANDER_DAYS) > 0
    key = key[begins]

    def daily(values: np.ndarray) -> np.ndarray:
        table = np.full(m * WANDER_DAYS, np.nan)
        table[key] = values / MILLI
        return table.reshape(m, WANDER_DAYS)

    mean = daily(np.add.reduceat(s.fill, begins) / count)
    lowest, highest = daily(np.minimum.reduceat(s.fill, begins)), daily(np.maximum.reduceat(s.fill, begins))
    low = np.fmin(lowest[:, 1:], lowest[:, :-1])
    high = np.fmax(highest[:, 1:], highest[:, :-1])
    fell = mean[:, :-1] - mean[:, 1:] > least_pct[:, None]  # False next to a day without readings
    fell &= ~(sudden[:, 1:] | sudden[:, :-1])
    return (fell & ~_is_low(low, high, floor[:, None])).sum(axis=1)


def readings_since(s: Sequences, moment: np.ndarray) -> np.ndarray:
    """(m,) how many readings of each sequence were measured after `moment` (m,) microseconds."""
    low, high = s.offsets[:-1], s.offsets[1:]
    return high - search(s.measured, low, high, moment, right=True) if len(s.measured) else np.zeros(len(s), dtype=int)

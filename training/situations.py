from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data.cycles import Cycles, find_cycles
from data.health import RECENT_DAYS, RIM_PCT, Health, judge
from data.history import History
from data.reports import known_reports
from data.resolution import resolution
from data.sequences import HOUR_US, MILLI, Archive, Sequences, ragged, search, sums
from data.spikes import SPIKE_PCT
from training.calendar import Clock
from training.paces import Rises
from training.profiles import NANO, Accumulated
from training.visits import Visits

SPREAD_H = (24, 72, 168)
SPREAD_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
NANO_PER_MILLI = int(NANO / MILLI)


@dataclass(frozen=True)
class Situations:
    """What is known of m bins, each at its own moment: the part of the features that no horizon changes.

    columns       name -> (m,) float64; see `describe`
    level (m,)    the filtered level at the newest reading, percent; NaN without readings
    measured (m,) microseconds of the newest reading used (as_of without readings)
    pace (m,)     recent rise over expected rise, last 28 days: what the bin's profile is multiplied with
    hoped (m,)    percent of that expected rise: how much the pace is told by
    health        the state of the sensors
    visits        when they were emptied
    raw           all that was heard of them
    """

    columns: dict[str, np.ndarray]
    level: np.ndarray
    measured: np.ndarray
    pace: np.ndarray
    hoped: np.ndarray
    health: Health
    visits: Visits
    raw: Sequences

    @cached_property
    def step_pct(self) -> np.ndarray:
        """(m,) percent by whose steps the sensors tell the level, 0 for any value: see `data.resolution`."""
        return resolution(self.raw)


def describe(
    archive: Archive,
    history: History,
    bin_ids: np.ndarray,
    as_of: np.ndarray,
    gathered: Accumulated,
    clock: Clock,
    heard_by: np.ndarray | None = None,
    days: float | np.ndarray = RECENT_DAYS,
) -> Situations:
    """Describe bins `bin_ids` (m,) as known at `as_of` (m,) microseconds, from the 28 days before.

    `gathered` holds the m rows' own profiles, `clock` their local time. `heard_by` (m,) simulates an outage, fewer
    `days` (m,) a new bin.
    """
    heard_by = as_of if heard_by is None else heard_by
    raw = archive.sequences(bin_ids, as_of, days, heard_by)
    cycles = find_cycles(raw, known_reports(history, bin_ids, as_of, days))
    health = judge(raw, cycles, as_of)
    s = cycles.sequences
    end = np.maximum(s.last, 0)
    some = s.last >= 0
    if not len(s.seq):  # nothing at all is known: one reading that no row owns keeps the indices valid
        s = Sequences(s.offsets, np.zeros(1, int), as_of[:1], as_of[:1], np.zeros(1, dtype=np.int64))
        cycles = Cycles(s, *(np.zeros(1, dtype=kind) for kind in (bool, bool, np.int64, np.int64, float, bool)))
    expected = gathered.by_reading(clock.local_s(s.measured, s.seq), s, cycles.cycle)
    measured = np.where(some, s.measured[end], as_of)
    begin, fallen = _begin(cycles, end)
    levels = _levels(s, begin, end, some, expected)
    level, measured, pending = _fallen(raw, levels.pop("level"), measured)
    columns = {name: np.where(some, value - level, np.nan) for name, value in levels.items()}
    columns |= _raw(raw, level)
    columns |= _spread(raw, as_of, level)
    columns |= _cycle(cycles, end, some, as_of, expected, level)
    rises = Rises.of(cycles, expected)
    odd = rises.odd(gathered.per_day)
    odd[begin[fallen]] = True
    paces, pace, hoped = rises.paces(end, some, as_of, odd)
    columns |= paces
    columns |= _habits(cycles, end, some)
    local = clock.local_s(as_of, np.arange(len(as_of)))
    columns |= {
        "level": level,
        "pending": (pending | fallen).astype(float),
        "age_h": np.where(some, (as_of - measured) / HOUR_US, np.nan),
        "step_h": health.step_h,
        "still_h": health.still_h,
        "missed_pct": health.missed_pct,
        "falls": health.falls.astype(float),
        "jumps": health.jumps.astype(float),
        "hour": local % 86400 / 3600,
        "weekday": (local // 86400 % 7).astype(float),
        "profile_pct_per_day": gathered.per_day,
    }
    visits = Visits.of(cycles, clock)
    return Situations(columns, np.where(some, level, np.nan), measured, pace, hoped, health, visits, raw)


def _fallen(raw: Sequences, level: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Level, its moment and whether the newest reading has fallen so far that it is an emptying or a spike.

    Nobody can know before the next reading, but emptyings are several times more frequent: forecasts are made relative
    to the fallen level, and the boosters learn how often it was a spike.
    """
    newest = np.maximum(raw.last, 0)
    if not len(raw.fill):
        return level, measured, np.zeros(len(level), dtype=bool)
    pending = (raw.last >= 0) & (raw.measured[newest] > measured)
    pending &= raw.fill[newest] / MILLI < level - SPIKE_PCT
    fallen = np.where(pending, raw.fill[newest] / MILLI, level)
    return fallen, np.where(pending, raw.measured[newest], measured), pending


def _begin(cycles: Cycles, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m,) the first reading that tells the level at `end` (m,), and whether it follows a fall that is yet unjudged.

    An emptying is judged with the reading after it, or the second if that lies far off: till then the last one or two
    readings belong to the cycle before; but where they lie clearly below it, it tells nothing of the level now.
    """
    s, cycle = cycles.sequences, cycles.cycle
    begin = np.searchsorted(cycle, cycle[end])
    last, second, third = (s.fill[np.maximum(end - k, begin)] for k in range(3))
    far = SPIKE_PCT * MILLI
    first = np.where(second - last > far, end, np.where(third - np.maximum(second, last) > far, end - 1, begin))
    return first, first > begin


def _levels(
    s: Sequences, begin: np.ndarray, end: np.ndarray, some: np.ndarray, expected: np.ndarray
) -> dict[str, np.ndarray]:
    """Estimates of the level at the newest reading `end` (m,), percent, from the readings since `begin` (m,).

    level: the last value of their isotonic fit, which is the largest mean of the last k of them; newest: the reading
    itself; median3: of the last three; mean3, mean8: mean of the last readings, each carried forward by what the
    profile expects since.
    """
    total = sums(s.fill)
    index = np.arange(len(s.seq))
    owner_end = end[s.seq] + 1
    means = (total[owner_end] - total[index]) / np.maximum(owner_end - index, 1)
    means = np.where(index >= begin[s.seq], means, -np.inf)
    isotonic = np.full(len(end), np.nan)
    if some.any():
        isotonic[some] = np.maximum.reduceat(means, s.offsets[:-1][some])
    out = {"level": isotonic / MILLI, "newest": s.fill[end] / MILLI}
    three = [np.maximum(end - k, begin) for k in range(3)]
    a, b, c = (s.fill[i] for i in three)
    out["median3"] = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c)) / MILLI
    carried = sums(expected // NANO_PER_MILLI)
    for k in (3, 8):
        first = np.maximum(end - k + 1, begin)
        count = end + 1 - first
        mean = (total[end + 1] - total[first]) / count
        ahead = (expected[end] // NANO_PER_MILLI) - (carried[end + 1] - carried[first]) / count
        out[f"mean{k}"] = (mean + ahead) / MILLI
    return out


def _raw(raw: Sequences, level: np.ndarray) -> dict[str, np.ndarray]:
    """The very last value, doubtful or not, against the level, and its step from the one before."""
    some = raw.last >= 0
    fill = raw.fill if len(raw.fill) else np.zeros(1, dtype=np.int64)
    before = np.maximum(raw.last - 1, 0)
    return {
        "raw_minus_level": np.where(some, fill[raw.last] / MILLI - level, np.nan),
        "raw_step": np.where(raw.offsets[1:] - raw.offsets[:-1] > 1, (fill[raw.last] - fill[before]) / MILLI, np.nan),
    }


def _spread(raw: Sequences, as_of: np.ndarray, level: np.ndarray) -> dict[str, np.ndarray]:
    """Where the readings lay of late, doubtful ones and other fill cycles too: an erratic sensor goes back there."""
    columns: dict[str, np.ndarray] = {}
    end = raw.offsets[1:]
    for hours in SPREAD_H:
        first = search(raw.measured, raw.offsets[:-1], end, as_of - hours * HOUR_US, right=False)
        rows, owner = ragged(first, end)
        count = end - first
        order = np.lexsort((raw.fill[rows], owner))
        fill = raw.fill[rows][order]
        begin = np.cumsum(count) - count
        for share in SPREAD_SHARES:
            at = begin + np.rint((count - 1) * share).astype(np.int64)
            value = fill[np.clip(at, 0, max(len(fill) - 1, 0))] / MILLI if len(fill) else np.full(len(level), np.nan)
            columns[f"q{share * 100:.0f}_{hours}h"] = np.where(count > 0, value - level, np.nan)
    return columns


def _cycle(
    cycles: Cycles, end: np.ndarray, some: np.ndarray, as_of: np.ndarray, expected: np.ndarray, level: np.ndarray
) -> dict[str, np.ndarray]:
    """The fill cycle so far: hours since its emptying (NaN if before the window), rise against expectation."""
    s = cycles.sequences
    cycle = cycles.cycle
    begin = np.searchsorted(cycle, cycle[end])
    seen = some & cycles.begins[begin]
    risen = level - s.fill[begin] / MILLI
    foreseen = (expected[end] - expected[begin]) / NANO
    return {
        "since_emptied_h": np.where(seen, (as_of - s.measured[begin]) / HOUR_US, np.nan),
        "cycle_readings": np.where(some, end - begin + 1, 0).astype(float),
        "cycle_surprise": np.where(some, risen - foreseen, np.nan),
        "cycle_pace": np.where(some, (risen + 8) / (foreseen + 8), np.nan),
    }


def _habits(cycles: Cycles, end: np.ndarray, some: np.ndarray) -> dict[str, np.ndarray]:
    """How full the bin gets: emptyings and the mean level before them, highest level, share of full readings."""
    s = cycles.sequences
    low, high = s.offsets[:-1], s.offsets[1:]
    count = sums(cycles.begins)
    before = sums(np.where(cycles.begins, cycles.before, 0))
    emptyings = count[high] - count[low]
    full = sums(s.fill >= RIM_PCT * MILLI)
    highest = np.full(len(end), np.nan)
    if some.any():
        highest[some] = np.maximum.reduceat(s.fill, low[some]) / MILLI
    return {
        "emptyings": np.where(some, emptyings, np.nan),
        "level_at_emptying": np.where(
            emptyings > 0, (before[high] - before[low]) / np.maximum(emptyings, 1) / MILLI, np.nan
        ),
        "highest": highest,
        "share_full": np.where(some, (full[high] - full[low]) / np.maximum(high - low, 1), np.nan),
    }

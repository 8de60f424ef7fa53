from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data.cycles import Cycles, find_cycles
from data.jumps import RESTLESS_PCT, find_jumps, readings_since, steps
from data.reports import known_reports
from data.sequences import HOUR_US, MILLI, Archive, Sequences, microsecond, sums

if TYPE_CHECKING:
    from data.history import History

RECENT_DAYS = 28.0
SILENT_H, SILENT_STEPS = 12.0, 3.0
STUCK_H, STUCK_READINGS, STUCK_MISSED_PCT = 24.0, 5, 10.0
STUCK_STEPS = 6.0  # a healthy bin stays still while six steps are due once in four hundred times (Poisson)
STILL_FACTOR, STILL_CHANGES, STILL_HISTORY_H, STILL_LIVELY_H = 2.5, 20, (48.0, 168.0), 6.0
STUCK_EMPTYINGS = 6.0
NEVER_MOVED_H, NEVER_MOVED_READINGS = 21 * 24.0, 100  # of a sensor that was dead when it was put up no rate is known
ERRATIC_JUMPS, ERRATIC_JUMPS_SPARSE, SPARSE_READINGS, ERRATIC_SHARE, USUAL_FACTOR = 4, 3, (10, 24), 0.04, 2.5
ERRATIC_JUMPS_WEEK, USUAL_FACTOR_WEEK, ERRATIC_DAYS = 6, 7.0, 7
ERRATIC_WANDERINGS = 3
SCALE_MIN_PCT, SCALE_MAX_PCT, SCALE_SHARE = -3.0, 110.0, 0.2
FRACTION_SPREAD, FRACTION_READINGS = 0.4, 50  # within 0 to 1 percent, and not in whole percents
RIM_PCT = 98.0
OLD_DAYS, SPELL_DAYS = 5, 2  # with five days of history, what is usual is learned from before the last two


@dataclass(frozen=True)
class Health:
    """What the recent readings of m bins say of their sensors.

    readings (m,)        readings in the window
    last_measured (m,)   microseconds of the newest reading, -1 without readings
    age_h (m,)           hours since then; infinite without readings
    step_h (m,)          mean hours between readings; NaN with fewer than two
    still_h (m,)         hours over which the newest value has not changed, until the newest reading
    missed_pct (m,)      points by which the bin would have risen meanwhile, at its own recent rate
    falls (m,)           falls that neither noise nor an emptying explains, in the last 7 days
    jumps (m,)           those falls, and rises that no deposits explain; a lone spike is one jump
    jumps_2d (m,)        jumps of the last 2 days
    noise_pct (m,)       points by which readings go down when they do, emptyings and jumps aside
    wanderings (m,)      days of the last 28 on which the mean level fell, but not as emptyings do
    silent, stuck, erratic, out_of_scale, fractions (m,)  bool; fractions: told as 0 to 1 instead of 0 to 100
    """

    readings: np.ndarray
    last_measured: np.ndarray
    age_h: np.ndarray
    step_h: np.ndarray
    still_h: np.ndarray
    missed_pct: np.ndarray
    falls: np.ndarray
    jumps: np.ndarray
    jumps_2d: np.ndarray
    noise_pct: np.ndarray
    wanderings: np.ndarray
    silent: np.ndarray
    stuck: np.ndarray
    erratic: np.ndarray
    out_of_scale: np.ndarray
    fractions: np.ndarray

    @property
    def faulty(self) -> np.ndarray:
        """(m,) bool: what the sensor tells may have nothing to do with what lies in the bin."""
        return self.stuck | self.erratic | self.out_of_scale | self.fractions

    @property
    def status(self) -> np.ndarray:
        """(m,) ok, stale, faulty_sensor or no_data."""
        return np.select(
            [self.readings == 0, self.faulty, self.silent], ["no_data", "faulty_sensor", "stale"], default="ok"
        ).astype(object)

    def reasons(self) -> list[tuple[str, ...]]:
        """For each bin the reasons of its status, in words."""
        text: dict[int, list[str]] = {}
        for hit, words in (
            (self.readings == 0, lambda i: f"no reading in the last {RECENT_DAYS:.0f} days"),
            (self.stuck, self._stuck_words),
            (self.erratic, self._erratic_words),
            (self.out_of_scale, lambda i: "out of scale: many readings below 0 or above 110"),
            (self.fractions, lambda i: "out of scale: every reading lies between 0 and 1 percent; are they fractions?"),
            (self.silent & (self.readings > 0), lambda i: f"silent: the newest reading is {self.age_h[i]:.0f} h old"),
        ):  # fmt: skip
            for i in np.flatnonzero(hit).tolist():  # only over bins that have something to say
                text.setdefault(i, []).append(words(i))
        return [tuple(text.get(i, ())) for i in range(len(self.readings))]

    def _stuck_words(self, i: int) -> str:
        words = f"stuck: the same value for {self.still_h[i]:.0f} h"
        if not self.missed_pct[i]:
            return f"{words}, and no other was heard in the last {RECENT_DAYS:.0f} days"
        if self.missed_pct[i] < STUCK_MISSED_PCT:
            return f"{words}, far longer than ever in the last {RECENT_DAYS:.0f} days"
        return f"{words}, in which the bin would have risen by {self.missed_pct[i]:.0f} points"

    def _erratic_words(self, i: int) -> str:
        if self.jumps[i] < ERRATIC_JUMPS_SPARSE and self.wanderings[i] >= ERRATIC_WANDERINGS:
            return f"erratic: the level sank on {self.wanderings[i]} of {RECENT_DAYS:.0f} days without an emptying"
        if self.noise_pct[i] >= RESTLESS_PCT and self.jumps[i] < ERRATIC_JUMPS:
            return f"erratic: readings go down by {self.noise_pct[i]:.0f} points again and again"
        return f"erratic: {self.jumps[i]} jumps that are no deposit or emptying in {ERRATIC_DAYS} days"


def judge(sequences: Sequences, cycles: Cycles, as_of: np.ndarray) -> Health:
    """The health of the sensors behind `sequences` (as known at `as_of`, (m,) microseconds) and their `cycles`."""
    s, m = sequences, len(sequences)
    last = s.last
    some = last >= 0
    end = np.maximum(last, 0)
    count = s.offsets[1:] - s.offsets[:-1]
    measured = s.measured if len(s.measured) else np.zeros(1, dtype=np.int64)
    fill = s.fill if len(s.fill) else np.zeros(1, dtype=np.int64)
    last_measured = np.where(some, measured[end], -1)
    age_h = np.where(some, np.maximum(as_of - last_measured, 0) / HOUR_US, np.inf)
    first = np.minimum(s.offsets[:-1], len(measured) - 1)
    step_h = s.step_h
    silent = age_h > np.fmax(SILENT_H, SILENT_STEPS * step_h)

    still = _stillness(s)
    # What is usual is learned from before the spell that may have begun, where there is a longer history.
    old = measured[first] <= as_of - OLD_DAYS * 24 * HOUR_US
    before = np.where(old, np.minimum(still.since, as_of - SPELL_DAYS * 24 * HOUR_US), still.since)
    rate, step_pct = own_rates(cycles, before)
    missed_pct = rate * still.hours
    stuck = (still.hours >= STUCK_H) & (still.readings >= STUCK_READINGS)
    overdue = missed_pct >= np.maximum(STUCK_MISSED_PCT, STUCK_STEPS * step_pct)
    known_h = np.where(some, (still.since - measured[first]) / HOUR_US, 0.0)
    enough_h = np.where(still.longest_h <= STILL_LIVELY_H, *STILL_HISTORY_H)
    unheard_of = (still.hours >= STILL_FACTOR * still.longest_h) & (still.changes >= STILL_CHANGES)
    unheard_of &= (known_h >= enough_h) & (still.readings > STUCK_READINGS)
    emptyings = _emptyings_until(cycles, still.since) / np.maximum(known_h, 24.0) * still.hours
    # A full bin is still until it is emptied, at the highest value that its sensor knows.
    full = (fill[end] >= RIM_PCT * MILLI) & (fill[end] >= still.highest)
    never_moved = (still.changes == 0) & (still.hours >= NEVER_MOVED_H) & (still.readings >= NEVER_MOVED_READINGS)
    stuck &= np.where(full, emptyings >= STUCK_EMPTYINGS, overdue | unheard_of | never_moved)

    jumps = find_jumps(s, cycles, as_of, rate)
    seen_2d = readings_since(s, as_of - SPELL_DAYS * 24 * HOUR_US)
    seen = readings_since(s, as_of - ERRATIC_DAYS * 24 * HOUR_US)
    least = np.where(seen_2d <= SPARSE_READINGS[1], ERRATIC_JUMPS_SPARSE, ERRATIC_JUMPS)
    least = least + np.floor(USUAL_FACTOR * jumps.usual)
    erratic = (jumps.last_2_days >= np.maximum(least, ERRATIC_SHARE * seen_2d)) & (jumps.last_12_h > 0)
    erratic &= seen_2d >= SPARSE_READINGS[0]
    least = ERRATIC_JUMPS_WEEK + np.floor(USUAL_FACTOR_WEEK * jumps.usual)
    still_jumps = jumps.last_2_days >= np.maximum(1, ERRATIC_SHARE * seen_2d)
    erratic |= (jumps.last_7_days >= np.maximum(least, ERRATIC_SHARE * seen)) & still_jumps
    erratic |= jumps.restless | (jumps.wanderings >= ERRATIC_WANDERINGS)

    off = np.flatnonzero((s.fill < SCALE_MIN_PCT * MILLI) | (s.fill > SCALE_MAX_PCT * MILLI))
    off = off[s.measured[off] > as_of[s.seq[off]] - ERRATIC_DAYS * 24 * HOUR_US]
    out_of_scale = (np.bincount(s.seq[off], minlength=m) >= SCALE_SHARE * seen) & (seen > STUCK_READINGS)
    return Health(
        count, last_measured, age_h, step_h, still.hours, missed_pct, jumps.falls, jumps.last_7_days,
        jumps.last_2_days, jumps.noise_pct, jumps.wanderings, silent, stuck, erratic, out_of_scale, _fractions(s),
    )  # fmt: skip


def _fractions(s: Sequences) -> np.ndarray:
    """(m,) bool: sequences that go up and down between 0 and 1 percent, in parts of a percent, and never beyond."""
    out = np.zeros(len(s), dtype=bool)
    some = s.last >= 0
    if some.any():
        begins = s.offsets[:-1][some]
        lowest, highest = (least.reduceat(s.fill, begins) / MILLI for least in (np.minimum, np.maximum))
        parts = np.add.reduceat((s.fill % MILLI != 0).astype(np.int64), begins)
        inside = (lowest >= 0) & (highest <= 1) & (highest - lowest >= FRACTION_SPREAD)
        out[some] = inside & (parts >= FRACTION_READINGS)
    return out


@dataclass(frozen=True)
class _Stillness:
    """The runs of equal values at the end of m sequences; all (m,), zero without readings.

    since (microseconds), hours, readings: of the run; longest_h: of the runs before it, those at the rim aside;
    changes: how many there were; highest: thousandths of a percent, of all readings
    """

    since: np.ndarray
    hours: np.ndarray
    readings: np.ndarray
    longest_h: np.ndarray
    changes: np.ndarray
    highest: np.ndarray


def _stillness(s: Sequences) -> _Stillness:
    m, n = len(s), len(s.seq)
    some, end = s.last >= 0, np.maximum(s.last, 0)
    if not some.any():
        return _Stillness(*(np.zeros(m, dtype=kind) for kind in (np.int64, float, np.int64, float, np.int64, np.int64)))
    changed = steps(s) != 0
    changed[s.offsets[:-1][some]] = True
    begins = np.flatnonzero(changed)
    lasted = s.measured[np.append(begins[1:], n) - 1] - s.measured[begins]
    runs = np.bincount(s.seq[begins], minlength=m)
    first = np.cumsum(runs) - runs
    last = np.maximum(first + runs - 1, 0)
    begin = begins[last]
    lasted[last[some]] = 0
    lasted[s.fill[begins] >= RIM_PCT * MILLI] = 0
    longest_h = np.zeros(m)
    longest_h[some] = np.maximum.reduceat(lasted, first[some]) / HOUR_US
    highest = np.zeros(m, dtype=np.int64)
    highest[some] = np.maximum.reduceat(s.fill[begins], first[some])
    since = np.where(some, s.measured[begin], 0)
    hours = np.where(some, (s.measured[end] - since) / HOUR_US, 0.0)
    readings = np.where(some, end - begin + 1, 0)
    return _Stillness(since, hours, readings, longest_h, np.maximum(runs - 1, 0), highest)


def _emptyings_until(cycles: Cycles, until: np.ndarray) -> np.ndarray:
    """(m,) emptyings before `until` (m,) microseconds."""
    s = cycles.sequences
    begins = np.flatnonzero(cycles.begins)
    begins = begins[s.measured[begins] <= until[s.seq[begins]]]
    return np.bincount(s.seq[begins], minlength=len(s))


def own_rates(cycles: Cycles, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How each bin rose within its fill cycles until `before` (m,) microseconds: percent per hour, and points a step.

    The second is the mean of the changes that are not zero: a coarse sensor, or one whose bin gets few heavy bags,
    moves seldom and far. Both (m,), zero where nothing is known.
    """
    s, m = cycles.sequences, len(cycles.sequences)
    inside = ~cycles.breaks & (s.measured <= before[s.seq])
    inside[1:] &= s.fill[:-1] < RIM_PCT * MILLI  # a full bin tells nothing of what is thrown at it
    rise = np.where(inside, np.diff(s.fill, prepend=0), 0)
    time = np.where(inside, np.diff(s.measured, prepend=0), 0) // 1_000_000

    def total(values: np.ndarray) -> np.ndarray:
        return np.diff(sums(values)[s.offsets]).reshape(m)

    hours = total(time) / 3600
    rate = np.where(hours > 0, np.maximum(total(rise), 0) / MILLI / np.maximum(hours, 1e-9), 0.0)
    return rate, total(np.abs(rise)) / MILLI / np.maximum(total(rise != 0), 1)


def sensor_health(history: History, as_of: pd.Timestamp, bin_ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Sensor health as known at `as_of` of the bins asked, default all that have readings or are in the bins table.

    Columns bin_id, status, reasons, last_reading_at, readings, step_h, still_h, falls, jumps; see `Health`.
    """
    ids = pd.Index(np.array(_all_ids(history) if bin_ids is None else bin_ids, dtype=object), dtype="str")
    moment = np.full(len(ids), microsecond(as_of))
    sequences = Archive.of(history).sequences(ids.to_numpy(), moment, RECENT_DAYS)
    cycles = find_cycles(sequences, known_reports(history, ids, moment, RECENT_DAYS))
    health = judge(sequences, cycles, moment)
    last = pd.DatetimeIndex(np.where(health.readings > 0, health.last_measured, np.iinfo(np.int64).min)
                            .astype("datetime64[us]")).tz_localize("UTC")  # fmt: skip
    return pd.DataFrame(
        {
            "bin_id": ids, "status": health.status, "reasons": ["; ".join(r) for r in health.reasons()],
            "last_reading_at": last, "readings": health.readings, "step_h": health.step_h, "still_h": health.still_h,
            "falls": health.falls, "jumps": health.jumps,
        }
    )  # fmt: skip


def _all_ids(history: History) -> list[str]:
    return sorted(set(history.bins.frame["bin_id"]) | set(history.readings.frame["bin_id"].unique()))

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data.cycles import Cycles, find_cycles
from data.reports import known_reports
from data.sequences import HOUR_US, MILLI, Archive, Sequences, microsecond

if TYPE_CHECKING:
    from data.history import History

RECENT_DAYS = 28.0
SILENT_H, SILENT_STEPS = 12.0, 3.0
STUCK_H, STUCK_READINGS, STUCK_MISSED_PCT = 24.0, 6, 10.0
STUCK_STEPS = 6.0  # a healthy bin stays still while six steps are due once in four hundred times (Poisson)
FALL_PCT, ERRATIC_FALLS, ERRATIC_SHARE, ERRATIC_DAYS = 12.0, 6, 0.05, 7
SCALE_MIN_PCT, SCALE_MAX_PCT, SCALE_SHARE = -3.0, 110.0, 0.2
RIM_PCT = 98.0


@dataclass(frozen=True)
class Health:
    """What the recent readings of m bins say of their sensors.

    readings (m,)        readings in the window
    last_measured (m,)   microseconds of the newest reading, -1 without readings
    age_h (m,)           hours since then; infinite without readings
    step_h (m,)          mean hours between readings; NaN with fewer than two
    still_h (m,)         hours over which the newest value has not changed, until the newest reading
    missed_pct (m,)      points by which the bin would have risen meanwhile, at its own recent rate
    falls (m,)           falls of more than 12 points without an emptying, in the last 7 days
    silent, stuck, erratic, out_of_scale (m,)  bool
    """

    readings: np.ndarray
    last_measured: np.ndarray
    age_h: np.ndarray
    step_h: np.ndarray
    still_h: np.ndarray
    missed_pct: np.ndarray
    falls: np.ndarray
    silent: np.ndarray
    stuck: np.ndarray
    erratic: np.ndarray
    out_of_scale: np.ndarray

    @property
    def status(self) -> np.ndarray:
        """(m,) ok, stale, faulty_sensor or no_data."""
        faulty = self.stuck | self.erratic | self.out_of_scale
        return np.select(
            [self.readings == 0, faulty, self.silent], ["no_data", "faulty_sensor", "stale"], default="ok"
        ).astype(object)

    def reasons(self) -> list[tuple[str, ...]]:
        """For each bin the reasons of its status, in words."""
        text: dict[int, list[str]] = {}
        for hit, words in (
            (self.readings == 0, lambda i: f"no reading in the last {RECENT_DAYS:.0f} days"),
            (self.stuck, lambda i: f"stuck: the same value for {self.still_h[i]:.0f} h, in which the bin would have "
                                   f"risen by {self.missed_pct[i]:.0f} points"),
            (self.erratic, lambda i: f"erratic: {self.falls[i]} falls without an emptying in {ERRATIC_DAYS} days"),
            (self.out_of_scale, lambda i: "out of scale: many readings below 0 or above 110"),
            (self.silent & (self.readings > 0), lambda i: f"silent: the newest reading is {self.age_h[i]:.0f} h old"),
        ):  # fmt: skip
            for i in np.flatnonzero(hit).tolist():  # only over bins that have something to say
                text.setdefault(i, []).append(words(i))
        return [tuple(text.get(i, ())) for i in range(len(self.readings))]


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
    step_h = np.where(count > 1, (measured[end] - measured[first]) / np.maximum(count - 1, 1) / HOUR_US, np.nan)
    silent = age_h > np.fmax(SILENT_H, SILENT_STEPS * step_h)

    # The run of equal values at the end of each sequence begins after its last change.
    changed = s.is_first | (s.fill != s.lag(s.fill, 1, 0))
    run = np.maximum.accumulate(np.where(changed, np.arange(len(s.seq)), 0)) if len(s.seq) else np.zeros(1, dtype=int)
    run = run[end]
    still_h = np.where(some, (measured[end] - measured[run]) / HOUR_US, 0.0)
    rate, step_pct = own_rates(cycles, before=np.where(some, measured[run], 0))
    missed_pct = rate * still_h
    stuck = (still_h >= STUCK_H) & (end - run + 1 >= STUCK_READINGS)
    stuck &= missed_pct >= np.maximum(STUCK_MISSED_PCT, STUCK_STEPS * step_pct)
    stuck &= fill[end] < RIM_PCT * MILLI

    recent = s.measured > (as_of - ERRATIC_DAYS * 24 * HOUR_US)[s.seq]
    emptied = np.isin(s.seq * (1 << 52) + s.measured, _keys(cycles))
    fall = recent & ~emptied & ~s.is_first & (s.lag(s.fill, 1, 0) - s.fill > FALL_PCT * MILLI)
    falls = np.bincount(s.seq[fall], minlength=m)
    seen = np.bincount(s.seq[recent], minlength=m)
    erratic = (falls >= ERRATIC_FALLS) & (falls >= ERRATIC_SHARE * seen)
    off = recent & ((s.fill < SCALE_MIN_PCT * MILLI) | (s.fill > SCALE_MAX_PCT * MILLI))
    out_of_scale = (np.bincount(s.seq[off], minlength=m) >= SCALE_SHARE * seen) & (seen >= STUCK_READINGS)
    return Health(count, last_measured, age_h, step_h, still_h, missed_pct, falls, silent, stuck, erratic, out_of_scale)


def _keys(cycles: Cycles) -> np.ndarray:
    s = cycles.sequences
    return s.seq[cycles.begins] * (1 << 52) + s.measured[cycles.begins]


def own_rates(cycles: Cycles, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How each bin rose within its fill cycles until `before` (m,) microseconds: percent per hour, and points a step.

    The second is the mean of the changes that are not zero: a coarse sensor, or one whose bin gets few heavy bags,
    moves seldom and far. Both (m,), zero where nothing is known.
    """
    s, m = cycles.sequences, len(cycles.sequences)
    inside = ~(cycles.begins | s.is_first) & (s.measured <= before[s.seq])
    inside &= s.lag(s.fill, 1, 0) < RIM_PCT * MILLI  # a full bin tells nothing of what is thrown at it
    rise = np.where(inside, s.fill - s.lag(s.fill, 1, 0), 0)
    time = np.where(inside, s.measured - s.lag(s.measured, 1, 0), 0) // 1_000_000

    def total(values: np.ndarray) -> np.ndarray:
        return np.diff(np.concatenate([[0], np.cumsum(values)])[s.offsets]).reshape(m)

    hours = total(time) / 3600
    rate = np.where(hours > 0, np.maximum(total(rise), 0) / MILLI / np.maximum(hours, 1e-9), 0.0)
    return rate, total(np.abs(rise)) / MILLI / np.maximum(total(rise != 0), 1)


def sensor_health(history: History, as_of: pd.Timestamp, bin_ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Sensor health as known at `as_of` of the bins asked, default all that have readings or are in the bins table.

    Columns bin_id, status, reasons, last_reading_at, readings, step_h, still_h, falls; see `Health`.
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
            "falls": health.falls,
        }
    )  # fmt: skip


def _all_ids(history: History) -> list[str]:
    return sorted(set(history.bins.frame["bin_id"]) | set(history.readings.frame["bin_id"].unique()))

"""Fill rates by hour of the local week, as the rules in use know them: plain averages of the past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.sequences import HOUR_US
from training.labels import DAILY_STEP_H, hindsight_emptyings
from training.timelines import Timelines

WEEK_H = 168
MONDAY_H = 72.0  # from a Monday to 1970-01-01, a Thursday
LONGEST_H = 30.0  # longer gaps between readings say nothing about hours
SATURATED_PCT = 95.0
EMPTIED_SHARE = 0.5
JUMP_PCT = 20.0


@dataclass(frozen=True)
class Weekly:
    """rate: (b, 168) percent per hour by local hour of week (0 is Monday 00-01), one row per bin of `bin_ids`."""

    bin_ids: pd.Index
    rate: np.ndarray

    @classmethod
    def none(cls) -> Weekly:
        """Nothing rises; the one row is the fleet's."""
        return cls(pd.Index([], dtype="str"), np.zeros((1, WEEK_H)))

    def integral(self, code: np.ndarray, local_h: np.ndarray) -> np.ndarray:
        """(m,) fill accumulated from an arbitrary zero to local hours since 1970: differences are expected rises."""
        cumulative = np.concatenate([np.zeros((len(self.rate), 1)), np.cumsum(self.rate, axis=1)], axis=1)
        week_h = local_h + MONDAY_H
        weeks, within = np.divmod(week_h, WEEK_H)
        hour = np.minimum(within.astype(int), WEEK_H - 1)
        return weeks * cumulative[code, -1] + cumulative[code, hour] + (within - hour) * self.rate[code, hour]

    def rise(self, code: np.ndarray, local_h: np.ndarray, horizon_h: np.ndarray) -> np.ndarray:
        """(m,) expected rise in percent from the local hour asked over the horizon."""
        return self.integral(code, local_h + horizon_h) - self.integral(code, local_h)


@dataclass(frozen=True)
class Steps:
    """From one reading to the next of the same bin, absent an emptying, from below saturation.

    row: (s,) position of the later reading; rise_pct and hours: (s,).
    """

    row: np.ndarray
    rise_pct: np.ndarray
    hours: np.ndarray


def steps(lines: Timelines, emptied: np.ndarray) -> Steps:
    """All usable steps of the timelines; `emptied` as `hindsight_emptyings` gives it."""
    rise, gap = np.diff(lines.value), np.diff(lines.hours)
    # Where a fall leaves more than half it may be an echo that ends, or settling: it cancels the rise before it.
    emptying = emptied[1:] & (lines.value[1:] < EMPTIED_SHARE * lines.value[:-1])
    usable = (lines.code[1:] == lines.code[:-1]) & ~emptying & (gap <= LONGEST_H)
    usable &= lines.value[:-1] < SATURATED_PCT
    row = np.flatnonzero(usable) + 1
    reach = np.where(gap[row - 1] >= DAILY_STEP_H, 100.0, JUMP_PCT)  # a sensor's jumps are no filling
    return Steps(row, rise[row - 1].clip(-reach, reach), gap[row - 1])


def weekly(lines: Timelines, offset_h: np.ndarray, *, cell_h: int = 1, evidence_h: float = 24.0) -> Weekly:
    """Average rates per bin and cell of `cell_h` hours of the local week (offset_h: (n,) UTC to local, by row).

    A cell's rate is drawn toward that of its hour on all days, this toward the bin's mean, and that toward the fleet's,
    as if `evidence_h` hours of it had been seen. Rates below 0 count as 0.
    """
    found = steps(lines, hindsight_emptyings(lines))
    code = lines.code[found.row]
    size, n = WEEK_H // cell_h, len(lines.bin_ids)
    ends = lines.hours[found.row] + offset_h[found.row] + MONDAY_H
    begins = ends - found.hours
    pieces = np.floor(ends - 1e-9).astype(np.int64) - np.floor(begins).astype(np.int64) + 1
    owner = np.repeat(np.arange(len(code)), pieces)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    hour = np.floor(begins).astype(np.int64)[owner] + place
    part = np.minimum(hour + 1, ends[owner]) - np.maximum(hour, begins[owner])
    cell = code[owner] * size + (hour % WEEK_H) // cell_h
    seen = np.bincount(cell, weights=part, minlength=n * size).reshape(n, size)
    per_h = found.rise_pct / np.maximum(found.hours, 1e-9)
    risen = np.bincount(cell, weights=part * per_h[owner], minlength=n * size).reshape(n, size)
    fleet = risen.sum() / max(seen.sum(), 1e-9)
    mean = (risen.sum(axis=1) + fleet * evidence_h) / (seen.sum(axis=1) + evidence_h)
    by_hour = (n, 7, size // 7)
    daily = risen.reshape(by_hour).sum(axis=1) + mean[:, None] * evidence_h
    daily /= seen.reshape(by_hour).sum(axis=1) + evidence_h
    rate = (risen + np.tile(daily, (1, 7)) * evidence_h) / (seen + evidence_h)
    return Weekly(lines.bin_ids, np.repeat(np.maximum(rate, 0), cell_h, axis=1))


def local_offset_h(time_us: np.ndarray, zone: np.ndarray) -> np.ndarray:
    """(m,) hours to add to UTC for local time; zone: (m,) IANA names. One pass per distinct zone."""
    out = np.zeros(len(time_us))
    codes, names = pd.factorize(zone)
    for k, name in enumerate(names):
        mine = np.flatnonzero(codes == k)
        stamps = pd.DatetimeIndex(pd.to_datetime(time_us[mine], unit="us", utc=True))
        local = stamps.tz_convert(name).tz_localize(None).as_unit("us").asi8
        out[mine] = (local - time_us[mine]) / HOUR_US
    return out

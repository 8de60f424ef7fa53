from __future__ import annotations

from dataclasses import dataclass

import holidays as holidays_library
import numpy as np
import pandas as pd

from data.sequences import HOUR_US

WEEK_H = 168
MONDAY_H = 72  # 1970-01-01 was a Thursday: weeks are counted from the Monday before, 72 hours earlier


@dataclass(frozen=True)
class Clock:
    """Local time of m rows, each in one of a few timezones.

    zone (m,)        index into the tables
    first_hour       hours since 1970 (UTC) at which the tables begin
    shift_s (z, t)   seconds by which local time is ahead of UTC, by zone and hour
    """

    zone: np.ndarray
    first_hour: int
    shift_s: np.ndarray

    @classmethod
    def over(cls, timezones: np.ndarray, start: int, end: int) -> Clock:
        """A clock for rows in `timezones` (m,) between two moments, in microseconds. Raises for unknown zones."""
        codes, names = pd.factorize(timezones)
        first, last = start // HOUR_US - 1, end // HOUR_US + 2
        hours = pd.DatetimeIndex((np.arange(first, last + 1) * HOUR_US).astype("datetime64[us]")).tz_localize("UTC")
        naive = hours.tz_localize(None)
        shifts = [((hours.tz_convert(name).tz_localize(None) - naive) // pd.Timedelta("1s")) for name in names]
        return cls(codes, int(first), np.array(shifts, dtype=np.int64).reshape(len(names), len(hours)))

    def local_s(self, moments: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Seconds of local wall-clock time since Monday 1969-12-29 at `moments` (microseconds) for `row`."""
        hour = moments // HOUR_US - self.first_hour
        return moments // 1_000_000 + self.shift_s[self.zone[row], hour] + MONDAY_H * 3600


def holiday_days(country: str | None, first_day: int, last_day: int) -> np.ndarray:
    """Sorted days since Monday 1969-12-29 that are public holidays of `country` (ISO code; None: no holidays)."""
    if country is None:
        return np.zeros(0, dtype=np.int64)
    epoch = pd.Timestamp("1969-12-29")
    first, last = epoch + pd.Timedelta(days=first_day), epoch + pd.Timedelta(days=last_day)
    table = holidays_library.country_holidays(country, years=range(first.year, last.year + 1))
    days = [(pd.Timestamp(day) - epoch).days for day in table]
    return np.sort(np.array(days, dtype=np.int64))

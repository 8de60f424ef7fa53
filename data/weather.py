"""The weather of one city: what was forecast and what was observed, each row with the moment it was issued."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from data.sequences import HOUR_US, microseconds
from data.tables import WEATHER

TIMES = ("at", "issued_at")
VALUES = ("temperature_c", "precipitation_mm")


@dataclass(frozen=True)
class Weather:
    """Weather, every version of each moment, sorted by `at` and `issued_at`; the columns of `data.tables.WEATHER`.

    A row holds for the hour in which `at` lies. One table is one city's: it has no place.
    """

    frame: pd.DataFrame

    @classmethod
    def checked(cls, frame: pd.DataFrame) -> Weather:
        """Weather from a frame that comes from outside; `issued_at` defaults to `at`, as of what was observed.

        Of two rows of one `at` and `issued_at` the one with the higher values holds, whatever their order.
        """
        full = pd.DataFrame(index=frame.index)
        for name in TIMES:
            times = frame.get(name, frame["at"])
            full[name] = pd.to_datetime(times, utc=True).astype("datetime64[us, UTC]")
        for name in VALUES:
            full[name] = pd.to_numeric(frame.get(name, pd.Series(np.nan, index=frame.index))).astype(float)
        full["issued_at"] = full["issued_at"].fillna(full["at"])
        full = full.sort_values([*TIMES, *VALUES], na_position="first", kind="stable")
        return cls(WEATHER.validate(full.drop_duplicates(list(TIMES), keep="last").reset_index(drop=True)))

    @classmethod
    @cache  # nobody changes a table's frame
    def none(cls) -> Weather:
        """No weather."""
        return cls.checked(pd.DataFrame({"at": pd.Series(dtype="str")}))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def foretells(self) -> bool:
        """Whether any row is a forecast: issued before the moment it is for."""
        return bool((self.frame["issued_at"] < self.frame["at"]).any())

    @property
    def issues(self) -> np.ndarray:
        """The moments, in microseconds, at which something was issued; rising, each once."""
        return np.unique(microseconds(self.frame["issued_at"]))

    def issued_by(self, moment: pd.Timestamp) -> Weather:
        """Every version issued by then."""
        return Weather(self.frame[self.frame["issued_at"] <= moment].reset_index(drop=True))

    def since(self, start: pd.Timestamp) -> Weather:
        """Only the weather at or after `start`."""
        return Weather(self.frame[self.frame["at"] >= start].reset_index(drop=True))

    def latest(self) -> Weather:
        """Of each `at` the version issued last."""
        return Weather(self.frame[~self.frame.duplicated("at", keep="last")].reset_index(drop=True))

    def known(self, as_of: np.ndarray, hours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Temperature and precipitation (u, h) in `hours` (u, h) since 1970, as known at `as_of` (u,) microseconds.

        Of each hour the row issued last by then, NaN where there was none; no answer depends on the others asked.
        """
        at, issued = (microseconds(self.frame[name]) for name in TIMES)
        hour = at // HOUR_US
        issues = self.issues
        issue = np.searchsorted(issues, issued)
        order = np.lexsort((at, issue, hour))
        # One number orders the rows by hour and then by issue, so that one search finds them all.
        key = (hour * (len(issues) + 1) + issue)[order]
        heard = np.searchsorted(issues, as_of, side="right") - 1
        found = np.searchsorted(key, hours * (len(issues) + 1) + heard[:, None], side="right") - 1
        row = order[np.maximum(found, 0)] if len(order) else np.zeros(hours.shape, dtype=np.int64)
        missing = (found < 0) | (hour[row] != hours) if len(order) else np.ones(hours.shape, dtype=bool)
        values = [np.append(self.frame[name].to_numpy(dtype=float), np.nan) for name in VALUES]
        rows = np.where(missing, len(self.frame), row)
        return values[0][rows], values[1][rows]

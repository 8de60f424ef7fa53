"""When bins can be emptied, and when that has to be decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import InputError
from data.sequences import HOUR_US, microsecond, microseconds

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NEVER = np.int64(np.iinfo(np.int64).max // 4)


@dataclass(frozen=True)
class Opportunities:
    """The moments at which b bins can be emptied, in order, at most k each; the rest is NEVER.

    at_us (b, k + 1) microseconds, the last of each bin only the end of what the one before is decided for;
    decided_us (b, k + 1): when it is decided; count (b,): opportunities of each bin.
    """

    at_us: np.ndarray
    decided_us: np.ndarray
    count: np.ndarray

    @property
    def most(self) -> int:
        """The number of opportunities that the busiest bin has."""
        return int(self.count.max(initial=0))


@dataclass(frozen=True)
class Rounds:
    """On which weekdays (0 is Monday) and at which local hour trucks can come; or, with a table, the visits planned.

    visits: bin_id and planned_at.
    """

    days: tuple[int, ...] = tuple(range(7))
    hour: float = 6.0
    visits: pd.DataFrame | None = None

    @classmethod
    def named(cls, text: str) -> Rounds:
        """From words: daily, or weekdays such as mon,wed,fri. Raises InputError."""
        words = [word.strip().lower() for word in text.split(",")]
        if words == ["daily"]:
            return cls()
        if any(word not in DAYS for word in words):
            raise InputError(
                f"rounds {text!r}",
                expected=f"daily, or weekdays of {','.join(DAYS)}",
                remedy="Name the days on which trucks go.",
                example="--rounds mon,wed,fri",
            )
        return cls(days=tuple(sorted({DAYS.index(word) for word in words})))

    def opportunities(
        self, bin_ids: np.ndarray, timezones: np.ndarray, start: pd.Timestamp, end: pd.Timestamp, lead: pd.Timedelta
    ) -> Opportunities:
        """Of bins (b,) between the first that is decided at `start` or later and `end`. Raises InputError for none."""
        first, last = microsecond(start + lead), microsecond(end)
        bins, moments = self._moments(bin_ids, timezones, start, end + pd.Timedelta(days=15))
        late = moments >= first
        bins, moments = bins[late], moments[late]
        order = np.lexsort((moments, bins))
        bins, moments = bins[order], moments[order]
        inside = moments <= last
        count = np.bincount(bins[inside], minlength=len(bin_ids))
        if not count.any():
            raise InputError(
                f"no round between {start + lead} and {end}",
                expected="at least one opportunity to empty a bin, decided after --from",
                remedy="Choose a longer span, a shorter --lead, or other --rounds.",
            )
        place = np.arange(len(bins)) - np.searchsorted(bins, bins)
        at_us = np.full((len(bin_ids), int(count.max()) + 1), NEVER)
        kept = place <= count[bins]
        at_us[bins[kept], place[kept]] = moments[kept]
        ends = at_us[np.arange(len(bin_ids)), count] == NEVER  # a table of visits may end with the replay
        at_us[ends, count[ends]] = last
        decided = np.where(at_us < NEVER, at_us - round(lead / pd.Timedelta(hours=1) * HOUR_US), NEVER)
        return Opportunities(at_us, decided, count)

    def _moments(
        self, bin_ids: np.ndarray, timezones: np.ndarray, start: pd.Timestamp, end: pd.Timestamp
    ) -> tuple[np.ndarray, np.ndarray]:
        """(m,) bins and (m,) microseconds of all moments between `start` and `end`."""
        if self.visits is not None:
            code = pd.Index(bin_ids).get_indexer(pd.Index(self.visits["bin_id"]))
            key = pd.DataFrame({"bin": code, "at": microseconds(self.visits["planned_at"])})
            key = key[key["bin"] >= 0].drop_duplicates()
            return key["bin"].to_numpy(), key["at"].to_numpy()
        zones, names = pd.factorize(pd.Series(timezones, dtype=object))
        bins, moments = [], []
        for zone, name in enumerate(names):  # a few
            local = pd.date_range(start.tz_convert(name).normalize(), end.tz_convert(name), freq="D")
            local = local.tz_localize(None)
            local = local[local.day_of_week.isin(self.days)] + pd.Timedelta(hours=self.hour)
            utc = local.tz_localize(name, nonexistent="shift_forward", ambiguous=np.ones(len(local), dtype=bool))
            mine = np.flatnonzero(zones == zone)
            bins.append(np.repeat(mine, len(utc)))
            moments.append(np.tile(microseconds(utc.tz_convert("UTC")), len(mine)))
        return np.concatenate(bins), np.concatenate(moments)

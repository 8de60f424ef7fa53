"""What bins and their sensors do in a span of days, bin by bin: what a model takes for granted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.history import History
from data.sequences import HOUR_US, microsecond, microseconds
from training.labels import hindsight_emptyings, levels

DAY_US = 24 * HOUR_US
LEVEL_EDGES_PCT = np.array([20.0, 40.0, 60.0, 80.0])


@dataclass(frozen=True)
class Habits:
    """Of each bin known before a span of whole days began (index bin_id), that span's days.

    silent: the share of days without a reading; reading_rate, emptying_rate: a day, of the days with readings, NaN
    without any; levels (n, 5): the shares of readings below 20, 40, 60, 80 percent and above, zero without any.
    """

    table: pd.DataFrame
    levels: np.ndarray

    @classmethod
    def of(cls, history: History, start: pd.Timestamp, days: int) -> Habits:
        """The habits from `start` on; emptyings are those that the readings show."""
        lines = levels(history.readings)
        emptied = hindsight_emptyings(lines)
        begin = microsecond(start)
        known = lines.time_us[lines.bounds[:-1]] < begin if len(lines.bin_ids) else np.zeros(0, dtype=bool)
        inside = np.flatnonzero((lines.time_us >= begin) & (lines.time_us < begin + days * DAY_US))
        code, day = lines.code[inside], (lines.time_us[inside] - begin) // DAY_US
        count = len(lines.bin_ids)
        heard = np.bincount(np.unique(code * np.int64(days) + day) // days, minlength=count)
        band = np.searchsorted(LEVEL_EDGES_PCT, lines.value[inside], side="right")
        bands = np.bincount(code * 5 + band, minlength=count * 5).reshape(count, 5)
        with np.errstate(invalid="ignore", divide="ignore"):
            table = pd.DataFrame(
                {
                    "silent": 1 - heard / days,
                    "reading_rate": np.bincount(code, minlength=count) / heard,
                    "emptying_rate": np.bincount(code, weights=emptied[inside], minlength=count) / heard,
                },
                index=pd.Index(lines.bin_ids, name="bin_id"),
            )
            shares = np.nan_to_num(bands / bands.sum(axis=1, keepdims=True))
        return cls(table[known], shares[known])

    def of_bins(self, bin_ids: pd.Index) -> Habits:
        """Only these, in this order; all of them must be here."""
        return Habits(self.table.loc[bin_ids], self.levels[self.table.index.get_indexer(bin_ids)])


def heard_bins(history: History, start: pd.Timestamp) -> np.ndarray:
    """The bins of which a reading was measured at or after `start`."""
    frame = history.readings.frame
    return frame.loc[microseconds(frame["measured_at"]) >= microsecond(start), "bin_id"].unique()

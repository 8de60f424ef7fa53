from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.readings import Readings
from data.sequences import HOUR_US, microseconds
from training.timelines import Timelines

CHUNK_ROWS = 2_000_000


@dataclass(frozen=True)
class Known:
    """What was known of the readings at a slice of origins.

    first: the slice's first origin; lines: a timeline per origin of the slice (code = origin - first), fill in percent
    clipped to 0-100; row: (n,) each row's position among all versions of all readings.
    """

    first: int
    lines: Timelines
    row: np.ndarray


@dataclass(frozen=True)
class Versions:
    """Every version of every reading, laid end to end, with the moment each was heard."""

    lines: Timelines
    received_us: np.ndarray

    @classmethod
    def of(cls, readings: Readings) -> Versions:
        """From readings, which are sorted by bin, measured_at and received_at."""
        frame = readings.frame
        fill = frame["fill_pct"].to_numpy(float).clip(0, 100)
        lines = Timelines.of(frame["bin_id"], frame["measured_at"], fill)
        return cls(lines, microseconds(frame["received_at"]))

    def known_at(self, code: np.ndarray, as_of_us: np.ndarray, days: float) -> Iterator[Known]:
        """What was heard by each origin (code >= 0, as_of) of the `days` before it; origins in slices, in order.

        Of each reading the version heard last by then; slices bound the memory at about two million rows.
        """
        start = self.lines.before(code, as_of_us - round(days * 24 * HOUR_US), inclusive=False)
        stop = self.lines.before(code, as_of_us, inclusive=True)
        total = np.concatenate([[0], np.cumsum(stop - start)])
        begin = 0
        while begin < len(code):
            end = max(begin + 1, int(np.searchsorted(total, total[begin] + CHUNK_ROWS, side="right")) - 1)
            part = slice(begin, end)
            size = stop[part] - start[part]
            owner = np.repeat(np.arange(end - begin), size)
            row = np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size) + np.repeat(start[part], size)
            heard = self.received_us[row] <= as_of_us[part][owner]
            owner, row = owner[heard], row[heard]
            time_us = self.lines.time_us[row]
            revised = np.zeros(len(row), dtype=bool)
            revised[:-1] = (owner[1:] == owner[:-1]) & (time_us[1:] == time_us[:-1])
            owner, row, time_us = owner[~revised], row[~revised], time_us[~revised]
            bounds = np.searchsorted(owner, np.arange(end - begin + 1))
            lines = Timelines(
                pd.RangeIndex(end - begin), bounds, owner, time_us, time_us / HOUR_US, self.lines.value[row]
            )
            yield Known(begin, lines, row)
            begin = end

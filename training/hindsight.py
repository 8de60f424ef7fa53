"""What the readings say of a bin today, before and after any moment: the truth that forecasts are held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.history import History
from data.sequences import microsecond
from training.labels import hindsight_emptyings, levels
from training.timelines import Timelines

HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class Stretch:
    """A bin's readings in order: hours (n,) since some origin, level (n,) percent, and where an emptying came before.

    step_h: the bin's median hours between readings.
    """

    hours: np.ndarray
    level: np.ndarray
    emptied: np.ndarray
    step_h: float

    def where(self, keep: np.ndarray) -> Stretch:
        """Only some of the readings; an emptying stays where the reading after it does."""
        return Stretch(self.hours[keep], self.level[keep], self.emptied[keep], self.step_h)

    def between(self, low: float, high: float) -> Stretch:
        """Those in (low, high], in hours."""
        return self.where((self.hours > low) & (self.hours <= high))


@dataclass(frozen=True)
class Hindsight:
    """All readings in their latest version, and between which of them bins were emptied."""

    lines: Timelines
    emptied: np.ndarray

    @classmethod
    def of(cls, history: History) -> Hindsight:
        """From all that was ever heard."""
        lines = levels(history.readings)
        return cls(lines, hindsight_emptyings(lines))

    def stretch(self, bin_id: str, since: pd.Timestamp, before_h: float, after_h: float) -> Stretch:
        """The bin's readings from `before_h` hours before a moment to `after_h` after it; hours count from it."""
        code = self.lines.codes_of(pd.Series([bin_id]))
        us = microsecond(since)
        if code[0] < 0:
            return Stretch(np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool), np.nan)
        low, high = self.lines.bounds[code[0]], self.lines.bounds[code[0] + 1]
        all_h = (self.lines.time_us[low:high] - us) / 3.6e9
        near = slice(
            low + int(np.searchsorted(all_h, -before_h)), low + int(np.searchsorted(all_h, after_h, side="right"))
        )
        hours = (self.lines.time_us[near] - us) / 3.6e9
        step_h = float(np.median(np.diff(all_h))) if len(all_h) > 1 else np.nan
        return Stretch(hours, self.lines.value[near], self.emptied[near], step_h)

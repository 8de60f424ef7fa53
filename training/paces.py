"""Paces: how fast bins have filled of late, as multiples of what their profiles expect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.cycles import Cycles
from data.health import RIM_PCT
from data.jumps import noise_limit, unexplained
from data.sequences import HOUR_US, MILLI, search, sums
from training.profiles import NANO

WINDOWS_H = (6, 12, 24, 72, 168, 672)
PRIOR_PCT = (4.0, 4.0, 6.0, 8.0, 10.0, 12.0)  # points added to risen and expected, so that short windows stay calm
PACES = 0.02, 50.0  # times its profile, the slowest and fastest that a bin is taken for; a new stream has the city's
PASSES, CALM_PCT = 3, 4.0  # turns in which a bin's own pace is found, and points that keep it from the first few


@dataclass(frozen=True)
class Rises:
    """What came from each reading of m bins to the next, beside what their profiles expected.

    cycles          the readings (n,) and their fill cycles
    usable (n,)     bool: both readings are of one fill cycle, the first below the rim
    risen (n,)      thousandths of a percent since the reading before; 0 where not usable
    expected (n,)   likewise, by the profile
    """

    cycles: Cycles
    usable: np.ndarray
    risen: np.ndarray
    expected: np.ndarray

    @classmethod
    def of(cls, cycles: Cycles, expected: np.ndarray) -> Rises:
        """`expected` (n,) NANO-ths of a percent that the profile expects from the window's begin to each reading."""
        s = cycles.sequences
        before = s.lag(s.fill, 1, 0)
        usable = ~cycles.breaks & (before < RIM_PCT * MILLI)
        foreseen = np.where(usable, expected - s.lag(expected, 1, 0), 0) // int(NANO / MILLI)
        return cls(cycles, usable, np.where(usable, s.fill - before, 0), foreseen)

    def odd(self, per_day: np.ndarray) -> np.ndarray:
        """(n,) bool: steps that no deposit explains, of bins whose profiles gather `per_day` (m,) percent.

        A bin that its profile does not know may be many times slower or faster; so again at the pace of what was kept.
        """
        s = self.cycles.sequences
        limit = noise_limit(s)
        odd = unexplained(s, per_day, limit)
        for _ in range(PASSES):
            kept = (np.where(odd, 0, part) for part in (self.risen, self.expected))
            risen, hoped = (np.bincount(s.seq, part, len(s)) / MILLI for part in kept)
            pace = np.clip((risen + CALM_PCT) / (np.maximum(hoped, 0) + CALM_PCT), *PACES)
            odd = unexplained(s, per_day * pace, limit)
        return odd

    def paces(
        self, end: np.ndarray, some: np.ndarray, as_of: np.ndarray, odd: np.ndarray
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Columns (m,) of rise over expected rise in trailing windows before `as_of` (m,); pace and hoped (m,).

        The pace is that of the longest window, `hoped` the percent expected in it. `end` (m,) is the newest reading of
        each bin, where there are `some` (m,) at all. The steps `odd` (n,) are left out of both.
        """
        s = self.cycles.sequences
        risen, hoped = (sums(np.where(odd, 0, part)) for part in (self.risen, self.expected))
        surprise = np.minimum(np.abs(self.risen - self.expected), 30_000)
        rough = sums(np.where(self.usable, surprise**2 // 1000, 0))
        falls, still = sums(self.usable & (self.risen < 0)), sums(self.usable & (self.risen == 0))
        spans = sums(self.usable)
        columns: dict[str, np.ndarray] = {}
        pace, hope = np.ones(len(end)), np.zeros(len(end))
        low, high = s.offsets[:-1], s.offsets[1:]
        for hours, prior in zip(WINDOWS_H, PRIOR_PCT, strict=True):
            first = search(s.measured, low, high, as_of - hours * HOUR_US, right=False)
            first = np.minimum(first, end)
            up = (risen[end + 1] - risen[first + 1]) / MILLI
            hope = np.maximum((hoped[end + 1] - hoped[first + 1]) / MILLI, 0)
            pace = np.where(some, np.clip((up + prior) / (hope + prior), *PACES), 1.0)
            columns[f"pace_{hours}h"] = pace
            if hours <= 168:
                columns[f"risen_{hours}h"] = np.where(some, up, np.nan)
            if hours in (6, 24):
                columns[f"surprise_{hours}h"] = np.where(some, up - hope, np.nan)
            if hours in (168, 672):
                count = np.maximum(spans[end + 1] - spans[first + 1], 1)
                columns[f"rough_{hours}h"] = np.sqrt((rough[end + 1] - rough[first + 1]) / count / 1000)
                columns[f"falling_{hours}h"] = (falls[end + 1] - falls[first + 1]) / count
                columns[f"resting_{hours}h"] = (still[end + 1] - still[first + 1]) / count
        return columns, pace, np.where(some, hope, 0.0)

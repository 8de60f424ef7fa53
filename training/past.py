"""What bins gathered in their past, beside what their profiles expected."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.cycles import Cycles, find_cycles
from data.health import RIM_PCT
from data.history import History
from data.jumps import noise_limit, unexplained
from data.reports import known_reports
from data.sequences import HOUR_US, MILLI, Archive, search, sums
from training.calendar import Clock
from training.lookup import UNKNOWN
from training.paces import PACES, PRIOR_PCT
from training.profiles import NANO, Accumulated, FillRateProfiles
from training.resistance import Resistance
from training.seasons import Seasons

AHEAD_H = (48.0, 168.0)
PACE_DAYS = 28.0
LONGEST_SPAN_H = 72.0


@dataclass(frozen=True)
class Past:
    """All readings of a history in fill cycles, with what the profiles expected.

    ids, streams, sites (b,) of the bins; per_day (b,) percent; local_s (n,) of each reading, local seconds since a
    Monday; risen, expected (n,) thousandths of a percent since the reading before; usable (n,) bool: of one fill cycle,
    from below the rim, not too long; until: microseconds
    """

    ids: np.ndarray
    streams: np.ndarray
    sites: np.ndarray
    per_day: np.ndarray
    cycles: Cycles
    local_s: np.ndarray
    risen: np.ndarray
    expected: np.ndarray
    usable: np.ndarray
    until: int

    @classmethod
    def of(cls, history: History, until: int, profiles: FillRateProfiles, held: Resistance, seasons: Seasons) -> Past:
        """What was known at `until`, microseconds."""
        archive = Archive.of(history)
        ids = archive.bin_ids.to_numpy(object)
        moment = np.full(len(ids), until)
        cycles = find_cycles(archive.sequences(ids, moment, None), known_reports(history, ids, moment, None))
        known = history.bins.unique.reindex(ids)
        streams = known["stream"].fillna("mixed").to_numpy(object)
        sites = known["site_kind"].fillna(UNKNOWN).to_numpy(object)
        s = cycles.sequences
        zones = known["timezone"].fillna("UTC").to_numpy(object)
        local_s = Clock.over(zones, int(s.measured.min()), int(s.measured.max())).local_s(s.measured, s.seq)
        nothing = np.zeros(0)
        untold = cls(ids, streams, sites, nothing, cycles, local_s, nothing, nothing, nothing, until)
        return untold.expecting(profiles, held, seasons)

    def expecting(self, profiles: FillRateProfiles, held: Resistance, seasons: Seasons) -> Past:
        """The same with what these profiles expect."""
        s = self.cycles.sequences
        rows = profiles.rows(self.ids, self.streams, self.sites)
        gathered = Accumulated.of(profiles.table, rows, held, seasons, self.streams, self.sites)
        total = gathered.by_reading(self.local_s, s, self.cycles.cycle)
        before, step = s.lag(s.fill, 1, 0), s.measured - s.lag(s.measured, 1, 0)
        usable = ~self.cycles.breaks & (before < RIM_PCT * MILLI) & (step <= LONGEST_SPAN_H * HOUR_US)
        usable &= ~unexplained(s, gathered.per_day, noise_limit(s))
        expected = (total - s.lag(total, 1, 0)) // int(NANO / MILLI)
        return replace(self, per_day=gathered.per_day, risen=s.fill - before, expected=expected, usable=usable)

    def after(self, bin_ids: np.ndarray, as_of: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points risen within AHEAD_H (k,) after `as_of` (m,), and expected in the same spans, both (m, k); (m,) a day.

        NaN where half of the time or more was not seen, or lies after `until`. Times in microseconds.
        """
        ahead = (np.array(AHEAD_H) * HOUR_US).astype(np.int64)
        moments = np.tile(as_of[:, None], len(ahead))
        risen, expected, seen_h = self._between(bin_ids, moments, moments + ahead)
        enough = (seen_h >= np.array(AHEAD_H) / 2) & (moments + ahead <= self.until)
        owner = pd.Index(self.ids).get_indexer(pd.Index(bin_ids))
        return np.where(enough, risen, np.nan), expected, self.per_day[owner]

    def pace(self, bin_ids: np.ndarray, as_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m,) the pace of the PACE_DAYS before `as_of` (m,), as `training.paces` tells it; (m,) points hoped."""
        begin = as_of - int(PACE_DAYS * 24 * HOUR_US)
        risen, expected, _ = self._between(bin_ids, begin[:, None], as_of[:, None])
        hoped = np.maximum(expected[:, 0], 0)
        return np.clip((risen[:, 0] + PRIOR_PCT[-1]) / (hoped + PRIOR_PCT[-1]), *PACES), hoped

    def _between(self, bin_ids: np.ndarray, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, ...]:
        """Points risen and expected, and hours seen, in usable spans between `begin` and `end`, each (m, k)."""
        s = self.cycles.sequences
        owner = pd.Index(self.ids).get_indexer(pd.Index(bin_ids))
        low, high = s.offsets[:-1][owner], s.offsets[1:][owner]
        first, last = (
            np.stack([search(s.measured, low, high, moment, right=True) for moment in moments.T], axis=1)
            for moments in (begin, end)
        )
        first = np.minimum(first + 1, last)
        parts = self.risen, self.expected, (s.measured - s.lag(s.measured, 1, 0)) // 1_000_000
        totals = [sums(np.where(self.usable, part, 0)) for part in parts]
        risen, expected, seen_s = (part[last] - part[first] for part in totals)
        return risen / MILLI, expected / MILLI, seen_s / 3600

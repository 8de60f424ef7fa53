"""How fast bins fill, learned from all that came in: also from what no sensor saw, once it is filled in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.cycles import Cycles
from data.errors import InputError
from data.history import History
from data.sequences import HOUR_US, microsecond
from training.calendar import Clock
from training.curriculum import levels_before, told_apart
from training.examples import LONGEST_SPAN_H, spans
from training.profiles import NANO, Accumulated, FillRateProfiles
from training.resistance import Resistance


@dataclass(frozen=True)
class DepositRates:
    """Fill rates of b empty bins, and the time (n,) from each reading's predecessor until it: which bin, local seconds.

    resistance: how much slower bins fill the fuller they are, as far as that is sure.
    """

    profiles: FillRateProfiles
    resistance: Resistance
    cycles: Cycles
    ids: np.ndarray
    streams: np.ndarray
    local_s: np.ndarray

    @classmethod
    def of(cls, history: History, ids: np.ndarray, cycles: Cycles) -> DepositRates:
        """As forecasters learn them, from what was seen. Raises InputError where nothing was."""
        s, span = cycles.sequences, history.span
        found, rise = spans(history, microsecond(span[1]) if span else 0)
        if not len(found):
            raise InputError(
                f"{len(history.readings):,} readings without two of one fill cycle",
                expected="readings from which a bin's fill rate can be told",
                remedy="Load more history before replaying policies on it.",
            )
        resistance, ease = _resistance(found, rise)
        profiles = FillRateProfiles().fit(found.assign(ease=ease), rise)
        known = history.bins.unique.reindex(ids)
        streams = known["stream"].fillna("mixed").to_numpy(object)
        zones = known["timezone"].fillna("UTC").to_numpy(object)
        clock = Clock.over(zones, int(s.measured.min()), int(s.measured.max()))
        return cls(profiles, resistance, cycles, ids, streams, clock.local_s(s.measured, s.seq))

    def learn(self, rise: np.ndarray) -> DepositRates:
        """From what came in all of the time (n,), seen or not: points of an empty bin."""
        s = self.cycles.sequences
        hours = (s.measured - s.lag(s.measured, 1, 0)) / HOUR_US
        rows = np.flatnonzero(~s.is_first & (hours <= LONGEST_SPAN_H) & (hours > 0))
        start_s = self.local_s[rows] - np.rint(hours[rows] * 3600).astype(np.int64)
        seq = s.seq[rows]
        frame = pd.DataFrame(
            {"bin_id": self.ids[seq], "stream": self.streams[seq], "start_s": start_s, "hours": hours[rows]}
        )
        return replace(self, profiles=FillRateProfiles().fit(frame, rise[rows]))

    def expected(self) -> np.ndarray:
        """(n,) points that the bin's rate gives since the reading before, were it empty."""
        s = self.cycles.sequences
        gathered = Accumulated.of(self.profiles.table, self.profiles.rows(self.ids, self.streams))
        total = gathered.at(self.local_s, s.seq)
        return np.asarray((total - s.lag(total, 1, 0)) / NANO)


def _resistance(spans_x: pd.DataFrame, rise: np.ndarray) -> tuple[Resistance, np.ndarray]:
    """How far bins surely resist, by the spans (n,) and their rises, and the ease (n,) at the level of each span."""
    eased, held, seasons = told_apart(spans_x, rise, np.random.default_rng(0))
    profiles = FillRateProfiles().fit(eased, rise)
    level = levels_before(eased, profiles, held, seasons)
    expected = profiles.predict(eased) * seasons.factor(eased)
    sure = Resistance.surely(level, rise, expected, eased["stream"], eased["bin_id"])
    return sure, sure.at(level, sure.rows(eased["stream"]))

"""How well erratic and stuck sensors are recognised on simulated cities, where the truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from data.bins import Bins
from data.cycles import find_cycles
from data.health import RECENT_DAYS, judge
from data.history import History
from data.readings import Readings
from data.scales import Scales
from data.sequences import Archive, microseconds
from data.simulation import CitySettings, Simulation, simulate

EVERY_H = 6
KNOWN_DAYS = 4
"""What is usual for a sensor must be known before anything can be unusual."""
PATIENCE = pd.Timedelta(hours=48)


@dataclass(frozen=True)
class Found:
    """What was said of every bin at every moment, `faulty` (bins, moments), beside the true spells."""

    bin_ids: np.ndarray
    moments: pd.DatetimeIndex
    faulty: np.ndarray
    spells: pd.DataFrame

    @classmethod
    def in_city(cls, settings: CitySettings, seed: int) -> Found:
        made = simulate(settings, np.random.default_rng(seed))
        archive = Archive.of(History.of(_readings(made)))
        bin_ids = made.bins["bin_id"].to_numpy()
        first = pd.Timestamp(settings.start) + pd.Timedelta(days=KNOWN_DAYS)
        moments = pd.date_range(first, periods=(settings.days - KNOWN_DAYS) * 24 // EVERY_H, freq=f"{EVERY_H}h")
        as_of = np.tile(microseconds(moments), len(bin_ids))
        sequences = archive.sequences(np.repeat(bin_ids, len(moments)), as_of, RECENT_DAYS)
        status = judge(sequences, find_cycles(sequences), as_of).status
        faulty = (status == "faulty_sensor").reshape(len(bin_ids), len(moments))
        return cls(bin_ids, moments, faulty, made.true_spells)

    def recognised(self) -> pd.Series:
        """For every spell of 48 hours or more, by its kind: whether it was recognised within its first 48 hours."""
        long = (self.spells["ends_at"] - self.spells["begins_at"] >= PATIENCE) & (
            self.spells["begins_at"] >= self.moments[0]
        )
        hits = {
            row.Index: bool(self._of(row.bin_id)[self._within(row.begins_at, row.begins_at + PATIENCE)].any())
            for row in self.spells[long].itertuples()
        }
        return pd.Series(hits).groupby(self.spells["kind"]).agg(["sum", "size"]).stack()

    def wrongly(self) -> float:
        """The share of bin-days without a spell on which a sensor is said to be faulty."""
        ill = np.zeros_like(self.faulty)
        for row in self.spells.itertuples():
            ill[self.bin_ids == row.bin_id, self._within(row.begins_at, row.ends_at)] = True
        per_day = 24 // EVERY_H
        ill_days, faulty_days = (x.reshape(len(x), -1, per_day).any(axis=2) for x in (ill, self.faulty & ~ill))
        return float(faulty_days[~ill_days].mean())

    def _of(self, bin_id: str) -> np.ndarray:
        return self.faulty[self.bin_ids == bin_id][0]

    def _within(self, begin: pd.Timestamp, end: pd.Timestamp) -> np.ndarray:
        return np.asarray((self.moments > begin) & (self.moments <= end))


def _readings(made: Simulation) -> Readings:
    frame = made.readings
    scales = Scales.of(Bins.checked(made.bins))
    told = scales.fill_pct(frame["bin_id"], frame["measured_at"], frame["distance_mm"])
    return Readings.checked(frame.assign(fill_pct=frame["fill_pct"].fillna(told)))


SICK = {"stuck_share": 0.3, "stuck_hours": (48, 120), "erratic_share": 0.2, "erratic_hours": (48, 240)}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nine_in_ten_spells_are_recognised_within_48_hours(seed: int) -> None:
    found = Found.in_city(CitySettings(bins=60, days=50, **SICK), seed)
    hits = found.recognised().unstack()
    print(f"\nseed {seed}: {hits.to_dict('index')}, wrongly {found.wrongly():.4f}")
    assert hits["size"].sum() >= 20
    assert hits["sum"].sum() / hits["size"].sum() >= 0.90


@pytest.mark.parametrize(("seed", "noise_pct"), [(0, 2.0), (1, 2.0), (2, 2.0), (3, 0.0), (3, 8.0)])
def test_at_most_one_in_a_hundred_healthy_bin_days_is_called_faulty(seed: int, noise_pct: float) -> None:
    found = Found.in_city(CitySettings(bins=60, days=50, erratic_share=0.1, noise_pct=noise_pct), seed)
    print(f"\nseed {seed}: noise {noise_pct}, wrongly {found.wrongly():.4f}")
    assert found.wrongly() <= 0.01

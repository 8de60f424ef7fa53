"""Offsets: what sensors of the simulated city see too high or too low for some time, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.city_settings import CitySettings

DAYS_PER_MONTH = 30.0


@dataclass(frozen=True)
class Offsets:
    """k offsets: bin_index (k,), begin_s and end_s (k,) seconds from the start, away_pct (k,) points, up or down."""

    bin_index: NDArray[np.int64]
    begin_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    away_pct: NDArray[np.float64]

    def at(self, measured_s: NDArray[np.int32], interval_s: int) -> NDArray[np.float32]:
        """By how much every report, (reports, bins), is off; reports come every `interval_s` seconds."""
        change = np.zeros((len(measured_s) + 1, measured_s.shape[1]))
        for moment_s, sign in ((self.begin_s, 1.0), (self.end_s, -1.0)):
            row = np.ceil((moment_s - measured_s[0, self.bin_index]) / interval_s).astype(np.int64)
            np.add.at(change, (np.clip(row, 0, len(measured_s)), self.bin_index), sign * self.away_pct)
        return np.cumsum(change[:-1], axis=0).astype(np.float32)


def draw_echoes(settings: CitySettings, level: NDArray[np.float32], rng: np.random.Generator) -> Offsets:
    """Draw false echoes that return: something hangs in the bin for hours, or the sensor looks past its content.

    `level` (reports, bins) is what the sensors would see; an echo lies on the side that has room.
    """
    end = settings.hours * 3600
    count = rng.poisson(settings.echoes_per_month * settings.days / DAYS_PER_MONTH, settings.bins)
    bin_index = np.repeat(np.arange(settings.bins), count)
    begin = rng.uniform(0.0, end, len(bin_index))
    length = rng.uniform(*settings.echo_hours, len(bin_index)) * 3600
    away = rng.uniform(*settings.echo_pct, len(bin_index))
    report = np.minimum(begin / 3600 / settings.report_interval_h, len(level) - 1).astype(np.int64)
    shown = np.minimum(level[report, bin_index], 100.0)
    up = np.where(rng.random(len(bin_index)) < 0.5, shown + away <= 100.0, shown - away < 0.0)
    return Offsets(bin_index, begin, np.minimum(begin + length, end), np.where(up, away, -away))


def draw_moves(settings: CitySettings, rng: np.random.Generator) -> Offsets:
    """Draw the sensors that are moved once: from then on they see everything higher, or lower."""
    end = settings.hours * 3600
    bin_index = rng.permutation(settings.bins)[: round(settings.moved_share * settings.bins)]
    begin = rng.uniform(0.0, end, len(bin_index))
    away = rng.uniform(*settings.moved_pct, len(bin_index)) * rng.choice([-1.0, 1.0], len(bin_index))
    return Offsets(bin_index, begin, np.full(len(bin_index), float(end)), away)

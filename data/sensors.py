"""Sensors of the simulated city: what they report of the true levels, and when it is heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city_settings import CitySettings
from data.levels import Levels
from data.offsets import Offsets, draw_echoes, draw_moves
from data.spells import Spells, draw_spells, echoes

JITTER_S = 30
"""Sensors wake up so many seconds late at most."""
FASTEST_S = 2
"""No reading is heard sooner after it was measured."""


@dataclass(frozen=True)
class Reports:
    """What every sensor measured; arrays have shape (reports, bins), time runs down."""

    measured_s: NDArray[np.int32]
    """Seconds from the start of the simulation."""
    delay_s: NDArray[np.int32]
    fill_pct: NDArray[np.float32]
    kept: NDArray[np.bool_]
    """False where nothing was ever heard (lost, in a gap, or past the end)."""
    spike: NDArray[np.bool_]
    stuck: NDArray[np.bool_]
    erratic: NDArray[np.bool_]
    gap: NDArray[np.bool_]
    """What went wrong, for measuring only."""
    first_pct: NDArray[np.float32]
    """What was heard first where a reading is revised, NaN elsewhere; `fill_pct` is its last version."""
    revised_s: NDArray[np.int32]
    """Seconds from measuring until the last version is heard, where a reading is revised."""
    stuck_spells: Spells
    erratic_spells: Spells
    echoes: Offsets
    moves: Offsets


def report(settings: CitySettings, levels: Levels, rng: np.random.Generator) -> Reports:
    """Measure the levels with all the sensors' faults."""
    # New faults draw from streams at the end, so that a city without them stays the same.
    (
        clock_rng, noise_rng, spike_rng, stuck_rng, gap_rng, lost_rng, late_rng, erratic_rng, revised_rng, offset_rng,
    ) = rng.spawn(10)  # fmt: skip
    measured_s, inside = _clocks(settings, clock_rng)
    level = levels.at(measured_s)
    stuck_spells = draw_spells(settings, settings.stuck_share, settings.stuck_hours, stuck_rng)
    spell_rng, echo_rng = erratic_rng.spawn(2)
    erratic_spells = draw_spells(
        settings, settings.erratic_share, settings.erratic_hours, spell_rng, spared=stuck_spells.has
    )
    stuck, erratic = stuck_spells.cover(measured_s), erratic_spells.cover(measured_s)
    erratic &= ~stuck
    seen = echoes(settings, level, erratic, echo_rng)
    hung, moved = draw_echoes(settings, seen, offset_rng), draw_moves(settings, offset_rng)
    for offsets in (hung, moved):
        if len(offsets.bin_index):
            seen = np.minimum(seen, np.float32(100.0)) + offsets.at(
                measured_s, round(settings.report_interval_h * 3600)
            )
    seen += noise_rng.standard_normal(level.shape, dtype=np.float32) * np.float32(settings.noise_pct)
    spike = _lone(spike_rng.random(level.shape, dtype=np.float32) < settings.spike_share)
    seen[spike] = _spiked(settings, level[spike], spike_rng)
    seen = _stepped(np.clip(seen, 0.0, 100.0), settings.step_pct)
    # A stuck sensor repeats what it saw when it froze.
    seen = np.where(stuck, np.take_along_axis(seen, np.argmax(stuck, axis=0)[None, :], axis=0), seen)
    gap = _gaps(settings, measured_s, gap_rng)
    lost = lost_rng.random(level.shape, dtype=np.float32) < settings.lost_share
    delay_s = _delays(settings, level.shape, late_rng)
    first_pct, revised_s = _revised(settings, seen, stuck, delay_s, revised_rng)
    kept, spike = inside & ~gap & ~lost, spike & ~stuck
    return Reports(
        measured_s, delay_s, seen, kept, spike, stuck, erratic, gap, first_pct, revised_s, stuck_spells, erratic_spells,
        hung, moved,
    )  # fmt: skip


def distance_mm(fill_pct: NDArray[np.float32], bins: pd.DataFrame) -> NDArray[np.float32]:
    """Return what a distance sensor shows for each fill, (reports, bins), in whole mm; NaN for the others."""
    empty, full = bins["empty_mm"].to_numpy(np.float32), bins["full_mm"].to_numpy(np.float32)
    return np.asarray(np.round(empty - fill_pct / 100.0 * (empty - full)), dtype=np.float32)


def _clocks(settings: CitySettings, rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """When each sensor measures, in seconds, and which of it lies within the simulation (the rest is clipped)."""
    interval, end = round(settings.report_interval_h * 3600), settings.hours * 3600
    count = -(-end // interval)
    phase = rng.integers(0, interval, settings.bins, dtype=np.int32)
    measured = np.arange(count, dtype=np.int32)[:, None] * np.int32(interval) + phase
    measured = measured + rng.integers(0, JITTER_S + 1, measured.shape, dtype=np.int32)
    return np.minimum(measured, end - 1, dtype=np.int32), measured < end


def _lone(spike: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Spikes without one right before them."""
    lone = spike.copy()
    lone[1:] &= ~spike[:-1]
    return lone


def _spiked(settings: CitySettings, level: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a wrong echo instead of each level: far above or below what the sensor would show."""
    shown = np.minimum(level, 100.0)
    away = rng.uniform(*settings.spike_pct, len(level)).astype(np.float32)
    up = rng.random(len(level)) < 0.5
    # Where one side has no room for it, the echo comes from the other.
    up = np.where(up, (shown + away <= 100.0) | (shown < 50.0), (shown - away < 0.0) & (shown < 50.0))
    return np.asarray(np.where(up, shown + away, shown - away), dtype=np.float32)


def _stepped(fill: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    """Round fills to multiples of the sensor's step; 0 leaves them as they are."""
    return np.asarray(np.round(fill / np.float32(step)) * np.float32(step)) if step > 0 else fill


def _gaps(settings: CitySettings, measured_s: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Where sensors are silent, (reports, bins): gaps begin at random, one in `gap_every_days` on average."""
    n, end = settings.bins, settings.hours * 3600
    count = rng.poisson(settings.days / settings.gap_every_days, n)
    column = np.repeat(np.arange(n), count)
    begin = rng.uniform(0.0, end, len(column))
    length = rng.uniform(*settings.gap_hours, len(column)) * 3600
    interval = round(settings.report_interval_h * 3600)
    change = np.zeros((len(measured_s) + 1, n), dtype=np.int16)
    phase = measured_s[0, column]
    first = np.ceil((begin - phase) / interval).astype(np.int64)
    last = np.ceil((begin + length - phase) / interval).astype(np.int64)
    np.add.at(change, (np.clip(first, 0, len(measured_s)), column), 1)
    np.add.at(change, (np.clip(last, 0, len(measured_s)), column), -1)
    return np.asarray(np.cumsum(change[:-1], axis=0, dtype=np.int16) > 0)


def _delays(settings: CitySettings, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.int32]:
    """Seconds until each report is heard: seconds as a rule, hours for the late ones."""
    delay = rng.standard_exponential(shape, dtype=np.float32) * np.float32(settings.delay_s) + FASTEST_S
    late = rng.random(shape, dtype=np.float32) < settings.late_share
    delay[late] = rng.uniform(*settings.late_hours, int(late.sum())) * 3600
    return delay.astype(np.int32)


def _revised(
    settings: CitySettings,
    fill: NDArray[np.float32],
    stuck: NDArray[np.bool_],
    delay_s: NDArray[np.int32],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The rough value heard first, NaN where a reading is never revised, and the seconds until the right one is."""
    first = np.full(fill.shape, np.nan, dtype=np.float32)
    later = delay_s.copy()
    where = np.nonzero((rng.random(fill.shape, dtype=np.float32) < settings.revised_share) & ~stuck)
    rough = fill[where] + rng.normal(0.0, settings.revised_pct, len(where[0])).astype(np.float32)
    first[where] = _stepped(np.clip(rough, 0.0, 100.0), settings.step_pct)
    later[where] += (rng.uniform(*settings.revised_hours, len(where[0])) * 3600).astype(np.int32)
    return first, later

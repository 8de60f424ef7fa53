"""Spells in which the sensors of the simulated city are stuck or erratic: the truth about them, and what they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.city_settings import CitySettings


@dataclass(frozen=True)
class Spells:
    """At most one spell for every bin; arrays have shape (bins,), seconds from the start of the simulation."""

    has: NDArray[np.bool_]
    begin_s: NDArray[np.float64]
    end_s: NDArray[np.float64]

    def cover(self, measured_s: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which reports, (reports, bins), fall into the spells."""
        return np.asarray(self.has & (measured_s >= self.begin_s) & (measured_s < self.end_s))


def draw_spells(
    settings: CitySettings,
    share: float,
    hours: tuple[float, float],
    rng: np.random.Generator,
    spared: NDArray[np.bool_] | None = None,
) -> Spells:
    """Give a share of the bins one spell of some hours each; bins that are `spared` come last."""
    n, end = settings.bins, settings.hours * 3600
    order = rng.permutation(n)
    if spared is not None:
        order = order[np.argsort(spared[order], kind="stable")]
    length = rng.uniform(*hours, n) * 3600
    begin = rng.uniform(0.0, 1.0, n) * np.maximum(end - length, 0.0)
    has = np.zeros(n, dtype=bool)
    has[order[: round(share * n)]] = True
    return Spells(has, begin, np.minimum(begin + length, end))


def echoes(
    settings: CitySettings, level: NDArray[np.float32], erratic: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32]:
    """What erratic sensors see of the levels, both (reports, bins); a copy, changed where `erratic`.

    Several times a day the echo is drawn anew: half of the draws are true, half are far off (`erratic_pct` points up
    or down, on the side that has room), and each holds until the next. How often differs from bin to bin.
    """
    columns = np.flatnonzero(erratic.any(axis=0))
    seen = level.copy()
    if not len(columns):
        return seen
    shape = (len(level), len(columns))
    draws_per_day = rng.uniform(*settings.erratic_draws_per_day, len(columns))
    anew = rng.random(shape) < -np.expm1(-draws_per_day * settings.report_interval_h / 24.0)
    shown = np.minimum(level[:, columns], 100.0)
    away = rng.uniform(*settings.erratic_pct, shape)
    up = np.where(rng.random(shape) < 0.5, shown + away <= 100.0, shown - away < 0.0)
    offset = np.where(rng.random(shape) < 0.5, np.where(up, away, -away), 0.0)
    drawn_at = np.maximum.accumulate(np.where(anew, np.arange(len(level))[:, None], 0), axis=0)
    held = np.take_along_axis(offset, drawn_at, axis=0)
    here = erratic[:, columns]
    seen[:, columns] = np.where(here, shown + held, level[:, columns]).astype(np.float32)
    return seen

"""Collection rounds: which visits are planned, and which emptyings come of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city import City
from data.city_settings import CitySettings

CYCLE_DAYS = 42
"""Every schedule repeats after six weeks."""


@dataclass(frozen=True)
class Schedule:
    """Days of the cycle on which a round goes, and by how many days routes may shift it."""

    longest_wait_days: int
    days: tuple[int, ...]
    shifts: tuple[int, ...]


# Frequent first; days count from a Monday, and nobody works on Sundays but on the daily rounds.
SCHEDULES = (
    Schedule(1, tuple(range(42)), (0,)),
    Schedule(2, tuple(day for day in range(42) if day % 7 != 6), (0,)),
    Schedule(3, tuple(day for day in range(42) if day % 7 in (0, 2, 4)), (0, 1)),
    Schedule(4, tuple(day for day in range(42) if day % 7 in (0, 3)), (0, 1, 2)),
    Schedule(7, tuple(range(0, 42, 7)), tuple(range(6))),
    Schedule(14, tuple(range(0, 42, 14)), tuple(day for day in range(14) if day % 7 != 6)),
    Schedule(21, tuple(range(0, 42, 21)), tuple(day for day in range(21) if day % 7 != 6)),
)


@dataclass(frozen=True)
class Rounds:
    """Planned visits, and what became of those within the simulation."""

    visits: pd.DataFrame
    """Planned only: bin_id, planned_at; sorted by planned_at. Reaches past the end of the simulation."""
    emptied_s: NDArray[np.int64]
    """Seconds from the start to each emptying, a full minute; sorted by hour, at most one per bin and hour."""
    bin_index: NDArray[np.int64]
    stays: NDArray[np.float32]
    """Share of the content that stays: 0 unless the emptying is partial."""
    residue_pct: NDArray[np.float32]
    """What sticks to the bin after an emptying that is not partial."""
    partial: NDArray[np.bool_]


def plan_rounds(settings: CitySettings, city: City, rng: np.random.Generator) -> Rounds:
    """Plan fixed weekday rounds by the rates that the planner believes in, and drive them."""
    plan_rng, drive_rng = rng.spawn(2)
    planned_at, bin_index = _planned(settings, city, plan_rng)
    visits = pd.DataFrame({"bin_id": city.bins["bin_id"].to_numpy()[bin_index], "planned_at": planned_at})
    start = pd.Timestamp(settings.start)
    planned_s = ((planned_at - start) // pd.Timedelta(seconds=1)).to_numpy()
    return _driven(settings, visits, planned_s, bin_index, drive_rng)


def _planned(
    settings: CitySettings, city: City, rng: np.random.Generator
) -> tuple[pd.DatetimeIndex, NDArray[np.int64]]:
    """When each visit is planned (UTC, sorted), and to which bin."""
    n = settings.bins
    believed = city.base_rate_pct_per_day * np.exp(rng.normal(0.0, settings.planning_error_sigma, n))
    waits = np.array([schedule.longest_wait_days for schedule in SCHEDULES])
    expected = believed[:, None] * waits  # fill at the longest wait, (bins, schedules)
    choice = np.maximum((expected <= settings.target_fill_pct).sum(axis=1) - 1, 0)
    # Bins of one neighbourhood, stream and schedule share a route: its weekdays and the start of its morning.
    stream = np.unique(city.bins["stream"].to_numpy(dtype="U"), return_inverse=True)[1]
    routes = (int(city.neighbourhood.max()) + 1) * (int(stream.max()) + 1)
    route = city.neighbourhood * (int(stream.max()) + 1) + stream
    goes = np.zeros((len(SCHEDULES), CYCLE_DAYS), dtype=bool)
    shift = np.empty((len(SCHEDULES), routes), dtype=np.int64)
    for index, schedule in enumerate(SCHEDULES):
        goes[index, list(schedule.days)] = True
        shift[index] = rng.choice(schedule.shifts, routes)
    first, last = settings.visit_hours
    route_start = rng.uniform(first, first + 0.6 * (last - first), routes)
    hour = route_start[route] + rng.uniform(0.0, 0.4 * (last - first), n)
    local_start = pd.Timestamp(settings.start).tz_convert(settings.timezone).tz_localize(None).normalize()
    days = np.arange(settings.days + settings.plan_ahead_days + 1)
    since_monday = days[:, None] + local_start.day_of_week
    day, bin_index = np.nonzero(goes[choice, (since_monday - shift[choice, route]) % CYCLE_DAYS])
    minute = 5 * np.round(hour * 12).astype(np.int64)[bin_index]
    local = local_start + pd.to_timedelta(day * 1440 + minute, unit="min")
    utc = _utc(pd.DatetimeIndex(local), settings.timezone)
    end = pd.Timestamp(settings.start) + pd.Timedelta(days=settings.days + settings.plan_ahead_days)
    order = np.lexsort((bin_index, utc.asi8))
    order = order[np.asarray((utc >= pd.Timestamp(settings.start)) & (utc < end))[order]]
    return utc[order], bin_index[order]


def _driven(
    settings: CitySettings,
    visits: pd.DataFrame,
    planned_s: NDArray[np.int64],
    bin_index: NDArray[np.int64],
    rng: np.random.Generator,
) -> Rounds:
    """Drive the visits: some are missed, some empty only in part, none is on time to the minute."""
    count = len(planned_s)
    missed = rng.random(count) < settings.missed_share
    delay_min = np.clip(rng.normal(0.0, settings.visit_delay_sd_min, count), -45.0, 90.0)
    partial = rng.random(count) < settings.partial_share
    stays = np.where(partial, rng.uniform(*settings.partial_stays, count), 0.0)
    residue = rng.uniform(0.0, settings.residue_pct, count)
    emptied_s = 60 * np.round(planned_s / 60 + delay_min).astype(np.int64)
    happens = np.flatnonzero(~missed & (emptied_s >= 0) & (emptied_s < settings.hours * 3600))
    hour = emptied_s[happens] // 3600
    # One truck per bin and hour: a second visit in the same hour would find the bin empty.
    first = np.unique(hour * settings.bins + bin_index[happens], return_index=True)[1]
    kept = happens[first]
    return Rounds(
        visits,
        emptied_s[kept],
        bin_index[kept],
        stays[kept].astype(np.float32),
        residue[kept].astype(np.float32),
        partial[kept],
    )


def _utc(local: pd.DatetimeIndex, timezone: str) -> pd.DatetimeIndex:
    """Local clock times as UTC; a time skipped by the clock change moves to the next that exists."""
    ambiguous = np.ones(len(local), dtype=bool)
    return local.tz_localize(timezone, nonexistent="shift_forward", ambiguous=ambiguous).tz_convert("UTC")

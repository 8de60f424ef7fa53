"""True levels of the simulated bins: deposits come in, rounds take out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.city import Grid, Rates
from data.city_settings import CitySettings
from data.rounds import Rounds

BAG_SHAPE = 2.0
BULKY_SHAPE = 4.0
"""Gamma shapes of the sizes of one deposit."""
HOURS_PER_MONTH = 720
BLOCK_HOURS = 720
"""Deposits are drawn in blocks of so many hours, which bounds memory."""


@dataclass(frozen=True)
class Compactions:
    """Hours (k,), sorted, in which somebody presses the content of bins (k,) down, and the share (k,) that is left."""

    hour: NDArray[np.int64]
    bin_index: NDArray[np.int64]
    stays: NDArray[np.float32]

    @classmethod
    def draw(cls, settings: CitySettings, rng: np.random.Generator) -> Compactions:
        """Draw them at random, at most one per bin and hour."""
        chance = settings.compactions_per_month / HOURS_PER_MONTH
        count = rng.binomial(settings.hours * settings.bins, min(chance, 1.0))
        hour, bin_index = np.divmod(np.unique(rng.integers(0, settings.hours * settings.bins, count)), settings.bins)
        stays = 1.0 - rng.uniform(*settings.compaction_share, len(hour))
        return cls(hour, bin_index, stays.astype(np.float32))

    def where(self, keep: NDArray[np.bool_]) -> Compactions:
        """Only those where `keep` (k,) holds."""
        return Compactions(self.hour[keep], self.bin_index[keep], self.stays[keep])


@dataclass(frozen=True)
class Levels:
    """The hidden truth about the content of every bin, in percent of capacity, uncapped."""

    level: Grid
    """At every hour mark, the one after the last hour included: shape (hours + 1, bins)."""
    emptying: NDArray[np.int32]
    """Index of the emptying within each hour, -1 without: shape (hours, bins)."""
    emptied_part: NDArray[np.float32]
    """Where within its hour each emptying lies, 0..1."""
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    loose: Grid
    """The part of `level` that will settle, of the same shape."""
    compactions: Compactions

    def at(self, seconds: NDArray[np.int32]) -> Grid:
        """Level of bin j at `seconds[:, j]` after the start: straight lines within an hour, broken by emptyings."""
        hour = seconds // 3600
        part = ((seconds % 3600) / np.float32(3600)).astype(np.float32)
        column = np.broadcast_to(np.arange(seconds.shape[1]), seconds.shape)
        low = self.level[hour, column]
        level = low + (self.level[hour + 1, column] - low) * part
        which = self.emptying[hour, column]
        row, col = np.nonzero(which >= 0)
        e = which[row, col]
        x, broken = part[row, col], self.emptied_part[e]
        end = self.level[hour[row, col] + 1, col]
        rising = low[row, col] + (self.before[e] - low[row, col]) * x / np.maximum(broken, 1e-6)
        again = self.after[e] + (end - self.after[e]) * (x - broken) / np.maximum(1.0 - broken, 1e-6)
        level[row, col] = np.where(x < broken, rising, again)
        return level


def draw_deposits(settings: CitySettings, rates: Rates, rng: np.random.Generator) -> Grid:
    """Draw what is thrown in during every hour, (hours, bins) in points: many bags and a few bulky things."""
    deposits = np.empty_like(rates.rate_pct_per_h)
    for first in range(0, len(deposits), BLOCK_HOURS):
        block = slice(first, first + BLOCK_HOURS)
        deposits[block] = thrown_in(
            settings, rates.rate_pct_per_h[block] * rates.shock[block] * rates.event[block], rng
        )
    return deposits


def thrown_in(settings: CitySettings, flow: Grid, rng: np.random.Generator) -> Grid:
    """Draw what comes where `flow` points are expected, in points and of the same shape."""
    deposits = _compound(flow * (1.0 - settings.bulky_share), settings.bag_pct, BAG_SHAPE, rng)
    deposits += _compound(flow * settings.bulky_share, settings.bulky_pct, BULKY_SHAPE, rng)
    return deposits


def changes(
    settings: CitySettings, level: Grid, loose: Grid, deposits: Grid, hours: NDArray[np.float64] | float = 1.0
) -> tuple[Grid, Grid]:
    """By how much `hours` change the level and its loose part, in points and of their shape, without an emptying."""
    ceiling, share = np.float32(settings.ceiling_pct), np.float32(settings.settling_share)
    settles = np.float32(-np.expm1(-np.asarray(hours) / settings.settling_hours))
    more = deposits * np.clip((ceiling - level) / (ceiling - np.float32(100.0)), 0.0, 1.0)
    return more * (1 + share) - loose * settles, more * share - loose * settles


def fill_bins(settings: CitySettings, deposits: Grid, rounds: Rounds, rng: np.random.Generator) -> Levels:
    """Run the city hour by hour, all bins at once; deposits shrink from the rim (100) to the ceiling.

    Fresh deposits lie `settling_share` too high and settle; the true level is the height, that part included.
    """
    hours, n = deposits.shape
    ceiling = np.float32(settings.ceiling_pct)
    hour_of, part = rounds.emptied_s // 3600, (rounds.emptied_s % 3600 / 3600.0).astype(np.float32)
    bounds = np.searchsorted(hour_of, np.arange(hours + 1))
    before, after = np.empty(len(part), dtype=np.float32), np.empty(len(part), dtype=np.float32)
    level = np.empty((hours + 1, n), dtype=np.float32)
    level[0] = rng.uniform(0.0, 60.0, n)
    share = np.float32(settings.settling_share)
    loose = np.zeros_like(level) if share > 0 else np.broadcast_to(np.float32(0), level.shape)
    emptying = np.full((hours, n), -1, dtype=np.int32)
    emptying[hour_of, rounds.bin_index] = np.arange(len(part))
    pressed = Compactions.draw(settings, rng.spawn(1)[0])
    pressed = pressed.where(emptying[pressed.hour, pressed.bin_index] < 0)
    presses = np.searchsorted(pressed.hour, np.arange(hours + 1))
    for hour in range(hours):
        now = level[hour]
        change, loosened = changes(settings, now, loose[hour], deposits[hour])
        np.minimum(now + change, ceiling, out=level[hour + 1])
        if share > 0:
            loose[hour + 1] = loose[hour] + loosened
        p = slice(presses[hour], presses[hour + 1])
        level[hour + 1, pressed.bin_index[p]] *= pressed.stays[p]
        if bounds[hour] == bounds[hour + 1]:
            continue
        e = slice(bounds[hour], bounds[hour + 1])
        b = rounds.bin_index[e]
        before[e] = np.minimum(now[b] + change[b] * part[e], ceiling)
        left = np.minimum(before[e], rounds.residue_pct[e])
        after[e] = np.where(rounds.partial[e], before[e] * rounds.stays[e], left)
        fresh = deposits[hour, b] * (1.0 - part[e])
        level[hour + 1, b] = after[e] + fresh * (1 + share)
        if share > 0:
            stays = np.where(rounds.partial[e], rounds.stays[e], 0.0)
            loose[hour + 1, b] = loose[hour + 1, b] * stays + fresh * share
    return Levels(np.minimum(level, ceiling), emptying, part, before, after, loose, pressed)


def _compound(flow: Grid, mean_pct: float, shape: float, rng: np.random.Generator) -> Grid:
    """Draw sums of a Poisson number of gamma-sized deposits whose mean is `flow`."""
    count = rng.poisson(flow / mean_pct)
    size = np.zeros(count.shape, dtype=np.float32)
    some = count > 0
    size[some] = rng.standard_gamma(shape * count[some]) * (mean_pct / shape)
    return size

"""The oracle of a simulated city: what could be foreseen by one who knows all but the future's chances.

It knows the true level at `as_of` and the true rates of every hour (the weather's part included), and the odds by which
the city draws the rest: shocks of the day, local events, deposits. Nobody's forecasts can be better but by luck, so it
is the yardstick's other end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city import NEAR, nearness
from data.errors import InputError
from data.levels import changes, thrown_in
from data.sequences import ragged
from data.simulation import Simulation

__all__ = ["foretell"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

QUANTILES = {f"q{p:02d}": p / 100 for p in (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)}
AT_ONCE = 2_000_000
"""So many paths are drawn at a time, which bounds memory."""


def foretell(
    simulation: Simulation,
    windows: pd.DataFrame,
    rng: np.random.Generator,
    *,
    paths: int = 1000,
    knows_today: bool = False,
    told: tuple[Floats, Floats] | None = None,
) -> pd.DataFrame:
    """Foretell windows (bin_id, as_of, at): the contract's forecasts table, a row each, in their order.

    Draws `paths` futures of each bin and moment with the simulator's own odds, no emptying in them; 1000 give a CRPS
    0.1% too high. `knows_today`: the shock of the local day of `as_of` is known too. Events never are, not even those
    under way; two at once add up here, and multiply in the city. `told`: mean and standard deviation (m,), percent, of
    the level at each window's `as_of`, from which it starts instead of the truth: the limit of who hears only sensors.
    Raises InputError for windows that the simulation does not hold.
    """
    cuts = _Cuts.of(simulation, windows)
    table = np.full((len(cuts.time_s), len(QUANTILES) + 2), np.nan)
    full = simulation.bins["full_pct"].to_numpy(float)
    step = max(1, AT_ONCE // paths)
    for first in range(0, len(cuts.bin_index), step):
        origins = np.arange(first, min(first + step, len(cuts.bin_index)))
        for cut, level in _futures(simulation, cuts, origins, paths, knows_today, told, rng):
            asked = cuts.asked[cut]
            cut, level = cut[asked], level[asked]
            table[cut, :-2] = np.quantile(level, list(QUANTILES.values()), axis=1).T
            table[cut, -2] = level.mean(axis=1)
            table[cut, -1] = (level >= full[cuts.bin_index[cuts.origin[cut]], None]).mean(axis=1)
    found = pd.DataFrame(table[cuts.row], columns=[*QUANTILES, "mean", "p_full"])
    keys = windows[["bin_id", "as_of", "at"]].reset_index(drop=True)
    return pd.concat([keys, found], axis=1).assign(status="ok", model_version="oracle")


@dataclass(frozen=True)
class _Cuts:
    """The windows taken apart: origins (o,), a bin and a moment each, and their moments (k,), cut by cut.

    bin_index (o,); window (o,) a window of each; first (o,) the cut that is `as_of` itself; origin, time_s (k,) each
    cut's origin and its seconds from the start; asked (k,) whether a window ends there; midnight (k,) whether a local
    day begins; row (m,) the cut at which each window ends.
    """

    bin_index: Ints
    window: Ints
    first: Ints
    origin: Ints
    time_s: Ints
    asked: NDArray[np.bool_]
    midnight: NDArray[np.bool_]
    row: Ints

    @classmethod
    def of(cls, simulation: Simulation, windows: pd.DataFrame) -> _Cuts:
        """Cut where a window ends and where a day begins; at every hour where deposits settle."""
        settings = simulation.settings
        end_s = settings.hours * 3600
        bin_index = pd.Index(simulation.bins["bin_id"]).get_indexer(pd.Index(windows["bin_id"]))
        start = pd.Timestamp(settings.start)
        as_of, at = (((windows[c] - start) // pd.Timedelta(seconds=1)).to_numpy(np.int64) for c in ("as_of", "at"))
        outside = (bin_index < 0) | (as_of < 0) | (at < as_of) | (at >= end_s)
        if outside.any():
            worst = windows.iloc[int(outside.argmax())]
            raise InputError(
                f"a window of {worst['bin_id']} from {worst['as_of']} to {worst['at']}",
                expected=f"the city's own bins, and times within {settings.days} days from {start}",
                remedy="Ask windows of this simulation.",
            )
        owner, pairs = pd.factorize(bin_index * end_s + as_of)
        days = _midnights_s(simulation)
        marks = np.arange(0, end_s, 3600) if settings.settling_share > 0 else days
        begin = np.asarray(pairs, dtype=np.int64) % end_s
        last = np.zeros(len(pairs), dtype=np.int64)
        np.maximum.at(last, owner, at)
        inner, whose = ragged(np.searchsorted(marks, begin, side="right"), np.searchsorted(marks, last))
        keys = np.concatenate([np.arange(len(pairs)) * end_s + begin, owner * end_s + at, whose * end_s + marks[inner]])
        cuts = np.unique(keys)
        row = np.searchsorted(cuts, owner * end_s + at)
        asked = np.zeros(len(cuts), dtype=bool)
        asked[row] = True
        origin, time_s = np.divmod(cuts, end_s)
        first = np.searchsorted(origin, np.arange(len(pairs)))
        window = np.unique(owner, return_index=True)[1]
        return cls(np.asarray(pairs) // end_s, window, first, origin, time_s, asked, np.isin(time_s, days), row)


def _futures(
    simulation: Simulation,
    cuts: _Cuts,
    origins: Ints,
    paths: int,
    knows_today: bool,
    told: tuple[Floats, Floats] | None,
    rng: np.random.Generator,
) -> Iterator[tuple[Ints, Floats]]:
    """Follow every path from cut to cut: yields cuts (c,) and the levels there, (c, paths), within 0-100."""
    settings, bins = simulation.settings, cuts.bin_index[origins]
    first = cuts.first[origins]
    pieces = np.append(cuts.first, len(cuts.origin))[origins + 1] - first
    begin = cuts.time_s[first]
    level, loose = _known(simulation, begin, bins)
    level, loose = (np.repeat(x[:, None], paths, axis=1) for x in (level, loose))
    if told is not None:
        mean, deviation = (x[cuts.window[origins], None] for x in told)
        drawn = rng.standard_normal(level.shape, dtype=np.float32)
        level, loose = np.maximum(mean + deviation * drawn, 0).astype(np.float32), np.zeros_like(loose)
    shock = _shocks(simulation, (len(origins), paths), rng)
    if knows_today:
        shock[:] = simulation.rates.shock[begin // 3600, bins][:, None]
    gathered = _Gathered.of(simulation)
    events = _Events.draw(simulation, begin, cuts.time_s[first + pieces - 1], bins, paths, rng)
    for piece in range(int(pieces.max(initial=1))):
        live = np.flatnonzero(pieces > piece)
        cut = first[live] + piece
        if piece:
            low, high = cuts.time_s[cut - 1], cuts.time_s[cut]
            dawn = live[cuts.midnight[cut - 1] & (piece > 1)]
            shock[dawn] = _shocks(simulation, (len(dawn), paths), rng)
            flow = np.zeros((len(origins), paths), dtype=np.float32)
            flow[live] = (gathered.at(high, bins[live]) - gathered.at(low, bins[live]))[:, None]
            events.add(flow, gathered, live, low, high, bins)
            more = thrown_in(settings, flow[live] * shock[live], rng)
            hours = (high - low)[:, None] / 3600.0
            change, loosened = changes(settings, level[live], loose[live], more, hours)
            level[live] += change
            loose[live] += loosened
        yield cut, np.clip(level[live].astype(np.float64), 0.0, 100.0)


@dataclass(frozen=True)
class _Gathered:
    """What each bin gathers by its rates from the start to every hour mark: total (hours + 1, bins), points."""

    total: Floats

    @classmethod
    def of(cls, simulation: Simulation) -> _Gathered:
        rate = simulation.rates.rate_pct_per_h
        return cls(np.vstack([np.zeros((1, rate.shape[1])), np.cumsum(rate, axis=0, dtype=np.float64)]))

    def at(self, time_s: Ints, bins: Ints) -> Floats:
        """(k,) points gathered until `time_s` (k,) by `bins` (k,)."""
        hour = np.minimum(time_s // 3600, len(self.total) - 2)
        low = self.total[hour, bins]
        return np.asarray(low + (self.total[hour + 1, bins] - low) * (time_s / 3600.0 - hour))


@dataclass(frozen=True)
class _Events:
    """Local events (e,) on some paths: which origin and path, from when to when, and by how much of the rate more."""

    origin: Ints
    path: Ints
    begin_s: Ints
    end_s: Ints
    more: Floats

    @classmethod
    def draw(
        cls, simulation: Simulation, begin_s: Ints, end_s: Ints, bins: Ints, paths: int, rng: np.random.Generator
    ) -> _Events:
        """Events of origins `bins` (o,) that may touch the time between `begin_s` and `end_s` (o,)."""
        settings, city = simulation.settings, simulation.city
        close = nearness(settings, city.bins)
        near = close > NEAR
        venue_of, starts = np.nonzero(near)[1], np.cumsum(near.sum(axis=1)) - near.sum(axis=1)
        early_s = begin_s - 3600 * int(np.ceil(settings.event_hours[1]))
        per_year = settings.events_per_neighbourhood_year * (int(city.neighbourhood.max()) + 1)
        expected = per_year * (end_s - early_s) / (365.25 * 24 * 3600) * near.mean(axis=1)[bins]
        count = rng.poisson(expected * paths)
        origin = np.repeat(np.arange(len(bins)), count)
        mine = bins[origin]
        venue = venue_of[starts[mine] + rng.integers(0, near.sum(axis=1)[mine])]
        # Events begin and end on the hour, as in the city.
        first = (early_s[origin] + rng.random(len(origin)) * (end_s - early_s)[origin]) // 3600
        length = np.ceil(rng.uniform(*settings.event_hours, len(origin)))
        lift = rng.uniform(*settings.event_factor, len(origin))
        return cls(
            origin,
            rng.integers(0, paths, len(origin)),
            (first * 3600).astype(np.int64),
            ((first + length) * 3600).astype(np.int64),
            (lift - 1.0) * close[mine, venue],
        )

    def add(
        self, flow: NDArray[np.float32], gathered: _Gathered, live: Ints, low: Ints, high: Ints, bins: Ints
    ) -> None:
        """Add to `flow` (origins, paths) what they bring to `live` (c,) origins between `low` and `high` (c,)."""
        place = np.full(len(flow), -1)
        place[live] = np.arange(len(live))
        some = np.flatnonzero(place[self.origin] >= 0)
        origin = self.origin[some]
        low, high = low[place[origin]], high[place[origin]]
        begin, end = np.clip(self.begin_s[some], low, high), np.clip(self.end_s[some], low, high)
        more = gathered.at(end, bins[origin]) - gathered.at(begin, bins[origin])
        np.add.at(flow, (origin, self.path[some]), (more * self.more[some]).astype(np.float32))


def _known(simulation: Simulation, time_s: Ints, bins: Ints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The true level of `bins` (k,) at `time_s` (k,), and its loose part as of the hour mark before."""
    moments, which = np.unique(time_s, return_inverse=True)
    grid = np.broadcast_to(moments.astype(np.int32)[:, None], (len(moments), len(simulation.bins)))
    return simulation.levels.at(grid)[which, bins], simulation.levels.loose[time_s // 3600, bins]


def _shocks(simulation: Simulation, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw shocks of a day as any one bin sees them: log-normal with mean 1."""
    settings = simulation.settings
    sigma = np.sqrt(settings.city_shock_sigma**2 + settings.neighbourhood_shock_sigma**2 + settings.bin_shock_sigma**2)
    return np.exp(np.float32(sigma) * rng.standard_normal(shape, dtype=np.float32) - np.float32(sigma**2 / 2))


def _midnights_s(simulation: Simulation) -> Ints:
    """Seconds from the start at which local days begin."""
    local = simulation.weather.at.tz_convert(simulation.settings.timezone).tz_localize(None).normalize()
    return np.flatnonzero(np.diff(local.asi8) != 0) * 3600 + 3600

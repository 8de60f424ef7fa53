"""What may come of many bins, as two tell it who differ: the ensemble, and the bin's own rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data.history import History
from data.sequences import HOUR_US, Archive
from data.tables import FULL_PCT
from training.brim import BRIM_H
from training.calendar import Clock, holiday_days
from training.departures import Departures, departures
from training.examples import Asks, situations_of
from training.features import horizon_features
from training.grid import (
    HORIZONS_H,
    LEARNED,
    LEVELS,
    NEAR_H,
    NORMAL,
    added,
    by_own_rates,
    go_on,
    mixture,
    monotone,
    p_full,
    with_ends,
    with_p_full,
)
from training.profiles import NANO, Accumulated
from training.reliability import SURE
from training.resistance import Resistance
from training.situations import Situations

if TYPE_CHECKING:
    from training.model import FillModel

LEAST_NOISE_PCT = 0.5  # of a level, however calm the sensor seems
UNLIKELY = 0.005  # what is less probable is left out
HARDLY = 0.1  # who is believed less need not be asked twice
HIGHEST_PCT = 100.0  # that a reading tells
DOUBT = 0.5  # of what a faulty sensor tells
HARDLY_EVER = 1e-6  # stands for a risk of 0, which no weight could raise


@dataclass(frozen=True)
class Prospects:
    """Of n bins, each at its own moment, what is to come, in percent.

    row (n,)            which of the asks they are: those with a level to begin from
    near (n, 16, 13)    quantiles of the level at NEAR_H by the ensemble, recalibrated; where it has learned of few
                        days, in part by the level heard last and own rates
    no_round (n, 16, 13) likewise, as if no round came by in these hours
    gained (n, H, 13)   quantiles of what the own rates add by HORIZONS_H
    emptied (n,)        probability that the bin was emptied since its newest reading
    refilled (n, H, 13) quantiles of what it then gathers by HORIZONS_H
    trust (n, 16)       how far the ensemble had windows like these to learn from, 0 to 1
    belief (n, 16)      how far it knows what happens if nobody comes, 0 to 1
    stream (n,)         of the bins
    brim (n,)           percent by own rates from which on their sensors tell that they are full
    faulty (n,)         whether their sensors are: what these tell may be true, or tell nothing
    anything (f, H, 13) of the f faulty ones, quantiles of what then lies there by HORIZONS_H, points of own rates
    """

    row: np.ndarray
    near: np.ndarray
    no_round: np.ndarray
    gained: np.ndarray
    emptied: np.ndarray
    refilled: np.ndarray
    trust: np.ndarray
    belief: np.ndarray
    stream: np.ndarray
    brim: np.ndarray
    faulty: np.ndarray
    anything: np.ndarray

    def left_alone(self, resistance: Resistance) -> np.ndarray:
        """(n, H, 19) quantiles at LEVELS of windows that readings show left alone, of which the ensemble is learned.

        They may fall with the horizon: the emptying of a bin with little in it does not show.
        """
        return np.sort(with_ends(go_on(self.near, self.gained, self.trust, self.stream, resistance)), axis=2)

    def unattended(self, resistance: Resistance) -> np.ndarray:
        """(n, H, 19) quantiles at LEVELS if nobody comes, monotone."""
        near = monotone(self.no_round)
        still = monotone(with_ends(go_on(near, self.gained, self.belief, self.stream, resistance)))
        own = with_ends(by_own_rates(near, self.gained, self.stream, resistance))
        still = monotone(self._as_often_full(still, with_ends(near), self._brimming(own, resistance)))
        anew = monotone(with_ends(resistance.level(self.refilled, self.stream)))
        told = mixture(still, anew, np.where(self.emptied < UNLIKELY, 0.0, self.emptied))
        return self._doubted(told, resistance)

    def _doubted(self, told: np.ndarray, resistance: Resistance) -> np.ndarray:
        """(n, H, 19) `told` (n, H, 19), by half `anything` where the sensor is faulty."""
        rows = np.flatnonzero(self.faulty)
        if not len(rows):
            return told
        anything = monotone(with_ends(resistance.level(self.anything, self.stream[rows])))
        out = told.copy()
        out[rows] = mixture(told[rows], anything, np.full(len(rows), DOUBT))
        return out

    def _brimming(self, own: np.ndarray, resistance: Resistance) -> np.ndarray:
        """(n, H) probability of having reached the brim by `own` rates (n, H, 19) points; 0 where there is none.

        It is lowered to where it lies over the hours ahead of which it was learned: a bin that is told not to be full
        now is not.
        """
        lowered = (FULL_PCT - self.brim)[:, None] * np.clip(HORIZONS_H / BRIM_H[0], 0, 1)
        reached = p_full(own, resistance.gathered(FULL_PCT - lowered, self.stream))
        return np.where(lowered > 0, reached, 0.0)

    def _as_often_full(self, still: np.ndarray, near: np.ndarray, brimming: np.ndarray) -> np.ndarray:
        """(n, H, 19) `still` (n, H, 19), as often full as both tell that know of leaps to the rim, where that is more.

        As far as the ensemble is trusted bins are full no less often than it tells by `near` (n, 16, 19): who is left
        alone is so since little came. And as far as it does not know what happens if nobody comes, no less often than
        they reach their brim by own rates, `brimming` (n, H).
        """
        k = len(NEAR_H)
        told = p_full(still)
        full = told.copy()
        full[:, :k] += self.trust * np.maximum(p_full(near) - full[:, :k], 0)
        unknown = np.ones_like(full)
        unknown[:, :k] -= self.belief
        full += unknown * np.maximum(brimming - full, 0)
        full = np.minimum(np.maximum.accumulate(full, axis=1), 1 - SURE)
        rows = full > np.maximum(told, SURE)
        out = still.copy()
        out[rows] = with_p_full(still[rows], np.maximum(told[rows], HARDLY_EVER), full[rows])
        last = np.repeat(near[:, -1:], still.shape[1] - k, axis=1)
        leaping = rows[:, :, None] & (1 - full[:, :, None] <= LEVELS)  # where own rates reach no rim at all
        out = np.where(leaping, np.maximum(out, np.concatenate([near, last], axis=1)), out)
        out[rows] = _reaching(out[rows], full[rows])
        return out


def _reaching(quantiles: np.ndarray, full: np.ndarray) -> np.ndarray:
    """(k, 19) `quantiles` (k, 19), raised where they tell FULL_PCT or more with less than `full` (k,), within 0-1.

    Between two levels quantiles are straight, so the one below the level sought is raised too, as far as it must be
    for the one above to stay within HIGHEST_PCT, or where it lies if that is higher.
    """
    out, row, right = quantiles.copy(), np.arange(len(full)), np.searchsorted(LEVELS, 1 - full)
    share = (1 - full - LEVELS[right - 1]) / (LEVELS[right] - LEVELS[right - 1])
    highest = np.maximum(out[row, right], HIGHEST_PCT)
    least = (FULL_PCT - highest * share) / np.maximum(1 - share, SURE)
    before = np.minimum(np.maximum(out[row, right - 1], least), FULL_PCT)
    out[row, right - 1] = np.maximum(out[row, right - 1], before)
    crossing = np.clip(before + (FULL_PCT - before) / np.maximum(share, SURE), FULL_PCT, highest)[:, None]
    return np.where(np.arange(len(LEVELS)) >= right[:, None], np.maximum(out, crossing), out)


@dataclass(frozen=True)
class _Known:
    """What is known of m asks: their situations, the weather ahead, their own profiles and local time."""

    asks: Asks
    found: Situations
    skies: Departures | None
    gathered: Accumulated
    clock: Clock

    def columns(self, some: np.ndarray) -> dict[str, np.ndarray]:
        """What is known of the asks `some` (n,), by name."""
        return {name: column[some] for name, column in self.found.columns.items()}

    def whose(self, model: FillModel, some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) whether the model knows these bins; (n,) whether it does not even know their streams."""
        return self.asks.code[some] >= 0, ~np.isin(self.asks.streams[some].astype(str), model.streams)


def prospects(
    model: FillModel, history: History, archive: Archive, asks: Asks
) -> tuple[Situations, Departures | None, Prospects]:
    """What is known of all asks, the weather ahead of them, and what is to come.

    The weather is None for a model that has learned nothing of it.
    """
    table = model.profiles.table
    clock = asks.clock(HORIZONS_H[-1] + 1)
    gathered = Accumulated.of(
        table, asks.profile, model.accumulation.resistance, model.accumulation.seasons, asks.streams, asks.sites
    )
    found = situations_of(archive, history, asks, gathered, clock)
    skies = departures(history.weather, asks.as_of, gathered, clock) if model.reads_weather else None
    some = np.flatnonzero((found.health.readings > 0) & ~np.isnan(found.level))
    known = _Known(asks, found, skies, gathered, clock)
    near, no_round, trust, belief = _by_ensemble(model, known, some)
    faulty = found.health.faulty[some]
    now, gained, emptied, refilled, anything = _by_own_rates(model, known, some, faulty)
    own = model.accumulation.resistance.level(added(now, gained[:, : len(NEAR_H)]), asks.streams[some])
    share = model.accumulation.schooling
    near, no_round = (np.sort(share * told + (1 - share) * own, axis=2) for told in (near, no_round))
    streams = asks.streams[some]
    brim = np.where(found.step_pct[some] > 0, FULL_PCT, model.accumulation.brim.at(streams))
    return found, skies, Prospects(
        some, near, no_round, gained, emptied, refilled, trust, belief, streams, brim, faulty, anything
    )  # fmt: skip


def _by_ensemble(
    model: FillModel, known: _Known, some: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`near`, `no_round`, `trust` and `belief` of the asks `some` (n,); see `Prospects`."""
    asks, found, gathered, clock = known.asks, known.found, known.gathered, known.clock
    row = np.repeat(some, len(NEAR_H))
    at = asks.as_of[row] + np.tile((NEAR_H * HOUR_US).astype(np.int64), len(some))
    codes = pd.Index(model.streams).get_indexer(pd.Index(asks.streams))
    day = 24 * HOUR_US
    holidays = holiday_days(model.settings.country, int(asks.as_of.min() // day), int(asks.as_of.max() // day) + 30)
    features = horizon_features(found, row, asks.as_of, at, codes, asks.code, gathered, clock, holidays)
    if known.skies is not None:
        more = _more(model, known, known.skies, row, at, found.pace[row])
        features = features.expecting(more, gathered.held, gathered.kind[row])
    quantiles = model.ensemble.predict(features)
    kept = (found.step_pct[some] > 0) | (asks.code[some] < 0)
    near = _recalibrated(model, quantiles, asks.streams[some], kept)
    projected = features.column("projected_pct").reshape(near.shape[:2])
    trust = model.accumulation.trust(projected, known.columns(some), *known.whose(model, some))
    belief = trust * model.left_alone.belief(asks.code[some])
    due = np.flatnonzero(features.visited() & (belief.ravel() >= HARDLY))
    quantiles[due] = model.ensemble.predict(features.take(due).unvisited(), as_usual=False)
    return near, _recalibrated(model, quantiles, asks.streams[some], kept), trust, belief


def _by_own_rates(
    model: FillModel, known: _Known, some: np.ndarray, faulty: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What is gathered by now (n, 1, 13); `gained`, `emptied`, `refilled` and `anything` of the asks `some`."""
    asks, found, gathered, clock = known.asks, known.found, known.gathered, known.clock
    moments = asks.as_of[some][:, None] + (HORIZONS_H * HOUR_US).astype(np.int64)
    rows = np.broadcast_to(some[:, None], moments.shape)
    total = gathered.at(clock.local_s(moments, rows), rows)
    pace, doubt = model.accumulation.pace(known.columns(some), found.hoped[some], *known.whose(model, some))
    hope = (total - total[:, :1]) / NANO * pace[:, None]
    if known.skies is not None:
        paces = np.broadcast_to(pace[:, None], rows.shape)
        more = _more(model, known, known.skies, rows.ravel(), moments.ravel(), paces.ravel())
        hope = np.maximum(hope + more.reshape(hope.shape), 0)
    emptied = model.emptied_since.probability(found, asks.as_of, clock)[some]
    told, now = clock.local_s(found.measured[some], some), clock.local_s(asks.as_of[some], some)
    since = total[:, 0] - gathered.at(found.visits.usual(told, now, some), some)
    anew = hope + (since / NANO * pace)[:, None]
    unheard = ((total[:, 0] - gathered.at(told, some)) / NANO * pace)[:, None]
    noise = np.maximum(found.health.noise_pct[some], LEAST_NOISE_PCT)
    level = found.level[some][:, None] + noise[:, None] * NORMAL
    last = model.accumulation.resistance.gathered(level, asks.streams[some])[:, None]
    gain = model.accumulation.gained
    gained = gain(hope, doubt)
    of_faulty = some[faulty]
    reported = total[faulty, 0] - gathered.at(found.visits.last_reported[of_faulty], of_faulty)
    since_report = gain(hope[faulty] + (reported / NANO * pace[faulty])[:, None], doubt[faulty])
    anything = _anything(model, known, of_faulty, gained[faulty], since_report)
    return added(last, gain(unheard, doubt)), gained, emptied, gain(anew, doubt), anything


def _anything(
    model: FillModel, known: _Known, of_faulty: np.ndarray, gained: np.ndarray, since_report: np.ndarray
) -> np.ndarray:
    """(f, H, 13) what lies in the bins of the asks `of_faulty` (f,) if their sensors tell nothing.

    Where an emptying was reported what came since (f, H, 13) is known without them; else any level now is as likely as
    any other, and what is `gained` (f, H, 13) comes on top.
    """
    any_level = np.broadcast_to(LEARNED * HIGHEST_PCT, (len(of_faulty), 1, len(LEARNED)))
    now = model.accumulation.resistance.gathered(any_level, known.asks.streams[of_faulty])
    return np.where(known.found.visits.reported[of_faulty][:, None, None], since_report, added(now, gained))


def _recalibrated(model: FillModel, quantiles: np.ndarray, streams: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(n, 16, 13) sorted quantiles from the ensemble's (n x 16, 13), of bins of `streams` (n,); see `Recalibration`."""
    k = len(NEAR_H)
    rows = np.repeat(streams, k), np.tile(NEAR_H, len(streams)), np.repeat(kept, k)
    return model.recalibration.apply(quantiles, *rows).reshape(len(streams), k, len(LEARNED))


def _more(
    model: FillModel, known: _Known, skies: Departures, row: np.ndarray, at: np.ndarray, pace: np.ndarray
) -> np.ndarray:
    """(k,) points that the weather adds until `at` (k,), in the asks `row` (k,) at `pace` (k,)."""
    assert model.elasticities is not None
    return model.elasticities.more(known.asks.code[row], skies.sums(row, at, known.gathered, known.clock), pace)

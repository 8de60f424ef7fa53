from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.cycles import DAILY_STEP_H
from data.errors import InputError
from data.health import RECENT_DAYS
from data.history import History
from data.sequences import HOUR_US, Archive, microsecond, search
from training.examples import Asks, spans
from training.lookup import UNKNOWN
from training.profiles import FillRateProfiles
from training.resistance import Resistance
from training.seasons import Seasons
from training.settings import ModelSettings

SETTLE_H = 72.0  # no question in a bin's first three days
OUTAGE_H = (6.0, 96.0)
ARRIVING, ARRIVING_DAILY = 0.3, 0.9
MOST_SPANS = 1_000_000
FRESH, FRESH_DAYS = 0.5, (0.25, 14.0)  # of the bins that play strangers: so many began to speak so lately
FOREIGN = 0.5  # of the bins that play strangers: they are of no known stream either
KNOWN_SHARE = 0.75  # of the time; what profiles of it miss in the rest tells how far paces drift
PASSES = 4  # of ten no ease differed by more than 0.005 in a test city
ASKS_PER_EXAMPLE = 0.8  # far more than are needed: rows of one moment are alike, so few are taken of each


@dataclass(frozen=True)
class Curriculum:
    """What a model is to be taught: profiles, and questions about the past to learn from.

    profiles   learned from everything
    asks       random bins and moments; each uses a profile that was learned from other blocks of time
    table (k, 168)  those profiles' rates, percent per hour
    earlier    profiles of what was measured before `split`, microseconds, with `earlier_seasons`
    resistance how much slower bins fill the fuller they are; profiles are of empty bins
    seasons    how rates go up and down with the year; profiles are of a year without
    """

    profiles: FillRateProfiles
    asks: Asks
    table: np.ndarray
    earlier: FillRateProfiles
    earlier_seasons: Seasons
    resistance: Resistance
    seasons: Seasons
    split: int


def plan(history: History, until: pd.Timestamp, settings: ModelSettings, rng: np.random.Generator) -> Curriculum:
    """Learn profiles from all that was known at `until`, and draw the questions. Raises InputError for too little."""
    end = microsecond(until)
    spans_x, rises = spans(history, end)
    if not len(spans_x):
        raise InputError(
            f"{len(history.readings)} readings without a single rise to learn from",
            expected="bins with at least two readings below the rim within one fill cycle",
            remedy="Load more history, or check the readings with `brimcast data check`.",
        )
    spans_x, resistance, seasons = told_apart(spans_x, rises, rng)
    asks = _draw(history, end, settings, rng)
    if not len(asks):
        raise InputError(
            f"{len(history.readings):,} readings, of no bin for more than {SETTLE_H / 24:.0f} days",
            expected="some bins with a week of readings or more",
            remedy="Load more history before training.",
        )
    blocks = np.linspace(spans_x["measured"].min(), spans_x["measured"].max() + 1, settings.folds + 1)
    block_of_span = np.searchsorted(blocks, spans_x["measured"].to_numpy(), side="right") - 1
    block = np.clip(np.searchsorted(blocks, asks.as_of, side="right") - 1, 0, settings.folds - 1)
    stranger = rng.random(len(asks)) < settings.strangers
    asks.streams[stranger & (rng.random(len(asks)) < FOREIGN)] = UNKNOWN
    fresh = stranger & (rng.random(len(asks)) < FRESH)
    shortest, longest = np.log(FRESH_DAYS)
    asks.days[fresh] = np.exp(rng.uniform(shortest, longest, int(fresh.sum())))
    tables: list[np.ndarray] = []
    above = 0
    for fold in range(settings.folds):
        others = block_of_span != fold
        if not others.any():
            others = np.ones(len(others), dtype=bool)
        learned = FillRateProfiles().fit(spans_x[others], rises[others])
        mine = block == fold
        nobody = np.where(stranger[mine], "", asks.bin_ids[mine])
        asks.profile[mine] = above + learned.rows(nobody, asks.streams[mine], asks.sites[mine])
        tables.append(learned.table)
        above += len(learned.table)
    profiles = FillRateProfiles().fit(spans_x, rises)
    asks.code[:] = np.where(stranger, -1, pd.Index(profiles.bin_ids_).get_indexer(pd.Index(asks.bin_ids)))
    split = int(blocks[0] + (blocks[-1] - blocks[0]) * KNOWN_SHARE)
    before = spans_x["measured"].to_numpy() < split
    earlier, earlier_seasons = profiles, seasons
    if before.any():
        past = spans_x[before].assign(ease=spans_x["held"][before])
        even = FillRateProfiles().fit(past, rises[before])
        earlier_seasons = Seasons.learn(past, rises[before], even.predict(past) * past["ease"])
        past["ease"] *= earlier_seasons.factor(past)
        earlier = FillRateProfiles().fit(past, rises[before])
    return Curriculum(profiles, asks, np.vstack(tables), earlier, earlier_seasons, resistance, seasons, split)


def told_apart(
    spans_x: pd.DataFrame, rises: np.ndarray, rng: np.random.Generator
) -> tuple[pd.DataFrame, Resistance, Seasons]:
    """The spans with `held`, the ease at the level of each, and `ease`, that times its season's factor; and both.

    Rates, resistance and seasons explain each other: a bin that is emptied on fixed days is fuller on the others, and
    looks as if little came on these. So each is learned with the others (backfitting, Breiman and Friedman 1985), on
    whole bins.
    """
    code, ids = pd.factorize(spans_x["bin_id"])
    order = rng.permutation(len(ids))
    reached = np.cumsum(np.bincount(code, minlength=len(ids))[order])
    some = np.isin(code, order[: max(1, int(np.searchsorted(reached, MOST_SPANS, side="right")))])
    part, risen = spans_x[some], rises[some]
    held, seasons = Resistance.none(), Seasons.none()
    for _ in range(PASSES):
        profiles = FillRateProfiles().fit(part, risen)
        expected, factor = profiles.predict(part), seasons.factor(part)
        levels, streams = levels_before(part, profiles, held, seasons), part["stream"]
        held = Resistance.learn(levels, risen, expected * factor, streams)
        seasons = Seasons.learn(part, risen, expected * held.at(levels, held.rows(streams)))
        part = _eased(part, profiles, held, seasons)
    return _eased(spans_x, FillRateProfiles().fit(spans_x, rises), held, seasons), held, seasons


def levels_before(spans_x: pd.DataFrame, profiles: FillRateProfiles, held: Resistance, seasons: Seasons) -> np.ndarray:
    """(n,) percent: the level before each span, as far as the profiles expect it to have come since it was told."""
    told, hours = spans_x["level"].to_numpy(float), spans_x["prior_h"].to_numpy(float)
    start_s = spans_x["start_s"].to_numpy() - np.rint(hours * 3600).astype(np.int64)
    since = profiles.predict(spans_x.assign(hours=hours, start_s=start_s)) * seasons.factor(spans_x)
    return told + since * held.at(told, held.rows(spans_x["stream"]))


def _eased(spans_x: pd.DataFrame, profiles: FillRateProfiles, held: Resistance, seasons: Seasons) -> pd.DataFrame:
    row = held.rows(spans_x["stream"])
    ease = held.at(levels_before(spans_x, profiles, held, seasons), row)
    return spans_x.assign(held=ease, ease=ease * seasons.factor(spans_x))


def _draw(history: History, end: int, settings: ModelSettings, rng: np.random.Generator) -> Asks:
    """Random moments of each bin, the same number for every bin that has a history long enough."""
    archive = Archive.of(history)
    ids = archive.bin_ids.to_numpy()
    first = archive.measured[archive.starts[:-1]] + int(SETTLE_H * HOUR_US)
    last = np.minimum(archive.measured[archive.starts[1:] - 1], end)
    wanted = max(1, round(settings.examples * ASKS_PER_EXAMPLE / len(ids)))
    count = np.where(last > first, np.minimum(wanted, (last - first) // (2 * HOUR_US)), 0).astype(int)
    owner = np.repeat(np.arange(len(ids)), count)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    # One in each of as many equal parts of the history: moments that lie beside each other by chance tell no more.
    share = (nth + rng.random(len(owner))) / count[owner]
    as_of = (first[owner] + share * (last - first)[owner]).astype(np.int64)
    # Forecasts are asked for most often when a reading has just come; of daily bins, hardly ever else.
    newest = search(archive.heard, archive.starts[owner], archive.starts[owner + 1], as_of, right=True) - 1
    daily = _steps_h(archive)[owner] >= DAILY_STEP_H
    arriving = (rng.random(len(owner)) < np.where(daily, ARRIVING_DAILY, ARRIVING)) & (newest >= archive.starts[owner])
    as_of = np.where(arriving, archive.heard[np.maximum(newest, 0)], as_of)
    order = np.lexsort((as_of, owner))
    new = np.concatenate([[True], (np.diff(owner[order]) != 0) | (np.diff(as_of[order]) != 0)])[: len(order)]
    owner, as_of = owner[order[new]], as_of[order[new]]
    silent = rng.random(len(owner)) < settings.outages
    heard_by = as_of - np.where(silent, rng.uniform(*OUTAGE_H, len(owner)) * HOUR_US, 0).astype(np.int64)
    known = history.bins.unique.reindex(ids)
    named = (("stream", "mixed"), ("site_kind", UNKNOWN), ("timezone", "UTC"))
    streams, sites, zones = (known[name].fillna(usual).to_numpy(object)[owner] for name, usual in named)
    row, code = np.zeros((2, len(owner)), dtype=int)
    return Asks(ids[owner], streams, sites, zones, as_of, heard_by, np.full(len(owner), RECENT_DAYS), row, code)


def _steps_h(archive: Archive) -> np.ndarray:
    """(b,) mean hours between a bin's readings."""
    first, last = archive.measured[archive.starts[:-1]], archive.measured[archive.starts[1:] - 1]
    return (last - first) / np.maximum(np.diff(archive.starts) - 1, 1) / HOUR_US

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from data.cycles import find_cycles
from data.errors import InputError
from data.health import RECENT_DAYS, RIM_PCT
from data.history import History
from data.jumps import noise_limit, unexplained
from data.readings import Readings
from data.reports import known_reports
from data.sequences import HOUR_US, MILLI, Archive, microseconds
from training.calendar import Clock
from training.departures import KINDS, departures
from training.features import Features, horizon_features
from training.labels import TOLERANCE_H, label, levels
from training.lookup import UNKNOWN
from training.profiles import Accumulated
from training.resistance import Resistance, standing
from training.seasons import Seasons
from training.situations import Situations, describe
from training.threads import beside_each_other

LONGEST_SPAN_H = 72.0
READINGS_AT_ONCE = 2_000_000
WORTH_A_THREAD = 100_000  # readings
FEWEST = 200
PASSES = 3


@dataclass(frozen=True)
class Asks:
    """Questions to a history: m bins, each at its own moment.

    bin_ids, streams, sites, timezones (m,) text (kinds of site, "" where unknown);
    as_of, heard_by (m,) microseconds (they differ where an outage is played); days (m,) of readings that are known;
    profile (m,) row of the profile table to use; code (m,) number of the bin, -1 for one that counts as unknown
    """

    bin_ids: np.ndarray
    streams: np.ndarray
    sites: np.ndarray
    timezones: np.ndarray
    as_of: np.ndarray
    heard_by: np.ndarray
    days: np.ndarray
    profile: np.ndarray
    code: np.ndarray

    def __len__(self) -> int:
        return len(self.bin_ids)

    def take(self, rows: np.ndarray | slice) -> Asks:
        """Only these rows."""
        return Asks(
            self.bin_ids[rows], self.streams[rows], self.sites[rows], self.timezones[rows], self.as_of[rows],
            self.heard_by[rows], self.days[rows], self.profile[rows], self.code[rows],
        )  # fmt: skip

    def clock(self, ahead_h: float) -> Clock:
        """Local time from the window before the asks to `ahead_h` after them."""
        start = int(self.as_of.min()) - int((RECENT_DAYS + 2) * 24 * HOUR_US)
        return Clock.over(self.timezones, start, int(self.as_of.max()) + int(ahead_h * HOUR_US))


def chunks(archive: Archive, asks: Asks, threads: int = 1) -> list[slice]:
    """Slices of the asks for so many threads, which together read some millions of readings at most.

    Each reads about as many; few readings are not worth a second thread.
    """
    if not len(asks):
        return []
    read = np.cumsum(archive.counts(asks.bin_ids, asks.as_of, RECENT_DAYS) + 1)
    at_once = max(min(-(-read[-1] // threads), READINGS_AT_ONCE // threads), WORTH_A_THREAD)
    load = (read - 1) // at_once
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(load)) + 1, [len(asks)]])
    return [slice(int(a), int(b)) for a, b in pairwise(cuts.tolist())]


def situations_of(archive: Archive, history: History, asks: Asks, gathered: Accumulated, clock: Clock) -> Situations:
    """The situations of all asks (see `describe`); `gathered` holds their own profiles."""
    return describe(archive, history, asks.bin_ids, asks.as_of, gathered, clock, asks.heard_by, asks.days)


def spans(history: History, until: np.ndarray | int) -> tuple[pd.DataFrame, np.ndarray]:
    """What profiles learn from: spans between two readings of one fill cycle, as known at `until` (microseconds).

    Returns X (bin_id, stream, site, start_s, hours, measured; level and prior_h: the level before it, percent, and
    how many hours before, see `standing`) and y (n,) percent risen. Spans that begin at the rim are left out: a full
    bin hides its demand.
    """
    archive = Archive.of(history)
    ids = archive.bin_ids.to_numpy()
    moment = np.full(len(ids), until)
    cycles = find_cycles(archive.sequences(ids, moment, None), known_reports(history, ids, moment, None))
    s = cycles.sequences
    known = history.bins.unique.reindex(ids)
    streams, sites = known["stream"].fillna("mixed").to_numpy(), known["site_kind"].fillna(UNKNOWN).to_numpy()
    zones = known["timezone"].fillna("UTC").to_numpy()
    before, step = s.lag(s.fill, 1, 0), s.measured - s.lag(s.measured, 1, 0)
    level, second = standing(s, cycles.cycle)
    ok = ~cycles.breaks & (before < RIM_PCT * MILLI) & (step <= LONGEST_SPAN_H * HOUR_US) & (step > 0)
    limit = noise_limit(s)
    for _ in range(PASSES):  # jumps make a bin look faster, and so themselves look likelier
        hours = np.bincount(s.seq[ok], weights=step[ok] / HOUR_US, minlength=len(s))
        risen = np.bincount(s.seq[ok], weights=(s.fill - before)[ok] / MILLI, minlength=len(s))
        ok &= ~unexplained(s, 24 * np.maximum(risen, 0) / np.maximum(hours, 1.0), limit)
    names = "bin_id", "stream", "site"
    if not ok.any():
        nothing = *names, "start_s", "hours", "measured", "level", "prior_h"
        return pd.DataFrame({name: [] for name in nothing}), np.zeros(0)
    columns = [
        pd.Categorical(texts) for texts in (ids, streams, sites)
    ]  # as text, millions of rows are slow to look up
    clock = Clock.over(zones, int(s.measured.min()), int(s.measured.max()))
    local = clock.local_s(s.measured, s.seq) - step // 1_000_000
    frame = pd.DataFrame(
        {
            **{name: column.take(s.seq[ok]) for name, column in zip(names, columns, strict=True)}, "start_s": local[ok],
            "hours": step[ok] / HOUR_US, "measured": s.measured[ok], "level": level[ok],
            "prior_h": np.where(second, s.lag(step, 1, 0), 0)[ok] / HOUR_US,
        }
    )  # fmt: skip
    return frame, ((s.fill - before) / MILLI)[ok]


@dataclass(frozen=True)
class Examples:
    """What boosters and networks learn from: features with what came true.

    rise (k,) percent from the filtered level to the truth; stream, bin_ids, horizon_h (k,) of each row;
    as_of (k,) microseconds; weather (k, 2): see `Departures.sums`, 0 where the history has no weather;
    in_steps (k,) bool: whether the sensor tells steps, see `data.resolution`
    """

    features: Features
    rise: np.ndarray
    stream: np.ndarray
    horizon_h: np.ndarray
    as_of: np.ndarray
    bin_ids: np.ndarray
    weather: np.ndarray
    in_steps: np.ndarray

    def take(self, rows: np.ndarray) -> Examples:
        """Only these rows."""
        return Examples(
            self.features.take(rows), self.rise[rows], self.stream[rows], self.horizon_h[rows], self.as_of[rows],
            self.bin_ids[rows], self.weather[rows], self.in_steps[rows],
        )  # fmt: skip

    def sample(self, most: int, rng: np.random.Generator) -> Examples:
        """At most so many of these examples, at random, in their order."""
        if len(self.rise) <= most:
            return self
        return self.take(np.sort(rng.choice(len(self.rise), most, replace=False)))

    def require(self, found: str) -> Examples:
        """These examples, if there are enough of them to learn from; raises InputError, saying what was `found`."""
        if len(self.rise) < FEWEST:
            raise InputError(
                f"{found} with {len(self.rise)} moments whose future can be scored",
                expected=f"at least {FEWEST}: some days of readings of some bins, not all within one emptying",
                remedy="Load more history before training.",
            )
        return self


def learn_examples(
    history: History,
    asks: Asks,
    table: np.ndarray,
    held: Resistance,
    seasons: Seasons,
    stream_codes: np.ndarray,
    horizons_h: np.ndarray,
    holidays: np.ndarray,
    threads: int,
    progress: Callable[[str], None],
) -> Examples:
    """Pair each ask and horizon that can be scored with what came true; see `training.labels.label`.

    Chunks of asks are described `threads` at a time: numpy works beside itself, and no digit depends on it.
    """
    labelled = label(history.readings, _questions(history.readings, asks, horizons_h), history.emptyings)
    archive = Archive.of(history)
    clock = asks.clock(float(horizons_h[-1]) + 1)
    moments, ask = microseconds(labelled["at"]), labelled["ask"].to_numpy()
    order = np.argsort(ask, kind="stable")
    labelled, ask, moments = labelled.iloc[order], ask[order], moments[order]
    parts = chunks(archive, asks)

    def described(part: slice) -> tuple[Features, np.ndarray, np.ndarray]:
        """Features, weather and whether sensors tell steps of the labelled moments of these asks."""
        low, high = np.searchsorted(ask, part.start), np.searchsorted(ask, part.stop)
        some = asks.take(part)
        own = Clock(clock.zone[part], clock.first_hour, clock.shift_s)
        gathered = Accumulated.of(table, some.profile, held, seasons, some.streams, some.sites)
        found = situations_of(archive, history, some, gathered, own)
        row, at = ask[low:high] - part.start, moments[low:high]
        features = horizon_features(found, row, some.as_of, at, stream_codes[part], some.code, gathered, own, holidays)
        sky = np.zeros((len(row), len(KINDS)))
        if len(history.weather):
            sky = departures(history.weather, some.as_of, gathered, own).sums(row, at, gathered, own)
        return features, sky, found.step_pct[row] > 0

    told: list[Features] = []
    skies: list[np.ndarray] = []
    in_steps: list[np.ndarray] = []
    for part, (features, sky, steps) in zip(parts, beside_each_other(described, parts, threads), strict=True):
        told.append(features)
        skies.append(sky)
        in_steps.append(steps)
        progress(f"features of {part.stop:,} of {len(asks):,} situations")
    features = Features(told[0].names, np.vstack([f.matrix for f in told]), np.concatenate([f.level for f in told]))
    known = ~np.isnan(features.level)
    examples = Examples(
        features, labelled["y"].to_numpy() - features.level, asks.streams[ask],
        (moments - asks.as_of[ask]) / HOUR_US, asks.as_of[ask], asks.bin_ids[ask],
        np.concatenate(skies), np.concatenate(in_steps),
    )  # fmt: skip
    return examples.take(np.flatnonzero(known))


def _questions(readings: Readings, asks: Asks, horizons_h: np.ndarray) -> pd.DataFrame:
    """Every ask at every horizon; where no reading lies within 1.5 h, at the moment of the nearest reading instead.

    A daily bin's truth may be half a day from the moment asked; learned as if it were not, it would blur everything.
    What is scored is whether the bin was left alone since the newest reading.
    """
    lines = levels(readings)
    ask = np.repeat(np.arange(len(asks)), len(horizons_h))
    at = asks.as_of[ask] + np.tile((horizons_h * HOUR_US).astype(np.int64), len(asks))
    nearest = lines.time_us[lines.nearest(lines.codes_of(pd.Series(asks.bin_ids))[ask], at)]
    at = np.where(np.abs(nearest - at) > TOLERANCE_H * HOUR_US, nearest, at)
    order = np.lexsort((at, ask))
    ask, at = ask[order], at[order]
    new = np.ones(len(ask), dtype=bool)  # one reading may stand for several horizons
    new[1:] = (np.diff(ask) != 0) | (np.diff(at) != 0)
    new &= at > asks.as_of[ask]
    return pd.DataFrame(
        {
            "bin_id": asks.bin_ids[ask[new]],
            "as_of": pd.DatetimeIndex(asks.heard_by[ask[new]].astype("datetime64[us]")).tz_localize("UTC"),
            "at": pd.DatetimeIndex(at[new].astype("datetime64[us]")).tz_localize("UTC"),
            "ask": ask[new],
        }
    )

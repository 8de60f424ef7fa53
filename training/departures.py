"""How the weather around a moment, as known then, departs from the four weeks before it, bin by bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.sequences import HOUR_US
from data.weather import Weather
from training.calendar import Clock
from training.profiles import Accumulated

USUAL_DAYS = 28  # those over which the pace is measured: what was usual then is in it already
RECENT_H, AHEAD_H = 24, 72
NAMES = ("ahead_warmer_c", "ahead_wetter", "recent_warmer_c", "recent_wetter")
WITHHELD, STOPPED = 0.1, 0.05


@dataclass(frozen=True)
class Departures:
    """Of m bins, each at its own moment: the weather's departures, weighted by what the bin gathers in each hour.

    Warmth counts in degrees above what was usual at that hour of the day, wetness is mm / (1 + mm) of an hour.

    as_of, hour (m,)  the moment, microseconds, and the hour since 1970 in which it lies
    recent (m, 2)     warmth and wetness of the 24 hours before
    value (m, 73, 2)  warmth and wetness of each hour from then on; NaN where no forecast had been issued
    weight, weighed (m, 74, 2)  nano-percent gathered in the known hours until each began, and their sum times value
    """

    as_of: np.ndarray
    hour: np.ndarray
    recent: np.ndarray
    value: np.ndarray
    weighed: np.ndarray
    weight: np.ndarray

    @property
    def foretold(self) -> np.ndarray:
        """(m,) bool: of some hour of the next three days a forecast was known."""
        return ~np.isnan(self.value[:, 1:]).all(axis=(1, 2))

    def columns(self, row: np.ndarray, at: np.ndarray, gathered: Accumulated, clock: Clock) -> np.ndarray:
        """(k, 4) the features NAMES of the moments `at` (k,) microseconds, for the rows `row` (k,) of the m.

        Beyond three days those of the first three are given.
        """
        end = np.minimum(at, (self.hour[row] + AHEAD_H + 1) * HOUR_US - 1)
        step = end // HOUR_US - self.hour[row]
        begin = np.maximum((self.hour[row] + step) * HOUR_US, self.as_of[row])
        part = gathered.at(clock.local_s(end, row), row) - gathered.at(clock.local_s(begin, row), row)
        value = self.value[row, step]
        known = ~np.isnan(value)
        weight = self.weight[row, step] + np.where(known, part[:, None], 0)
        weighed = self.weighed[row, step] + np.where(known, part[:, None] * value, 0.0)
        ahead = np.where(weight > 0, weighed / np.maximum(weight, 1), value)  # nothing gathered: at the moment itself
        return np.hstack([ahead, self.recent[row]])

    def withheld(self, rng: np.random.Generator) -> Departures:
        """With a share of the rows as if no weather, or no forecast of it, were known: so that is learned too."""
        drawn = rng.random(len(self.hour))
        stopped, nothing = drawn < WITHHELD + STOPPED, drawn < WITHHELD
        return Departures(
            self.as_of,
            self.hour,
            np.where(nothing[:, None], np.nan, self.recent),
            np.where(stopped[:, None, None], np.nan, self.value),
            np.where(stopped[:, None, None], 0.0, self.weighed),
            np.where(stopped[:, None, None], 0, self.weight),
        )


def departures(weather: Weather, as_of: np.ndarray, gathered: Accumulated, clock: Clock) -> Departures:
    """The departures for m bins at `as_of` (m,) microseconds; `gathered` and `clock` are theirs.

    Only what was issued by `as_of` counts, and of the past only its last 28 days.
    """
    hour = as_of // HOUR_US
    offsets = np.arange(-USUAL_DAYS * 24 + 1, AHEAD_H + 1)
    # Bins asked at one moment, or between two issues in one hour, see the same weather: it is looked up once.
    issue = np.searchsorted(weather.issues, as_of, side="right")
    _, first, same = np.unique(hour * (len(weather.issues) + 1) + issue, return_index=True, return_inverse=True)
    temperature, rain = weather.known(as_of[first], hour[first][:, None] + offsets)
    past = USUAL_DAYS * 24
    warmer = temperature - _usual(temperature[:, :past], 24)[:, (np.arange(len(offsets)) % 24)]
    wetness = rain / (1 + rain)
    wetter = wetness - _usual(wetness[:, :past], 1)
    around = np.stack([warmer, wetter], axis=2)[same]  # (m, hours, 2)
    recent, value = around[:, past - RECENT_H : past], around[:, past - 1 :]
    edge = np.maximum((hour[:, None] + np.arange(AHEAD_H + 2)) * HOUR_US, as_of[:, None])
    weight, weighed = _running(value, _gathered(edge, gathered, clock))
    edge = np.minimum((hour[:, None] + np.arange(-RECENT_H + 1, 2)) * HOUR_US, as_of[:, None])
    before, weighed_before = _running(recent, _gathered(edge, gathered, clock))
    with np.errstate(invalid="ignore"):
        mean = weighed_before[:, -1] / before[:, -1]
    return Departures(as_of, hour, mean, value, weighed, weight)


def _usual(values: np.ndarray, cycle: int) -> np.ndarray:
    """(u, cycle) the mean of the known among values (u, h), h a multiple of the cycle; NaN where none is.

    Summed one after the other, so that no digit hangs on what else is asked.
    """
    folded = values.reshape(len(values), -1, cycle)
    known = ~np.isnan(folded)
    total = np.cumsum(np.where(known, folded, 0.0), axis=1)[:, -1]
    with np.errstate(invalid="ignore"):
        return np.asarray(total / known.sum(axis=1))


def _gathered(edge: np.ndarray, gathered: Accumulated, clock: Clock) -> np.ndarray:
    """(m, h) nano-percent gathered between each two of the moments `edge` (m, h + 1)."""
    row = np.broadcast_to(np.arange(len(edge))[:, None], edge.shape)
    return np.diff(gathered.at(clock.local_s(edge, row), row), axis=1)


def _running(value: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m, h + 1, 2) each: the weights `part` (m, h) of the known values (m, h, 2), and their products, added up."""
    known = ~np.isnan(value)
    weight = np.where(known, part[:, :, None], 0)
    weighed = np.where(known, part[:, :, None] * value, 0.0)
    none = np.zeros((len(value), 1, 2))
    return (
        np.concatenate([none.astype(np.int64), np.cumsum(weight, axis=1)], axis=1),
        np.concatenate([none, np.cumsum(weighed, axis=1)], axis=1),
    )

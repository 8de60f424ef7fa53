"""How the weather after a moment, as forecast by then, departs from the four weeks before it, bin by bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.sequences import HOUR_US
from data.weather import Weather
from training.calendar import Clock
from training.profiles import NANO, Accumulated

USUAL_H = 28 * 24  # over which the pace is measured: what was usual then is in it already
AHEAD_H = 72
KINDS = ("warmth", "wetness")


@dataclass(frozen=True)
class Departures:
    """Of m bins, each at its own moment, how far the weather ahead departs from what was usual.

    Warmth: degrees above the mean at that hour of the day. Wetness: mm / (1 + mm) of an hour, above the mean. Both are
    0 where nothing is known, and beyond three days: as usual.

    as_of, hour (m,)     the moment, microseconds, and the hour since 1970 in which it lies
    value (m, 74, 2)     the departures of each hour from then on
    summed (m, 74, 2)    nano-percent gathered times value, of the hours until each began
    foretold (m,)        whether anything was known of the hours ahead
    """

    as_of: np.ndarray
    hour: np.ndarray
    value: np.ndarray
    summed: np.ndarray
    foretold: np.ndarray

    def sums(self, row: np.ndarray, at: np.ndarray, gathered: Accumulated, clock: Clock) -> np.ndarray:
        """(k, 2) for the rows `row` (k,) of the m: points gathered until `at` (k,) microseconds, times departures."""
        step = np.minimum(at // HOUR_US - self.hour[row], AHEAD_H + 1)
        begin = np.maximum((self.hour[row] + step) * HOUR_US, self.as_of[row])
        part = gathered.at(clock.local_s(at, row), row) - gathered.at(clock.local_s(begin, row), row)
        return np.asarray((self.summed[row, step] + part[:, None] * self.value[row, step]) / NANO)


def departures(weather: Weather, as_of: np.ndarray, gathered: Accumulated, clock: Clock) -> Departures:
    """The departures for m bins at `as_of` (m,) microseconds; `gathered` and `clock` are theirs.

    Only what was issued by `as_of` counts, and of the past only its last 28 days.
    """
    hour = as_of // HOUR_US
    offsets = np.arange(-USUAL_H + 1, AHEAD_H + 1)
    # Bins asked at one moment, or between two issues in one hour, see the same weather: it is looked up once.
    issue = np.searchsorted(weather.issues, as_of, side="right")
    _, first, same = np.unique(hour * (len(weather.issues) + 1) + issue, return_index=True, return_inverse=True)
    temperature, rain = weather.known(as_of[first], hour[first][:, None] + offsets)
    wetness = rain / (1 + rain)
    ahead = slice(USUAL_H - 1, None)
    warmer = temperature[:, ahead] - _usual(temperature[:, :USUAL_H], 24)[:, np.arange(-1, AHEAD_H) % 24]
    wetter = wetness[:, ahead] - _usual(wetness[:, :USUAL_H], 1)
    known = np.stack([warmer, wetter], axis=2)
    foretold = ~np.isnan(known[:, 1:]).all(axis=(1, 2))
    value = np.concatenate([np.nan_to_num(known), np.zeros((len(known), 1, 2))], axis=1)[same]
    edge = np.maximum((hour[:, None] + np.arange(AHEAD_H + 2)) * HOUR_US, as_of[:, None])
    row = np.broadcast_to(np.arange(len(edge))[:, None], edge.shape)
    parts = np.diff(gathered.at(clock.local_s(edge, row), row), axis=1)
    # Summed one after the other, here and below, so that no digit hangs on what else is asked.
    summed = np.cumsum(parts[:, :, None] * value[:, :-1], axis=1)
    return Departures(
        as_of, hour, value, np.concatenate([np.zeros_like(summed[:, :1]), summed], axis=1), foretold[same]
    )


def _usual(values: np.ndarray, cycle: int) -> np.ndarray:
    """(u, cycle) the mean of the known among values (u, h), h a multiple of the cycle; NaN where none is."""
    folded = values.reshape(len(values), -1, cycle)
    known = ~np.isnan(folded)
    total = np.cumsum(np.where(known, folded, 0.0), axis=1)[:, -1]
    with np.errstate(invalid="ignore"):
        return np.asarray(total / known.sum(axis=1))

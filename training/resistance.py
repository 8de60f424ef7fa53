"""How much slower bins fill the fuller they are: people press, turn to the next bin, or the sensor sees no further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.sequences import MILLI, Sequences
from training.lookup import Names, first_rows, places

LEVELS_PCT = np.array([0.0, 20.0, 40.0, 60.0, 70.0, 80.0, 85.0, 90.0, 95.0])
PRIOR_PCT, CARRIED_PCT = 200.0, 1000.0
SLOWEST, FASTEST = 0.1, 1.0
UNIMPEDED = 3  # bands, up to 60%, whose ease is 1 in the mean
FAR_PCT = 1e5
FEWEST_BINS, SURE_ERRORS = 5, 3.0  # of bins; of standard errors, since five streams have thirty chances to seem slow


@dataclass(frozen=True)
class Resistance:
    """Rise over expected rise by level: a bin at level x gathers `ease(x)` points where its profile expects one.

    streams (s,) names; ease (s + 1, 9): between LEVELS_PCT and beyond the last, the first row for any other stream.
    """

    streams: tuple[str, ...]
    ease: np.ndarray

    @classmethod
    def none(cls) -> Resistance:
        """Bins fill as fast when they are nearly full."""
        return cls((), np.ones((1, len(LEVELS_PCT))))

    @classmethod
    def learn(cls, level: np.ndarray, risen: np.ndarray, expected: np.ndarray, stream: Names) -> Resistance:
        """From spans (k,) with the level before them, points risen and expected, and the stream.

        Ease is 1 in the mean below 60%. Each is shrunk, as if by PRIOR_PCT points expected, toward what the levels
        below tell, themselves shrunk by CARRIED_PCT: where sensors see no further than 85%, nothing tells of 95%, and
        bins do not fill the faster there.
        """
        code, names = pd.factorize(stream, sort=True)
        risen, expected = _sums(level, code, len(names), risen, expected)
        together = (np.vstack([part.sum(axis=0), part]) for part in (risen, expected))
        return cls(tuple(str(n) for n in names), _eased(*together))

    @classmethod
    def surely(
        cls, level: np.ndarray, risen: np.ndarray, expected: np.ndarray, stream: Names, bins: Names
    ) -> Resistance:
        """As `learn`, but only what exceeds three standard errors, from 60% on: elsewhere bins fill as if empty.

        Errors are the jackknife's over `bins` (k,), so who has one bin of a stream knows nothing of it.
        """
        code, names = pd.factorize(stream, sort=True)
        own, ids = pd.factorize(bins)
        parts = _sums(level, own, len(ids), risen, expected)
        kind = code[first_rows(own)]
        ease = [_surely(*(part[of] for part in parts)) for of in (kind >= 0, *(kind == k for k in range(len(names))))]
        return cls(tuple(str(n) for n in names), np.vstack(ease))

    def rows(self, stream: Names) -> np.ndarray:
        """(k,) the row of `ease` for each stream (k,)."""
        return places(stream, pd.Index(self.streams, dtype=object)) + 1

    def at(self, level: np.ndarray, row: np.ndarray) -> np.ndarray:
        """(k,) the ease at `level` (k,) percent, of the `row` (k,) of each."""
        band = np.searchsorted(LEVELS_PCT, level, side="right") - 1
        return np.asarray(self.ease[row, np.maximum(band, 0)])

    def onward(self, level: np.ndarray, points: np.ndarray, row: np.ndarray) -> np.ndarray:
        """(k,) the level to which `points` (k,) lead that are expected from `level` (k,) on, of the `row` of each."""
        return self._through(self._through(level, row, inverse=False) + points, row, inverse=True)

    def gathered(self, level: np.ndarray, stream: np.ndarray) -> np.ndarray:
        """(n, ...) points that must be expected for a bin to come from 0 to `level` (n, ...); `stream` (n,)."""
        return self._through(level, self.rows(stream), inverse=False)

    def level(self, gathered: np.ndarray, stream: np.ndarray) -> np.ndarray:
        """(n, ...) the level after so many points expected: the inverse of `gathered`."""
        return self._through(gathered, self.rows(stream), inverse=True)

    def _through(self, values: np.ndarray, row: np.ndarray, *, inverse: bool) -> np.ndarray:
        out = np.empty_like(values)
        for r in np.unique(row):  # a handful of streams
            levels = np.concatenate([[-FAR_PCT], LEVELS_PCT, [FAR_PCT]])
            per_point = 1 / np.concatenate([self.ease[r, :1], self.ease[r]])
            total = np.concatenate([[0.0], np.cumsum(np.diff(levels) * per_point)])
            total -= total[1]
            mine = row == r
            out[mine] = np.interp(values[mine], total, levels) if inverse else np.interp(values[mine], levels, total)
        return out

    def to_json(self) -> dict[str, Any]:
        """As plain values, for model.json."""
        return {"streams": list(self.streams), "ease": self.ease.tolist()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Resistance:
        """From the values of `to_json`."""
        return cls(tuple(str(s) for s in values["streams"]), np.array(values["ease"], dtype=float))


def standing(s: Sequences, cycle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The level (n,) percent before the span that ends at each reading, and whether the last reading but one tells it.

    Where the fill cycle, (n,) numbers, has three readings it does: the noise of the span's own first reading would look
    like a fall where it is high. What the bin is expected to gather in between is to be added.
    """
    second = s.lag(cycle, 2, -1) == s.lag(cycle, 1, -2)
    return np.where(second, s.lag(s.fill, 2, 0), s.lag(s.fill, 1, 0)) / MILLI, second


def _sums(
    level: np.ndarray, code: np.ndarray, count: int, risen: np.ndarray, expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points risen and expected, both (count, bands), by `code` (k,), as many in all below 60%."""
    band = np.clip(np.searchsorted(LEVELS_PCT, level, side="right") - 1, 0, len(LEVELS_PCT) - 2)
    shape = (count, len(LEVELS_PCT) - 1)
    key = code * shape[1] + band
    came, hoped = (np.bincount(key, weights=w, minlength=shape[0] * shape[1]).reshape(shape) for w in (risen, expected))
    return came, hoped * _ratio(came[:, :UNIMPEDED], hoped[:, :UNIMPEDED])[:, None]


def _eased(risen: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(s, bands + 1) ease from the points risen and expected in each band, (s, bands)."""
    ease, prior = np.ones_like(risen), np.ones(len(risen))
    for b in range(risen.shape[1]):
        ease[:, b] = (risen[:, b] + PRIOR_PCT * prior) / (expected[:, b] + PRIOR_PCT)
        prior = (risen[:, b] + CARRIED_PCT * prior) / (expected[:, b] + CARRIED_PCT)
    ease = np.clip(ease, SLOWEST, FASTEST)
    return np.hstack([ease, ease[:, -1:]])


def _surely(risen: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(bands + 1,) ease of some bins, (b, bands) each, as far as it is surely below 1."""
    bins = len(risen)
    if bins < FEWEST_BINS:
        return np.ones(risen.shape[1] + 1)
    without = _eased(risen.sum(axis=0) - risen, expected.sum(axis=0) - expected)
    error = np.sqrt((bins - 1) / bins * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    ease = _eased(risen.sum(axis=0)[None], expected.sum(axis=0)[None])[0]
    return np.where(np.arange(len(ease)) < UNIMPEDED, 1.0, np.minimum(ease + SURE_ERRORS * error, 1.0))


def _ratio(risen: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(s,) by which rises exceed what was expected, over all bands (s, k)."""
    return (np.maximum(risen.sum(axis=1), 0) + PRIOR_PCT) / (expected.sum(axis=1) + PRIOR_PCT)

"""How much slower bins fill the fuller they are: people press, turn to the next bin, or the sensor sees no further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.sequences import MILLI, Sequences
from training.lookup import Names, places

LEVELS_PCT = np.array([0.0, 20.0, 40.0, 60.0, 70.0, 80.0, 85.0, 90.0, 95.0])
PRIOR_PCT, CARRIED_PCT = 200.0, 1000.0
SLOWEST, FASTEST = 0.1, 1.0
UNIMPEDED = 3  # bands, up to 60%, whose ease is 1 in the mean
FAR_PCT = 1e5


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
        band = np.clip(np.searchsorted(LEVELS_PCT, level, side="right") - 1, 0, len(LEVELS_PCT) - 2)
        code, names = pd.factorize(stream, sort=True)
        shape = (len(names), len(LEVELS_PCT) - 1)
        key = code * shape[1] + band
        sums = [np.bincount(key, weights=w, minlength=shape[0] * shape[1]).reshape(shape) for w in (risen, expected)]
        sums[1] = sums[1] * _ratio(sums[0][:, :UNIMPEDED], sums[1][:, :UNIMPEDED])[:, None]
        risen, expected = (np.vstack([part.sum(axis=0), part]) for part in sums)
        ease, prior = np.ones_like(risen), np.ones(len(risen))
        for b in range(shape[1]):
            ease[:, b] = (risen[:, b] + PRIOR_PCT * prior) / (expected[:, b] + PRIOR_PCT)
            prior = (risen[:, b] + CARRIED_PCT * prior) / (expected[:, b] + CARRIED_PCT)
        ease = np.clip(ease, SLOWEST, FASTEST)
        return cls(tuple(str(n) for n in names), np.hstack([ease, ease[:, -1:]]))

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


def _ratio(risen: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """(s,) by which rises exceed what was expected, over all bands (s, k)."""
    return (np.maximum(risen.sum(axis=1), 0) + PRIOR_PCT) / (expected.sum(axis=1) + PRIOR_PCT)

"""Features as a neural network reads them: columns of like size, without gaps, and names told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

KNOTS = 65
TAIL = 0.005  # the outermost ranks, so that no value is infinitely far out
LINEAR_LIMIT = 4.0
RARE = 0.005  # columns that lack fewer of their values get no column that says so
ROWS_A_BIN = 1_000
CYCLES = {"hour": 24, "at_hour": 24, "weekday": 7, "at_weekday": 7}
NAMES = ("stream", "bin")
LINEAR = ("level", "projected_pct", "expected_pace_pct", "expected_pct", "q50_24h", "newest", "raw_minus_level")


@dataclass(frozen=True)
class Encoding:
    """How the columns of a feature matrix become inputs: (k, F) float64 with NaN to (k, D) float32 without.

    Measured columns are read by their rank among the examples, as normal scores (van der Waerden 1952); the levels
    also as they are, in standard deviations. Hours, weekdays, streams and bins have an input each; bins only where
    there are many examples of each, and an unknown bin or stream has none.

    names (F,); knots, scores (C, 65) of the measured columns; mean, deviation (C,); gaps (G,): the measured columns
    that say when they are unknown; streams, bins: how many are told apart
    """

    names: tuple[str, ...]
    knots: np.ndarray
    scores: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    gaps: np.ndarray
    streams: int
    bins: int

    @classmethod
    def learn(cls, names: tuple[str, ...], matrix: np.ndarray) -> Encoding:
        """From the feature matrix (k, F) of the examples."""
        columns = matrix[:, _measured(names)]
        known = ~np.isnan(columns)
        some = np.where(known.any(axis=0), columns, 0.0)
        share = np.linspace(0, 1, KNOTS)
        knots = np.nanquantile(some, share, axis=0).T
        # A value that many examples share has the mean of the ranks it covers.
        low = np.stack([np.searchsorted(row, row, side="left") for row in knots])
        high = np.stack([np.searchsorted(row, row, side="right") for row in knots]) - 1
        scores = ndtri(np.clip((share[low] + share[high]) / 2, TAIL, 1 - TAIL))
        codes = [matrix[:, names.index(name)] for name in NAMES]
        streams, bins = (int(code.max(initial=-1)) + 1 for code in codes)
        return cls(
            names, knots, scores, np.nanmean(some, axis=0), np.nanstd(some, axis=0) + 1e-6,
            np.flatnonzero((~known).mean(axis=0) > RARE), streams, bins if bins * ROWS_A_BIN <= len(matrix) else 0,
        )  # fmt: skip

    def __call__(self, matrix: np.ndarray) -> np.ndarray:
        """(k, D) float32 inputs of a feature matrix (k, F); bins last."""
        measured = _measured(self.names)
        columns = matrix[:, measured]
        unknown = np.isnan(columns)
        parts = [
            np.where(unknown, 0.0, np.column_stack([
                np.interp(column, knots, scores)
                for column, knots, scores in zip(columns.T, self.knots, self.scores, strict=True)  # by feature
            ])),
            self._linear(columns, measured),
            unknown[:, self.gaps],
            *(_told_apart(np.floor(matrix[:, self.names.index(name)]), n) for name, n in CYCLES.items()),
            matrix[:, [self.names.index("at_holiday")]],
            _told_apart(matrix[:, self.names.index("stream")], self.streams),
            _told_apart(matrix[:, self.names.index("bin")], self.bins),
        ]  # fmt: skip
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    def _linear(self, columns: np.ndarray, measured: np.ndarray) -> np.ndarray:
        some = np.flatnonzero(np.isin(np.array(self.names)[measured], LINEAR))
        scaled = (columns[:, some] - self.mean[some]) / self.deviation[some]
        return np.clip(np.nan_to_num(scaled), -LINEAR_LIMIT, LINEAR_LIMIT)

    def arrays(self) -> dict[str, np.ndarray]:
        """As plain arrays, for the artifact; the names are kept in model.json."""
        return {
            "knots": self.knots, "scores": self.scores, "mean": self.mean, "deviation": self.deviation,
            "gaps": self.gaps, "counts": np.array([self.streams, self.bins]),
        }  # fmt: skip

    @classmethod
    def of_arrays(cls, names: tuple[str, ...], arrays: Mapping[str, np.ndarray]) -> Encoding:
        """From what `arrays` gave."""
        streams, bins = arrays["counts"].tolist()
        return cls(
            names, arrays["knots"], arrays["scores"], arrays["mean"], arrays["deviation"], arrays["gaps"], streams, bins
        )


def _measured(names: tuple[str, ...]) -> np.ndarray:
    return np.flatnonzero([name not in (*CYCLES, *NAMES, "at_holiday") for name in names])


def _told_apart(code: np.ndarray, count: int) -> np.ndarray:
    """(k, count) 1 in the column of the code, nothing for a code that is not known."""
    return np.nan_to_num(code, nan=-1)[:, None] == np.arange(count)

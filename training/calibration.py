from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from training.grid import LEARNED, Q10, Q90, at_levels, with_ends
from training.lookup import UNKNOWN

BUCKETS_H = (9.0, 18.0, 30.0, 54.0)  # horizons up to 9 h, 18 h, 30 h, 54 h, and beyond
WIDTHS_PCT = (4.0, 12.0)  # 80% intervals of up to 4 points, up to 12, and wider
KEPT = len(WIDTHS_PCT) + 1
PARTS = 5  # of either kind at most
PRIOR_BLOCKS = 25.0
TIE_PCT = 0.5
EVERYONE = "*"
CHANGE, SETTLED_WEEKS = 0.5, 7.0  # quantiles lie 5% farther out after three weeks, 1% after a year


@dataclass(frozen=True)
class Calibration:
    """How often the truth stayed below each learned quantile in weeks held back, by stream and part.

    covered: (stream, part) -> (13,) observed frequencies, rising. A probability p is answered with the quantile that
    was observed to cover p (recalibration on the probability integral transform, Kuleshov et al. 2018). A stream's
    frequencies are shrunk toward everyone's, and those toward the nominal levels, by blocks of bin and week. Bins of no
    known stream are recalibrated like those who played it. Parts are `horizons` or `widths`.
    """

    covered: dict[tuple[str, int], np.ndarray]

    @classmethod
    def identity(cls) -> Calibration:
        """Change nothing: there was no week to hold back."""
        return cls({})

    @classmethod
    def learn(
        cls, below: np.ndarray, stream: np.ndarray, part: np.ndarray, bins: np.ndarray, as_of: np.ndarray
    ) -> Calibration:
        """From whether the truth lay `below` each quantile (k, 13), with each row's stream, part, bin and moment.

        What says nothing against a quantile counts as its nominal level; see `below_quantiles`, `outside_intervals`.
        """
        week = as_of // (7 * 24 * 3_600_000_000)
        covered: dict[tuple[str, int], np.ndarray] = {}
        for b in range(PARTS):
            rows = part == b
            pooled = _shrunk(below[rows], bins[rows], week[rows], LEARNED)
            covered[EVERYONE, b] = pooled
            for name in np.unique(stream[rows]):
                own = rows & (stream == name)
                covered[str(name), b] = _shrunk(below[own], bins[own], week[own], pooled)
        return cls(covered)

    def softened(self, share: float) -> Calibration:
        """Only this share of every correction."""
        return Calibration({key: LEARNED + share * (curve - LEARNED) for key, curve in self.covered.items()})

    def widened(self, weeks: int) -> Calibration:
        """With quantiles the farther out the fewer `weeks` were held back: these hardly show how much bins change."""
        if not weeks:
            return self
        wider = 1 + CHANGE / (weeks + SETTLED_WEEKS)
        return Calibration({key: norm.cdf(norm.ppf(curve) / wider) for key, curve in self.covered.items()})

    def apply(self, values: np.ndarray, stream: np.ndarray, part: np.ndarray) -> np.ndarray:
        """(k, 13) recalibrated: of `values` (k, 13), rows of `stream` and `part` (k,); rising and within 0-100."""
        if not self.covered:
            return np.sort(np.clip(values, 0, 100), axis=1)
        ends = with_ends(values)
        out = values.copy()
        for key, rows in by_stream_and_part(stream, part, {name for name, _ in self.covered}):
            covered = self.covered.get(key, self.covered[EVERYONE, key[1]])
            curve = np.concatenate([[0.0], covered, [1.0]])
            level = np.interp(LEARNED, curve, np.concatenate([[0.0], LEARNED, [1.0]]))
            out[rows] = at_levels(ends[rows], level)
        return np.sort(np.clip(out, 0, 100), axis=1)

    def to_json(self) -> list[dict[str, Any]]:
        """As plain values, for model.json."""
        return [{"stream": s, "part": b, "covered": c.tolist()} for (s, b), c in sorted(self.covered.items())]

    @classmethod
    def from_json(cls, rows: list[dict[str, Any]]) -> Calibration:
        """From the values of `to_json`."""
        return cls({(str(r["stream"]), int(r["part"])): np.array(r["covered"], dtype=float) for r in rows})


def below_quantiles(truth: np.ndarray, quantiles: np.ndarray, tie: np.ndarray = LEARNED) -> np.ndarray:
    """(k, 13) 1 where the truth (k,) lay below a quantile (k, 13), both in percent within 0-100.

    Sensors report in steps, and many truths lie on the rim: a truth within half a point of a quantile says nothing
    against it, and counts as `tie` (13,), the nominal level.
    """
    tied = np.abs(truth[:, None] - quantiles) <= TIE_PCT
    return np.where(tied, tie, truth[:, None] < quantiles)


def outside_intervals(truth: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """(k, 13) as `below_quantiles`, but as intervals are judged: what lies within half a point of one is held by it.

    So a tie is not below a low quantile, and is below a high one.
    """
    return below_quantiles(truth, quantiles, np.heaviside(LEARNED - 0.5, 0.5))


def horizons(horizon_h: np.ndarray) -> np.ndarray:
    """(k,) parts by how far ahead, 0 to 4."""
    return np.searchsorted(BUCKETS_H, horizon_h)


def widths(quantiles: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """(k,) parts by the width of the 80% intervals of rising `quantiles` (k, 13), 0 to 2; KEPT for rows `kept` (k,).

    Kept are those of sensors that tell steps, of which half a point is nothing, and of bins that nobody knows: who
    plays a new bin is foretold better than one that is.
    """
    width = quantiles[:, Q90] - quantiles[:, Q10]
    return np.where(kept, KEPT, np.searchsorted(WIDTHS_PCT, width))


def by_stream_and_part(
    stream: np.ndarray, part: np.ndarray, known: Collection[str]
) -> Iterator[tuple[tuple[str, int], np.ndarray]]:
    """The rows of each stream and part (both (k,)): a few dozen.

    A stream that is not `known` is UNKNOWN, if that is known, or EVERYONE.
    """
    names = pd.Series(stream)
    names = names.where(names.isin(known), UNKNOWN if UNKNOWN in known else EVERYONE)
    for name, rows in names.groupby(names).indices.items():
        for b in np.unique(part[rows]).tolist():
            yield (str(name), b), np.asarray(rows)[part[rows] == b]


def _shrunk(below: np.ndarray, bins: np.ndarray, week: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """(13,) share of `below` (k, 13), every bin the same weight, shrunk toward `prior`; never falling."""
    if not len(below):
        return prior
    code, _ = pd.factorize(bins)
    sums = np.zeros((code.max() + 1, below.shape[1]))
    np.add.at(sums, code, below)
    observed = (sums / np.bincount(code)[:, None]).mean(axis=0)
    blocks = len(pd.DataFrame({"bin": bins, "week": week}).drop_duplicates())
    mixed = (blocks * observed + PRIOR_BLOCKS * prior) / (blocks + PRIOR_BLOCKS)
    return np.clip(np.maximum.accumulate(mixed), 1e-3, 1 - 1e-3) + np.arange(len(mixed)) * 1e-9

"""How the rates of a stream, and of a kind of site, go up and down with the year."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.linear_model import PoissonRegressor

from training.calendar import WEEK_H
from training.lookup import UNKNOWN, Names, first_rows, places

WEEKS = 1461  # are 28 years of 365.25 days: then all comes again
WEEK_S = WEEK_H * 3600
YEAR_WEEKS = WEEKS / 28
BITS = 10  # factors are whole numbers of 1/1024, so that what is gathered adds up exactly
EVEN = 1 << BITS
WAVE = 0.3  # how far, in logarithms, the waves of streams and sites are expected to stray from none,
OWN_WAVE, OWN_LEVEL = 0.2, 0.3  # those of single bins, and their levels from what was expected,
WEEK_MOOD = 0.1  # and weeks of the whole city
LUMP_PCT, OWN_MOOD = 6.0, 0.15  # what leaves a bin's week open: deposits come in lumps, and days have their moods
LEAST_PCT, MOST = 2.0, 5.0  # points expected, and times as many risen, that still tell something


@dataclass(frozen=True)
class Seasons:
    """One yearly wave for each stream and each kind of site: a bin's rate is multiplied by those of its two.

    streams, sites: name -> (2,) logarithms that multiply the cosine and the sine of the time of the year.
    """

    streams: Mapping[str, np.ndarray]
    sites: Mapping[str, np.ndarray]

    @classmethod
    def none(cls) -> Seasons:
        """Every week is like any other."""
        return cls({}, {})

    @classmethod
    def learn(cls, spans: pd.DataFrame, risen: np.ndarray, expected: np.ndarray) -> Seasons:
        """From spans (k,) with bin_id, stream, site, start_s; points risen in each and expected in a year without.

        A Poisson regression on bins' weeks, all waves drawn toward none (ridge). Bins have waves and levels of their
        own in it, which are then forgotten: what one bin does is drift, only what many do together is a season.
        """
        of_bin, ids = pd.factorize(spans["bin_id"])
        of_cell, cell = pd.factorize(of_bin * WEEKS + week_of(spans["start_s"].to_numpy()))
        sums = [np.bincount(of_cell, weights=values, minlength=len(cell)) for values in (risen, expected)]
        used = np.flatnonzero(sums[1] > LEAST_PCT)
        if not len(used):
            return cls.none()
        up, hope = sums[0][used], sums[1][used]
        bins, week = np.divmod(cell[used], WEEKS)
        angle = _angle(week)
        known = spans.iloc[first_rows(of_bin)].astype({"stream": object, "site": object})
        groups = [pd.factorize(known[name].replace(UNKNOWN, None), sort=True) for name in ("stream", "site")]
        designs = [_design(code[bins], angle, len(names), WAVE) for code, names in groups]
        designs.append(_design(bins, angle, len(ids), OWN_WAVE))
        designs.append(_columns(bins, np.full(len(bins), OWN_LEVEL), len(ids)))
        designs.append(_columns(week, np.full(len(week), WEEK_MOOD), WEEKS))
        weight = 1 / (LUMP_PCT / hope + OWN_MOOD**2)
        fit = PoissonRegressor(alpha=1 / weight.sum(), fit_intercept=False, max_iter=500, tol=1e-5)
        fit.fit(sparse.hstack(designs, format="csr"), np.clip(up / hope, 0, MOST), sample_weight=weight)
        waves: list[dict[str, np.ndarray]] = []
        first = 0
        for _, names in groups:
            both = fit.coef_[first : first + 2 * len(names)].reshape(2, -1).T * WAVE
            waves.append({str(name): wave for name, wave in zip(names, both, strict=True)})
            first += 2 * len(names)
        return cls(*waves)

    def years(self, stream: Names, site: Names) -> tuple[np.ndarray, np.ndarray]:
        """(u, WEEKS) by which rates are multiplied in each week, 1/EVEN, and (m,) which row each bin has."""
        groups = (self.streams, stream), (self.sites, site)
        code = [places(names, pd.Index(list(waves), dtype=object)) + 1 for waves, names in groups]
        waves = [np.array([np.zeros(2), *waves.values()]) for waves, _ in groups]
        both = (waves[0][:, None] + waves[1]).reshape(-1, 2)
        angle = _angle(np.arange(WEEKS))
        log = both[:, :1] * np.cos(angle) + both[:, 1:] * np.sin(angle)
        return np.rint(EVEN * np.exp(log)).astype(np.int64), code[0] * len(waves[1]) + code[1]

    def factor(self, spans: pd.DataFrame) -> np.ndarray:
        """(k,) what rates are multiplied by in the week of each span (stream, site, start_s)."""
        year, row = self.years(spans["stream"], spans["site"])
        return year[row, week_of(spans["start_s"].to_numpy())] / EVEN

    def to_json(self) -> dict[str, Any]:
        """As plain values, for model.json."""
        return {
            kind: {name: wave.tolist() for name, wave in waves.items()}
            for kind, waves in (("streams", self.streams), ("sites", self.sites))
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Seasons:
        """From the values of `to_json`."""
        return cls(*({name: np.array(w, dtype=float) for name, w in values[k].items()} for k in ("streams", "sites")))


def week_of(local_s: np.ndarray) -> np.ndarray:
    """The column of `Seasons.years` for each moment, in local seconds since Monday 1969-12-29."""
    return local_s // WEEK_S % WEEKS


def _angle(week: np.ndarray) -> np.ndarray:
    return (week + 0.5) * (2 * np.pi / YEAR_WEEKS)


def _design(group: np.ndarray, angle: np.ndarray, groups: int, spread: float) -> sparse.csr_matrix:
    """(n, 2 groups): the cosine, then the sine, of each row's time of the year in the columns of its group."""
    parts = [_columns(group, spread * wave, groups) for wave in (np.cos(angle), np.sin(angle))]
    return sparse.hstack(parts, format="csr")


def _columns(group: np.ndarray, value: np.ndarray, groups: int) -> sparse.csr_matrix:
    row = np.flatnonzero(group >= 0)
    return sparse.csr_matrix((value[row], (row, group[row])), shape=(len(group), groups))

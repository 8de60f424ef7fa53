"""What bins gather in the days to come, from their own rates alone: no booster is asked outside what it saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from data.history import History
from data.sequences import HOUR_US
from data.tables import FULL_PCT
from training.brim import BRIM_H, BRIMS_PCT, Brim
from training.curriculum import Curriculum
from training.examples import Examples
from training.grid import LEARNED, NEAR_H, NORMAL, added, p_full, with_ends
from training.paces import PACES, PRIOR_PCT
from training.past import PACE_DAYS, Past
from training.resistance import Resistance
from training.seasons import Seasons

DRIFTS = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0])
STRANGER_DRIFT = 0.75
# Of streams that no training has seen, whose profile is the city's, of other things: how far off it their paces are,
# what remains unknown of the hours however much was seen, and how far boosters are believed beside their own rates.
FOREIGN_DRIFT, FOREIGN_DOUBT, FOREIGN_TRUST = 2.0, 0.6, 0.5
MOST = 20_000
FEWEST = 100
LEAST_PCT = 2.0
REACH_PCT = np.arange(0.0, 135.0, 5.0)
PER_DAY_PCT = np.geomspace(0.125, 512.0, 49)
ENOUGH = 20.0
FEW_DAYS = 100.0  # of bins: who has learned of so many is believed by half
LUMP_PCT, ROUGH_SHARE = 6.0, 0.1
USUAL_PACES = 0.2, 5.0  # a bin's own profile is not further off; a stranger's may be
HARDLY_WORSE = 0.002


@dataclass(frozen=True)
class Accumulation:
    """How what a bin gathers departs from what its profile expects.

    drift: standard deviation of bins' paces (rise over expected rise); drift_new: the same of bins that the profiles
    do not know; noise: points of variance that each point gathered adds (deposits come in lumps); doubt: what remains
    unknown of the pace however much was seen; support (16, 27): on how many bin-days the boosters saw a horizon of at
    least NEAR_H whose expected level was at least REACH_PCT; alike (49,): on how many they saw bins that gathered
    PER_DAY_PCT or more, or that or less, whichever are fewer; resistance: how much slower fuller bins fill; seasons:
    how rates go up and down with the year; brim: from which level on sensors tell that bins are full.
    """

    drift: float
    drift_new: float
    noise: float
    doubt: float
    support: np.ndarray
    alike: np.ndarray
    resistance: Resistance
    seasons: Seasons
    brim: Brim

    @classmethod
    def default(cls) -> Accumulation:
        """Where there was nothing to learn from."""
        support = np.full((len(NEAR_H), len(REACH_PCT)), 10 * ENOUGH)
        alike = np.full(len(PER_DAY_PCT), 10 * ENOUGH)
        return cls(0.3, STRANGER_DRIFT, 4.0, 0.2, support, alike, Resistance.none(), Seasons.none(), Brim.none())

    @classmethod
    def learn(
        cls, history: History, lesson: Curriculum, until: int, examples: Examples, rng: np.random.Generator
    ) -> Accumulation:
        """From what bins gathered in the week after moments of the past, emptied or not: nothing is selected.

        The rises of all fill cycles of the week count, but for spans that begin at the rim, and are held against the
        rise expected in the same spans by profiles that knew only what came before the `split` of the history: with
        seasons, a profile of both sides is nearer than any forecast's can be, and the recent pace seems to tell less.
        """
        key = pd.DataFrame({"bin": examples.bin_ids, "as_of": examples.as_of})
        rows = np.flatnonzero(~key.duplicated().to_numpy())
        rows = np.sort(rng.choice(rows, MOST, replace=False)) if len(rows) > MOST else rows
        some = examples.take(rows)
        past = Past.of(history, until, lesson.profiles, lesson.resistance, lesson.seasons)
        drift_new = _spread_of_strangers(past, some)
        earlier = past.expecting(lesson.earlier, lesson.resistance, lesson.earlier_seasons)
        some = some.take(np.flatnonzero((some.as_of >= lesson.split) & np.isin(some.bin_ids, lesson.earlier.bin_ids_)))
        risen, expected, per_day = earlier.after(some.bin_ids, some.as_of)
        columns = {name: some.features.column(name) for name in ("rough_672h", "step_h")}
        columns["profile_pct_per_day"] = per_day
        columns["pace_672h"], hoped = earlier.pace(some.bin_ids, some.as_of)
        known = np.isfinite(risen) & (expected > LEAST_PCT)
        told = replace(
            cls.default(), support=_support(examples), alike=_alike(examples), resistance=lesson.resistance,
            seasons=lesson.seasons,
        )  # fmt: skip
        if known[:, -1].sum() < FEWEST:
            return told
        drift = _best_drift(risen, expected, columns, hoped, known)
        drift_new = float(np.clip(drift_new, drift, 2))
        pace, variance = _posterior(columns, hoped, np.full(len(risen), drift), np.ones(len(risen), dtype=bool))
        hope = (expected * pace[:, None])[known]
        left = (variance[:, None] * np.ones_like(expected))[known] * hope**2
        squared = np.minimum((risen[known] - hope) ** 2, (30 + hope) ** 2)
        parts = np.column_stack([np.ones(len(hope)), hope, hope**2])
        weight = (20 + 3 * hope + 0.03 * hope**2) ** -2.0  # of squares, whose own spread grows with their size
        found = LinearRegression(positive=True, fit_intercept=False).fit(parts, squared - left, sample_weight=weight)
        noise, doubt = float(np.clip(found.coef_[1], 1.0, 30.0)), float(np.sqrt(np.clip(found.coef_[2], 0.01, 1.0)))
        told = replace(told, drift=drift, drift_new=drift_new, noise=noise, doubt=doubt)
        return replace(told, brim=told._brim(examples))

    def _brim(self, examples: Examples) -> Brim:
        """The brim by which risks told of the examples by own rates come true best; sensors that tell steps have none.

        Up to a day ahead, since later windows are left alone where little came. Own rates are told more simply here
        than by `prospects`: the level is taken for known, and four weeks for heard.
        """
        f = examples.features
        good = (f.column("bin") >= 0) & ~examples.in_steps & (f.level < FULL_PCT)
        good &= (examples.horizon_h >= BRIM_H[0]) & (examples.horizon_h <= BRIM_H[1])
        some = examples.take(np.flatnonzero(good))
        f, stream = some.features, some.stream
        columns = {name: f.column(name) for name in ("rough_672h", "step_h", "profile_pct_per_day", "pace_672h")}
        known = np.ones(len(stream), dtype=bool)
        pace, doubt = self.pace(columns, PACE_DAYS * columns["profile_pct_per_day"], known, ~known)
        gained = self.gained((f.column("expected_pct") * pace)[:, None], doubt)
        now = np.repeat(self.resistance.gathered(f.level, stream)[:, None, None], len(LEARNED), axis=2)
        points = with_ends(added(now, gained))[:, 0]
        brims = [self.resistance.gathered(np.full(len(stream), brim), stream) for brim in BRIMS_PCT]
        told = np.column_stack([p_full(points, brim) for brim in brims])
        return Brim.learn(told, some.rise + f.level >= FULL_PCT, stream, some.bin_ids, some.as_of)

    def pace(
        self, columns: Mapping[str, np.ndarray], hoped: np.ndarray, known: np.ndarray, foreign: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n,) the pace to go on with: the recent one, drawn toward 1 as far as it is uncertain; (n,) how uncertain.

        The second is a variance, as a share of the pace squared. The pace is told by `hoped` (n,) points; drawn the
        less of bins that are not `known` (n,), and hardly of those of a `foreign` (n,) stream.
        """
        stranger = np.where(foreign, max(FOREIGN_DRIFT, self.drift_new), self.drift_new)
        pace, variance = _posterior(columns, hoped, np.where(known, self.drift, stranger), known)
        return pace, variance + np.where(foreign & ~known, FOREIGN_DOUBT**2, 0.0)

    def gained(self, hope: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """(n, H, 13) quantiles of what is gathered where `hope` (n, H) points are expected at a pace of `variance`.

        A gamma distribution with mean hope and variance noise x hope + (variance + doubt squared) x hope squared, its
        quantiles by Wilson and Hilferty (1931): the cube root of a gamma is nearly normal.
        """
        mean = np.maximum(hope, 1e-6)[:, :, None]
        narrow = (self.noise / mean + (variance + self.doubt**2)[:, None, None]) / 9
        return mean * np.maximum(1 - narrow + NORMAL * np.sqrt(narrow), 0) ** 3

    @property
    def schooling(self) -> float:
        """How far the ensemble has learned at all, 0 to 1: ten days of three bins teach it little but noise."""
        days = float(self.support.max())
        return days**2 / (days**2 + FEW_DAYS**2)

    def trust(
        self, projected: np.ndarray, columns: Mapping[str, np.ndarray], known: np.ndarray, foreign: np.ndarray
    ) -> np.ndarray:
        """(n, 16) how far boosters are believed at NEAR_H where they lead to `projected` (n, 16) percent, 0 to 1.

        Of a bin that is not `known` (n,) they must also have seen others that gathered as much, and as little; of one
        of a `foreign` (n,) stream they are believed by half.
        """
        step = REACH_PCT[1] - REACH_PCT[0]
        place = np.clip(np.nan_to_num(projected), 0, REACH_PCT[-1]) / step
        low = np.minimum(place.astype(int), len(REACH_PCT) - 2)
        row = np.arange(len(NEAR_H))
        seen = self.support[row, low] + (place - low) * (self.support[row, low + 1] - self.support[row, low])
        alike = np.interp(np.log(np.maximum(_per_day(columns), PER_DAY_PCT[0])), np.log(PER_DAY_PCT), self.alike)
        seen = np.where(known[:, None], seen, np.minimum(seen, alike[:, None]))
        return seen / (seen + ENOUGH) * np.where(foreign & ~known, FOREIGN_TRUST, 1.0)[:, None]

    def to_json(self) -> dict[str, Any]:
        """As plain values, for model.json."""
        return {
            "drift": self.drift, "drift_new": self.drift_new, "noise": self.noise, "doubt": self.doubt,
            "support": self.support.tolist(), "alike": self.alike.tolist(), "resistance": self.resistance.to_json(),
            "seasons": self.seasons.to_json(), "brim": self.brim.to_json(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Accumulation:
        """From the values of `to_json`."""
        numbers = {name: float(values[name]) for name in ("drift", "drift_new", "noise", "doubt")}
        support, alike = (np.array(values[name], dtype=float) for name in ("support", "alike"))
        held, seasons = Resistance.from_json(values["resistance"]), Seasons.from_json(values["seasons"])
        brim = Brim.from_json(values["brim"])
        return cls(**numbers, support=support, alike=alike, resistance=held, seasons=seasons, brim=brim)


def _posterior(
    columns: Mapping[str, np.ndarray], hoped: np.ndarray, drift: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) pace, and its variance as a share of its square: prior 1 with `drift` (n,), evidence of `hoped` (n,) points.

    Gamma prior, deposits by Poisson (conjugate), in lumps that are the larger the rougher the readings come.
    """
    hope = np.maximum(hoped, 1e-6)
    days = hope / np.maximum(columns["profile_pct_per_day"], 1e-6)
    spans = days * 24 / np.maximum(np.nan_to_num(columns["step_h"], nan=24.0), 0.1)
    # Roughness from span to span is mostly the sensor's, which does not add up: a tenth of it counts.
    error = LUMP_PCT / hope + ROUGH_SHARE * np.nan_to_num(columns["rough_672h"], nan=1e3) ** 2 * spans / hope**2
    prior = drift**2
    share = prior / (prior + error + 1e-9)
    slowest, fastest = (np.where(known, usual, limit) for usual, limit in zip(USUAL_PACES, PACES, strict=True))
    risen = columns["pace_672h"] * (hoped + PRIOR_PCT[-1]) - PRIOR_PCT[-1]
    pace = 1 + share * (np.clip(risen / hope, slowest, fastest) - 1)
    return pace, prior * (1 - share) / pace


def _best_drift(
    risen: np.ndarray, expected: np.ndarray, columns: dict[str, np.ndarray], hoped: np.ndarray, known: np.ndarray
) -> float:
    """The drift whose paces miss the rises by the least, in the mean of absolute errors over the rise's own spread.

    Of those that are hardly worse the largest: it follows a bin that changes.
    """
    misses = []
    everyone = np.ones(len(expected), dtype=bool)
    for drift in DRIFTS.tolist():
        hope = expected * _posterior(columns, hoped, np.full(len(expected), drift), everyone)[0][:, None]
        misses.append((np.abs(risen - hope) / np.sqrt(10 + expected))[known].mean())
    good = np.flatnonzero(np.array(misses) <= min(misses) * (1 + HARDLY_WORSE))
    return float(DRIFTS[good[-1]])


def _spread_of_strangers(past: Past, examples: Examples) -> float:
    """Standard deviation of paces, in logarithms, of bins that are played unknown and have their stream's profile."""
    unknown = examples.take(np.flatnonzero(examples.features.column("bin") < 0))
    risen, expected, per_day = past.after(unknown.bin_ids, unknown.as_of)
    expected = expected[:, -1] * unknown.features.column("profile_pct_per_day") / np.maximum(per_day, 1e-9)
    usable = np.isfinite(risen[:, -1]) & (expected > LEAST_PCT)
    if usable.sum() < FEWEST:
        return STRANGER_DRIFT
    ratio = np.log((np.maximum(risen[:, -1], 0) + LEAST_PCT)[usable] / (expected + LEAST_PCT)[usable])
    return float(1.48 * np.median(np.abs(ratio)))


def _per_day(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n,) percent a day that bins gather, by their profile and the pace of four weeks."""
    return columns["profile_pct_per_day"] * columns["pace_672h"]


def _bin_days(examples: Examples) -> np.ndarray:
    """(k,) a number for the bin and the day of each example."""
    return pd.factorize(examples.bin_ids)[0] * 100_000 + examples.as_of // (24 * HOUR_US)


def _alike(examples: Examples) -> np.ndarray:
    """(49,) distinct days of bins that gathered at least PER_DAY_PCT, or at most, whichever are fewer.

    Of bins that count as known: of others the pace may be told by few hours.
    """
    known = examples.take(np.flatnonzero(examples.features.column("bin") >= 0))
    rate = _per_day({name: known.features.column(name) for name in ("profile_pct_per_day", "pace_672h")})
    days = pd.Series(rate).groupby(_bin_days(known)).agg(["min", "max"]).to_numpy()
    least, most = days[:, :1] <= PER_DAY_PCT, days[:, 1:] >= PER_DAY_PCT
    return np.minimum(least.sum(axis=0), most.sum(axis=0)).astype(float)


def _support(examples: Examples) -> np.ndarray:
    """(16, 27) distinct days of bins with an example at least as far ahead and expected to be at least as full."""
    day = _bin_days(examples)
    reach = np.floor(np.nan_to_num(examples.features.column("projected_pct")) / (REACH_PCT[1] - REACH_PCT[0])).astype(
        int
    )
    reach = np.clip(reach, 0, len(REACH_PCT) - 1)
    far = np.clip(np.searchsorted(NEAR_H, examples.horizon_h, side="right") - 1, 0, len(NEAR_H) - 1)
    # Of each day, horizon and reach count the first; then how many lie at least so far out in both.
    support = np.zeros((len(NEAR_H), len(REACH_PCT)))
    for h in range(len(NEAR_H)):
        frame = pd.DataFrame({"day": day, "reach": reach})[far >= h]
        furthest = frame.groupby("day")["reach"].max()
        support[h] = np.bincount(furthest, minlength=len(REACH_PCT))[::-1].cumsum()[::-1]
    return support

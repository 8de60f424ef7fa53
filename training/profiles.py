from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from data.sequences import Sequences
from training.calendar import WEEK_H
from training.lookup import UNKNOWN, Names, first_rows, places
from training.resistance import Resistance, standing
from training.seasons import BITS, EVEN, WEEKS, Seasons

NANO = 1e9
MIN_RATE = 1e-4  # percent per hour: a bin whose level never rose still may
EVERY = "*"  # the row of what all streams share


class FillRateProfiles(RegressorMixin, BaseEstimator):
    """Fill rates by hour of the local week for every bin, shrunk toward its stream and kind of site by its evidence.

    A kind of site bends the profiles of all streams alike: parks have their hours. A bin's rate is its stream's
    profile, bent as at its site, times factors of its own: one for the bin, then for the hour of day, the day
    of the week and the hour of the week. Each is a ratio of points risen to points expected, to both of which `prior`
    points are added (the posterior mean of a gamma prior on a Poisson rate): a cell with little evidence stays with
    its stream. Streams are shrunk toward the whole city likewise, kinds of site toward the streams of their bins.

    X: columns bin_id, stream, start_s (local seconds since a Monday), hours, and optionally site, weight and ease (see
    `training.resistance`: what a slowed hour counts as an hour of an empty bin); y: rise, percent.

    Fitted: bin_ids_, streams_ (names, first EVERY), sites_ (names, first UNKNOWN), rates_ (bins x 168) and
    kind_rates_ (streams x sites x 168) in percent per hour, own_weight_ (bins x 168): the share of own evidence in
    each rate, evidence_h_ (bins,): hours seen.
    """

    def __init__(
        self, prior_bin: float = 12.0, prior_hour: float = 40.0, prior_day: float = 60.0, prior_cell: float = 60.0
    ) -> None:
        self.prior_bin = prior_bin
        self.prior_hour = prior_hour
        self.prior_day = prior_day
        self.prior_cell = prior_cell

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> FillRateProfiles:  # noqa: N803 - scikit-learn's name
        """Learn from spans of readings without an emptying: X as above, y (n,) percent risen in each."""
        bins, bin_ids = pd.factorize(X["bin_id"], sort=True)
        first = X.iloc[first_rows(bins)]
        streams, names = pd.factorize(np.asarray(first["stream"], dtype=object), sort=True)
        of_bin = pd.Index(np.asarray(first.get("site", [UNKNOWN] * len(bin_ids)), dtype=object))
        sites = pd.Index([UNKNOWN, *of_bin.unique().drop(UNKNOWN, errors="ignore").sort_values()], dtype=object)
        site = sites.get_indexer(of_bin)
        weight = X["weight"].to_numpy(dtype=float) if "weight" in X else np.ones(len(X))
        ease = X["ease"].to_numpy(dtype=float) if "ease" in X else np.ones(len(X))
        spans = Spans.of(X["start_s"].to_numpy(), X["hours"].to_numpy(dtype=float))
        city = np.ones(WEEK_H)
        seen = spans.by_bin(spans.hours * (weight * ease)[spans.span], bins, len(bin_ids))
        for _ in range(4):  # long spans are told apart by the profile that short ones gave; this settles quickly
            rise = spans.allot(np.asarray(y, dtype=float) * weight, city)
            city = _profile(np.bincount(spans.cell, weights=rise, minlength=WEEK_H), seen.sum(axis=0))
        risen = spans.by_bin(rise, bins, len(bin_ids))
        bent = np.ones((len(sites), WEEK_H))
        for _ in range(3):  # a stream may stand mostly at sites of one kind: each is told apart from the other
            by_stream = np.zeros((2, len(names), WEEK_H))
            np.add.at(by_stream[0], streams, risen)
            np.add.at(by_stream[1], streams, seen * bent[site])
            stream_rates, _ = self._shrink(by_stream[0], by_stream[1], np.broadcast_to(city, by_stream[0].shape))
            bent = self._bent(risen, seen, stream_rates[streams], site, len(sites))
        rates, own = self._shrink(risen, seen, stream_rates[streams] * bent[site])
        self.bin_ids_ = np.asarray(bin_ids, dtype=object)
        self.streams_ = np.array([EVERY, *names], dtype=object)
        self.sites_ = sites.to_numpy(object)
        self.kind_rates_ = np.vstack([city[None], stream_rates])[:, None] * bent
        self.rates_, self.own_weight_ = rates, own
        self.evidence_h_ = seen.sum(axis=1)
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:  # noqa: N803
        """(n,) expected rise of each span in percent; unknown bins by their stream, unknown streams by the city."""
        check_is_fitted(self, "rates_")
        gathered = Accumulated.of(self.table, self.rows(X["bin_id"], X["stream"], X.get("site")))
        start = X["start_s"].to_numpy()
        end = start + np.rint(X["hours"].to_numpy(dtype=float) * 3600).astype(np.int64)
        rows = np.arange(len(X))
        return (gathered.at(end, rows) - gathered.at(start, rows)) / NANO

    @property
    def table(self) -> np.ndarray:
        """(bins + streams x sites, 168) rates in percent per hour: the bins', below them each stream's at each site."""
        return np.vstack([self.rates_, self.kind_rates_.reshape(-1, WEEK_H)])

    def rows(self, bin_ids: Names, streams: Names, sites: Names | None = None) -> np.ndarray:
        """(m,) rows of `table`: the bin's own, else its stream's at its kind of site; what is unknown is left out."""
        own = places(bin_ids, pd.Index(self.bin_ids_))
        stream = np.maximum(places(streams, pd.Index(self.streams_)), 0)
        site = 0 if sites is None else np.maximum(places(sites, pd.Index(self.sites_)), 0)
        return np.where(own >= 0, own, len(self.bin_ids_) + stream * len(self.sites_) + site)

    def _bent(self, risen: np.ndarray, seen: np.ndarray, rates: np.ndarray, site: np.ndarray, sites: int) -> np.ndarray:
        """(sites, 168) by which each kind of site multiplies the `rates` (b, 168) of its bins; 1 for the unknown."""
        sums = [np.zeros((sites, WEEK_H)) for _ in range(3)]
        for total, part in zip(sums, (risen, rates * seen, seen), strict=True):
            np.add.at(total, site, part)
        usual = np.maximum(sums[1] / np.maximum(sums[2], 1e-9), MIN_RATE)
        bent = self._shrink(sums[0], sums[2], usual)[0] / usual
        bent[0] = 1.0
        return bent

    def _shrink(self, risen: np.ndarray, seen: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rates (k, 168) between `prior` (k, 168) and the evidence, and the weight of the evidence in each."""
        rates = prior.copy()
        whole = np.zeros(WEEK_H, dtype=int), self.prior_bin
        steps = (
            whole,
            (np.arange(WEEK_H) % 24, self.prior_hour),
            (np.arange(WEEK_H) // 24, self.prior_day),
            (np.arange(WEEK_H), self.prior_cell),
            whole,  # again: hours in which noise fell more than the level rose were counted as none, not as less
        )
        ignorance = np.ones_like(rates)
        for cell, points in steps:
            sums = np.zeros((len(rates), cell.max() + 1)), np.zeros((len(rates), cell.max() + 1))
            np.add.at(sums[0].T, cell, risen.T)
            np.add.at(sums[1].T, cell, (rates * seen).T)
            factor = (np.maximum(sums[0], 0) + points) / (sums[1] + points)
            rates = np.maximum(rates * factor[:, cell], MIN_RATE)
            if cell.max() == 0:
                ignorance = points / (sums[1] + points) * np.ones_like(rates)
        return rates, 1 - ignorance


@dataclass(frozen=True)
class Spans:
    """Spans of time cut at the hours of the local week: k pieces of n spans.

    span (k,) the span each piece belongs to; cell (k,) its hour of the week; hours (k,) its length
    """

    span: np.ndarray
    cell: np.ndarray
    hours: np.ndarray

    @classmethod
    def of(cls, start_s: np.ndarray, hours: np.ndarray) -> Spans:
        """Cut the spans that begin at `start_s` (local seconds since a Monday) and last `hours`."""
        first = start_s // 3600
        end_s = start_s + hours * 3600
        pieces = np.maximum(np.ceil(end_s / 3600).astype(np.int64) - first, 1)
        span = np.repeat(np.arange(len(start_s)), pieces)
        hour = np.arange(len(span)) + (first - np.cumsum(pieces) + pieces)[span]
        begin_s = hour * 3600
        inside = np.minimum(end_s[span], begin_s + 3600)
        inside -= np.maximum(start_s[span], begin_s)
        inside /= 3600
        return cls(span, hour % WEEK_H, inside)

    def allot(self, rise: np.ndarray, shape: np.ndarray) -> np.ndarray:
        """(k,) points of each piece: the `rise` (n,) of a span is shared among its hours as in `shape` (168,)."""
        share = shape[self.cell] * self.hours
        total = np.bincount(self.span, weights=share, minlength=len(rise))
        return np.asarray((rise / total)[self.span] * share)

    def by_bin(self, amount: np.ndarray, bins: np.ndarray, n_bins: int) -> np.ndarray:
        """(n_bins, 168) sums of what each piece counts, `amount` (k,); `bins` (n,) of the spans."""
        key = bins[self.span] * WEEK_H + self.cell
        return np.bincount(key, weights=amount, minlength=n_bins * WEEK_H).reshape(n_bins, WEEK_H)


def _profile(risen: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(168,) rates, smoothed over the neighbouring hours (1-2-1) to keep noise out of what all bins share."""
    rate = np.maximum(risen, 0) / np.maximum(seen, 1e-9)
    smooth = (np.roll(rate, 1) + 2 * rate + np.roll(rate, -1)) / 4
    return np.maximum(smooth, MIN_RATE)


@dataclass(frozen=True)
class Accumulated:
    """What m bins are expected to gather since a Monday long ago; whole nano-percent, so that differences are exact.

    rate (k, 168) nano-percent per second; before (k, 168) gathered from the week's begin to each of its hours;
    week (k,) gathered in a week; profile (m,) the profile of each bin, 0 to k - 1; held: how bins fill the slower the
    fuller they are; kind (m,) the row of its ease for each bin; year (u, WEEKS) by which rates are multiplied in
    each of WEEKS weeks, 1/EVEN, passed (u, WEEKS + 1) their sum until it begins, season (m,) the row of each bin
    """

    rate: np.ndarray
    before: np.ndarray
    week: np.ndarray
    profile: np.ndarray
    held: Resistance
    kind: np.ndarray
    year: np.ndarray
    passed: np.ndarray
    season: np.ndarray

    @classmethod
    def of(
        cls,
        rates: np.ndarray,
        profile: np.ndarray,
        held: Resistance | None = None,
        seasons: Seasons | None = None,
        stream: np.ndarray | None = None,
        site: np.ndarray | None = None,
    ) -> Accumulated:
        """From rates (k, 168) in percent per hour of empty bins, and profile, stream and kind of site (m,) of each."""
        per_s = np.rint(rates * NANO / 3600).astype(np.int64)
        gathered = np.cumsum(per_s * 3600, axis=1)
        held = held or Resistance.none()
        nobody = np.full(len(profile), UNKNOWN, dtype=object)
        stream, site = (nobody if names is None else names for names in (stream, site))
        year, season = (seasons or Seasons.none()).years(stream, site)
        passed = np.concatenate([np.zeros_like(year[:, :1]), np.cumsum(year, axis=1)], axis=1)
        before = gathered - per_s * 3600
        return cls(per_s, before, gathered[:, -1], profile, held, held.rows(stream), year, passed, season)

    def by_reading(self, local_s: np.ndarray, s: Sequences, cycle: np.ndarray) -> np.ndarray:
        """(n,) nano-percent gathered from its sequence's first reading until each.

        local_s (n,) of the readings, in local seconds since a Monday. Every span counts by the ease at its level.
        """
        total = self.at(local_s, s.seq)
        step = total - s.lag(total, 1, 0)
        step[s.offsets[:-1][s.last >= 0]] = 0
        level, second = standing(s, cycle)
        kind = self.kind[s.seq]
        level += np.where(second, s.lag(step, 1, 0) / NANO * self.held.at(level, kind), 0)
        total = np.cumsum(np.rint(step * self.held.at(level, kind)).astype(np.int64))
        return total - total[s.offsets[:-1][s.seq]]  # from 0 for each, whatever else is asked

    @property
    def per_day(self) -> np.ndarray:
        """(m,) percent per day."""
        return self.week[self.profile] / NANO / 7

    def at(self, local_s: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Nano-percent gathered by bin `row` until `local_s` (local seconds since a Monday)."""
        hours = local_s // 3600
        cell, profile, season = hours % WEEK_H, self.profile[row], self.season[row]
        again, week = np.divmod(hours // WEEK_H, WEEKS)
        inside = self.before[profile, cell] + self.rate[profile, cell] * (local_s % 3600)
        # Rounded down twice, which never exceeds the sum rounded down: what is gathered does not fall between weeks.
        weeks = again * self.passed[season, -1] + self.passed[season, week]
        return _parts(self.week[profile], weeks) + _parts(inside, self.year[season, week])


def _parts(whole: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """So many 1/EVEN of the whole, rounded down; in two steps, as the product may be too large to hold."""
    return whole * (parts >> BITS) + (whole * (parts & EVEN - 1) >> BITS)

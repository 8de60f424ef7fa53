"""Policies: who decides, at each opportunity and from what was known then, which bins to empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from data.sequences import HOUR_US
from training.baselines import Forecaster
from training.counterfactual import Moment
from training.forecast import UNATTENDED
from training.weekly import Weekly, local_offset_h

ALWAYS, DAYS, OWN_DAYS = "every-opportunity", "every-k-days", "own-interval"
THRESHOLD, WEEKDAY, FORESIGHT = "threshold", "weekday-rate", "foresight"
TAIL_FROM, LEAST_WIDTH_PCT = 0.05, 0.5


class Policy(Protocol):
    """One rule with its parameter filled in."""

    @property
    def family(self) -> str:
        """The rule's name; its members differ by their parameter."""
        ...

    @property
    def parameter(self) -> float:
        """What is swept to get the rule's frontier."""
        ...

    def pick(self, moment: Moment) -> np.ndarray:
        """(r,) bool: which of the moment's bins to empty at this opportunity."""
        ...


@dataclass(frozen=True)
class Always:
    """Every bin at every opportunity: the least overflow that anybody can reach."""

    family: str = ALWAYS
    parameter: float = 0.0

    def pick(self, moment: Moment) -> np.ndarray:
        """All."""
        return np.ones(len(moment.rows), dtype=bool)


@dataclass(frozen=True)
class EveryDays:
    """Every bin when so many days have passed since it was emptied."""

    parameter: float
    family: str = DAYS

    def pick(self, moment: Moment) -> np.ndarray:
        """By the calendar alone; a round a few hours early is that day's."""
        return (moment.at_us - moment.emptied_us) / HOUR_US >= 24 * self.parameter - 12


@dataclass(frozen=True)
class OwnInterval:
    """Each bin at an interval of its own: when by its mean rate alone it would pass `parameter` percent."""

    parameter: float
    family: str = OWN_DAYS

    def pick(self, moment: Moment) -> np.ndarray:
        """By the calendar and the bin's own mean rate, no sensor asked."""
        share = (moment.next_us - moment.emptied_us) / HOUR_US / moment.usual_h
        return share * moment.full_pct >= self.parameter


@dataclass(frozen=True)
class Threshold:
    """Bins whose level, the median of their last three readings, has reached `parameter` percent."""

    parameter: float
    family: str = THRESHOLD

    def pick(self, moment: Moment) -> np.ndarray:
        """By the level; bins whose sensors are silent by what they usually take to fill."""
        level, _ = moment.newest
        return np.where(np.isnan(level), moment.overdue, level >= self.parameter)


@dataclass(frozen=True)
class WeekdayRate:
    """Bins that at their usual rate of each weekday come within `parameter` points of full by the next opportunity."""

    rates: Weekly
    parameter: float
    family: str = WEEKDAY

    def pick(self, moment: Moment) -> np.ndarray:
        """By the level as `Threshold`, plus what the weekdays gather until the next opportunity."""
        level, measured_us = moment.newest
        offset_h = local_offset_h(measured_us, moment.scene.timezones[moment.rows])
        code = self.rates.bin_ids.get_indexer(pd.Index(moment.bin_ids))  # unknown: -1, the fleet's
        hours = (moment.next_us - measured_us) / HOUR_US
        reached = level + self.rates.rise(code, measured_us / HOUR_US + offset_h, hours)
        return np.where(np.isnan(level), moment.overdue, reached >= moment.full_pct - self.parameter)


class Chances(Protocol):
    """Who tells how likely bins are full."""

    def p_full(self, moment: Moment, at_us: np.ndarray) -> np.ndarray:
        """(r, m) probability that the moment's bins are full at `at_us` (r, m), absent an emptying; NaN: no idea."""
        ...


@dataclass(frozen=True)
class Forecasts:
    """The chances that a forecaster sees, asked with what was known when it was decided.

    What it says if nobody comes, where it tells that apart. Below 5% the tail above q95 of others goes on as an
    exponential that halves from q90 to q95: they end there, and say 0 of bins that do overflow once in fifty times,
    which policies of little risk must tell apart.
    """

    forecaster: Forecaster

    def p_full(self, moment: Moment, at_us: np.ndarray) -> np.ndarray:
        """See `Chances`."""
        each = at_us.shape[1]
        windows = pd.DataFrame(
            {
                "bin_id": pd.Series(np.repeat(moment.bin_ids, each), dtype="str"),
                "as_of": _utc(np.repeat(moment.decided_us, each)),
                "at": _utc(at_us.ravel()),
            }
        )
        made = self.forecaster.forecast_windows(moment.history, windows)
        if UNATTENDED in made:
            return made[UNATTENDED].to_numpy(float).reshape(at_us.shape)
        p_full, q90, q95 = (made[name].to_numpy(float) for name in ("p_full", "q90", "q95"))
        away = np.maximum(np.repeat(moment.full_pct, each) - q95, 0.0)
        tail = TAIL_FROM * 0.5 ** (away / np.maximum(q95 - q90, LEAST_WIDTH_PCT))
        return np.maximum(p_full, np.minimum(tail, TAIL_FROM)).reshape(at_us.shape)


@dataclass(frozen=True)
class Risk:
    """Bins whose probability of being full before the next opportunity exceeds `parameter`."""

    chances: Chances
    family: str
    parameter: float

    def pick(self, moment: Moment) -> np.ndarray:
        """By `p_full` alone; bins of which nobody has an idea by what they usually take to fill."""
        p_full = self.chances.p_full(moment, moment.next_us[:, None])[:, 0]
        return np.where(np.isnan(p_full), moment.overdue, p_full > self.parameter)


@dataclass(frozen=True)
class Foresight:
    """Who knows what will be thrown in: as late as possible, with at most `parameter` hours of overflow in between.

    With 0 hours, nobody comes less often without overflow that could be avoided: emptying a bin later never makes the
    next emptying due sooner.
    """

    parameter: float = 0.0
    family: str = FORESIGHT

    def pick(self, moment: Moment) -> np.ndarray:
        """Bins that would be full for more hours than allowed when the next opportunity comes."""
        deposits = moment.scene.deposits
        base = moment.base[moment.rows, moment.number]
        early = moment.next_us - np.int64(self.parameter * HOUR_US)
        return deposits.shown(moment.rows, base + deposits.until(moment.rows, early)) >= moment.full_pct


def _utc(moments: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(moments.astype("datetime64[us]")).tz_localize("UTC")

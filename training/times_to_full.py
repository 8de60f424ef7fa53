"""How well the moment at which a bin becomes full is foretold, though most bins are emptied before they are.

Censoring is told in four ways: the errors of those that became full, the same weighted by the inverse of their chance
of being seen, Powell's censored loss, which every window enters and which a true median minimises, and how many were
full by the moments told, by Kaplan and Meier. In simulated cities the truth is known as if nobody had come, and nothing
is censored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data.history import History
from data.readings import Readings
from data.sequences import HOUR_US, microseconds
from training.baselines import Forecaster
from training.deposits import Deposits
from training.forecast import FillForecast, reached
from training.labels import DAILY_STEP_H, FRESH_DAILY_H, FRESH_H, hindsight_emptyings, levels, smoothed
from training.rules import Rule
from training.states import Asked
from training.timelines import Timelines

LONGEST_H = 336.0
PASSAGE_H = np.concatenate([np.arange(0.0, 72, 2), np.arange(72.0, LONGEST_H + 1, 6)])
HEAVIEST = 20.0


def first_full(readings: Readings, origins: pd.DataFrame, full_pct: np.ndarray) -> pd.DataFrame:
    """The origins (bin_id, as_of) from which it can be seen when the bin became full, with `hours` and `open_h`.

    hours: from as_of to the first reading of at least `full_pct` (n,), judged with its two neighbours of the same fill
    cycle as `labels.label` does; NaN where the bin was not seen to become full. open_h: hours for which it could have
    been seen: until the last reading before the next emptying, before silence, or two weeks. Left out are origins
    without a fresh reading and those at which the bin is full already.
    """
    lines = levels(readings)
    code, start_us = lines.codes_of(origins["bin_id"]), microseconds(origins["as_of"])
    known = np.flatnonzero(code >= 0)
    code, start_us, full = code[known], start_us[known], np.asarray(full_pct, dtype=float)[known]
    emptied = hindsight_emptyings(lines)
    every = np.arange(len(lines.value))
    smooth = smoothed(lines, np.cumsum(emptied), lines.code, every)
    fresh_h = np.where(lines.median_step_h() >= DAILY_STEP_H, FRESH_DAILY_H, FRESH_H)
    silent = np.append(False, np.diff(lines.hours) > fresh_h[lines.code[1:]])
    ends = np.flatnonzero(emptied | silent | np.append(True, np.diff(lines.code) != 0))
    last = lines.before(code, start_us, inclusive=True) - 1
    good = last >= lines.bounds[code]
    last = np.maximum(last, lines.bounds[code])
    start_h = start_us / HOUR_US
    good &= start_h - lines.hours[last] <= fresh_h[code]
    good &= smooth[last] < full
    until = np.append(ends, len(every))[np.searchsorted(ends, last, side="right")]  # the first row of the next cycle
    open_h = lines.hours[until - 1] - start_h
    good &= open_h > 0
    hours = np.full(len(code), np.nan)
    for pct in np.unique(full):  # a handful of thresholds
        rows = np.flatnonzero(smooth >= pct)
        following = np.append(rows, len(every))[np.searchsorted(rows, last, side="right")]
        mine = (full == pct) & (following < until)
        hours[mine] = (lines.hours[np.minimum(following, len(every) - 1)] - start_h)[mine]
    return _kept(origins, known[good], hours[good], np.minimum(open_h[good], LONGEST_H))


def truly_full(truth: pd.DataFrame, origins: pd.DataFrame, full_pct: np.ndarray) -> pd.DataFrame:
    """As `first_full`, from the known level and demand of a simulated city, as if nobody had emptied the bin.

    truth: bin_id, at (hourly), level, rate_pct_per_h, shock, event. The level at as_of rises by what really came in;
    where that cannot be seen, in the hours of emptyings and above the rim, by the demand.
    """
    lines, total = truly_thrown_in(truth)
    level = lines.value
    code, start_us = lines.codes_of(origins["bin_id"]), microseconds(origins["as_of"])
    known = np.flatnonzero(code >= 0)
    code, start_us, full = code[known], start_us[known], np.asarray(full_pct, dtype=float)[known]
    at = lines.before(code, start_us, inclusive=True) - 1
    at = np.maximum(at, lines.bounds[code])
    stop = lines.bounds[code + 1]
    sought = total[at] + full - level[at]
    open_h = lines.hours[stop - 1] - lines.hours[at]
    reached = np.searchsorted(total, sought, side="left")
    hours = np.where(reached < stop, lines.hours[np.minimum(reached, stop - 1)] - lines.hours[at], np.nan)
    good = (level[at] < full) & (open_h >= LONGEST_H)
    return _kept(origins, known[good], hours[good], np.minimum(open_h[good], LONGEST_H))


def full_by_deposits(deposits: Deposits, origins: pd.DataFrame, full_pct: np.ndarray) -> pd.DataFrame:
    """As `first_full`, but as if nobody had emptied the bin since, by what `deposits` tell with hindsight.

    Left out are origins that less than two weeks of readings follow.
    """
    lines = deposits.lines
    code, start_us = lines.codes_of(origins["bin_id"]), microseconds(origins["as_of"])
    last = lines.time_us[lines.bounds[np.maximum(code, 0) + 1] - 1]
    known = np.flatnonzero((code >= 0) & (last - start_us >= LONGEST_H * HOUR_US))
    code, start_us = code[known, None], start_us[known, None]
    moments = start_us + (PASSAGE_H * HOUR_US).astype(np.int64)
    curves = deposits.shown(code, deposits.base_at(code, start_us) + deposits.until(code, moments))
    full = np.asarray(full_pct, dtype=float)[known]
    good = curves[:, 0] < full
    hours = crossing(np.maximum.accumulate(curves[good], axis=1), PASSAGE_H, full[good])
    return _kept(origins, known[good], hours, np.full(int(good.sum()), LONGEST_H))


def truly_thrown_in(truth: pd.DataFrame) -> tuple[Timelines, np.ndarray]:
    """The known level of a simulated city by bin and hour, and points thrown in before each of these hours (n,).

    truth as in `truly_full`. The points are summed over all bins: only differences within a bin count.
    """
    ordered = truth.sort_values(["bin_id", "at"], kind="stable")
    level = ordered["level"].to_numpy(float)
    lines = Timelines.of(ordered["bin_id"].astype(str), ordered["at"], level)
    demand = (ordered["rate_pct_per_h"] * ordered["shock"] * ordered["event"]).to_numpy(float)
    rise = np.append(np.diff(level), 0.0)
    came = np.where((rise < -1e-6) | (level >= 100), demand, np.maximum(rise, 0))
    return lines, np.append(0.0, np.cumsum(came))[:-1]


def _kept(origins: pd.DataFrame, rows: np.ndarray, hours: np.ndarray, open_h: np.ndarray) -> pd.DataFrame:
    found = origins.iloc[rows].reset_index(drop=True)
    return found.assign(hours=np.where(hours <= open_h, hours, np.nan), open_h=open_h)


def passage(forecaster: Forecaster, history: History, origins: pd.DataFrame, full_pct: np.ndarray) -> np.ndarray:
    """(n,) hours until the median of a forecaster reaches `full_pct`; infinite beyond two weeks."""
    n, k = len(origins), len(PASSAGE_H)
    asked = _windows(origins)
    median = forecaster.forecast_windows(history, asked)["q50"].to_numpy(float).reshape(n, k)
    return crossing(np.maximum.accumulate(median, axis=1), PASSAGE_H, full_pct)


def rate_passage(rule: Rule, history: History, origins: pd.DataFrame, full_pct: np.ndarray) -> np.ndarray:
    """(n,) hours until the level plus a rule's plain rates, as a product divides, reaches `full_pct`; else infinite.

    This is the simple answer to beat: the median of a rule's forecasts knows of emptyings and comes far too late.
    """
    n, k = len(origins), len(PASSAGE_H)
    asked = Asked.of(_windows(origins), history)
    now = rule.states(history, asked)
    point = (now.level_pct[asked.origin] + rule.rise(asked, now)).reshape(n, k)
    return crossing(np.maximum.accumulate(np.nan_to_num(point), axis=1), PASSAGE_H, full_pct)


def told_by(forecast: FillForecast, full_pct: np.ndarray) -> np.ndarray:
    """(n,) hours from as_of to `full_at(0.5)`; infinite beyond two weeks."""
    at = forecast.full_at(0.5, full_pct)
    hours = (at - forecast.as_of) / np.timedelta64(HOUR_US, "us")
    return np.where(np.isnat(at), np.inf, hours)


def _windows(origins: pd.DataFrame) -> pd.DataFrame:
    asked = origins[["bin_id", "as_of"]].loc[origins.index.repeat(len(PASSAGE_H))].reset_index(drop=True)
    return asked.assign(at=asked["as_of"] + pd.to_timedelta(np.tile(PASSAGE_H, len(origins)), unit="h"))


def crossing(curves: np.ndarray, hours: np.ndarray, sought: np.ndarray) -> np.ndarray:
    """(n,) where the rising curves (n, k) over `hours` (k,) reach `sought` (n,); infinite where they do not."""
    found = reached(curves, hours, np.asarray(sought, dtype=float))
    return np.where(np.isnan(found), np.inf, found)


def scores(seen: pd.DataFrame, told: np.ndarray) -> dict[str, float]:
    """How far the hours told (n,) lie from those of `first_full` or `truly_full`; n windows, `full` became full.

    error and bias: median absolute error and median error, hours, of those that became full; weighted: their median
    absolute error, each weighted with the inverse of the chance (by bin) that its fill cycle stays open so long;
    powell: mean of |min(told, open) - min(true, open)| over all windows (Powell 1984), hours.
    """
    told = np.minimum(told, LONGEST_H)
    hours, open_h = seen["hours"].to_numpy(float), seen["open_h"].to_numpy(float)
    full = ~np.isnan(hours)
    error = (told - hours)[full]
    miss = np.abs(np.minimum(told, open_h) - np.where(full, hours, open_h).clip(max=open_h))
    some = bool(full.any())
    return {
        "n": float(len(seen)),
        "full": float(full.sum()),
        "error": float(np.median(np.abs(error))) if some else np.nan,
        "bias": float(np.median(error)) if some else np.nan,
        "weighted": _weighted_median(np.abs(error), _weights(seen)[full]) if some else np.nan,
        "powell": float(miss.mean()) if len(seen) else np.nan,
    }


def passed(seen: pd.DataFrame, told: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """(k,) share that was full by `full_at` of each of the `probabilities` (k,): as many, if these are calibrated.

    told (n,): the forecast probability of being full by the end of each window of `seen`, at which it was full or cut.
    On that scale the product limit (Kaplan and Meier 1958) tells what those that were cut would have come to; an
    emptying must not hang on more than the forecast knew.
    """
    full = seen["hours"].notna().to_numpy()
    order = np.lexsort((~full, told))  # at one probability those that became full were still at risk
    at_risk = len(order) - np.arange(len(order))
    left = np.append(1.0, np.cumprod(1 - full[order] / at_risk))
    return 1 - left[np.searchsorted(told[order], probabilities, side="right")]


def _weights(seen: pd.DataFrame) -> np.ndarray:
    """(n,) inverse chance that a window of its bin is still open when this one becomes full, bounded; else 0."""
    out = np.zeros(len(seen))
    open_h, hours = seen["open_h"].to_numpy(float), seen["hours"].to_numpy(float)
    for rows in seen.groupby("bin_id").indices.values():  # over bins: a yardstick, on no road to a forecast
        ordered = np.sort(open_h[rows])
        # When the cycle ended is known of every row, also of those that became full.
        left = 1 - np.searchsorted(ordered, np.nan_to_num(hours[rows]), side="left") / len(rows)
        out[rows] = np.minimum(1 / np.maximum(left, 1e-9), HEAVIEST)
    return np.where(np.isnan(hours), 0.0, out)


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])

"""What a forecast is judged by: which windows can be scored, and what came true in them, seen with hindsight.

The definitions are those of the neutral yardstick, so that our figures can be held against anybody's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data.emptyings import Emptyings
from data.errors import InputError
from data.readings import Readings
from data.sequences import HOUR_US, microseconds
from training.timelines import Timelines

DAILY_STEP_H = 12.0  # bins that report this seldom count as daily
FRESH_H, FRESH_DAILY_H = 12.0, 48.0
TOLERANCE_H = 1.5
MARGIN_H = 1.0
CYCLE_REACH_H = 6.0
MIN_DROP_PCT = 20.0
UNSCORED = ("no_reading_before", "no_reading_at", "emptied_between")
"""Why a window cannot be scored: silent before as_of (or hardly known at all), silent at `at`, or emptied between."""


def label(
    readings: Readings,
    asks: pd.DataFrame,
    emptyings: Emptyings | None = None,
    truth: pd.DataFrame | None = None,
    *,
    margin_h: float = MARGIN_H,
    fresh_h: float | None = None,
    min_drop_pct: float = MIN_DROP_PCT,
) -> pd.DataFrame:
    """Keep the scorable rows of `asks` (bin_id, as_of, at), in their order, with `horizon_h` and `y` (percent, 0-100).

    y: median of the reading nearest to `at` (at most 1.5 h or half the bin's median step away) and its neighbours of
    the same fill cycle within 6 h. Scorable: there is such a reading; another in the `fresh_h` hours before as_of
    (12; 48 for daily bins); no emptying in (as_of, at + margin_h], and no reported one in (as_of, at].
    With `truth` (bin_id, at, level) y is the known level, and `emptyings` are the known emptyings, in place of what
    the readings show. Of revised readings the latest version counts.
    """
    truths = judge(readings, asks, emptyings, truth, margin_h=margin_h, fresh_h=fresh_h, min_drop_pct=min_drop_pct)
    good = (truths["unscored"] == "").to_numpy()
    kept = asks[good].reset_index(drop=True)
    return kept.assign(**truths.loc[good, ["horizon_h", "y"]].reset_index(drop=True))


def judge(
    readings: Readings,
    asks: pd.DataFrame,
    emptyings: Emptyings | None = None,
    truth: pd.DataFrame | None = None,
    *,
    margin_h: float = MARGIN_H,
    fresh_h: float | None = None,
    min_drop_pct: float = MIN_DROP_PCT,
) -> pd.DataFrame:
    """What came true in each of `asks`, rows as these: horizon_h, y (NaN where unscored) and `unscored`: why not.

    unscored: '' where it can be scored, else the first of UNSCORED that holds. See `label`.
    """
    lines = levels(readings)
    code = lines.codes_of(asks["bin_id"])
    code = np.where(lines.count[code] >= 3, code, -1) if len(lines.bin_ids) else code
    known = np.flatnonzero(code >= 0)
    horizon_h = np.round(microseconds(asks["at"]) / HOUR_US - microseconds(asks["as_of"]) / HOUR_US, 6)
    unscored, found = np.full(len(asks), UNSCORED[0], dtype=object), np.full(len(asks), np.nan)
    code, start_us, end_us = code[known], microseconds(asks["as_of"])[known], microseconds(asks["at"])[known]
    step_h = lines.median_step_h()
    last = lines.before(code, start_us, inclusive=True) - 1
    heard = last >= lines.bounds[code]
    last = np.maximum(last, lines.bounds[code])
    fresh = (
        np.where(step_h >= DAILY_STEP_H, FRESH_DAILY_H, FRESH_H) if fresh_h is None else np.full(len(step_h), fresh_h)
    )
    heard &= start_us / HOUR_US - lines.hours[last] <= fresh[code]
    tolerance_h = np.maximum(TOLERANCE_H, step_h / 2)[code]
    touched = np.zeros(len(known), dtype=bool)
    if truth is None:
        emptied = hindsight_emptyings(lines, min_drop_pct)
        target = lines.nearest(code, end_us)
        near = np.abs(lines.hours[target] - end_us / HOUR_US) <= tolerance_h
        near &= lines.time_us[target] > start_us
        touched |= ~_untouched(lines, emptied, code, last, target, end_us / HOUR_US + margin_h)
        y = smoothed(lines, np.cumsum(emptied), code, target)
    else:
        if emptyings is None:
            raise InputError(
                "a true level without true emptyings", expected="both or neither", remedy="Pass the emptyings too."
            )
        y, near = _true_level(truth, asks["bin_id"].iloc[known], end_us, tolerance_h)
    if emptyings is not None:
        touched |= emptied_between(emptyings, asks["bin_id"].iloc[known], start_us, end_us)
    unscored[known] = np.select([~heard, ~near, touched], UNSCORED, "")
    found[known] = np.where(unscored[known] == "", y, np.nan)
    return pd.DataFrame({"horizon_h": horizon_h, "y": found, "unscored": pd.Series(unscored, dtype="str")})


def asks(
    readings: Readings, start: pd.Timestamp, end: pd.Timestamp, every: pd.Timedelta, horizons_h: Sequence[float]
) -> pd.DataFrame:
    """All windows to be asked: (bin_id, as_of, at) for as_of = start, start + every, … and every horizon.

    Only while the bin has readings on both sides, and at <= end. Ordered by bin, horizon, as_of.
    """
    if end <= start:
        raise InputError(f"a span from {start} to {end}", expected="an end after its start", remedy="Swap them.")
    span = readings.frame.groupby("bin_id")["measured_at"].agg(["min", "max"])
    first, last = microseconds(span["min"])[:, None, None], microseconds(span["max"])[:, None, None]
    origin = microseconds(pd.date_range(start, end, freq=every))[None, None, :]
    reach = np.array([round(h * HOUR_US) for h in horizons_h], dtype=np.int64)[None, :, None]
    at = origin + reach
    bin_row, horizon, moment = np.nonzero((origin >= first) & (at <= np.minimum(last, _us(end))))
    return pd.DataFrame(
        {
            "bin_id": span.index.to_series().iloc[bin_row].reset_index(drop=True),
            "as_of": pd.to_datetime(origin[0, 0, moment], unit="us", utc=True),
            "at": pd.to_datetime(at[0, horizon, moment], unit="us", utc=True),
        }
    )


def windows(
    readings: Readings,
    start: pd.Timestamp,
    end: pd.Timestamp,
    every: pd.Timedelta = pd.Timedelta(hours=6),  # noqa: B008 - immutable
    horizons_h: Sequence[float] = (6, 12, 24, 48, 72),
    *,
    emptyings: Emptyings | None = None,
    truth: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """`asks` of a span, labelled: its scorable windows."""
    return label(readings, asks(readings, start, end, every, horizons_h), emptyings, truth)


def levels(readings: Readings) -> Timelines:
    """Every reading in its latest version, clipped to 0-100."""
    frame = readings.latest()
    return Timelines.of(frame["bin_id"], frame["measured_at"], frame["fill_pct"].to_numpy(float).clip(0, 100))


def hindsight_emptyings(lines: Timelines, min_drop_pct: float = MIN_DROP_PCT) -> np.ndarray:
    """(n,) True at row i when the bin was emptied between its rows i - 1 and i, judged from both sides.

    Compares the median of the three readings before with that of the three from i on (one and one in daily bins), so
    that a stray reading is no emptying. Two hits lie at least two rows apart, but for daily bins.
    """
    value, n = lines.value, len(lines.value)
    place = np.arange(n) - lines.bounds[lines.code]
    left = lines.bounds[lines.code + 1] - np.arange(n)
    daily = ((lines.median_step_h() >= DAILY_STEP_H) & (lines.count > 2))[lines.code]
    one, two = _shifted(value, 1), _shifted(value, 2)
    low, high = np.minimum(value, one), np.maximum(value, one)
    after = np.where(left >= 3, np.maximum(low, np.minimum(high, two)), np.where(left == 2, (value + one) / 2, value))
    before = np.where(place >= 3, _shifted(after, -3), (_shifted(value, -1) + _shifted(value, -2)) / 2)
    before = np.where((place == 1) | daily, _shifted(value, -1), before)
    after = np.where(daily, value, after)
    candidate = (place > 0) & (before - after >= min_drop_pct) & (value < before - 0.6 * min_drop_pct)
    # Of candidates in a row the first, third, fifth … are hits; a bin's first row is never a candidate.
    row = np.arange(n)
    run_start = np.maximum.accumulate(np.where(candidate, -1, row))
    return candidate & (daily | ((row - run_start) % 2 == 1))


def emptied_between(emptyings: Emptyings, ids: pd.Series, start_us: np.ndarray, end_us: np.ndarray) -> np.ndarray:
    """(m,) whether the bin has an emptying in (start, end]."""
    if len(emptyings) == 0:
        return np.zeros(len(ids), dtype=bool)
    frame = emptyings.frame
    lines = Timelines.of(frame["bin_id"], frame["emptied_at"], np.zeros(len(frame)))
    code = lines.codes_of(ids)
    inner = np.maximum(code, 0)
    until_start = lines.before(inner, start_us, inclusive=True)
    return (code >= 0) & (lines.before(inner, end_us, inclusive=True) > until_start)


def _untouched(
    lines: Timelines, emptied: np.ndarray, code: np.ndarray, last: np.ndarray, target: np.ndarray, until_h: np.ndarray
) -> np.ndarray:
    """Whether no emptying's interval (reading before, reading after) begins before `until_h`, from row `last` on."""
    hits = np.flatnonzero(emptied)
    following = np.searchsorted(hits, last, side="right")
    hit = np.append(hits, len(emptied))[following]
    inside = hit < lines.bounds[code + 1]
    begins_h = np.where(inside, lines.hours[np.maximum(hit - 1, 0)], np.inf)
    cycle = np.cumsum(emptied)
    return (begins_h >= until_h) & (cycle[target] == cycle[last])


def smoothed(lines: Timelines, cycle: np.ndarray, code: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Median of the target row and its two neighbours; the mean of two where one is missing or far; else the row."""
    value = lines.value[target]
    sides = []
    for step in (-1, 1):
        beside = np.clip(target + step, lines.bounds[code], lines.bounds[code + 1] - 1)
        near = np.abs(lines.hours[beside] - lines.hours[target]) <= CYCLE_REACH_H
        usable = (beside != target) & (cycle[beside] == cycle[target]) & near
        sides.append(np.where(usable, lines.value[beside], np.nan))
    low, high = np.fmin(sides[0], sides[1]), np.fmax(sides[0], sides[1])
    both, neither = ~np.isnan(sides[0] + sides[1]), np.isnan(low)
    pair = np.where(neither, value, (low + value) / 2)
    return np.where(both, np.maximum(low, np.minimum(high, value)), pair)


def _true_level(
    truth: pd.DataFrame, ids: pd.Series, end_us: np.ndarray, tolerance_h: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    lines = Timelines.of(truth["bin_id"].astype(str), truth["at"], truth["level"].to_numpy(float))
    code = lines.codes_of(ids)
    if len(lines.value) == 0:
        return np.zeros(len(ids)), np.zeros(len(ids), dtype=bool)
    row = lines.nearest(np.maximum(code, 0), end_us)
    near = (code >= 0) & (np.abs(lines.hours[row] - end_us / HOUR_US) <= tolerance_h)
    return lines.value[row].clip(0, 100), near


def _shifted(value: np.ndarray, by: int) -> np.ndarray:
    """value[i + by] at i, the ends repeated."""
    return value[np.clip(np.arange(len(value)) + by, 0, max(len(value) - 1, 0))]


def _us(time: pd.Timestamp) -> int:
    return int(pd.DatetimeIndex([time]).as_unit("us").asi8[0])

"""Windows of the past, to learn and to calibrate on before a test begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data.errors import InputError
from data.history import History
from data.sequences import HOUR_US, microseconds
from training.labels import DAILY_STEP_H, TOLERANCE_H, label, levels

EVERY_H = 7.0  # no divisor of a day: origins fall on every hour


def known_by(history: History, until: pd.Timestamp | None) -> tuple[History, pd.Timestamp]:
    """What was heard by `until` (None: everything), every version of it, and that moment. Raises InputError."""
    if until is None:
        until = history.readings.frame["received_at"].max()
        if pd.isna(until):
            raise InputError("no reading", expected="a history to learn from", remedy="Load readings first.")
    past = history.heard_by(until)
    if len(past.readings) == 0:
        raise InputError(
            f"no reading heard by {until}", expected="a history to learn from", remedy="Choose a later `until`."
        )
    return past, until


def practice_windows(
    past: History, end: pd.Timestamp, horizons_h: Sequence[float], origins: int, seed: int, days: float
) -> pd.DataFrame:
    """Labelled windows of the last `days` before `end`: at most about `origins` (bin, as_of) at random.

    Targets lie within 1.5 h of `at`. Daily bins are asked when a reading has just come in, others at any hour.
    """
    lines = levels(past.readings)
    if len(lines.bin_ids) == 0:
        return label(past.readings, _windows(lines.bin_ids, np.zeros(0, int), np.zeros(0, int), np.zeros(0, int)))
    first_us, stop_us = lines.time_us[lines.bounds[:-1]], lines.time_us[lines.bounds[1:] - 1]
    begin_us = np.maximum(first_us, microseconds(pd.DatetimeIndex([end]))[0] - round(days * 24 * HOUR_US))
    every_us = round(EVERY_H * HOUR_US)
    count = np.maximum((stop_us - begin_us) // every_us, 0)
    owner = np.repeat(np.arange(len(count)), count)
    as_of_us = begin_us[owner] + (np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) + 1) * every_us
    daily = lines.median_step_h()[owner] >= DAILY_STEP_H
    heard = lines.before(owner, as_of_us, inclusive=True) - 1
    as_of_us = np.where(daily, microseconds(past.readings.latest()["received_at"])[heard], as_of_us)
    fresh = np.ones(len(owner), dtype=bool)
    fresh[1:] = (owner[1:] != owner[:-1]) | (as_of_us[1:] != as_of_us[:-1])
    owner, as_of_us = owner[fresh], as_of_us[fresh]
    if len(owner) > origins:
        chosen = np.sort(np.random.default_rng(seed).choice(len(owner), origins, replace=False))
        owner, as_of_us = owner[chosen], as_of_us[chosen]
    reach = np.round(np.array(horizons_h) * HOUR_US).astype(np.int64)
    owner, as_of_us = np.repeat(owner, len(reach)), np.repeat(as_of_us, len(reach))
    at_us = as_of_us + np.tile(reach, len(as_of_us) // len(reach))
    target_us = lines.time_us[lines.nearest(owner, at_us)]
    inside = (at_us <= stop_us[owner]) & (np.abs(target_us - at_us) <= TOLERANCE_H * HOUR_US)
    asked = _windows(lines.bin_ids, owner[inside], as_of_us[inside], at_us[inside])
    return label(past.readings, asked, past.emptyings)


def _windows(bin_ids: pd.Index, owner: np.ndarray, as_of_us: np.ndarray, at_us: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "bin_id": pd.Series(bin_ids[owner], dtype="str"),
            "as_of": pd.to_datetime(as_of_us, unit="us", utc=True),
            "at": pd.to_datetime(at_us, unit="us", utc=True),
        }
    )

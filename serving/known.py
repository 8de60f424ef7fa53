"""What is known of the bins, told to a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from data.emptyings import find_emptyings
from data.history import History
from serving.answers import BinAnswer, BinsAnswer, Profile
from serving.forecasts import told
from serving.moments import moments, numbers, texts
from serving.problems import Problem

if TYPE_CHECKING:
    from data.store import Store
    from serving.champion import Champion
    from serving.live import Live

CURVE_H = [1.0, 3.0, 6.0, 12.0, 24.0, 36.0, 48.0, 72.0, 96.0, 120.0, 168.0, 240.0, 336.0]
LEVELS = [0.1, 0.5, 0.9]
BEFORE = pd.Timedelta(days=7)
"""Emptyings are detected in the readings around them."""


def bins_page(store: Store, limit: int, after: str) -> BinsAnswer:
    """Up to `limit` bins whose bin_id comes after `after`."""
    found = store.page(after, limit + 1).unique
    page = found.head(limit)
    return BinsAnswer(bins=rows(page), next_after=str(page.index[-1]) if len(found) > limit else None)


def bin_page(live: Live, bin_id: str, days: float) -> BinAnswer:
    """All about one bin: its last `days`, its forecast, its profile. Raises Problem 404."""
    if any(c < " " or "\ud800" <= c <= "\udfff" for c in bin_id):
        raise Problem(404, "No bin has such a name.")
    now = live.now()
    outlook = live.outlook([bin_id], None, now)
    as_of, since = outlook.as_of(now), now - pd.Timedelta(days=days)
    history = live.store().history([bin_id], since=since - BEFORE)
    if not len(history.bins):
        raise Problem(404, f"No bin is named {bin_id!r}; GET /v1/bins lists those that are known.")
    known = history.until(max(now, as_of))
    shown = History(known.readings, find_emptyings(known), known.bins).since(since)
    return BinAnswer(
        bin=rows(history.bins.unique)[0],
        as_of=as_of.to_pydatetime(),
        readings=rows(shown.readings.frame.drop(columns="bin_id")),
        emptyings=rows(shown.emptyings.frame.drop(columns="bin_id")),
        forecast=told(outlook.forecast, as_of, CURVE_H, LEVELS, None)[0],
        profile=profile(outlook.champion, bin_id),
    )


def profile(champion: Champion, bin_id: str) -> Profile | None:
    """The bin's rates by hour of the local week, if the model keeps them."""
    profiles = getattr(champion.model, "profiles", None)
    if profiles is None:
        return None
    found = np.flatnonzero(profiles.bin_ids_ == bin_id)
    if not len(found):
        return None
    rates, own = profiles.rates_[found[0]], profiles.own_weight_[found[0]]
    return Profile(rate_pct_per_h=rates.tolist(), own_evidence=float(own.mean()))


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as JSON objects: times in UTC, what is missing null."""
    columns: dict[str, list[Any]] = {}
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            columns[name] = list(moments(column))
        elif pd.api.types.is_numeric_dtype(column.dtype):
            columns[name] = list(numbers(column))
        else:
            columns[name] = list(texts(column))
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

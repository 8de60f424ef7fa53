"""Who is asked what the champion answered, beside it: the baseline, and in shadow mode the challenger.

They are asked later, but as of the moment at which the champion answered, and know what had been heard by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.given import BASELINE, CHAMPION, SHADOW, Given
from data.history import History
from data.store import Store
from training.baselines import Forecaster, baseline
from training.model import FillModel

WEEKDAY_RATE = "weekday-rate"
LEARN_DAYS = 56
"""The baseline learns each bin's rates from so many days before the first moment it is asked of, a week at a time."""
BINS_AT_ONCE = 250
"""Also from how many bins it learns how far rates miss, where fewer are asked."""


@dataclass(frozen=True)
class Beside:
    """One who is asked beside the champion.

    learns_days: how many days of readings it looks at before the first moment asked; forecaster: made from them, and
    from that moment; since: it may be asked of moments from then on.
    """

    role: str
    name: str
    version: str
    learns_days: float
    forecaster: Callable[[History, pd.Timestamp], Forecaster]
    since: pd.Timestamp | None = None


def the_baseline() -> Beside:
    """The weekday rate, fitted on what had been heard before each week's first question."""
    made = baseline(WEEKDAY_RATE)
    return Beside(BASELINE, WEEKDAY_RATE, "", LEARN_DAYS, lambda history, until: made.fit(history, until))


def the_challenger(model: FillModel, name: str, version: str) -> Beside:
    """A model in shadow; never asked of moments before the end of what it learned from."""
    since = pd.Timestamp(model.card["trained_until"])
    return Beside(SHADOW, name, version, FillModel.HISTORY_DAYS, lambda history, until: model, since)


def ask_beside(store: Store, given: Given, beside: Beside, now: pd.Timestamp) -> int:
    """Ask all that the champion answered in `given` and this one was not asked; keep the answers. How many."""
    known, told = sorted(store.versions()), 0
    for windows in _parts(_lacking(given, beside)):
        first = windows["as_of"].min()
        ids = windows["bin_id"].unique().tolist()
        if beside.role == BASELINE:
            ids += _company(known, ids)
        history = store.history(ids, since=first - pd.Timedelta(days=beside.learns_days), bare=True)
        made = beside.forecaster(history, first).forecast_windows(history, windows[["bin_id", "as_of", "at"]])
        full = windows["full_pct"].to_numpy(float)
        told += store.put_given(Given.of(made, full, beside.role, beside.name, beside.version, now)).accepted
    return told


def _company(known: list[str], ids: list[str]) -> list[str]:
    """Further bins to learn from, evenly from all that are known, up to BINS_AT_ONCE with those asked."""
    others = [bin_id for bin_id in known if bin_id not in set(ids)]
    room = max(BINS_AT_ONCE - len(ids), 0)
    return others[:: max(-(-len(others) // max(room, 1)), 1)][:room]


def _lacking(given: Given, beside: Beside) -> pd.DataFrame:
    """The champion's windows of hours and horizons that this one was not asked of: bin_id, as_of, at, full_pct."""
    frame = given.frame
    frame = frame.assign(hour=frame["as_of"].dt.floor("h"), ahead=frame["at"] - frame["as_of"])
    key = ["bin_id", "hour", "ahead"]
    own = (frame["role"] == beside.role) & (frame["model_name"] == beside.name)
    own &= frame["model_version"] == beside.version
    asked = frame["role"] == CHAMPION
    if beside.since is not None:
        asked &= frame["as_of"] >= beside.since
    windows = frame[asked].drop_duplicates(key)  # two champions may have answered within an hour
    both = windows.merge(frame.loc[own, key].assign(known=True), on=key, how="left")
    return both.loc[both["known"].isna(), ["bin_id", "as_of", "at", "full_pct"]].reset_index(drop=True)


def _parts(windows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Week by week, some bins at a time, in order."""
    week = windows["as_of"].dt.floor("7D")
    for _, part in windows.groupby(week, sort=True):
        ids = np.sort(part["bin_id"].unique())
        for start in range(0, len(ids), BINS_AT_ONCE):
            some = part["bin_id"].isin(ids[start : start + BINS_AT_ONCE])
            yield part[some].reset_index(drop=True)

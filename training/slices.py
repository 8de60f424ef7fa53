"""The slices by which scores are told: what was known of a bin, its sensor and the day when a window was asked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.history import History
from data.sequences import HOUR_US, microseconds
from training.calendar import holiday_days
from training.states import Asked

SLICES = ("stream", "day", "holiday", "level_now", "status", "age", "known_for")
TITLES = {
    "stream": "Stream",
    "day": "Day of the origin",
    "holiday": "Public holiday",
    "level_now": "Level now, %",
    "status": "Sensor status",
    "age": "Newest reading",
    "known_for": "Bin known for",
}
LEVEL_EDGES_PCT, LEVEL_NAMES = [-np.inf, 30.0, 60.0, 90.0, np.inf], ["0-30", "30-60", "60-90", "90+"]
AGE_EDGES_H, AGE_NAMES = (
    [-np.inf, 2.0, 6.0, 12.0, np.inf],
    ["under 2 h old", "2-6 h old", "6-12 h old", "12 h or older"],
)
KNOWN_EDGES_D, KNOWN_NAMES = (
    [-np.inf, 14.0, 60.0, 180.0, np.inf],
    ["under 14 days", "14-60 d", "60-180 d", "180 d or more"],
)
ORDER = {
    name: place
    for names in (
        ["weekday", "weekend", "no holiday", "a holiday ahead"], LEVEL_NAMES, AGE_NAMES, KNOWN_NAMES,
        ["ok", "stale", "cold_start", "faulty_sensor", "no_data", "unknown_bin"],
    )
    for place, name in enumerate(names)
}  # fmt: skip
MONDAY_D = 3  # 1970-01-01 was a Thursday


def slices_of(history: History, asked: pd.DataFrame, country: str | None = None) -> pd.DataFrame:
    """The slices of windows (bin_id, as_of, at), rows as `asked`: all of SLICES but `status`, which a forecast tells.

    level_now and age are of the newest reading heard by as_of; day is that of as_of in local time; a window has a
    holiday ahead where one of `country` touches it. Without a country `holiday` is empty throughout.
    """
    facts = Asked.of(asked, history)
    shift_h = facts.offset_h[facts.origin]
    first_h, last_h = microseconds(asked["as_of"]) / HOUR_US + shift_h, microseconds(asked["at"]) / HOUR_US + shift_h
    first_day, last_day = (np.floor(hour / 24).astype(np.int64) + MONDAY_D for hour in (first_h, last_h))
    newest = _newest(history, asked)
    begun = history.readings.frame.groupby("bin_id")["measured_at"].min()
    since_d = (asked["as_of"] - asked["bin_id"].map(begun)).dt.total_seconds() / 86_400
    age_h = (asked["as_of"] - newest["measured_at"]).dt.total_seconds() / 3600
    return pd.DataFrame(
        {
            "stream": facts.stream[facts.origin],
            "day": np.where(first_day % 7 >= 5, "weekend", "weekday"),
            "holiday": _holidays(country, first_day, last_day),
            "level_now": _banded(newest["fill_pct"], LEVEL_EDGES_PCT, LEVEL_NAMES),
            "age": _banded(age_h, AGE_EDGES_H, AGE_NAMES),
            "known_for": _banded(since_d, KNOWN_EDGES_D, KNOWN_NAMES),
        },
        dtype="str",
    )


def _newest(history: History, asked: pd.DataFrame) -> pd.DataFrame:
    """measured_at and fill_pct of the newest reading heard by each as_of; rows as `asked`."""
    frame = history.readings.frame[["bin_id", "measured_at", "received_at", "fill_pct"]]
    frame = frame.sort_values(["received_at", "measured_at"], kind="stable")
    # What is older than something heard before is no news.
    frame = frame[frame["measured_at"] >= frame.groupby("bin_id")["measured_at"].cummax()]
    ordered = asked.assign(row=np.arange(len(asked))).sort_values("as_of", kind="stable")
    found = pd.merge_asof(ordered, frame, left_on="as_of", right_on="received_at", by="bin_id")
    return found.sort_values("row").reset_index(drop=True)


def _holidays(country: str | None, first_day: np.ndarray, last_day: np.ndarray) -> np.ndarray:
    if country is None or not len(first_day):
        return np.full(len(first_day), None, dtype=object)
    days = holiday_days(country, int(first_day.min()) - 1, int(last_day.max()) + 1)
    touched = np.searchsorted(days, last_day, side="right") > np.searchsorted(days, first_day, side="left")
    return np.where(touched, "a holiday ahead", "no holiday").astype(object)


def _banded(values: pd.Series, edges: list[float], names: list[str]) -> np.ndarray:
    return np.asarray(pd.cut(values.to_numpy(float), edges, labels=names, right=False), dtype=object)

from __future__ import annotations

import pandas as pd

from data.bins import Bins
from data.history import History
from data.readings import Readings
from training.slices import slices_of

FRIDAY = pd.Timestamp("2024-12-20T22:30Z")  # 23:30 in Prague


def history(*rows: tuple[str, str, float]) -> History:
    """Readings of bin a: measured_at, received_at, fill_pct."""
    frame = pd.DataFrame([("a", *row) for row in rows], columns=["bin_id", "measured_at", "received_at", "fill_pct"])
    for name in ("measured_at", "received_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    bins = pd.DataFrame({"bin_id": ["a"], "timezone": ["Europe/Prague"], "stream": ["glass"]})
    return History.of(Readings.checked(frame), bins=Bins.checked(bins))


def sliced(past: History, as_of: pd.Timestamp, hours: float = 6, country: str | None = None) -> pd.Series:
    asked = pd.DataFrame({"bin_id": ["a"], "as_of": [as_of], "at": [as_of + pd.Timedelta(hours=hours)]})
    return slices_of(past, asked, country).iloc[0]


PAST = history(
    ("2024-12-01T00:00Z", "2024-12-01T00:00Z", 10), ("2024-12-20T21:00Z", "2024-12-20T21:00Z", 35),
    ("2024-12-20T22:00Z", "2024-12-21T09:00Z", 95),
)  # fmt: skip


def test_level_and_age_are_of_what_was_heard_by_then() -> None:
    before, after = sliced(PAST, FRIDAY), sliced(PAST, pd.Timestamp("2024-12-21T10:00Z"))
    assert (before["level_now"], before["age"]) == ("30-60", "under 2 h old")
    assert (after["level_now"], after["age"]) == ("90+", "12 h or older")


def test_an_old_reading_that_comes_late_is_not_the_newest() -> None:
    late = history(("2024-12-20T21:00Z", "2024-12-20T21:00Z", 35), ("2024-12-20T03:00Z", "2024-12-20T22:00Z", 95))
    assert sliced(late, FRIDAY)["level_now"] == "30-60"


def test_days_are_local_and_the_first_reading_counts() -> None:
    assert sliced(PAST, FRIDAY)["day"] == "weekday"
    assert sliced(PAST, FRIDAY + pd.Timedelta(hours=1))["day"] == "weekend"
    assert sliced(PAST, FRIDAY)["known_for"] == "14-60 d"


def test_a_window_that_touches_a_holiday_is_told_where_the_country_is_known() -> None:
    assert sliced(PAST, FRIDAY, country="CZ")["holiday"] == "no holiday"
    assert sliced(PAST, FRIDAY, hours=72.6, country="CZ")["holiday"] == "a holiday ahead"
    assert pd.isna(sliced(PAST, FRIDAY)["holiday"])


def test_without_a_reading_heard_there_is_no_level_to_slice_by() -> None:
    early = sliced(PAST, pd.Timestamp("2024-11-01T00:00Z"))
    assert early[["level_now", "age"]].isna().all()

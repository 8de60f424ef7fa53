from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.cycles import find_cycles
from data.emptyings import Emptyings
from data.history import History
from data.readings import Readings
from data.reports import known_reports
from data.sequences import Archive, microsecond
from training.calendar import WEEK_H, Clock
from training.features import Features, horizon_features
from training.profiles import Accumulated
from training.situations import describe
from training.visits import WEEK_S, Visits, mean_known

MONDAY = pd.Timestamp("2024-03-04T00:00Z")
HOUR = 3600


def weekly_rounds(hours: int = 24 * 27, every_h: int = 24 * 7, first_h: int = 34) -> pd.DataFrame:
    """Hourly readings of a bin that rises by half a point an hour and is emptied between 9 and 10 of every Tuesday."""
    hour = np.arange(hours)
    since = np.where(hour < first_h, hour + 10, (hour - first_h) % every_h)
    at = MONDAY + pd.to_timedelta(hour, unit="h")
    return pd.DataFrame({"bin_id": "a", "measured_at": at, "received_at": at, "fill_pct": 5 + since / 2.0})


def visits_of(readings: pd.DataFrame, reports: pd.DataFrame | None = None) -> tuple[Visits, int]:
    """The visits of bin a as known at the last reading, and local seconds (UTC) of its first Monday's midnight."""
    emptyings = Emptyings.none() if reports is None else Emptyings.checked(reports)
    history = History(Readings.checked(readings), emptyings, History.of(Readings.none()).bins)
    ids, as_of = np.array(["a"], dtype=object), np.array([microsecond(readings["received_at"].max())])
    sequences = Archive.of(history).sequences(ids, as_of, 28.0, as_of)
    clock = Clock.over(np.array(["UTC"], dtype=object), microsecond(MONDAY), int(as_of[0]))
    visits = Visits.of(find_cycles(sequences, known_reports(history, ids, as_of, 28.0)), clock)
    return visits, int(clock.local_s(np.array([microsecond(MONDAY)]), np.zeros(1, int))[0])


def one(*values: float) -> list[np.ndarray]:
    return [np.array([value], dtype=np.int64) for value in values]


@pytest.mark.parametrize(
    ("begin_h", "end_h", "expected"),
    [
        (33, 34, [1, 1, 1]),  # the very hour in which it is emptied
        (30, 40, [1, 1, 1]),
        (34, 58, [0, 0, 0]),  # the day after
        (33, 33.5, [0.5, 0.5, 0.5]),  # half of it: nobody knows when within the hour
    ],
)
def test_what_happened_in_the_same_hours_of_the_weeks_before(
    begin_h: float, end_h: float, expected: list[float]
) -> None:
    visits, midnight = visits_of(weekly_rounds())
    week = 3 * WEEK_S
    begin, end, row = one(midnight + week + begin_h * HOUR, midnight + week + end_h * HOUR, 0)
    np.testing.assert_allclose(visits.weekly(begin, end, row)[0, :3], expected)


def test_of_the_time_before_the_first_reading_nothing_is_known() -> None:
    visits, midnight = visits_of(weekly_rounds())
    begin, end, row = one(midnight + WEEK_S + 33 * HOUR, midnight + WEEK_S + 34 * HOUR, 0)
    weekly = visits.weekly(begin, end, row)[0]
    assert weekly[0] == 1
    assert np.isnan(weekly[2:]).all()
    assert mean_known(weekly[None])[0] == 1
    assert np.isnan(mean_known(np.full((1, 4), np.nan)))[0]


def test_a_round_of_every_other_week_shows_in_every_other_week() -> None:
    visits, midnight = visits_of(weekly_rounds(every_h=24 * 14))
    begin, end, row = one(midnight + 3 * WEEK_S + 33 * HOUR, midnight + 3 * WEEK_S + 34 * HOUR, 0)
    assert visits.weekly(begin, end, row)[0, :3].tolist() == [1, 0, 1]


def test_the_usual_moment_is_that_of_the_newest_week_that_has_one() -> None:
    visits, midnight = visits_of(weekly_rounds(every_h=24 * 14))
    emptied = midnight + 2 * WEEK_S + 33.5 * HOUR  # in the third week, hence four weeks in, a week of none later
    begin, end, row = one(emptied + 2 * WEEK_S - 5 * HOUR, emptied + 2 * WEEK_S + 5 * HOUR, 0)
    assert visits.usual(begin, end, row)[0] == emptied + 2 * WEEK_S
    quiet, later, row = one(emptied + 2 * WEEK_S + HOUR, emptied + 2 * WEEK_S + 5 * HOUR, 0)
    assert visits.usual(quiet, later, row)[0] == (quiet[0] + later[0]) // 2


def test_time_since_the_last_emptying_counts_from_the_reading_after_it() -> None:
    visits, midnight = visits_of(weekly_rounds())
    begin, end, row = one(midnight + 40 * HOUR, midnight + 41 * HOUR, 0)
    assert visits.since_s(begin, end, row)[0] == 7 * HOUR
    begin, end, row = one(midnight + 5 * HOUR, midnight + 6 * HOUR, 0)
    assert visits.since_s(begin, end, row)[0] == 6 * HOUR  # since the first reading


def test_reports_are_told_apart() -> None:
    readings = weekly_rounds()
    report = pd.DataFrame({"bin_id": ["a"], "emptied_at": [MONDAY + pd.Timedelta(hours=33.5)]})
    assert visits_of(readings, report)[0].reported.tolist() == [True]
    assert visits_of(readings)[0].reported.tolist() == [False]


def test_a_bin_that_was_never_emptied_has_no_visits() -> None:
    visits, midnight = visits_of(weekly_rounds(hours=30))
    begin, end, row = one(midnight + 20 * HOUR, midnight + 22 * HOUR, 0)
    assert visits.before(end, row).tolist() == [0]
    assert visits.usual(begin, end, row)[0] == midnight + 21 * HOUR


def asked(readings: pd.DataFrame, hours: list[float]) -> Features:
    """Features of bin a at so many hours after the last reading; its profile gathers half a point an hour."""
    history = History.of(Readings.checked(readings))
    ids, as_of = np.array(["a"], dtype=object), np.array([microsecond(readings["received_at"].max())])
    clock = Clock.over(np.array(["UTC"], dtype=object), microsecond(MONDAY), int(as_of[0]) + 80 * HOUR * 1_000_000)
    gathered = Accumulated.of(np.full((1, WEEK_H), 0.5), np.zeros(1, dtype=int))
    found = describe(Archive.of(history), history, ids, as_of, gathered, clock)
    row, none = np.zeros(len(hours), dtype=int), np.zeros(0, dtype=np.int64)
    at = as_of[0] + (np.array(hours) * HOUR * 1e6).astype(np.int64)
    return horizon_features(found, row, as_of, at, np.zeros(1), np.zeros(1), gathered, clock, none)


def test_features_say_that_a_round_is_due_and_what_comes_after_it() -> None:
    features = asked(weekly_rounds(hours=3 * 168 + 24), [6.0, 9.5, 13.5])  # Monday 23:00; rounds on Tuesdays, 9 to 10
    assert features.column("visited").tolist() == [0, 0, 1]
    assert features.visited().tolist() == [False, False, True]
    assert np.isnan(features.column("refilled_pct")[:2]).all()
    assert features.column("since_visit_h")[2] == pytest.approx(3)  # 23:00 and 13.5 h is 12:30
    assert features.column("refilled_pct")[2] == pytest.approx(1.5, rel=0.1)


def test_as_if_no_round_came_by_what_is_unknown_stays_so() -> None:
    known, unknown = asked(weekly_rounds(hours=3 * 168 + 24), [13.5]), asked(weekly_rounds(hours=40), [13.5])
    assert known.unvisited().column("visited").tolist() == [0]
    assert known.unvisited().column("visited_1w").tolist() == [0]
    assert np.isnan(known.unvisited().column("refilled_pct")).all()
    assert np.isnan(unknown.unvisited().column("visited")).all()
    same = [name for name in known.names if not name.startswith(("visited", "since_visit", "refilled"))]
    for name in same:
        np.testing.assert_array_equal(known.column(name), known.unvisited().column(name))

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.cleaning import clean_weather
from data.errors import InputError
from data.history import History
from data.inputs import read_inputs
from data.readings import Readings
from data.sequences import HOUR_US, microseconds
from data.weather import Weather

START = pd.Timestamp("2025-01-01", tz="UTC").as_unit("us")
ROWS = st.lists(
    st.tuples(
        st.integers(0, 6).map(lambda half: half / 2),  # at, hours after START
        st.sampled_from([-30.0, -1.0, 0.0, 1.5]),  # issued, hours later
        st.sampled_from([np.nan, -3.0, 12.5]),
        st.sampled_from([np.nan, 0.0, 2.0]),
    ),
    max_size=25,
)
Rows = list[tuple[float, float, float, float]]


def weather(rows: Rows) -> Weather:
    """Weather from rows of (at, issued after it, degrees, millimetres), in hours after START."""
    frame = pd.DataFrame(rows, columns=["at_h", "after_h", "temperature_c", "precipitation_mm"]).astype(float)
    frame["at"] = START + pd.to_timedelta(frame["at_h"], "h")
    frame["issued_at"] = frame["at"] + pd.to_timedelta(frame["after_h"], "h")
    return Weather.checked(frame)


def known(told: Weather, as_of: pd.Timestamp, hours: list[int]) -> list[float]:
    """The temperatures known at `as_of` of these hours after START."""
    asked = microseconds(pd.DatetimeIndex([START]))[0] // HOUR_US + np.array([hours])
    return told.known(microseconds(pd.DatetimeIndex([as_of])), asked)[0][0].tolist()


def test_a_revised_forecast_holds_from_the_moment_it_was_issued() -> None:
    told = weather([(3, -30, 1.0, 0), (3, -6, 2.0, 0), (3, 1.5, 4.0, 0), (2, -30, 9.0, 0)])
    for after_h, expected in ((-28, np.nan), (-27, 1.0), (-4, 1.0), (-3, 2.0), (4.4, 2.0), (4.5, 4.0), (99, 4.0)):
        as_of = START + pd.Timedelta(hours=after_h)
        np.testing.assert_equal(known(told, as_of, [3]), [expected])
        np.testing.assert_equal(known(told.issued_by(as_of).latest(), as_of, [3]), [expected])


def test_hours_of_which_nothing_was_issued_are_unknown() -> None:
    np.testing.assert_equal(known(weather([(1, -1, 5.0, 0)]), START, [-1, 0, 1, 2]), [np.nan, np.nan, 5.0, np.nan])
    np.testing.assert_equal(known(Weather.none(), START, [0, 1]), [np.nan, np.nan])


@given(ROWS, st.integers(-32, 8))
def test_what_is_issued_later_does_not_change_what_was_known(rows: Rows, hour: int) -> None:
    as_of = START + pd.Timedelta(hours=hour)
    whole = History.of(Readings.none(), weather=weather(rows))
    then = whole.until(as_of)
    pd.testing.assert_frame_equal(then.weather.frame, then.until(as_of).weather.frame)
    assert not then.weather.frame["at"].duplicated().any()
    early = weather([row for row in rows if row[0] + row[1] <= hour])
    for told in (whole.weather, then.weather, early):
        np.testing.assert_equal(known(told, as_of, list(range(5))), known(then.weather, as_of, list(range(5))))


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: Rows, random: object) -> None:
    shuffled = rows + rows[:3]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    pd.testing.assert_frame_equal(weather(rows).frame, weather(shuffled).frame)


@given(ROWS)
def test_every_row_ends_in_exactly_one_place(rows: Rows) -> None:
    raw = weather(rows).frame.astype(object)
    raw = pd.concat([raw, raw.head(2), raw.tail(1).assign(temperature_c="warm")], ignore_index=True)
    kept, aside = clean_weather(raw)
    assert len(kept) + len(aside) == len(raw)
    assert aside.frame["detail"].str.len().gt(0).all()


def test_a_history_without_weather_keeps_its_fingerprint() -> None:
    readings = Readings.checked(pd.DataFrame({"bin_id": ["a"], "measured_at": [START], "fill_pct": [5.0]}))
    plain, told = History.of(readings), History.of(readings, weather=weather([(1, -1, 5.0, 0)]))
    assert plain.fingerprint() == History.of(readings, weather=Weather.none()).fingerprint()
    assert plain.fingerprint() != told.fingerprint()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2025-01-01T00:00,2025-01-01T00:00Z,1,0", "naive_time"),
        ("soon,2025-01-01T00:00Z,1,0", "unparsable_time"),
        (",2025-01-01T00:00Z,1,0", "missing_value"),
        ("1960-01-01T00:00Z,,1,0", "impossible_time"),
        ("2025-01-01T00:00Z,,warm,0", "unparsable_value"),
        ("2025-01-01T00:00Z,,1,-2", "impossible_value"),
        ("2025-01-01T00:00Z,,,", "missing_value"),
        ("2025-01-02T03:00Z,2025-01-01T12:00Z,7,0", "repeat"),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    good = [
        "2025-01-02T03:00Z,2025-01-01T12:00Z,8,0",
        "2025-01-02T04:00Z,2025-01-01T12:00Z,6,",
        "2025-01-02T05:00Z,,,0",
    ]
    (tmp_path / "w.csv").write_text("\n".join(["at,issued_at,temperature_c,precipitation_mm", *good, row]))
    (tmp_path / "r.csv").write_text("bin_id,measured_at,fill_pct\na,2025-01-01T00:00Z,5\n")
    read = read_inputs(str(tmp_path / "r.csv"), weather=str(tmp_path / "w.csv"))
    assert read.rejected["weather"].counts() == {reason: 1}
    assert len(read.history.weather) == 3


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("at,temperature_c\n2025-01-01T00:00,1\n", "at without a UTC offset"),
        ("time,temperature_c\n2025-01-01T00:00Z,1\n", "no column at"),
        ("at,humidity\n2025-01-01T00:00Z,1\n", "no column temperature_c or precipitation_mm"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, table: str, said: str) -> None:
    (tmp_path / "w.csv").write_text(table)
    (tmp_path / "r.csv").write_text("bin_id,measured_at,fill_pct\na,2025-01-01T00:00Z,5\n")
    with pytest.raises(InputError) as caught:
        read_inputs(str(tmp_path / "r.csv"), weather=str(tmp_path / "w.csv"))
    assert said in caught.value.found
    assert caught.value.remedy


def test_a_row_without_a_moment_of_issue_was_observed() -> None:
    told = clean_weather(pd.DataFrame({"at": ["2025-01-01T05:00Z"], "precipitation_mm": ["0.4"]}))[0]
    assert told.frame["issued_at"].tolist() == told.frame["at"].tolist()
    assert not told.foretells
    assert weather([(3, -1, 1.0, 0.0)]).foretells

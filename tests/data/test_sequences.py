import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data.history import History
from data.readings import Readings
from data.sequences import HOUR_US, Archive, microsecond, microseconds, ragged, search

START = pd.Timestamp("2025-01-01", tz="UTC")
ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 60), st.integers(0, 8), st.integers(-5, 120)), max_size=40
)
Rows = list[tuple[str, int, int, int]]


def history(rows: Rows) -> History:
    frame = pd.DataFrame(rows, columns=["bin_id", "measured_h", "delay_h", "fill_pct"])
    frame["measured_at"] = START + pd.to_timedelta(frame["measured_h"].astype(float), "h")
    frame["received_at"] = frame["measured_at"] + pd.to_timedelta(frame["delay_h"].astype(float), "h")
    return History.of(Readings.checked(frame))


def moments(*hours: int) -> np.ndarray:
    return np.array([microsecond(START) + hour * HOUR_US for hour in hours])


@given(ROWS, st.integers(0, 70))
def test_a_sequence_holds_what_the_history_knew(rows: Rows, hour: int) -> None:
    whole = history(rows)
    found = Archive.of(whole).sequences(["c", "a"], moments(hour, hour), None)
    known = whole.until(START + pd.Timedelta(hours=hour)).readings.frame
    for k, name in enumerate(["c", "a"]):
        part = slice(found.offsets[k], found.offsets[k + 1])
        mine = known[known["bin_id"] == name]
        np.testing.assert_array_equal(found.measured[part], microseconds(mine["measured_at"]))
        np.testing.assert_array_equal(found.heard[part], microseconds(mine["received_at"]))
        np.testing.assert_array_equal(found.fill[part], mine["fill_pct"].to_numpy() * 1000)


@given(ROWS, st.integers(0, 70), st.integers(0, 70))
def test_an_outage_hides_what_came_in_during_it(rows: Rows, hour: int, heard_by: int) -> None:
    archive = Archive.of(history(rows))
    silent = archive.sequences(["a"], moments(hour), 1.0, moments(min(heard_by, hour)))
    told = archive.sequences(["a"], moments(min(heard_by, hour)), None)
    inside = told.measured >= moments(hour)[0] - 24 * HOUR_US
    np.testing.assert_array_equal(silent.measured, told.measured[inside])
    np.testing.assert_array_equal(silent.fill, told.fill[inside])


@given(ROWS, st.integers(0, 70), st.lists(st.floats(0.01, 3), min_size=2, max_size=2))
def test_each_row_may_reach_back_by_days_of_its_own(rows: Rows, hour: int, days: list[float]) -> None:
    archive, at = Archive.of(history(rows)), moments(hour, hour)
    both = archive.sequences(["a", "b"], at, np.array(days))
    for k, name in enumerate("ab"):
        alone = archive.sequences([name], at[:1], days[k])
        part = slice(both.offsets[k], both.offsets[k + 1])
        np.testing.assert_array_equal(both.measured[part], alone.measured)
        assert (alone.measured >= at[0] - int(days[k] * 24 * HOUR_US)).all()


@given(ROWS)
def test_a_lag_never_crosses_from_one_bin_to_the_next(rows: Rows) -> None:
    found = Archive.of(history(rows)).sequences(["a", "b", "c"], moments(99, 99, 99), None)
    for k in (1, 2, -1, -2):
        expected = pd.Series(found.fill).groupby(found.seq).shift(k).fillna(-1).to_numpy(dtype=np.int64)
        np.testing.assert_array_equal(found.lag(found.fill, k, -1), expected)


@given(ROWS)
def test_first_and_last_readings_are_those_at_the_ends(rows: Rows) -> None:
    found = Archive.of(history(rows)).sequences(["a", "b", "nobody"], moments(99, 99, 99), None)
    filled = found.offsets[1:] > found.offsets[:-1]
    assert found.is_first.sum() == found.is_last.sum() == filled.sum()
    np.testing.assert_array_equal(found.last[filled], np.flatnonzero(found.is_last))
    assert found.last[2] == -1
    assert len(found) == 3


@given(ROWS, st.data())
def test_keeping_some_readings_keeps_every_sequence(rows: Rows, data: st.DataObject) -> None:
    found = Archive.of(history(rows)).sequences(["a", "b", "c"], moments(99, 99, 99), None)
    size = len(found.seq)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=bool)
    kept = found.where(keep)
    assert len(kept) == 3
    np.testing.assert_array_equal(kept.fill, found.fill[keep])
    np.testing.assert_array_equal(np.diff(kept.offsets), np.bincount(found.seq[keep], minlength=3))


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), min_size=1, max_size=5), st.integers(0, 9), st.booleans())
def test_search_by_slice_is_searchsorted_of_each_slice(slices: list[list[int]], sought: int, right: bool) -> None:
    values = np.array([v for part in slices for v in sorted(part)] or [0])
    ends = np.cumsum([len(part) for part in slices])
    begins = ends - np.array([len(part) for part in slices])
    found = search(values, begins, ends, np.full(len(slices), sought), right=right)
    side = "right" if right else "left"
    expected = [b + np.searchsorted(values[b:e], sought, side=side) for b, e in zip(begins, ends, strict=True)]
    assert found.tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=8))
def test_ragged_lays_slices_end_to_end(slices: list[tuple[int, int]]) -> None:
    low, high = (np.array([s[k] for s in slices], dtype=int) for k in range(2))
    rows, owner = ragged(low, high)
    assert rows.tolist() == [i for a, b in slices for i in range(a, b)]
    assert owner.tolist() == [k for k, (a, b) in enumerate(slices) for _ in range(a, b)]


def test_moments_are_microseconds_whatever_their_zone() -> None:
    local = pd.Timestamp("1970-01-01T01:00:00.000001+01:00")
    assert microsecond(local) == 1
    assert microseconds(pd.Series([local, local])).tolist() == [1, 1]

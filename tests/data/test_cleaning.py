import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.bins import Bins
from data.cleaning import Cleaned, clean, clean_bins, clean_emptyings
from data.errors import InputError
from data.tables import READINGS

NOON = "2025-01-01T12:00:00Z"
GARBAGE = st.sampled_from(
    [None, "", " ", "nan", "inf", "-6", "201", "x", "1e999", "2025-13-01T00:00Z", "\u20ac", "1970-01-01T00:00Z"]
)
TIMES = st.sampled_from([f"2025-01-0{d}T0{h}:30:00{z}" for d in (1, 2) for h in range(4) for z in ("Z", "+01:00")])
ROWS = st.tuples(
    st.one_of(st.sampled_from(["a", "b", "c", " a "]), GARBAGE),
    st.one_of(TIMES, GARBAGE),
    st.one_of(st.none(), TIMES),
    st.one_of(st.sampled_from(["0", "10", "10.0", "99.5"]), GARBAGE),
)
TABLES = st.lists(ROWS, max_size=25)


def table(rows: list[tuple[str | None, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["bin_id", "measured_at", "received_at", "fill_pct"], dtype="str")


def one(**values: object) -> Cleaned:
    return clean(pd.DataFrame([{"bin_id": "a", "measured_at": NOON, "fill_pct": 50.0} | values]))


@given(TABLES)
def test_every_row_ends_in_exactly_one_place(rows: list[tuple[str | None, ...]]) -> None:
    done = clean(table(rows), Bins.named(["a", "b"]))
    assert len(done.readings) + len(done.rejected) == len(rows) == done.rows
    assert done.rejected.frame["row"].is_unique
    assert done.rejected.frame["detail"].str.len().gt(0).all()
    assert done.rejected.frame["reason"].notna().all()
    READINGS.validate(done.readings.frame)


@given(TABLES)
def test_cleaning_again_changes_nothing(rows: list[tuple[str | None, ...]]) -> None:
    first = clean(table(rows))
    again = clean(first.readings.frame)
    pd.testing.assert_frame_equal(first.readings.frame, again.readings.frame)
    assert len(again.rejected) == 0


@given(TABLES, st.randoms(use_true_random=False))
def test_shuffled_and_doubled_rows_give_the_same_readings(rows: list[tuple[str | None, ...]], random: object) -> None:
    shuffled = rows + rows[: len(rows) // 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    pd.testing.assert_frame_equal(clean(table(rows)).readings.frame, clean(table(shuffled)).readings.frame)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"fill_pct": -5.1}, "impossible_fill"),
        ({"fill_pct": 200.1}, "impossible_fill"),
        ({"fill_pct": np.inf}, "impossible_fill"),
        ({"fill_pct": "NaN"}, "impossible_fill"),
        ({"fill_pct": None}, "missing_value"),
        ({"fill_pct": "full"}, "unparsable_value"),
        ({"fill_pct": True}, "unparsable_value"),
        ({"bin_id": " "}, "missing_value"),
        ({"measured_at": None}, "missing_value"),
        ({"measured_at": "yesterday"}, "unparsable_time"),
        ({"measured_at": 1735732800}, "unparsable_time"),
        ({"measured_at": "2025-01-01T12:00"}, "naive_time"),
        ({"measured_at": "1970-01-01T00:00:00Z"}, "impossible_time"),
        ({"received_at": "2025-01-01T11:54:59Z"}, "from_the_future"),
        ({"received_at": "soon"}, "unparsable_time"),
        ({"fill_pct": None, "distance_mm": 500}, "no_scale"),
        ({"bin_id": None, "device_id": "d"}, "unknown_device"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_reason(values: dict[str, object], reason: str) -> None:
    done = one(**values)
    assert done.rejected.counts() == {reason: 1}
    assert len(done.readings) == 0


@pytest.mark.parametrize("fill", [-5.0, 0.0, 200.0, "12", " 7.5 "])
def test_the_edges_of_the_range_are_kept(fill: object) -> None:
    assert len(one(fill_pct=fill).readings) == 1


def test_a_clock_five_minutes_ahead_is_forgiven() -> None:
    assert len(one(received_at="2025-01-01T11:55:00Z").readings) == 1


def test_revised_versions_are_kept_and_the_same_value_again_is_a_repeat() -> None:
    rows = [
        ("a", NOON, f"2025-01-01T{hour}:00:00Z", fill)
        for hour, fill in ((13, "10"), (14, "20"), (15, "20"), (16, "10"))
    ]
    done = clean(table(rows))
    assert done.readings.frame["fill_pct"].tolist() == [10, 20, 10]
    assert done.rejected.frame["row"].tolist() == [2]


def test_readings_of_bins_that_the_table_lacks_are_set_aside() -> None:
    done = clean(table([("a", NOON, None, "1"), ("z", NOON, None, "1")]), Bins.named(["a"]))
    assert done.rejected.frame[["row", "reason"]].values.tolist() == [[1, "unknown_bin"]]


def test_distances_become_percent_by_the_device_of_the_time() -> None:
    bins = Bins.checked(
        pd.DataFrame(
            {
                "bin_id": ["a", "a", "b"],
                "timezone": "UTC",
                "device_id": ["d1", "d2", "d1"],
                "valid_from": [None, "2025-02-01T00:00Z", "2025-02-01T00:00Z"],
                "valid_to": ["2025-02-01T00:00Z", None, None],
                "empty_mm": [1000.0, 2000.0, 500.0],
                "full_mm": [200.0, 400.0, 100.0],
            }
        )
    )
    raw = pd.DataFrame(
        {
            "device_id": ["d1", "d2", "d1", "d2"],
            "measured_at": ["2025-01-15T00:00Z", "2025-02-15T00:00Z", "2025-02-15T00:00Z", "2025-01-15T00:00Z"],
            "distance_mm": [600, 1200, 100, 5],
        }
    )
    done = clean(raw, bins)
    assert done.readings.frame[["bin_id", "fill_pct"]].values.tolist() == [["a", 50.0], ["a", 50.0], ["b", 100.0]]
    assert done.rejected.counts() == {"unknown_device": 1}


def test_the_clock_is_the_default_of_received_at() -> None:
    now = pd.Timestamp("2025-01-01T12:10Z")
    raw = table([("a", NOON, None, "1"), ("a", "2025-01-01T12:20:00Z", None, "1")])
    done = clean(raw.drop(columns="received_at"), now=now)
    assert done.readings.frame["received_at"].tolist() == [now]
    assert done.rejected.counts() == {"from_the_future": 1}


def test_a_mistyped_year_is_set_aside_but_no_table_that_lies_ahead_as_a_whole() -> None:
    hours = [(pd.Timestamp.now("UTC") + pd.Timedelta(hours=h)).isoformat() for h in range(-3, 4)]
    rows = [("a", at, None, str(k)) for k, at in enumerate(hours)]
    assert not len(clean(table(rows).drop(columns="received_at")).rejected)
    mistyped = table([*rows, ("a", "2099-01-01T00:00Z", None, "9")]).drop(columns="received_at")
    done = clean(mistyped)
    assert done.rejected.counts() == {"from_the_future": 1}
    assert done.rejected.frame["row"].tolist() == [7]
    assert "2099" in done.rejected.frame["detail"][0]
    old = table([("a", "1991-01-01T00:00Z", None, "9"), *rows[4:]]).drop(columns="received_at")
    assert not len(clean(old).rejected)


def test_unknown_columns_are_named() -> None:
    assert one(colour="green").unknown_columns == ("colour",)


def test_a_missing_column_is_an_error_that_names_the_remedy() -> None:
    with pytest.raises(InputError, match="--map fill_pct=NAME"):
        clean(pd.DataFrame({"bin_id": ["a"], "measured_at": [NOON]}))


def test_a_device_that_left_before_it_came_is_set_aside() -> None:
    raw = pd.DataFrame({"bin_id": ["a", "b"], "timezone": "UTC", "valid_from": "2025-02-01T00:00Z"})
    raw["valid_to"] = ["2025-01-01T00:00Z", "2025-03-01T00:00Z"]
    bins, rejected = clean_bins(raw)
    assert bins.frame["bin_id"].tolist() == ["b"]
    assert rejected.frame["reason"].tolist() == ["impossible_span"]


def test_a_scale_without_length_is_set_aside() -> None:
    raw = pd.DataFrame({"bin_id": ["a", "b"], "timezone": "UTC", "empty_mm": ["100", "900"], "full_mm": ["100", "100"]})
    bins, rejected = clean_bins(raw)
    assert bins.frame["bin_id"].tolist() == ["b"]
    assert rejected.frame["detail"].tolist() == ["empty_mm and full_mm are both 100: no distance tells the fill"]


def test_bad_bins_are_set_aside() -> None:
    raw = pd.DataFrame(
        {
            "bin_id": ["a", "b", "c", None, "a"],
            "timezone": ["UTC", "Mars/X", "UTC", "UTC", "UTC"],
            "full_pct": ["90", "90", "999", "90", "91"],
        }
    )
    bins, rejected = clean_bins(raw)
    assert bins.frame[["bin_id", "full_pct"]].values.tolist() == [["a", 91.0]]
    assert rejected.frame["reason"].tolist() == ["repeat", "unknown_timezone", "impossible_value", "missing_value"]


def test_bad_emptyings_are_set_aside() -> None:
    raw = pd.DataFrame({"bin_id": ["a", "a", "z", "a"], "emptied_at": [NOON, NOON, NOON, "noon"]})
    emptyings, rejected = clean_emptyings(raw, Bins.named(["a"]))
    assert len(emptyings) == 1
    assert rejected.frame["reason"].tolist() == ["repeat", "unknown_bin", "unparsable_time"]


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_a_tenth_of_garbage_leaves_the_good_rows_as_they_were(seed: int) -> None:
    rng = np.random.default_rng(seed)
    good = pd.DataFrame(
        {
            "bin_id": "a",
            "measured_at": pd.date_range("2025-01-01", periods=90, freq="h", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "fill_pct": rng.integers(0, 100, 90).astype(str),
        }
    )
    bad = good.iloc[:10].assign(fill_pct=rng.choice(["", "x", "nan", "1e9"], 10))
    mixed = pd.concat([good, bad]).sample(frac=1, random_state=rng)
    pd.testing.assert_frame_equal(clean(mixed).readings.frame, clean(good).readings.frame)
    assert len(clean(mixed).rejected) == 10

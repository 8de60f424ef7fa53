from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.bins import Bins
from data.cleaning import clean
from data.emptyings import Emptyings
from data.errors import InputError
from data.history import History
from data.readings import Readings
from data.sources import read_table
from data.store import Store, Stored
from data.tables import READINGS
from data.weather import Weather


def at(hour: float) -> pd.Timestamp:
    return pd.Timestamp("2025-01-01", tz="UTC") + pd.Timedelta(hours=hour)


def readings(*rows: tuple[str, float, float, float]) -> Readings:
    columns = ["bin_id", "measured_at", "received_at", "fill_pct"]
    return Readings.checked(pd.DataFrame([(b, at(m), at(r), f) for b, m, r, f in rows], columns=columns))


@pytest.fixture
def sample() -> History:
    rng = np.random.default_rng(7)
    n = 400
    raw = pd.DataFrame(
        {
            "bin_id": rng.choice(["a", "B", "\u017eluva", "a-1"], n),
            "measured_at": [at(h) for h in rng.integers(0, 60, n)],
            "fill_pct": rng.integers(0, 4, n) * 20.0,
            "battery_pct": np.where(rng.random(n) < 0.5, np.nan, 80.0),
        }
    )
    raw["received_at"] = raw["measured_at"] + pd.to_timedelta(rng.integers(0, 9, n), "h")
    emptied = pd.DataFrame(
        {"bin_id": ["a", "a", "B"], "emptied_at": [at(5), at(20), at(7)], "fill_before_pct": [90.0, None, 80.0]}
    )
    bins = pd.DataFrame(
        {
            "bin_id": ["a", "B", "\u017eluva", "a-1"],
            "timezone": "Europe/Prague",
            "capacity_l": [240.0, None, 1100.0, 80.0],
            "device_id": ["d", None, None, None],
            "valid_from": [at(1), None, None, None],
        }
    )
    hours = rng.integers(0, 60, n)
    weather = pd.DataFrame({"at": [at(h) for h in hours], "temperature_c": rng.integers(-5, 30, n).astype(float)})
    weather["issued_at"] = weather["at"] + pd.to_timedelta(rng.integers(-48, 3, n), "h")
    weather["precipitation_mm"] = np.where(rng.random(n) < 0.3, np.nan, 0.5)
    return History(clean(raw).readings, Emptyings.checked(emptied), Bins.checked(bins), Weather.checked(weather))


def same(one: History, other: History) -> None:
    # A column without a value in a window may be there or not.
    columns = list(READINGS.columns)
    mine, theirs = (history.readings.frame.reindex(columns=columns) for history in (one, other))
    pd.testing.assert_frame_equal(mine, theirs, check_dtype=len(mine) > 0)
    pd.testing.assert_frame_equal(one.emptyings.frame, other.emptyings.frame)
    pd.testing.assert_frame_equal(one.bins.frame, other.bins.frame)
    pd.testing.assert_frame_equal(one.weather.frame, other.weather.frame)


def put(store: Store, history: History) -> None:
    store.put_bins(history.bins)
    store.put_readings(history.readings)
    store.put_emptyings(history.emptyings)
    store.put_weather(history.weather)


def test_files_and_store_give_the_same_history(store: Store, sample: History, tmp_path: Path) -> None:
    put(store, sample)
    sample.readings.frame.to_csv(tmp_path / "r.csv.gz", index=False)
    filed = clean(read_table(tmp_path / "r.csv.gz", "readings")).readings
    same(store.history(), sample)
    assert store.history().fingerprint() == sample.fingerprint()
    same(History(filed, sample.emptyings, sample.bins, sample.weather), sample)


@pytest.mark.parametrize("hour", [0, 10.5, 30, 99])
def test_the_store_knows_what_was_known_at_a_moment(store: Store, sample: History, hour: float) -> None:
    put(store, sample)
    same(store.history(until=at(hour)), sample.until(at(hour)))


def test_the_recent_window_of_some_bins_is_that_of_the_files(store: Store, sample: History) -> None:
    put(store, sample)
    same(
        store.history(["a", "B", "nobody"], since=at(20), until=at(50)),
        sample.select(["a", "B"]).since(at(20)).until(at(50)),
    )


def test_the_same_rows_again_change_nothing(store: Store, sample: History) -> None:
    put(store, sample)
    before, versions = store.history(), store.versions()
    assert store.put_readings(sample.readings) == Stored(0, len(sample.readings))
    assert store.put_emptyings(sample.emptyings) == Stored(0, 3)
    assert store.put_bins(sample.bins) == Stored(0, 4)
    assert store.put_weather(sample.weather) == Stored(0, len(sample.weather))
    same(store.history(), before)
    assert store.versions() == versions


@pytest.mark.parametrize("seed", [0, 1])
def test_weather_put_in_any_order_and_parts_is_that_of_the_file(store: Store, sample: History, seed: int) -> None:
    rng = np.random.default_rng(seed)
    told = sample.weather.frame
    corrected = told.assign(temperature_c=told["temperature_c"] + 1)
    rows = pd.concat([told, corrected.iloc[rng.permutation(len(told))[: len(told) // 2]]], ignore_index=True)
    order = rng.permutation(len(rows))
    done = [store.put_weather(Weather.checked(rows.iloc[part])) for part in np.array_split(order, 7)]
    pd.testing.assert_frame_equal(store.weather().frame, Weather.checked(rows).frame)
    assert sum(stored.accepted for stored in done) >= len(told)
    assert store.put_weather(Weather.checked(rows)).accepted == 0
    pd.testing.assert_frame_equal(
        store.weather(at(9), at(20)).frame, store.weather(at(9)).issued_by(at(20)).latest().frame
    )
    assert len(store.history(bare=True).weather) == 0


def test_a_retry_heard_later_is_no_new_version(store: Store) -> None:
    assert store.put_readings(readings(("a", 1, 1, 50))) == Stored(1, 0)
    assert store.put_readings(readings(("a", 1, 2, 50))) == Stored(0, 1)
    assert store.put_readings(readings(("a", 1, 3, 60))) == Stored(1, 0)
    assert store.put_readings(readings(("a", 1, 4, 50))) == Stored(1, 0)
    assert store.history().readings.frame["fill_pct"].tolist() == [50, 60, 50]
    assert store.versions(["a", "b"]) == {"a": 3}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_versions_arriving_in_any_order_give_the_same_history(store: Store, seed: int) -> None:
    rng = np.random.default_rng(seed)
    told = pd.DataFrame(
        {
            "bin_id": rng.choice(["a", "b"], 300),
            "measured_at": [at(hour) for hour in rng.integers(0, 10, 300)],
            "fill_pct": rng.integers(0, 3, 300) * 20.0,
        }
    )
    told["received_at"] = told["measured_at"] + pd.to_timedelta(rng.integers(0, 9, 300), "h")
    posts = told.sample(frac=1, random_state=seed)
    each = posts.groupby(["bin_id", "measured_at"]).cumcount()  # one version of a reading in each post
    for number in range(int(each.max()) + 1):
        store.put_readings(Readings.checked(posts[each == number]))
    same(store.history(), History.of(Readings.checked(told)))


def test_a_late_version_brings_back_the_value_that_was_repeated_after_it(store: Store) -> None:
    assert store.put_readings(readings(("a", 1, 1, 50))) == Stored(1, 0)
    assert store.put_readings(readings(("a", 1, 3, 50))) == Stored(0, 1)
    assert store.versions() == {"a": 1}
    assert store.put_readings(readings(("a", 1, 2, 60))) == Stored(1, 0)
    assert store.history().readings.frame["fill_pct"].tolist() == [50, 60, 50]
    assert store.history(until=at(4)).readings.frame["fill_pct"].tolist() == [50]


@pytest.mark.parametrize("again", [2, 0.5])
def test_a_retried_post_that_we_stamp_anew_is_not_kept(store: Store, again: float) -> None:
    store.put_readings(readings(("a", 1, 1, 50)), stamped=at(1))
    assert store.put_readings(readings(("a", 1, again, 50)), stamped=at(again)) == Stored(0, 1)
    assert store.versions() == {"a": 1}
    store.put_readings(readings(("a", 1, 1.5, 60)))
    assert store.history().readings.frame["fill_pct"].tolist() == [50, 60]


def test_a_bin_version_rises_only_for_bins_that_changed(store: Store) -> None:
    store.put_readings(readings(("a", 1, 1, 50), ("b", 1, 1, 50)))
    store.put_readings(readings(("a", 2, 2, 50), ("b", 1, 1, 50)))
    assert store.versions() == {"a": 2, "b": 1}


def test_putting_a_bin_replaces_what_was_known_of_it(store: Store) -> None:
    store.put_bins(Bins.named(["a", "b"]))
    assert store.put_bins(Bins.named(["a", "b"], "Europe/Prague").select(["a"])) == Stored(1, 0)
    assert store.bins().frame["timezone"].tolist() == ["Europe/Prague", "UTC"]


def test_threads_that_post_the_same_store_it_once(store: Store) -> None:
    batches = [
        readings(*((f"b{b}", h, h, 10 + h % 3) for b in range(20) for h in range(part, part + 6))) for part in (0, 3, 6)
    ]
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(store.put_readings, batches * 4))
    assert sum(stored.accepted for stored in done) == 20 * 12
    assert len(store.history().readings) == 20 * 12


def test_a_failed_put_leaves_nothing(store: Store) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put_readings(readings(("a", 1, 1, 50)), stop)
    assert len(store.history().readings) == 0
    assert store.versions() == {}


def test_what_was_stored_is_there_when_opened_again(store_url: str, sample: History) -> None:
    with Store(store_url) as store:
        put(store, sample)
    with Store(store_url) as store:
        store.ping()
        same(store.history(), sample)


def test_passwords_stay_out_of_messages() -> None:
    with pytest.raises(InputError) as caught:
        Store("postgresql://someone:hunter2@127.0.0.1:1/db")
    assert "hunter2" not in str(caught.value)


def test_what_is_known_of_some_bins_and_devices_is_read_without_the_others(store: Store) -> None:
    assert store.known(["a"], ["d1"]) is None
    at = pd.Timestamp("2026-01-01T00:00Z")
    put = pd.DataFrame({"bin_id": ["a", "b", "c"], "timezone": "UTC", "device_id": ["d1", "d2", None]})
    store.put_bins(Bins.checked(put))
    store.put_readings(Readings.checked(pd.DataFrame({"bin_id": ["heard"], "measured_at": [at], "fill_pct": [1.0]})))
    for bins, devices, expected in (
        ([], ["d1"], ["a"]), (["heard", "nobody"], [], ["heard"]), (["c"], ["d2", "d9"], ["b", "c"]), ([], [], [])
    ):  # fmt: skip
        found = store.known(bins, devices)
        assert found is not None
        assert found.frame["bin_id"].tolist() == expected

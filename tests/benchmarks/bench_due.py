"""How fast /v1/due answers over a city: python tests/benchmarks/bench_due.py [bins] [days of hourly history].

The service's own application and store in this process, asked over ASGI; the model is fit on a few of the bins. Its
memory is that of a worker with MALLOC_ARENA_MAX=2 before the command, as `serving start` sets it.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.bins import Bins
from data.history import History
from data.readings import Readings
from data.store import Store

WARM = 100
AT_ONCE = 4
ROUNDS = 5
NEW = 1_000
FIT_BINS = 20


def hourly(bins: int, days: int, now: pd.Timestamp) -> pd.DataFrame:
    """Hourly readings until `now` of bins that fill at their own pace and are emptied when full."""
    rng = np.random.default_rng(0)
    hours = np.arange(days * 24)
    level = (rng.uniform(0, 100, bins)[:, None] + rng.uniform(0.2, 2.0, bins)[:, None] * hours[None, :]) % 97
    measured = now - pd.to_timedelta(hours[::-1], "h").as_unit("us")
    frame = {
        "bin_id": np.repeat(pd.Series(names(bins), dtype="str"), len(hours)),
        "measured_at": np.tile(measured, bins),
        "fill_pct": np.clip(level + rng.normal(0, 1, level.shape), 0, 100).round().ravel(),
    }
    return pd.DataFrame(frame).reset_index(drop=True)


def names(bins: int) -> list[str]:
    """The bins' ids."""
    return [f"bin-{number:05d}" for number in range(bins)]


def prepare(home: Path, bins: int, days: int, now: pd.Timestamp) -> None:
    """A store with the city and, where the service looks for its champion, a model."""
    from training.model import FillModel
    from training.settings import ModelSettings

    places = pd.DataFrame({"bin_id": names(bins), "timezone": "Europe/Prague", "latitude": 50.0, "longitude": 14.0})
    known = Bins.checked(places.assign(capacity_l=1100.0))
    with Store(f"sqlite:///{home / 'store.db'}") as store:
        store.put_bins(known)
        for start in range(0, bins, 500):
            part = hourly(min(500, bins - start), days, now)
            part["bin_id"] = part["bin_id"].map(dict(zip(names(500), names(bins)[start : start + 500], strict=False)))
            store.put_readings(Readings.checked(part.astype({"bin_id": "str"})))
    few = hourly(FIT_BINS, days, now)
    model = FillModel.fit(
        History.of(Readings.checked(few), None, known.select(names(FIT_BINS))),
        settings=ModelSettings(examples=20_000),  # as many trees as a real one, from fewer examples: as slow to ask
    )
    model.save(home / "model")


def memory_mib() -> float:
    """What the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def timed(client: Any, body: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Seconds, and the answer, of one /v1/due."""
    began = time.perf_counter()
    answer = client.post("/v1/due", json=body)
    took = time.perf_counter() - began
    assert answer.status_code == 200, answer.text
    return took, answer.json()


def told(what: str, seconds: list[float]) -> None:
    """Print p50 and p99 in milliseconds."""
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    print(f"{what}: p50 {p50:,.0f} ms, p99 {p99:,.0f} ms ({len(seconds)} times)", flush=True)


def measure(home: Path, bins: int, now: pd.Timestamp) -> None:
    """Start, first answer, warm answers, answers after new readings, memory; print each."""
    from starlette.testclient import TestClient

    from serving.champion import Champion
    from serving.live import Live
    from serving.service import Brimcast, routes

    champion = Champion.load(home / "model")

    class Loaded:
        """The champion without a registry."""

        def champion(self) -> Champion:
            return champion

        def state(self) -> dict[str, Any]:
            return {"ok": True}

        def registry(self) -> dict[str, Any]:
            return {"ok": True}

    body = {"by": (now + pd.Timedelta(hours=24)).isoformat(), "risk": 0.1}
    with Store(f"sqlite:///{home / 'store.db'}") as store, TestClient(Brimcast.to_asgi()) as client:
        routes.state.live.end()
        live = Live(lambda: store, Loaded())  # type: ignore[arg-type]  # a stand-in
        routes.state.live = live
        print(f"before: {memory_mib():,.0f} MiB", flush=True)
        began, worked = time.perf_counter(), time.process_time()
        live.keep_fresh()
        while client.get("/readyz").status_code != 200:
            time.sleep(0.05)
        print(
            f"first fill of {bins:,} bins, in the background: {time.perf_counter() - began:.1f} s, "
            f"processor time {time.process_time() - worked:.1f} s",
            flush=True,
        )
        live.end()  # from here on only requests make forecasts, so that what is told is what a request costs
        print(f"filled: {memory_mib():,.0f} MiB", flush=True)
        first, answer = timed(client, body)
        print(f"first /v1/due: {first * 1000:,.0f} ms, {len(answer['due']):,} due", flush=True)
        told("/v1/due warm", [timed(client, body)[0] for _ in range(WARM)])
        with ThreadPoolExecutor(AT_ONCE) as pool:
            many = list(pool.map(lambda _: timed(client, body)[0], range(WARM)))
        told(f"/v1/due warm, {AT_ONCE} clients at once", many)
        one = {"bin_ids": names(1), "horizons_h": [6, 24, 72]}
        alone = []
        for _ in range(WARM):
            began = time.perf_counter()
            assert client.post("/v1/forecast", json=one).status_code == 200
            alone.append(time.perf_counter() - began)
        told("/v1/forecast of one bin, warm", alone)
        rng = np.random.default_rng(1)
        after, put, worked = [], [], time.process_time()
        for _ in range(ROUNDS):
            some = rng.choice(bins, min(NEW, bins), replace=False).tolist()
            at = live.now().isoformat()
            rows = [{"bin_id": names(bins)[i], "measured_at": at, "fill_pct": 50.0} for i in some]
            began = time.perf_counter()
            assert client.post("/v1/readings", json={"readings": rows}).json()["accepted"] == len(rows)
            put.append(time.perf_counter() - began)
            after.append(timed(client, body)[0])
        told(f"POST of {min(NEW, bins):,} readings of as many bins", put)
        told("/v1/due after them", after)
        print(
            f"    processor time of both: {(time.process_time() - worked) / ROUNDS * 1000:,.0f} ms a round", flush=True
        )
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"memory: {memory_mib():,.0f} MiB now, {most:,.0f} MiB at most, the preparation apart", flush=True)
        print(f"load of the machine: {os.getloadavg()[0]:.1f}, cores: {os.cpu_count()}")


def main() -> None:
    """Prepare in a child process, so that its memory is not counted here; then measure."""
    bins = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    days = int(sys.argv[2]) if len(sys.argv) > 2 else 35
    now = pd.Timestamp.now("UTC").floor("h").as_unit("us")
    with tempfile.TemporaryDirectory(prefix="bench-due-") as folder:
        os.environ |= {"BRIMCAST_HOME": folder, "BRIMCAST_REGISTRY_EVERY_S": "0"}
        began = time.perf_counter()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                prepare(Path(folder), bins, days, now)
                code = 0
            finally:
                os._exit(code)
        if os.waitpid(child, 0)[1]:
            raise SystemExit("the city could not be prepared")
        print(
            f"{bins:,} bins, {days} days of hourly readings: prepared in {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        measure(Path(folder), bins, now)


if __name__ == "__main__":
    main()

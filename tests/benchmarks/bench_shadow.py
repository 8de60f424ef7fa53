"""What recording, scoring and a shadow cost the answers: python tests/benchmarks/bench_shadow.py [s] [rounds].

Two real servers of one worker by turns, on the same city: one that records nothing, and one that records every bin and
has forecasts scored and the challenger asked all the time, as soon as it is done again. Each is asked with wrk over 8
connections (forecasts that are kept), then one question at a time, each after a new reading of its bin (forecasts that
are made). Needs wrk: apt-get install wrk.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd

from data.bins import Bins
from data.city_settings import CitySettings
from data.given import CHAMPION, Given
from data.settings import Settings
from data.simulation import simulate
from data.store import Store
from serving.champion import fetch
from serving.demo import beginning
from serving.server import Server
from tests.benchmarks.bench_forecast import asked
from training.candidate import fit_candidate
from training.inputs import read_history
from training.registry import NAME, enter
from training.settings import ModelSettings
from training.tracking import log

BINS, DAYS, FRESH = 50, 60, 60
OFF = {"BRIMCAST_RECORD_SHARE": "0", "BRIMCAST_SHADOW": "false", "BRIMCAST_SCORE_EVERY_S": "0"}
ON = {"BRIMCAST_RECORD_SHARE": "1", "BRIMCAST_SHADOW": "true", "BRIMCAST_SCORE_EVERY_S": "1"}


def prepare(settings: Settings) -> None:
    """A registry with champion and challenger, and a store with 60 days and forecasts given four hours apart."""
    now = pd.Timestamp.now("UTC").as_unit("us")
    plan = CitySettings(bins=BINS, days=DAYS, start=beginning(now.to_pydatetime(), DAYS))
    with tempfile.TemporaryDirectory() as folder:
        simulate(plan, np.random.default_rng(0)).write(Path(folder))
        found = read_history(f"{folder}/readings.parquet", f"{folder}/bins.csv").history.until(now)
    start = now - pd.Timedelta(days=7)
    how = ModelSettings(examples=40_000)
    candidate = fit_candidate(found, "simulated", until=start, evaluate=False, settings=how)
    for _ in range(2):
        enter(log(candidate, NAME, settings), settings)
    fetch(settings)
    rows = [
        (bin_id, start + pd.Timedelta(hours=4 * k), h)
        for bin_id in found.bins.unique.index
        for k in range(42)
        for h in (6, 24)
    ]
    windows = pd.DataFrame(rows, columns=["bin_id", "as_of", "h"]).astype({"as_of": "datetime64[us, UTC]"})
    windows["at"] = windows["as_of"] + pd.to_timedelta(windows.pop("h"), unit="h")
    made = candidate.model.forecast_windows(found, windows)
    with Store(settings.store) as store:
        store.put(found.readings, bins=Bins(found.bins.frame))
        store.put_given(Given.of(made, np.full(len(made), 95.0), CHAMPION, NAME, "1", now))


def fresh(url: str) -> dict[str, float]:
    """p50 and p99, in milliseconds, of forecasts each after a new reading of its bin."""
    took = []
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        for k in range(FRESH):
            bin_id, at = f"bin-{k % BINS + 1:04d}", pd.Timestamp.now("UTC").isoformat()
            row = {"bin_id": bin_id, "measured_at": at, "fill_pct": 50.0 + k % 3}
            client.post("/v1/readings", json={"readings": [row]}).raise_for_status()
            began = time.perf_counter()
            client.post("/v1/forecast", json={"bin_ids": [bin_id]}).raise_for_status()
            took.append(1000 * (time.perf_counter() - began))
    return {"p50": float(np.quantile(took, 0.5)), "p99": float(np.quantile(took, 0.99))}


def measured(settings: Settings, how: dict[str, str], seconds: float) -> dict[str, float]:
    """Latencies of one server."""
    os.environ.update(how)
    with Server(settings) as server:
        server.wait_ready()
        time.sleep(5)
        body, script = {"bin_ids": ["bin-0001"], "horizons_h": [6, 24, 72]}, settings.home / "ask.lua"
        asked(f"{server.url}/v1/forecast", body, 2, script)  # warm
        kept = asked(f"{server.url}/v1/forecast", body, seconds, script)
        made = fresh(server.url)
    return {
        f"{kind} {name}": found[name] for kind, found in (("kept", kept), ("made", made)) for name in ("p50", "p99")
    }


def main(seconds: float = 10, rounds: int = 3) -> None:
    """Print both servers' latencies by turns, and the ratios of their medians."""
    with tempfile.TemporaryDirectory(prefix="bench-shadow-") as folder:
        settings = Settings(home=Path(folder))
        prepare(settings)
        os.environ["BRIMCAST_REGISTRY_EVERY_S"] = "0"
        found: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
        for _ in range(rounds):
            for name, how in (("without", OFF), ("with", ON)):
                found[name].append(measured(settings, how, seconds))
                print(name, ", ".join(f"{what} {ms:.1f} ms" for what, ms in found[name][-1].items()), flush=True)
        for what in found["with"][0]:
            of, to = (statistics.median(one[what] for one in found[name]) for name in ("with", "without"))
            print(f"{what}: {of / to:.2f} times ({to:.1f} ms without, {of:.1f} ms with)")
        print(f"load of the machine: {os.getloadavg()[0]:.1f}, cores: {os.cpu_count()}")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3]))

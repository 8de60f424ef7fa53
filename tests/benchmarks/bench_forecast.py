"""How fast /v1/forecast of one bin answers, beside an echo: python tests/benchmarks/bench_forecast.py [s] [rounds].

A real server of one worker, asked with wrk over 8 connections; the two by turns, so that a busy machine slows both. The
echo is an endpoint of the same service (tests/benchmarks/echo_service.py). Needs wrk: apt-get install wrk.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from data.bins import Bins
from data.city_settings import CitySettings
from data.history import History
from data.settings import Settings
from data.simulation import simulate
from data.store import Store
from serving import server as server_module
from serving.demo import beginning
from serving.server import Server

CONNECTIONS = 8
BINS, DAYS = 50, 60
KEPT = pd.Timedelta(days=14)
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
ECHO = "tests.benchmarks.echo_service:Echoing"


def prepare(settings: Settings) -> None:
    """A model fitted on a simulated city, and a store that knows the last 14 days of it, hour by hour."""
    from training.model import FillModel
    from training.settings import ModelSettings

    now = pd.Timestamp.now("UTC").as_unit("us")
    plan = CitySettings(bins=BINS, days=DAYS, start=beginning(now.to_pydatetime(), DAYS))
    with tempfile.TemporaryDirectory() as folder:
        simulate(plan, np.random.default_rng(0)).write(Path(folder))
        from training.inputs import read_history

        found = read_history(f"{folder}/readings.parquet", f"{folder}/bins.csv").history.until(now)
    model = FillModel.fit(found, settings=ModelSettings(examples=40_000))
    model.save(settings.home / "models" / "brimcast" / "1")
    note = {"name": "brimcast", "version": 1, "run_id": "none"}
    (settings.home / "models" / "brimcast" / "1" / "registered.json").write_text(json.dumps(note))
    (settings.home / "models" / "brimcast" / "champion.txt").write_text("1")
    recent: History = found.since(now - KEPT)
    with Store(settings.store) as store:
        store.put(recent.readings, bins=Bins(found.bins.frame))


def asked(url: str, body: object, seconds: float, script: Path) -> dict[str, float]:
    """What wrk finds: p50 and p99 in milliseconds, and requests a second. Any answer but 200 ends the benchmark."""
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = [==[{json.dumps(body)}]==]\n"
    )
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--latency", "-s", str(script), url]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(told)
    found = {f"p{p}": float(n) * UNITS[unit] for p, n, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", told)}
    [rate] = re.findall(r"Requests/sec:\s+([\d.]+)", told)
    return found | {"rate": float(rate)}


def main(seconds: float = 10, rounds: int = 3) -> None:
    """Print p50 and p99 of both by turns, and their ratios."""
    with tempfile.TemporaryDirectory(prefix="bench-forecast-") as folder:
        home = Path(folder)
        settings = Settings(home=home, store=f"sqlite:///{home / 'store.db'}")
        prepare(settings)
        os.environ["BRIMCAST_REGISTRY_EVERY_S"] = "0"
        server_module.SERVICE = ECHO
        body = {"bin_ids": ["bin-0001"], "horizons_h": [6, 24, 72]}
        with Server(settings) as server:
            server.wait_ready()
            ratios: dict[str, list[float]] = {"p50": [], "p99": []}
            for path in ("/v1/echo", "/v1/forecast"):
                asked(f"{server.url}{path}", body, 2, home / "ask.lua")  # warm
            for _ in range(rounds):
                both = {
                    path: asked(f"{server.url}{path}", body, seconds, home / "ask.lua")
                    for path in ("/v1/echo", "/v1/forecast")
                }
                for path, found in both.items():
                    print(
                        f"{path}: p50 {found['p50']:.1f} ms, p99 {found['p99']:.1f} ms, {found['rate']:,.0f} requests/s"
                    )
                for name, kept in ratios.items():
                    kept.append(both["/v1/forecast"][name] / both["/v1/echo"][name])
            for name, kept in ratios.items():
                print(
                    f"forecast to echo, {name}: {statistics.median(kept):.1f} times ({min(kept):.1f}-{max(kept):.1f})"
                )
            print(f"load of the machine: {os.getloadavg()[0]:.1f}, cores: {os.cpu_count()}")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]), *map(int, sys.argv[2:3]))

"""How long a fit and a forecast take, and how much memory: python tests/benchmarks/bench_model.py [bins ...].

Hourly readings of 180 days; the forecast has all quantiles at 72 hourly moments of every bin. Several sizes print the
growth from one to the next; each runs in a process of its own, so that memory is its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

DAYS = 180
REPEATS = 3


def measure(bins: int) -> tuple[float, float, float]:
    """Seconds of a fit, best seconds of a forecast, and the peak memory in GiB."""
    from data.city_settings import CitySettings
    from data.simulation import simulate
    from training.grid import LEARNED
    from training.inputs import read_history
    from training.model import FillModel

    with tempfile.TemporaryDirectory() as folder:
        simulate(CitySettings(bins=bins, days=DAYS), np.random.default_rng(0)).write(Path(folder))
        history = read_history(f"{folder}/readings.parquet", f"{folder}/bins.csv").history
    end = history.readings.frame["received_at"].max()
    print(f"{bins:,} bins, {len(history.readings):,} readings", flush=True)
    begin = time.perf_counter()
    model = FillModel.fit(history, until=end)
    fitted = time.perf_counter() - begin
    print(f"  fit {fitted:.1f} s", flush=True)
    recent = history.since(end - pd.Timedelta(days=FillModel.HISTORY_DAYS))
    moments = [end + pd.Timedelta(hours=h) for h in range(1, 73)]
    taken = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        forecast = model.forecast(recent, end)
        described = time.perf_counter() - begin
        values = np.stack([forecast.quantiles(LEARNED, at) for at in moments])
        taken.append(time.perf_counter() - begin)
        print(f"  forecast {values.shape} in {taken[-1]:.2f} s, {described:.2f} s of it before the moments", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"  peak memory {peak:.2f} GiB", flush=True)
    return fitted, min(taken), peak


def main() -> None:
    """Measure each size in a process of its own and print the growth."""
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        print(*measure(int(sys.argv[2])))
        return
    sizes = [int(size) for size in sys.argv[1:]] or [500, 2000]
    before: tuple[int, list[float]] | None = None
    for size in sizes:
        command = [sys.executable, __file__, "--one", str(size)]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(told.rstrip().rpartition("\n")[0], flush=True)
        measured = [float(word) for word in told.split()[-3:]]
        if before:
            growth = [new / old for new, old in zip(measured, before[1], strict=True)]
            print(f"  {size / before[0]:.1f} times the bins: fit x{growth[0]:.2f}, forecast x{growth[1]:.2f}, ", end="")
            print(f"memory x{growth[2]:.2f}", flush=True)
        before = size, measured


if __name__ == "__main__":
    main()

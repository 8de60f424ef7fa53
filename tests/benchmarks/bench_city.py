"""How long a simulated city takes, and how much memory: python tests/benchmarks/bench_city.py [bins] [days]."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from data.city_settings import CitySettings
from data.simulation import simulate


def main(bins: int = 1000, days: int = 365) -> None:
    """Simulate and write one city; print seconds, megabytes and rows."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        simulation = simulate(CitySettings(bins=bins, days=days), np.random.default_rng(0))
        simulated = time.perf_counter()
        simulation.write(Path(folder))
        written = time.perf_counter()
        size_mb = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 1e6
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{bins} bins x {days} days: {int(simulation.reports.kept.sum()):,} readings")
    print(f"simulate {simulated - began:.1f} s, write {written - simulated:.1f} s ({size_mb:.0f} MB)")
    print(f"peak memory {peak_gb:.2f} GB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

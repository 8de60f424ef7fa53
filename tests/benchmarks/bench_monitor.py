"""How often `monitor` cries wolf, and whether it sees what it should: drift on simulated cities that go on as before.

python tests/benchmarks/bench_monitor.py
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.city_settings import CitySettings
from data.history import History
from data.readings import Readings
from data.simulation import simulate
from training.inputs import read_history
from training.monitor_settings import MonitorSettings
from training.monitoring import OK, RETRAIN, drift_checks

DAY = pd.Timedelta(days=1)
SIZES, SEEDS, TRAINED_DAYS, WATCHED_DAYS = (12, 40), range(100, 112), 60, (7, 14, 28, 42)


def main() -> None:
    """Print every check that is not ok, and both counts."""
    rule, spans, alarms, seen = MonitorSettings(), 0, 0, 0
    for bins in SIZES:
        for seed in SEEDS:
            history = city(bins, seed)
            trained = (history.readings.frame["measured_at"].min() + TRAINED_DAYS * DAY).floor("D")
            for days in WATCHED_DAYS:
                at = trained + days * DAY
                checks = drift_checks(history.until(at), trained, at, rule, np.random.default_rng(0))
                wrong = [check for check in checks if check.outcome != OK]
                spans, alarms = spans + 1, alarms + bool(wrong)
                for check in wrong:
                    print(f"{bins} bins, seed {seed}, {days} days: {check.outcome}: {check.words}")
            at = trained + 7 * DAY
            silent = half_silent(history, trained).until(at)
            seen += drift_checks(silent, trained, at, rule, np.random.default_rng(0))[0].outcome == RETRAIN
    print(f"{alarms} of {spans} healthy spans are called drift")
    print(f"half of the bins falling silent is seen within a week in {seen} of {len(SIZES) * len(SEEDS)} cities")


def city(bins: int, seed: int) -> History:
    """A simulated city's history."""
    plan = CitySettings(bins=bins, days=TRAINED_DAYS + max(WATCHED_DAYS) + 1)
    with tempfile.TemporaryDirectory() as folder:
        simulate(plan, np.random.default_rng(seed)).write(Path(folder))
        return read_history(f"{folder}/readings.parquet", f"{folder}/bins.csv").history


def half_silent(history: History, since: pd.Timestamp) -> History:
    """The same without the readings of every second bin from a moment on."""
    frame = history.readings.frame
    heard = frame["bin_id"].isin(history.bins.frame["bin_id"][::2]) | (frame["measured_at"] < since)
    return replace(history, readings=Readings(frame[heard].reset_index(drop=True)))


if __name__ == "__main__":
    main()

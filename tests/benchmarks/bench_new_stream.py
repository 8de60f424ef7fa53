"""How a stream that no training has seen is forecast: python tests/benchmarks/bench_new_stream.py [examples] [streams].

On held-out months of Prague (../shared/data), before its test period: fitted without the bins of one stream, asked
about them. CRPS by horizon of the model, of persistence, the 28-day rate and the plain boosters; and of the model on
the streams that it knows.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd

from data.history import History
from data.readings import Readings
from training.baselines import baseline
from training.inputs import read_history
from training.labels import asks, label
from training.model import FillModel
from training.practice import known_by
from training.scores import score
from training.settings import ModelSettings

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data"
START, STOP = pd.Timestamp("2024-10-01T00:00Z"), pd.Timestamp("2025-02-01T00:00Z")
HORIZONS_H = (6, 12, 24, 48, 72)
EVERY = pd.Timedelta(hours=11)
BASELINES = ("persistence", "rate-28d", "lgb-quantile")


def main(examples: int = 50_000, *left_out: str) -> None:
    """Print the scores of each stream that is left out, by default of all."""
    whole = read_history(str(FOLDER / "prague_readings.parquet"), str(FOLDER / "prague_bins.csv")).history
    history, _ = known_by(whole, STOP)
    windows = label(history.readings, asks(history.readings, START, STOP, EVERY, HORIZONS_H), history.emptyings)
    streams = history.bins.unique["stream"]
    of_window = windows["bin_id"].map(streams).to_numpy()
    how = ModelSettings(country="CZ", examples=examples)

    def show(name: str, forecasts: pd.DataFrame, part: pd.DataFrame) -> None:
        print(f"{name:>24}  {score(part, forecasts)['crps'].round(2).to_dict()}", flush=True)

    for stream in left_out or sorted(set(of_window)):
        frame = history.readings.frame
        others = frame[(frame["bin_id"].map(streams) != stream).to_numpy()].reset_index(drop=True)
        known = History(Readings.checked(others), history.emptyings, history.bins)
        model = FillModel.fit(known, until=START, settings=how)
        print(f"fitted without {stream}")
        for name in sorted(set(of_window)):
            part = windows[of_window == name].reset_index(drop=True)
            show(f"model, {name}", model.forecast_windows(history, part), part)
        part = windows[of_window == stream].reset_index(drop=True)
        for name in BASELINES:
            show(name, baseline(name).fit(known, START).forecast_windows(history, part), part)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *sys.argv[2:])

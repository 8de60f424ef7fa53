"""What a weather table is worth: python tests/benchmarks/bench_weather.py [bins] [days] [examples].

Cities whose deposits the weather drives three times as strongly as by default, not at all, and as by default. The model
is fitted without the table and with it, on all but the last 30 days, and asked every 11 hours of these. CRPS as
`training.backtest` scores it. `withdrawn` is the model that learned with the table and is asked without it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd

from data.city_settings import CitySettings
from data.history import History
from data.simulation import simulate_to
from data.weather import Weather
from training.backtest import backtest
from training.inputs import read_history
from training.model import FillModel
from training.settings import ModelSettings

SEEDS = (21, 22)
EFFECTS = (3.0, 0.0, 1.0)
TEST_DAYS = 30
EVERY_H = 11
HORIZONS_H = (6, 12, 24, 48, 72)


def city(bins: int, days: int, seed: int, effect: float) -> History:
    """What a user would have of a simulated city."""
    settings = CitySettings(weather_effect=effect)
    with tempfile.TemporaryDirectory() as folder:
        simulate_to(Path(folder), bins=bins, days=days, seed=seed, settings=settings)
        weather = f"{folder}/weather.parquet"
        return read_history(f"{folder}/readings.parquet", f"{folder}/bins.csv", weather=weather).history


def crps(history: History, days: int, examples: int) -> pd.DataFrame:
    """CRPS and 80% coverage by what was known of the weather, rows by horizon."""
    start = history.readings.frame["measured_at"].min().floor("D") + pd.Timedelta(days=days - TEST_DAYS)
    told = {"without": Weather.none(), "with": history.weather}
    how = ModelSettings(examples=examples)
    scores = {}
    for name, weather in told.items():
        model = FillModel.fit(replace(history, weather=weather), until=start, settings=how)
        heard = {name: weather, "withdrawn": Weather.none()} if name == "with" else {name: weather}
        for asked, known in heard.items():
            result = backtest(
                {asked: model},
                replace(history, weather=known),
                start=start,
                every=pd.Timedelta(hours=EVERY_H),
                horizons_h=HORIZONS_H,
            )
            scores[asked] = result.scorecard(by=()).set_index("horizon_h")[["crps", "cover80"]]
    return pd.concat(scores, axis=1)


def main(bins: int = 60, days: int = 180, examples: int = 20_000) -> None:
    """Print CRPS as a share of that without the table, by city, effect and horizon."""
    ratios = {}
    for seed in SEEDS:
        for effect in EFFECTS:
            scores = crps(city(bins, days, seed, effect), days, examples)
            share = scores.xs("crps", axis=1, level=1)
            print(f"\nseed {seed}, effect {effect:g}\n{scores.round(3).to_string()}", flush=True)
            ratios[effect, seed] = share.div(share["without"], axis=0).loc["overall"]
    table = pd.DataFrame(ratios).T.rename_axis(["effect", "seed"])
    print(f"\nCRPS over that without the table\n{table.round(4).to_string()}")
    print(f"\nmean\n{table.groupby('effect').mean().round(4).to_string()}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

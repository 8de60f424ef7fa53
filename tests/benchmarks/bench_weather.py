"""What a weather table is worth: python tests/benchmarks/bench_weather.py [expected | crps] [bins] [days] [seeds].

Cities whose deposits the weather drives three times as strongly as by default, as by default, and not at all.
`expected` (seconds a city) holds the rise that is expected, with and without the table, against the rises of the last
three months, of which nothing was learned: mean absolute errors, weighted as they are fitted, as a ratio. `crps`
(minutes a city) fits the model without and with the table and scores both on the last 30 days as `training.backtest`
does; `withdrawn` is the one that learned with the table and is asked without it. One month of one city's weather is
little: moods that all its bins share go with the weather by chance, as far as the weather itself drives them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from data.city_settings import CitySettings
from data.history import History
from data.sequences import HOUR_US
from data.simulation import simulate_to
from data.weather import Weather
from training.backtest import backtest
from training.curriculum import plan
from training.elasticities import Elasticities
from training.examples import learn_examples
from training.grid import NEAR_H
from training.inputs import read_history
from training.model import FillModel
from training.practice import known_by
from training.settings import ModelSettings

FIRST_SEED = 21
EFFECTS = (3.0, 1.0, 0.0)
HELD_DAYS, TEST_DAYS = 90, 30
EVERY_H = 11
HORIZONS_H = (6, 12, 24, 48, 72)
FAR_H = 24


def city(bins: int, days: int, seed: int, effect: float) -> History:
    """What a user would have of a simulated city."""
    settings = CitySettings(weather_effect=effect)
    with tempfile.TemporaryDirectory() as folder:
        simulate_to(Path(folder), bins=bins, days=days, seed=seed, settings=settings)
        weather = f"{folder}/weather.parquet"
        return read_history(f"{folder}/readings.parquet", f"{folder}/bins.csv", weather=weather).history


def expected(history: History, days: int) -> dict[str, float]:
    """The error of what is expected with the table, over that without: of all horizons, and from a day on."""
    past, end = known_by(history, None)
    lesson = plan(past, end, ModelSettings(examples=8_000), np.random.default_rng(0))
    code = pd.factorize(lesson.asks.streams)[0]
    none = np.zeros(0, dtype=np.int64)
    examples = learn_examples(
        past, lesson.asks, lesson.table, lesson.resistance, lesson.seasons, code, NEAR_H[1:], none, 1, lambda _: None
    )
    day = (examples.as_of - examples.as_of.min()) / (24 * HOUR_US)
    until = days - HELD_DAYS
    found = Elasticities.learn(examples.take(np.flatnonzero(day < until)), len(lesson.profiles.bin_ids_))
    held = examples.take(np.flatnonzero(day >= until + 3))  # the last windows learned from end three days later
    hope, pace = held.features.column("expected_pace_pct"), held.features.column("pace_672h")
    more = found.more(held.features.column("bin").astype(int), held.weather, pace)
    weight = np.where(held.features.level + hope < 100, 1 / (4 + 2 * hope + 0.1 * hope**2), 0)
    plain, told = weight * np.abs(held.rise - hope), weight * np.abs(held.rise - np.maximum(hope + more, 0))
    far = held.horizon_h >= FAR_H
    return {"all": told.sum() / plain.sum(), f"from {FAR_H} h": told[far].sum() / plain[far].sum()}


def crps(history: History, days: int) -> dict[str, float]:
    """CRPS of the model with the table, and with it withdrawn, over that of the model without."""
    start = history.readings.frame["measured_at"].min().floor("D") + pd.Timedelta(days=days - TEST_DAYS)
    bare = replace(history, weather=Weather.none())
    how = ModelSettings(examples=20_000)
    models = {name: FillModel.fit(known, until=start, settings=how) for name, known in (("", bare), ("with", history))}
    asked = {"without": (models[""], bare), "with": (models["with"], history), "withdrawn": (models["with"], bare)}
    every = pd.Timedelta(hours=EVERY_H)
    scores = {
        name: backtest({name: model}, known, start=start, every=every, horizons_h=HORIZONS_H)
        .scorecard(by=())
        .set_index("horizon_h")["crps"]["overall"]
        for name, (model, known) in asked.items()
    }
    return {name: scores[name] / scores["without"] for name in ("with", "withdrawn")}


def main(kind: str = "expected", bins: int = 40, days: int = 240, seeds: int = 6) -> None:
    """Print the ratios by effect and city, and their means; below 1 the table gains."""
    measure = {"expected": expected, "crps": crps}[kind]
    rows = {}
    for effect in EFFECTS:
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            rows[effect, seed] = measure(city(bins, days, seed, effect), days)
            told = ", ".join(f"{name} {ratio:.4f}" for name, ratio in rows[effect, seed].items())
            print(f"effect {effect:g}, seed {seed}: {told}", flush=True)
    table = pd.DataFrame(rows).T.rename_axis(["effect", "seed"])
    print(f"\nmean\n{table.groupby('effect').mean().round(4).to_string()}")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:]))

"""How far forecasts are from the oracle's: python tests/benchmarks/bench_oracle.py [bins] [days] [examples].

Three cities, each with three sizes of sensor noise; the last 30 days are forecast every 11 hours. Scored against the
true level, so that what is left is the forecaster's own. The `heard` windows are those without an emptying between the
newest reading and `as_of`: of such a one no sensor can know. The oracle foretells what happens if nobody comes, as
the model's `values` do (`if nobody comes`); its table is of windows left alone, as readings tell them or (`emptyings
reported`) as a fit that was told every emptying knows them. `level as heard` knows the true rates too, but of the level
only what the model tells from the readings: what the sensors cost.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from data.emptyings import Emptyings
from data.history import History
from data.oracle import foretell
from data.simulation import CitySettings, Simulation, simulate
from training.baselines import baseline
from training.inputs import read_history
from training.labels import asks, label
from training.model import FillModel
from training.scores import score
from training.settings import ModelSettings

SEEDS = (11, 12, 13)
NOISES_PCT = (1.0, 2.0, 4.0)
TEST_DAYS = 30
EVERY_H = 11
HORIZONS_H = (6, 12, 24, 48, 72)
BASELINES = ("hour-of-week", "lgb-quantile")
NOBODY = "model, if nobody comes"
TABLE, REPORTED = "model's table", "its table, emptyings reported"
TODAY = "oracle, today's shock known"
HEARD = "oracle, level as heard"
NORMAL_90 = 1.2816


def heard(simulation: Simulation, *, reported: bool = False) -> History:
    """What a user would have of the city; with every emptying where they are `reported`."""
    with tempfile.TemporaryDirectory() as folder:
        simulation.write(Path(folder))
        emptyings = f"{folder}/truth/emptyings.csv" if reported else None
        return read_history(f"{folder}/readings.parquet", f"{folder}/bins.csv", emptyings).history


def true_windows(simulation: Simulation, history: History, start: pd.Timestamp) -> pd.DataFrame:
    """Every window from `start` on that can be scored, with the true level as `y`."""
    end = pd.Timestamp(simulation.settings.start) + pd.Timedelta(hours=simulation.settings.hours - 1)
    emptied = simulation.true_emptyings.drop(columns="partial")
    emptyings = Emptyings.checked(emptied.assign(received_at=emptied["emptied_at"], source="reported", probability=1.0))
    questions = asks(history.readings, start, end, pd.Timedelta(hours=EVERY_H), HORIZONS_H)
    return label(history.readings, questions, emptyings, simulation.true_levels)


def unheard(simulation: Simulation, history: History, windows: pd.DataFrame) -> np.ndarray:
    """(m,) whether the bin was emptied between the newest reading heard at `as_of` and `as_of`."""
    told = history.readings.frame.sort_values("received_at", kind="stable")
    told = told.assign(newest=told.groupby("bin_id")["measured_at"].cummax())[["bin_id", "received_at", "newest"]]
    emptied = simulation.true_emptyings[["bin_id", "emptied_at"]].astype({"emptied_at": "datetime64[us, UTC]"})
    rows = windows[["bin_id", "as_of"]].assign(row=np.arange(len(windows))).sort_values("as_of", kind="stable")
    rows = pd.merge_asof(rows, told, left_on="as_of", right_on="received_at", by="bin_id")
    emptied = emptied.sort_values("emptied_at")
    rows = pd.merge_asof(rows, emptied, left_on="as_of", right_on="emptied_at", by="bin_id").sort_values("row")
    return (rows["emptied_at"] > rows["newest"]).to_numpy()


def as_heard(model: FillModel, history: History, windows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Median and standard deviation (m,) of the level at each window's `as_of`, as the model tells it from readings."""
    asked = windows[["bin_id", "as_of"]].drop_duplicates().assign(at=lambda pair: pair["as_of"])
    now = model.forecast_windows(history, asked, unattended=True)
    now["deviation"] = (now["q90"] - now["q10"]) / (2 * NORMAL_90)
    told = windows[["bin_id", "as_of"]].merge(now, on=["bin_id", "as_of"], how="left")
    return told["q50"].to_numpy(float), told["deviation"].to_numpy(float)


def forecasts(
    simulation: Simulation, history: History, windows: pd.DataFrame, start: pd.Timestamp, how: ModelSettings
) -> dict[str, pd.DataFrame]:
    """What each forecaster says to the windows, the oracle first."""
    model = FillModel.fit(history, until=start, settings=how)
    reported = heard(simulation, reported=True)
    made = {
        "oracle": foretell(simulation, windows, np.random.default_rng(0)),
        TODAY: foretell(simulation, windows, np.random.default_rng(0), knows_today=True),
        HEARD: foretell(simulation, windows, np.random.default_rng(0), told=as_heard(model, history, windows)),
        NOBODY: model.forecast_windows(history, windows, unattended=True),
        TABLE: model.forecast_windows(history, windows),
        REPORTED: FillModel.fit(reported, until=start, settings=how).forecast_windows(reported, windows),
    }
    return made | {name: baseline(name).fit(history, start).forecast_windows(history, windows) for name in BASELINES}


def ratios(windows: pd.DataFrame, said: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """CRPS, coverage, and the ratio of the CRPS to the oracle's; by forecaster and horizon."""
    scores = {name: score(windows, one)[["crps", "cover80"]] for name, one in said.items()}
    limit = scores["oracle"]["crps"]
    return pd.concat({name: part.assign(ratio=part["crps"] / limit) for name, part in scores.items()})


def main(bins: int = 60, days: int = 150, examples: int = 40_000) -> None:
    """Print CRPS and its ratio to the oracle's by city, noise and horizon."""
    tables = []
    for seed in SEEDS:
        for noise_pct in NOISES_PCT:
            settings = CitySettings(bins=bins, days=days, noise_pct=noise_pct)
            simulation = simulate(settings, np.random.default_rng(seed))
            start = pd.Timestamp(settings.start) + pd.Timedelta(days=days - TEST_DAYS)
            history = heard(simulation)
            windows = true_windows(simulation, history, start)
            said = forecasts(simulation, history, windows, start, ModelSettings(examples=examples))
            deaf = unheard(simulation, history, windows)
            table = pd.concat({"all": ratios(windows, said), "heard": ratios(windows[~deaf], said)})
            tables.append(table.assign(seed=seed, noise_pct=noise_pct))
            print(f"\nseed {seed}, noise {noise_pct:g}: {len(windows):,} windows, {deaf.mean():.1%} unheard")
            print(table.xs("overall", level=2).unstack(0).round(3).to_string(), flush=True)
    whole = pd.concat(tables).rename_axis(["windows", "forecaster", "horizon_h"]).reset_index()
    for which in ("all", "heard"):
        for noise_pct in NOISES_PCT:
            part = whole[(whole["noise_pct"] == noise_pct) & (whole["windows"] == which)]
            print(f"\nCRPS over the oracle's, mean of {len(SEEDS)} cities, noise {noise_pct:g}, {which} windows")
            mean = part.pivot_table(index="forecaster", columns="horizon_h", values="ratio", sort=False)
            print(mean.round(3).to_string())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

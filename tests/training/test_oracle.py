"""How near forecasts come to the oracle of a small city; tests/benchmarks/bench_oracle.py measures it on large ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.emptyings import Emptyings
from data.oracle import foretell
from data.simulation import CitySettings, simulate
from training.baselines import baseline
from training.inputs import read_history
from training.labels import windows as labelled
from training.model import FillModel
from training.scores import score
from training.settings import ModelSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Scores against the true level in the last 20 days of a city of 30 bins, by forecaster."""
    folder = tmp_path_factory.mktemp("city")
    city = simulate(CitySettings(bins=30, days=90), np.random.default_rng(11))
    city.write(folder)
    history = read_history(str(folder / "readings.parquet"), str(folder / "bins.csv")).history
    end = city.weather.at[-1]
    start = end - pd.Timedelta(days=20)
    emptyings = Emptyings.checked(city.true_emptyings)
    windows = labelled(
        history.readings, start, end, pd.Timedelta(hours=11), (6, 24, 48), emptyings=emptyings, truth=city.true_levels
    )
    how = ModelSettings(examples=12_000, trees=60, learning_rate=0.1, threads=1)
    said = {
        "oracle": foretell(city, windows, np.random.default_rng(0)),
        "knowing today": foretell(city, windows, np.random.default_rng(0), knows_today=True),
        "model": FillModel.fit(history, until=start, settings=how).forecast_windows(history, windows),
        "hour-of-week": baseline("hour-of-week").fit(history, start).forecast_windows(history, windows),
    }
    return {name: score(windows, one) for name, one in said.items()}


@pytest.fixture(scope="module")
def crps(scores: dict[str, pd.DataFrame]) -> dict[str, float]:
    """Overall CRPS by forecaster."""
    return {name: table["crps"].to_dict()["overall"] for name, table in scores.items()}


def test_nobody_is_better_than_the_oracle(crps: dict[str, float]) -> None:
    assert crps["knowing today"] < crps["oracle"] < min(crps["model"], crps["hour-of-week"])


def test_the_model_comes_nearer_to_the_oracle_than_the_rule(crps: dict[str, float]) -> None:
    # Measured: the model 1.34, the rule 1.48, of which 0.1 are emptyings that no reading has told yet.
    assert crps["model"] < crps["hour-of-week"]
    assert crps["model"] < 1.42 * crps["oracle"]


def test_the_oracle_covers_what_it_says_where_bins_move(scores: dict[str, pd.DataFrame]) -> None:
    # At 6 hours many bins receive nothing, which lies within any interval.
    covered = scores["oracle"]["cover80"].to_dict()
    assert 0.77 < covered[24] < 0.87
    assert 0.77 < covered[48] < 0.87

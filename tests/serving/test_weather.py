"""The weather over HTTP: what is sent there is what the model reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.history import History
from data.weather import Weather
from serving.champion import Champion
from serving.known import rows
from serving.live import Live
from training.inputs import read_history
from training.model import NO_WEATHER, FillModel
from training.settings import ModelSettings


@pytest.fixture(scope="module")
def history(small_city_folder: Path) -> History:
    """The last weeks of four bins of the small city, with its weather."""
    files = [str(small_city_folder / name) for name in ("readings.parquet", "bins.csv", "weather.parquet")]
    whole = read_history(files[0], files[1], weather=files[2]).history
    return whole.select(sorted(whole.bins.unique.index)[:4])


@pytest.fixture(scope="module")
def model(history: History) -> FillModel:
    """A tiny model that reads weather; so few bins teach it nothing of it, so it is told."""
    how = ModelSettings(examples=1_000, networks=1, trees=5, leaf_examples=20, threads=1)
    model = FillModel.fit(history, settings=how)
    assert model.elasticities is not None
    effects = np.array([0.05, -0.5])
    told = replace(model.elasticities, own=np.tile(effects, (len(model.elasticities.own), 1)), pooled=effects)
    return replace(model, elasticities=told)


class Copy:
    """A champion that needs no registry."""

    def __init__(self, model: FillModel) -> None:
        self._champion = Champion(model, "brimcast", "7")

    def champion(self) -> Champion:
        return self._champion


def test_a_forecast_over_http_reads_the_weather_that_was_sent(
    service: Any, live: Callable[[Live], None], model: FillModel, history: History
) -> None:
    now = history.readings.frame["received_at"].max() - pd.Timedelta(days=2)
    service.now[0] = now
    service.store.put(history.readings, history.emptyings, history.bins)
    live(Live(lambda: service.store, Copy(model), lambda: service.now[0]))  # type: ignore[arg-type]  # a stand-in
    asked = {"bin_ids": sorted(history.bins.unique.index), "horizons_h": [6, 24, 72], "quantiles": [0.1, 0.5, 0.9]}

    def answered(weather: Weather) -> list[float]:
        told = service.post("/v1/forecast", asked | {"as_of": now.isoformat()})["forecasts"]
        made = model.forecast(replace(history, weather=weather), now, asked["bin_ids"])
        assert [bin_["status"] for bin_ in told] == made.status.tolist()
        assert [tuple(bin_["reasons"]) for bin_ in told] == list(made.reasons)
        for quantile in (0.1, 0.5, 0.9):
            there = [[point["quantiles"][str(quantile)] for point in bin_["points"]] for bin_ in told]
            here = [made.quantile(quantile, now + pd.Timedelta(hours=h)) for h in asked["horizons_h"]]
            np.testing.assert_allclose(np.array(there, dtype=float), np.stack(here, axis=1), atol=0.01)
        return [point["mean"] for bin_ in told for point in bin_["points"]]

    untold = answered(Weather.none())
    issued = history.weather.issued_by(now)
    recent = issued.since(now - pd.Timedelta(days=30))
    for part in np.array_split(np.arange(len(recent)), 1 + len(recent) // 9_000):
        answer = service.post(
            "/v1/weather", {"weather": json.loads(json.dumps(rows(recent.frame.iloc[part]), default=str))}
        )
        assert (answer["accepted"], answer["rejected"]) == (len(part), [])
    assert answered(history.weather) != untold
    assert not any(NO_WEATHER in why for why in model.forecast(history, now).reasons)

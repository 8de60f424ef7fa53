"""The door by which MLflow loads a model: `mlflow.pyfunc.load_model("models:/brimcast@champion").predict(windows, …)`.

    windows  a row per forecast: bin_id, as_of, at (naive UTC: MLflow's signatures know no zones)
    params   readings: what has been heard, as a file, a database URL, or "example" for the few bins kept beside the
             model; bins, emptyings, weather (optional): likewise; timezone: that of times without an offset in them

Sources rather than readings in the call: a window's answer needs five weeks of readings, the same for every window.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data.bins import Bins
from data.emptyings import Emptyings
from data.errors import InputError
from data.history import History
from data.readings import Readings
from data.weather import Weather
from training.inputs import read_history
from training.model import FillModel

PARAMETERS = ("readings", "bins", "emptyings", "weather", "timezone")
TIMES = ("as_of", "at")
EXAMPLE = "example"
EXAMPLE_BINS, EXAMPLE_HORIZONS_H = 3, (6, 24, 72)


@dataclass(frozen=True)
class Door:
    """A loaded model as MLflow wants it: `predict` on naive frames."""

    model: FillModel
    folder: Path

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """The contract's forecasts, a row per window in the order asked, `as_of` and `at` in naive UTC.

        Raises InputError where no readings are named or a table cannot be used.
        """
        given = {name: value for name, value in (params or {}).items() if value}
        if "readings" not in given:
            raise InputError(
                "No readings are named",
                expected="params that say where the readings are",
                remedy=f"Name a file or database, or {EXAMPLE!r} for the readings kept beside the model.",
                example='predict(windows, params={"readings": "readings.parquet", "bins": "bins.csv"})',
            )
        history = load_example(self.folder) if given["readings"] == EXAMPLE else read_history(**given).history
        windows = model_input.assign(**{name: _aware(model_input[name]) for name in TIMES})
        forecasts = self.model.forecast_windows(history, windows)
        return forecasts.assign(**{name: forecasts[name].dt.tz_convert(None) for name in TIMES})


def _load_pyfunc(data_path: str) -> Door:
    """MLflow's loader: the model of a folder. Reads JSON, text and Parquet; never runs what it reads."""
    return Door(FillModel.load(Path(data_path)), Path(data_path))


def save_example(folder: Path, history: History, until: pd.Timestamp) -> None:
    """Keep the last weeks of a few bins beside the model, so that its input example can be answered anywhere."""
    chosen = history.until(until).since(until - pd.Timedelta(days=FillModel.HISTORY_DAYS)).select(_chosen(history))
    place = folder / EXAMPLE
    place.mkdir()
    chosen.readings.frame.to_parquet(place / "readings.parquet", index=False)
    chosen.emptyings.frame.to_parquet(place / "emptyings.parquet", index=False)
    chosen.bins.frame.to_parquet(place / "bins.parquet", index=False)
    if len(chosen.weather):
        chosen.weather.frame.to_parquet(place / "weather.parquet", index=False)


def load_example(folder: Path) -> History:
    """The history that `save_example` kept."""
    place = folder / EXAMPLE
    weather = place / "weather.parquet"
    return History(
        Readings.checked(pd.read_parquet(place / "readings.parquet")),
        Emptyings.checked(pd.read_parquet(place / "emptyings.parquet")),
        Bins.checked(pd.read_parquet(place / "bins.parquet")),
        Weather.checked(pd.read_parquet(weather)) if weather.is_file() else Weather.none(),
    )


def example_windows(history: History, until: pd.Timestamp) -> pd.DataFrame:
    """Windows that the example can answer: a few bins and horizons; naive UTC, as the door takes them."""
    ids, as_of = _chosen(history), until.tz_convert(None)
    ahead = pd.to_timedelta(EXAMPLE_HORIZONS_H, unit="h")
    frame = pd.DataFrame(
        {"bin_id": [i for i in ids for _ in ahead], "as_of": as_of, "at": [as_of + h for _ in ids for h in ahead]}
    )
    return frame.astype({"bin_id": "str", "as_of": "datetime64[us]", "at": "datetime64[us]"})


def _chosen(history: History) -> list[str]:
    """The bins most read."""
    return sorted(history.readings.frame["bin_id"].value_counts().index[:EXAMPLE_BINS])


def _aware(times: pd.Series) -> pd.Series:
    """Naive UTC to UTC; this door is the only place where a time without a zone is taken for UTC."""
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        return times.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return pd.to_datetime(times).dt.tz_localize("UTC").astype("datetime64[us, UTC]")

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from data.errors import InputError
from data.history import History
from data.settings import Settings
from training import tracking
from training.candidate import Candidate
from training.pyfunc import TIMES, Door, _load_pyfunc, example_windows


@pytest.fixture
def loaded(
    candidate: Candidate, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[mlflow.pyfunc.PyFuncModel]:
    """The model as a data scientist loads it."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    registered = tracking.log(candidate, "brimcast", settings)
    mlflow.set_tracking_uri(settings.tracking_uri)
    yield mlflow.pyfunc.load_model(f"models:/{registered.name}/{registered.version}")
    mlflow.set_tracking_uri(None)  # forgets the variable that the call before has set


@pytest.fixture
def windows(small_history: History, split: pd.Timestamp) -> pd.DataFrame:
    bins = sorted(small_history.bins.frame["bin_id"])
    asked = [
        (bin_id, split + pd.Timedelta(hours=h), split + pd.Timedelta(hours=h + ahead, minutes=7))
        for bin_id in [*bins[:5], "nobody"]
        for h in (0, 31)
        for ahead in (6, 50)
    ]
    frame = pd.DataFrame(asked, columns=["bin_id", "as_of", "at"])
    return frame.astype({"bin_id": "str", "as_of": "datetime64[us, UTC]", "at": "datetime64[us, UTC]"})


def naive(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(as_of=frame["as_of"].dt.tz_localize(None), at=frame["at"].dt.tz_localize(None))


def test_mlflow_answers_exactly_as_the_model(
    loaded: mlflow.pyfunc.PyFuncModel,
    candidate: Candidate,
    small_history: History,
    small_city_folder: Path,
    windows: pd.DataFrame,
) -> None:
    sources = {
        "readings": str(small_city_folder / "readings.parquet"),
        "bins": str(small_city_folder / "bins.csv"),
    }
    answer = loaded.predict(naive(windows), params=sources)
    expected = naive(candidate.model.forecast_windows(small_history, windows))
    pd.testing.assert_frame_equal(answer, expected, check_exact=True)


def test_the_input_example_is_answered_from_the_artifact_alone(loaded: mlflow.pyfunc.PyFuncModel) -> None:
    answer = loaded.predict(loaded.input_example, params={"readings": "example"})
    assert len(answer) == len(loaded.input_example) > 0
    assert answer["q50"].notna().all()


def test_the_example_forecasts_as_the_whole_history_does(
    candidate: Candidate, loaded: mlflow.pyfunc.PyFuncModel
) -> None:
    asked = example_windows(candidate.history, candidate.until)
    aware = asked.assign(as_of=asked["as_of"].dt.tz_localize("UTC"), at=asked["at"].dt.tz_localize("UTC"))
    expected = naive(candidate.model.forecast_windows(candidate.history, aware))
    answer = loaded.predict(asked, params={"readings": "example"})
    pd.testing.assert_frame_equal(answer, expected, check_exact=True)


def test_no_readings_named_is_an_error_with_its_remedy(
    loaded: mlflow.pyfunc.PyFuncModel, windows: pd.DataFrame
) -> None:
    with pytest.raises(InputError, match="params"):
        loaded.predict(naive(windows))


def test_mlflow_refuses_windows_that_lack_a_column(loaded: mlflow.pyfunc.PyFuncModel, windows: pd.DataFrame) -> None:
    with pytest.raises(mlflow.MlflowException, match="as_of"):
        loaded.predict(naive(windows).drop(columns="as_of"), params={"readings": "example"})


def test_the_door_takes_zoned_times_as_they_are(
    loaded: mlflow.pyfunc.PyFuncModel, candidate: Candidate, settings: Settings
) -> None:
    (folder,) = {path.parent for path in (settings.home / "artifacts").rglob("model.json")}
    door: Door = _load_pyfunc(str(folder))
    asked = example_windows(candidate.history, candidate.until)
    zoned = asked.assign(**{name: asked[name].dt.tz_localize("UTC").dt.tz_convert("Europe/Prague") for name in TIMES})
    example = {"readings": "example"}
    pd.testing.assert_frame_equal(door.predict(zoned, example), door.predict(asked, example))

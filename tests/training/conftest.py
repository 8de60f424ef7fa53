"""A tiny fitted model and a migrated MLflow database, each made once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from data.history import History
from data.settings import Settings
from data.simulation import Simulation
from tests.conftest import SMALL, TINY
from training import tracking
from training.candidate import Candidate, fit_candidate
from training.commands import main
from training.inputs import read_history
from training.model import FillModel
from training.registry import enter
from training.settings import ModelSettings

tracking.set_environment()  # tests import MLflow themselves


@pytest.fixture(scope="session")
def small_history(small_city_folder: Path) -> History:
    """The small city as the commands read it."""
    return read_history(str(small_city_folder / "readings.parquet"), str(small_city_folder / "bins.csv")).history


@pytest.fixture(scope="session")
def split(small_city: Simulation) -> pd.Timestamp:
    """The end of what models learn from; a week of readings lies after it."""
    return pd.Timestamp(small_city.settings.start).as_unit("us") + pd.Timedelta(days=38)


@pytest.fixture(scope="session")
def candidate(small_history: History, split: pd.Timestamp) -> Candidate:
    """A model fitted on the small city before `split`, with scores and figures."""
    how = ModelSettings(**TINY)
    return fit_candidate(small_history, "small-city/readings.parquet", until=split, settings=how)


@pytest.fixture(scope="session")
def tiny_model(small_history: History, split: pd.Timestamp) -> FillModel:
    """A model fitted on the small city before `split`, in about a second."""
    how = ModelSettings(**SMALL, learning_rate=0.2, country="CZ")
    return FillModel.fit(small_history, until=split, settings=how)


@pytest.fixture(scope="session")
def rehearsed(small_history: History) -> Candidate:
    """A small fit on all of the small city, which its rehearsal was scored for."""
    how = ModelSettings(**SMALL)
    return fit_candidate(small_history, "small-city/readings.parquet", against=(), settings=how)


def copy_database(source: Path, target: Path) -> None:
    """Copy a SQLite database with what its write-ahead log still holds."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow database: making one takes seconds, copying it none."""
    home = tmp_path_factory.mktemp("migrated")
    _, client = tracking.connect(Settings(home=home))
    client.search_registered_models()
    return home / "mlflow.db"


@pytest.fixture
def settings(own_home: Path, migrated: Path) -> Settings:
    """Settings of a home with an empty registry."""
    copy_database(migrated, own_home / "mlflow.db")
    return Settings(home=own_home)


@pytest.fixture(scope="session")
def three_versions(candidate: Candidate, migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a registry in which the same model was registered three times; its artifacts are read only."""
    home = tmp_path_factory.mktemp("three-versions")
    copy_database(migrated, home / "mlflow.db")
    for _ in range(3):
        enter(tracking.log(candidate, "brimcast", Settings(home=home)), Settings(home=home))
    return home / "mlflow.db"


@pytest.fixture
def registered(three_versions: Path, own_home: Path) -> Settings:
    """Settings of a home whose registry holds three versions: 1 is the champion, 3 the challenger."""
    copy_database(three_versions, own_home / "mlflow.db")
    return Settings(home=own_home)


@pytest.fixture
def tiny_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of commands are as small as those of tests."""
    monkeypatch.setattr("training.settings.ModelSettings", partial(ModelSettings, **TINY))


class Outcome(NamedTuple):
    """What a command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Runner = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Runner:
    """`brimcast training` with these words, in this process."""

    def run_words(*words: object) -> Outcome:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        return Outcome(int(left.value.code or 0), *capsys.readouterr())

    return run_words


@pytest.fixture
def city(small_city_folder: Path) -> list[str]:
    """The small city's files as words of a command."""
    return ["--readings", str(small_city_folder / "readings.parquet"), "--bins", str(small_city_folder / "bins.csv")]

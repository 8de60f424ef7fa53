"""The registry changes its champion, offers what is no model, and goes away, under a service that is being asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from data.settings import Settings
from serving.server import Server, free_port
from tests.e2e.conftest import City, client, metric, settings_of, until, workers_of
from training.registry import NAME, promote, rollback

pytestmark = pytest.mark.slow
PICKED_UP_WITHIN_S = 60.0


class Asking(threading.Thread):
    """Somebody who asks on, and notes which version answered; every answer must be 200 and whole."""

    def __init__(self, server: Server, path: str, body: Any) -> None:
        super().__init__(daemon=True)
        self.server, self.path, self.body, self.ending = server, path, body, threading.Event()
        self.versions: list[str] = []
        self.failed: list[str] = []

    def run(self) -> None:
        with client(self.server) as asking:
            while not self.ending.is_set():
                try:
                    answer = asking.post(self.path, json=self.body)
                    if answer.status_code != 200:
                        self.failed.append(answer.text)
                    else:
                        self.versions.append(answer.json()["model"]["version"])
                except httpx.TransportError as error:
                    self.failed.append(repr(error))


@contextmanager
def load(server: Server) -> Iterator[list[Asking]]:
    """Four clients that ask without a pause; nothing that they are answered may have failed."""
    by = (pd.Timestamp.now("UTC") + pd.Timedelta(hours=20)).isoformat()
    asks = [("/v1/forecast", {"bin_ids": ["bin-0001"]}), ("/v1/due", {"by": by})] * 2
    clients = [Asking(server, path, body) for path, body in asks]
    for one in clients:
        one.start()
    try:
        yield clients
    finally:
        for one in clients:
            one.ending.set()
        for one in clients:
            one.join(20)
    assert [one.failed for one in clients] == [[]] * len(clients)


def newest(clients: list[Asking], version: int) -> bool:
    """Whether all were answered by this version last."""
    return all(one.versions[-20:] == [str(version)] * 20 for one in clients)


def test_a_new_champion_is_taken_under_load_and_what_is_no_model_is_refused(
    city: City, home: Path, served: Callable[..., Any]
) -> None:
    settings = settings_of(home)
    with served(settings, workers=2) as server, client(server) as asking:
        workers = workers_of(server)
        with load(server) as clients:
            until(lambda: newest(clients, 1), 30, "version 1 answers")
            promote(NAME, city.good, settings)
            took = until(lambda: newest(clients, city.good), PICKED_UP_WITHIN_S, "the new champion answers")
            print(f"a new champion answered in both workers after {took:.1f} s")
            for refused, count in ((city.broken, 1), (city.foreign, 2)):
                promote(NAME, refused, settings)
                until(lambda n=count: metric(asking, "brimcast_models_refused_total") == n, 60, "it is refused")
                registry = asking.get("/readyz").json()["registry"]
                assert f"Version {refused} of {NAME} is refused" in registry["detail"]
                assert newest(clients, city.good)
            time.sleep(3 * settings.registry_every_s)
            assert metric(asking, "brimcast_models_refused_total") == 2  # each once, though it stays the champion
            promote(NAME, 1, settings)
            until(lambda: newest(clients, 1), PICKED_UP_WITHIN_S, "an older champion answers again")
            registry = asking.get("/readyz").json()["registry"]
            assert registry["ok"]
            assert registry.keys() == {"ok", "asked_at"}  # and no detail: nothing is refused now
        for one in clients:
            order = [int(version) for k, version in enumerate(one.versions) if k == 0 or one.versions[k - 1] != version]
            assert set(order) == {1, city.good}
        assert workers_of(server) == workers
        assert metric(asking, "brimcast_registry_up") == 1
    promote(NAME, city.broken, settings)
    with served(settings) as server, client(server) as asking:  # what was refused is not there after a restart either
        assert asking.get("/v1/model").json()["version"] == "1"
    assert rollback(NAME, settings)


class Tracking:
    """MLflow's own server on the home's database, which can be stopped and started."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["server", "--backend-store-uri", f"sqlite:///{self.home / 'mlflow.db'}", "--workers", "1"]
        with (self.home / "mlflow.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", *words, "--host", "127.0.0.1", "--port", str(self.port)],
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(self._answers, 60, "MLflow's server answers")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None


@pytest.fixture
def tracking(home: Path) -> Iterator[Tracking]:
    """A tracking server, not started yet."""
    server = Tracking(home)
    yield server
    server.stop()


def registry_is(asking: httpx.Client, ok: bool) -> bool:
    """Whether the service is ready, and says this of its registry."""
    answer = asking.get("/readyz")
    return bool(answer.status_code == 200 and answer.json()["registry"]["ok"] is ok)


def test_a_registry_that_is_down_at_start_or_stops_later_is_told_and_noticed_by_nobody(
    city: City, home: Path, tracking: Tracking, served: Callable[..., Any]
) -> None:
    settings = settings_of(home, tracking_uri=tracking.url)
    with served(settings) as server, client(server) as asking, load(server) as clients:  # it is down at the start
        assert asking.get("/readyz").json()["model"]["version"] == "1"  # the last good copy answers
        until(lambda: metric(asking, "brimcast_registry_errors_total") > 0, 60, "the registry's silence is counted")
        assert metric(asking, "brimcast_registry_up") == 0
        said = asking.get("/readyz").json()["registry"]
        assert said["ok"] is False
        assert "The last good copy goes on answering" in said["detail"]
        tracking.start()
        until(lambda: registry_is(asking, True), 60, "the registry is back")
        assert metric(asking, "brimcast_registry_up") == 1
        promote(NAME, city.good, Settings(home=home, tracking_uri=f"sqlite:///{home / 'mlflow.db'}"))
        until(lambda: newest(clients, city.good), PICKED_UP_WITHIN_S, "the new champion answers")
        tracking.stop()
        until(lambda: registry_is(asking, False), 60, "the registry's end is told")
        asked = [len(one.versions) for one in clients]
        until(lambda: all(len(one.versions) > n + 20 for one, n in zip(clients, asked, strict=True)), 30, "all go on")
        assert newest(clients, city.good)
        assert json.loads(asking.get("/readyz").text)["ready"] is True

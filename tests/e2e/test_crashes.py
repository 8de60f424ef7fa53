"""What was acknowledged survives the end of the service, however it ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from serving.server import Server, free_port
from tests.e2e.conftest import client, kill_9, rows, settings_of, stored, told, until, workers_of

pytestmark = pytest.mark.slow
POSTERS, AT_ONCE = 6, 40


class Poster(threading.Thread):
    """Posts readings of its own bin, one batch after the other, and keeps what was acknowledged."""

    def __init__(self, server: Server, name: str) -> None:
        super().__init__(daemon=True)
        self.server, self.bin_id, self.ending = server, name, threading.Event()
        self.kept: list[dict[str, Any]] = []
        self.open: list[dict[str, Any]] = []
        self.wrong: list[str] = []

    def run(self) -> None:
        with client(self.server) as asking:
            while not self.ending.is_set():
                self.open = rows(self.bin_id, len(self.kept), AT_ONCE)
                try:
                    answer = asking.post("/v1/readings", json={"readings": self.open})
                except httpx.TransportError:
                    return  # nobody knows what became of the batch that is open
                if answer.status_code != 200 or answer.json()["accepted"] != AT_ONCE:
                    self.wrong.append(answer.text)
                    return
                self.kept += self.open
                self.open = []


def start_posters(server: Server) -> list[Poster]:
    """Posters that have all been acknowledged something."""
    with client(server) as asking:
        bins = [{"bin_id": f"posted-{k}", "timezone": "UTC"} for k in range(POSTERS)]
        assert asking.put("/v1/bins", json={"bins": bins}).json()["accepted"] == POSTERS
    posters = [Poster(server, f"posted-{k}") for k in range(POSTERS)]
    for poster in posters:
        poster.start()
    until(lambda: all(len(poster.kept) > 3 * AT_ONCE for poster in posters), 30, "everybody is acknowledged something")
    return posters


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_kill_9_during_ingestion_loses_nothing_that_was_acknowledged(
    database: str, home: Path, served: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    more = {} if database == "sqlite" else {"store": request.getfixturevalue("postgres").url}
    settings = settings_of(home, **more)
    with served(settings, workers=2, ready=False) as server:
        with client(server) as asking:
            until(lambda: answers(asking), 60, "the service answers")
        posters = start_posters(server)
        kill_9(server)
    for poster in posters:
        poster.join(20)
        held, kept, open_ = stored(settings, poster.bin_id), told(poster.kept), told(poster.open)
        assert poster.wrong == []
        assert kept <= held
        assert held - kept in (set(), open_)  # a batch that nobody was told of is there wholly or not at all
    with served(settings, workers=2, ready=False) as server, client(server) as asking:  # on what was left
        until(lambda: answers(asking), 60, "the service answers again")
        for poster in posters:
            again = asking.post("/v1/readings", json={"readings": poster.kept[-AT_ONCE:]}).json()
            assert (again["accepted"], again["unchanged"]) == (0, AT_ONCE)


def test_workers_end_with_the_first_process_though_it_was_killed_alone(home: Path, served: Callable[..., Any]) -> None:
    with served(settings_of(home), workers=2) as server:
        family = psutil.Process(server.pid).children(recursive=True)
        assert {process.pid for process in family} > workers_of(server)  # and the watch
        posters = start_posters(server)
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: not any(process.is_running() for process in family), 15, "all are gone")
    assert free_port("127.0.0.1", server.port) == server.port
    for poster in posters:
        poster.join(20)
        assert poster.wrong == []


def answers(asking: httpx.Client) -> bool:
    """Whether somebody answers."""
    try:
        return asking.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_asked_to_end_it_finishes_what_it_began_and_leaves_slow_clients(home: Path, served: Callable[..., Any]) -> None:
    settings = settings_of(home)
    with served(settings) as server, client(server) as asking, client(server) as other:
        posters = start_posters(server)
        big = rows("posted-0", 50_000, 9_000)
        done: list[httpx.Response] = []
        asker = threading.Thread(target=lambda: done.append(other.post("/v1/readings", json={"readings": big})))
        asker.start()
        slow = asking.build_request(
            "POST", "/v1/readings", content=dribble(), headers={"content-type": "application/json"}
        )
        slower = threading.Thread(target=lambda: ignore(lambda: asking.send(slow)), daemon=True)
        slower.start()
        time.sleep(0.2)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 15
        asker.join(20)
        assert [answer.status_code for answer in done] == [200]
        assert done[0].json()["accepted"] == len(big)
        for poster in posters:
            poster.join(20)
            assert poster.wrong == []
            assert told(poster.kept) <= stored(settings, poster.bin_id)
        assert told(big) <= stored(settings, "posted-0")


def dribble() -> Any:
    """A body that never ends."""
    while True:
        yield b" "
        time.sleep(0.2)


def ignore(work: Callable[[], Any]) -> None:
    """Do what may fail."""
    with suppress(httpx.HTTPError):
        work()

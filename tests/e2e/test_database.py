"""PostgreSQL stops and starts again, or says nothing for a while, under a service of two workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from data.store import Store
from serving.server import Server
from tests.e2e.conftest import City, Postgres, client, problem, rows, settings_of, stored, told, until, workers_of

pytestmark = pytest.mark.slow
ANSWERED_WITHIN_S = 2.0


def asks() -> list[tuple[str, str, Any]]:
    """One request of every kind that needs the store."""
    by = (pd.Timestamp.now("UTC") + pd.Timedelta(hours=20)).isoformat()
    return [
        ("POST", "/v1/due", {"by": by}),
        ("POST", "/v1/forecast", {"bin_ids": ["bin-0001"]}),
        ("GET", "/v1/bins", None),
        ("GET", "/v1/bins/bin-0001", None),
        ("POST", "/v1/readings", {"readings": rows("bin-0001", 0, 3)}),
        ("POST", "/v1/emptyings", {"emptyings": [{"bin_id": "bin-0001", "emptied_at": "2026-01-01T00:00:00Z"}]}),
        ("PUT", "/v1/bins", {"bins": [{"bin_id": "new", "timezone": "UTC"}]}),
        ("GET", "/readyz", None),
    ]


@pytest.mark.parametrize("fault", ["stopped", "frozen"])
def test_while_the_database_is_down_all_is_503_at_once_and_then_as_before(
    fault: str, city: City, home: Path, postgres: Postgres, served: Callable[..., Any]
) -> None:
    settings = settings_of(home, store=postgres.url)
    with Store(f"sqlite:///{home / 'store.db'}") as source, Store(settings.store) as store:
        held = source.history()
        store.put(held.readings, bins=held.bins)
    with served(settings, workers=2) as server, client(server) as asking:
        workers = workers_of(server)
        assert len(workers) == 2
        posting = Posting(server)
        posting.start()
        before = asking.post("/v1/forecast", json={"bin_ids": ["bin-0001"]}).json()["forecasts"][0]
        (postgres.stop if fault == "stopped" else postgres.freeze)()
        ended = time.monotonic() + 6
        while time.monotonic() < ended:
            for method, path, body in asks():
                began = time.monotonic()
                answer = asking.request(method, path, json=body)
                took = time.monotonic() - began
                assert (path, answer.status_code) == (path, 503)
                assert took < ANSWERED_WITHIN_S, path
                assert int(answer.headers["retry-after"]) > 0
                assert problem(answer)["status"] == 503
            assert asking.get("/healthz").status_code == 200
        assert asking.get("/readyz").json()["store"]["ok"] is False
        (postgres.start if fault == "stopped" else postgres.thaw)()
        took = until(lambda: asking.get("/readyz").status_code == 200, 20, "the service is ready again")
        print(f"ready {took:.1f} s after PostgreSQL went on")
        for method, path, body in asks():
            until(lambda m=method, p=path, b=body: asking.request(m, p, json=b).status_code == 200, 5, path)
        after = asking.post("/v1/forecast", json={"bin_ids": ["bin-0001"]}).json()["forecasts"][0]
        assert before["status"] == after["status"]
        posting.ending.set()
        posting.join(20)
        assert posting.others == []
        assert posting.refused > 0
        assert told(posting.kept) <= stored(settings, "bin-0003")
        assert workers_of(server) == workers


class Posting(threading.Thread):
    """Somebody who posts on through it all, and comes again after 503."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.ending = server, threading.Event()
        self.kept: list[dict[str, Any]] = []
        self.others: list[str] = []
        self.refused = 0

    def run(self) -> None:
        with client(self.server) as asking:
            while not self.ending.is_set():
                batch = rows("bin-0003", len(self.kept), 20)
                answer: httpx.Response = asking.post("/v1/readings", json={"readings": batch})
                if answer.status_code == 503:
                    self.refused += 1
                    time.sleep(0.1)
                elif answer.status_code == 200:
                    self.kept += batch
                else:
                    self.others.append(answer.text)

"""What the service does when its store is locked, full or away, when clocks are wrong, when bins and sensors move."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.store import Store, StoreError
from serving import middleware
from serving.live import Live
from serving.pulse import EVERY_S, LATE_S, Pulse
from tests.serving.conftest import Service

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def short(service: Any, live: Callable[[Live], None], tmp_path: Path) -> Iterator[Any]:
    """The service on a store that waits for nobody long."""
    with Store(f"sqlite:///{tmp_path / 'store.db'}", wait_s=0.3) as store:
        live(Live(lambda: store, service.copy, lambda: service.now[0]))
        yield Service(service.client, store, service.champion, service.copy, service.now)


def reading(service: Any, fill: float, minutes: float = 1, **more: Any) -> dict[str, Any]:
    at = (service.now[0] - pd.Timedelta(minutes=minutes)).isoformat()
    return {"bin_id": "a", "measured_at": at, "fill_pct": fill} | more


def post(service: Any, *rows: dict[str, Any]) -> Any:
    return service.ask("POST", "/v1/readings", {"readings": list(rows)})


def forecast(service: Any, bin_id: str) -> Any:
    [found] = service.post("/v1/forecast", {"bin_ids": [bin_id]})["forecasts"]
    return found


# ---------------------------------------------------------------- the store


def test_while_another_writes_to_sqlite_posts_are_503_in_time_and_answers_go_on(short: Any) -> None:
    short.know(a=10)
    with Store(short.store.url.render_as_string()) as other, other.connections.transaction() as connection:
        connection.exec_driver_sql("UPDATE bin_versions SET version = version")
        began = time.monotonic()
        answer = post(short, reading(short, 20))
        assert time.monotonic() - began < 2
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert "Try again" in answer.json()["detail"]
        assert forecast(short, "a")["fill_now_pct"] == 10
    assert post(short, reading(short, 20)).json()["accepted"] == 1
    assert forecast(short, "a")["fill_now_pct"] == 20


def test_while_another_writes_nobody_waits_first_for_its_turn_and_then_as_long_again(
    service: Any, live: Callable[[Live], None], tmp_path: Path
) -> None:
    service.know(a=10)
    rows = reading(service, 20)
    patient = Store(f"sqlite:///{tmp_path / 'store.db'}", wait_s=1.0)
    live(Live(lambda: patient, service.copy, lambda: service.now[0]))
    took: list[tuple[int, float]] = []

    def ask(after_s: float) -> None:
        time.sleep(after_s)
        began = time.monotonic()
        took.append((post(service, rows).status_code, time.monotonic() - began))

    with patient, Store(service.store.url.render_as_string()) as other, other.connections.transaction() as connection:
        connection.exec_driver_sql("UPDATE bin_versions SET version = version")
        askers = [threading.Thread(target=ask, args=(after_s,)) for after_s in (0.0, 0.5, 0.6)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    assert [status for status, _ in took] == [503] * 3
    assert max(seconds for _, seconds in took) < 1.4


def test_on_a_full_disk_posts_are_503_and_keep_nothing_and_answers_go_on(short: Any) -> None:
    short.know(a=10)
    before = short.store.history().fingerprint()
    set_pages(short.store, "(SELECT 1)")
    many = [reading(short, float(k % 90), minutes=k + 1) for k in range(5_000)]
    answer = post(short, *many)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert short.store.history().fingerprint() == before
    assert forecast(short, "a")["fill_now_pct"] == 10
    set_pages(short.store, "1000000")
    assert post(short, *many).json()["accepted"] == len(many)
    assert forecast(short, "a")["fill_now_pct"] == 0


def set_pages(store: Store, pages: str) -> None:
    """Let the database's file grow no further (as on a full disk), or on."""
    with store.connections.engine.connect() as connection:
        if pages == "(SELECT 1)":
            pages = str(connection.exec_driver_sql("PRAGMA page_count").scalar())
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        connection.rollback()


def test_requests_that_come_while_the_store_does_not_open_do_not_wait_one_after_the_other(
    service: Any, live: Callable[[Live], None]
) -> None:
    tried: list[float] = []

    def away() -> Store:
        tried.append(time.monotonic())
        raise OSError("no route to it")

    live(Live(away, service.copy, lambda: service.now[0]))
    for _ in range(20):
        answer = service.ask("GET", "/v1/bins")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert len(tried) <= 1 + (tried[-1] - tried[0]) / 0.5


def test_a_store_that_says_nothing_is_a_503_in_time_and_is_asked_again(
    service: Any, live: Callable[[Live], None]
) -> None:
    service.know(a=10)
    silent = threading.Event()
    pulse = Pulse(lambda: time.sleep(30) if silent.is_set() else None)
    pulse.begin()
    live(Live(lambda: service.store, service.copy, lambda: service.now[0], pulse))
    try:
        assert service.ask("GET", "/readyz").status_code == 200
        silent.set()
        time.sleep(EVERY_S + LATE_S + 0.2)
        for method, path in (("GET", "/v1/bins"), ("GET", "/v1/bins/a"), ("GET", "/readyz")):
            answer = service.ask(method, path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert service.ask("GET", "/readyz").json()["store"]["ok"] is False
        assert service.ask("GET", "/v1/model").status_code == 200
    finally:
        pulse.end()


def test_a_pulse_that_fails_is_down_until_it_is_answered() -> None:
    answers = [StoreError("away"), OSError("no route"), None]
    pulse = Pulse(lambda: said(answers))
    seen = []
    for _ in range(3):
        pulse._once()
        seen.append(pulse.down)
    assert seen == [True, True, False]


def said(answers: list[Exception | None]) -> None:
    answer = answers.pop(0)
    if answer is not None:
        raise answer


# ---------------------------------------------------------------- slow clients, slow answers


def test_a_body_that_does_not_come_in_time_is_a_400(monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio

    monkeypatch.setattr(middleware, "BODY_WITHIN_S", 0.05)
    answer = anyio.run(asked_slowly)
    assert answer[0]["status"] == 400
    assert b"did not come within" in answer[1]["body"]


def test_an_answer_that_takes_too_long_is_a_503_that_says_when_to_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio

    monkeypatch.setattr(middleware, "ANSWERED_WITHIN_S", 0.05)
    answer = anyio.run(asked_slowly, True)
    assert answer[0]["status"] == 503
    assert (b"retry-after", b"2") in answer[0]["headers"]


async def asked_slowly(whole: bool = False) -> list[Any]:
    """What a client is sent whose body stops halfway (or is whole), by a service that never ends."""
    import anyio

    async def busy(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(20)

    async def receive() -> Any:
        if not whole:
            await anyio.sleep(20)
        return {"type": "http.request", "body": b"{}"}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    head = {"type": "http", "method": "POST", "path": "/v1/due", "headers": [(b"content-type", b"application/json")]}
    await middleware.Guard(busy, busy)(head, receive, send)
    return sent


# ---------------------------------------------------------------- clocks


def test_a_sensor_whose_clock_runs_ahead_is_believed_for_five_minutes_and_rejected_beyond(service: Any) -> None:
    service.know(a=10)
    answer = post(service, reading(service, 30, minutes=-4), reading(service, 90, minutes=-6)).json()
    assert (answer["accepted"], [row["reason"] for row in answer["rejected"]]) == (1, ["from_the_future"])
    told = service.post("/v1/forecast", {"bin_ids": ["a"]})
    assert told["forecasts"][0]["fill_now_pct"] == 30
    assert pd.Timestamp(told["as_of"]) == service.now[0] + pd.Timedelta(minutes=4)
    service.now[0] += pd.Timedelta(minutes=10)
    assert pd.Timestamp(service.post("/v1/forecast", {"bin_ids": ["a"]})["as_of"]) == service.now[0]


def test_the_services_own_clock_set_back_loses_no_reading_that_was_acknowledged(service: Any) -> None:
    service.know(a=10)
    assert post(service, reading(service, 30)).json()["accepted"] == 1
    service.now[0] -= pd.Timedelta(minutes=4)
    assert forecast(service, "a")["fill_now_pct"] == 30
    assert post(service, reading(service, 40, minutes=-4.5)).json()["accepted"] == 1
    assert forecast(service, "a")["fill_now_pct"] == 40


# ---------------------------------------------------------------- bins and sensors move


def test_a_bins_name_may_change_and_its_history_stays(service: Any) -> None:
    service.know(a=10)
    for name in ("Main Street", "Market Square"):
        service.ask("PUT", "/v1/bins", {"bins": [{"bin_id": "a", "timezone": "UTC", "name": name}]})
        page = service.ask("GET", "/v1/bins/a").json()
        assert (page["bin"]["name"], len(page["readings"])) == (name, 1)
        assert forecast(service, "a")["fill_now_pct"] == 10


def test_a_bin_under_a_new_id_is_a_new_bin_and_the_old_one_keeps_its_readings(service: Any) -> None:
    service.know(a=10)
    service.ask("PUT", "/v1/bins", {"bins": [{"bin_id": "b", "timezone": "UTC"}]})
    assert forecast(service, "b")["status"] == "no_data"
    assert post(service, reading(service, 50, bin_id="b")).json()["accepted"] == 1
    assert (forecast(service, "a")["fill_now_pct"], forecast(service, "b")["fill_now_pct"]) == (10, 50)


def test_a_sensor_that_moves_speaks_for_the_bin_it_sat_in_when_it_measured(service: Any) -> None:
    service.know(a=10, b=20)
    moved = service.now[0] - pd.Timedelta(hours=2)
    sat = {"timezone": "UTC", "device_id": "sensor-1"}
    put = [
        {"bin_id": "a", **sat, "valid_to": moved.isoformat()},
        {"bin_id": "b", **sat, "valid_from": moved.isoformat()},
    ]
    assert service.ask("PUT", "/v1/bins", {"bins": put}).json()["accepted"] == 2
    rows = [
        {"device_id": "sensor-1", "measured_at": (moved + pd.Timedelta(minutes=minutes)).isoformat(), "fill_pct": fill}
        for minutes, fill in ((-30, 33), (119, 44))
    ]
    assert post(service, *rows).json()["accepted"] == 2
    known = service.store.history().readings.frame
    assert known[known["fill_pct"] == 33]["bin_id"].tolist() == ["a"]
    assert known[known["fill_pct"] == 44]["bin_id"].tolist() == ["b"]
    assert forecast(service, "b")["fill_now_pct"] == 44
    late = {**rows[0], "measured_at": (moved - pd.Timedelta(minutes=1)).isoformat(), "fill_pct": 35}
    assert post(service, late).json()["accepted"] == 1  # heard after the move, measured before it
    assert 35 in service.store.history(["a"]).readings.frame["fill_pct"].tolist()


def test_a_sensor_that_sits_nowhere_is_rejected_with_its_reason(service: Any) -> None:
    service.know(a=10)
    row = {"device_id": "sensor-9", "measured_at": service.now[0].isoformat(), "fill_pct": 5}
    assert [row["reason"] for row in post(service, row).json()["rejected"]] == ["unknown_device"]

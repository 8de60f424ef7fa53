from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.history import History
from serving import state as state_module
from serving.champion import Champion
from serving.due import due
from serving.live import Live
from serving.messages import DueRequest
from serving.outlook import read_outlook
from serving.state import State
from training.forecast import FillForecast


class Counting:
    """A model that notes which bins it was asked for."""

    def __init__(self, model: Any) -> None:
        self.model, self.asked = model, list[list[str]]()
        self.HISTORY_DAYS, self.reads_weather, self.card = model.HISTORY_DAYS, model.reads_weather, model.card

    def forecast(self, history: History, as_of: pd.Timestamp, bin_ids: Sequence[str] | None = None) -> FillForecast:
        self.asked.append(sorted(bin_ids or []))
        forecast: FillForecast = self.model.forecast(history, as_of, bin_ids)
        return forecast

    def new(self) -> list[list[str]]:
        """What was asked since the last call."""
        asked, self.asked = self.asked, []
        return asked


class SwappedCopy:
    """A champion that tests may change."""

    def __init__(self, champion: Champion) -> None:
        self.now = champion

    def champion(self) -> Champion:
        return self.now

    def state(self) -> dict[str, Any]:
        return {"ok": True}

    def registry(self) -> dict[str, Any]:
        return {"ok": True}


@pytest.fixture
def model(service: Any, live: Callable[[Live], None]) -> Counting:
    """The service's model, counting; a second service on the same store is `Live` again."""
    counting = Counting(service.champion.model)
    service.copy = SwappedCopy(Champion(counting, "brimcast", "7"))  # type: ignore[arg-type]  # a stand-in
    service.live = Live(lambda: service.store, service.copy, lambda: service.now[0])
    live(service.live)
    return counting


def read(service: Any, name: str, fill: float, minutes: float = 0) -> None:
    at = (service.now[0] - pd.Timedelta(minutes=minutes)).isoformat()
    answer = service.post("/v1/readings", {"readings": [{"bin_id": name, "measured_at": at, "fill_pct": fill}]})
    assert answer["accepted"] == 1


def ask(service: Any, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = service.post(
        "/v1/due", {"by": (service.now[0] + pd.Timedelta(hours=24)).isoformat(), **body}
    )
    return answer


def test_what_is_asked_again_is_not_forecast_again(service: Any, model: Counting) -> None:
    service.know(a=90, b=75, c=10)
    first = ask(service)
    assert model.new() == [["a", "b", "c"]]
    assert ask(service) == first
    service.post("/v1/forecast", {"bin_ids": ["c", "a"]})
    ask(service, risk=0.3, full_pct=60, visits=[{"bin_id": "a", "at": first["as_of"]}], skip=["b"])
    service.ask("GET", "/v1/bins/b")
    assert model.new() == []


def test_a_posted_reading_changes_the_next_answer_and_no_other_bin_is_forecast_again(
    service: Any, model: Counting
) -> None:
    service.know(a=90, b=75, c=10)
    ask(service)
    model.new()
    service.now[0] += pd.Timedelta(minutes=1)
    read(service, "c", 93)
    answer = ask(service)
    assert {bin_["bin_id"]: bin_["fill_now_pct"] for bin_ in answer["due"]} == {"a": 90, "b": 75, "c": 93}
    assert model.new() == [["c"]]
    assert pd.Timestamp(answer["as_of"]) == service.now[0]
    made = {bin_["bin_id"]: pd.Timestamp(bin_["as_of"]) for bin_ in answer["due"]}
    assert made["a"] == made["b"] == made["c"] - pd.Timedelta(minutes=1)


def test_late_readings_revisions_emptyings_and_new_facts_are_seen_too(service: Any, model: Counting) -> None:
    service.know(a=90, b=75)
    for body in (
        lambda: read(service, "a", 50, minutes=600),
        lambda: read(service, "a", 91, minutes=10),
        lambda: service.post("/v1/emptyings", {"emptyings": [{"bin_id": "a", "emptied_at": "2026-03-01T07:40:00Z"}]}),
        lambda: service.ask("PUT", "/v1/bins", {"bins": [{"bin_id": "a", "timezone": "UTC", "full_pct": 60}]}),
    ):
        ask(service)
        model.new()
        service.now[0] += pd.Timedelta(seconds=1)
        body()
        ask(service)
        assert model.new() == [["a"]]
    assert ask(service)["due"][0]["capacity_l"] is None


def test_a_reading_posted_again_makes_no_forecast_old(service: Any, model: Counting) -> None:
    service.know(a=90)
    ask(service)
    model.new()
    row = {"bin_id": "a", "measured_at": (service.now[0] - pd.Timedelta(minutes=10)).isoformat(), "fill_pct": 90}
    assert service.post("/v1/readings", {"readings": [row]})["unchanged"] == 1
    ask(service)
    assert model.new() == []


def test_no_answer_is_more_than_five_minutes_old(service: Any, model: Counting) -> None:
    service.know(a=90)
    asked_at = service.now[0]
    ask(service)
    service.now[0] += pd.Timedelta(minutes=5)
    assert pd.Timestamp(ask(service)["as_of"]) == asked_at
    service.now[0] += pd.Timedelta(seconds=1)
    assert pd.Timestamp(ask(service)["as_of"]) == service.now[0]


def test_a_kept_forecast_is_that_of_a_direct_call_at_its_own_moment(service: Any, model: Counting) -> None:
    service.know(**{f"bin_{i}": float(i % 90) for i in range(60)})
    ask(service)
    for i in (3, 30, 59):
        service.now[0] += pd.Timedelta(minutes=1)
        read(service, f"bin-{i}", 91)
        told = service.post("/v1/forecast", {"bin_ids": [f"bin-{k}" for k in range(60)], "horizons_h": [6, 48]})
        as_of = pd.Timestamp(told["as_of"]).as_unit("us")
        for one in told["forecasts"]:
            direct = model.model.forecast(
                service.store.history([one["bin_id"]]), pd.Timestamp(one["as_of"]).as_unit("us"), [one["bin_id"]]
            )
            for point, hours in zip(one["points"], (6, 48), strict=True):
                at = as_of + pd.Timedelta(hours=hours)
                assert point["p_full"] == direct.p_full(at)[0]
                assert point["mean"] == direct.mean(at)[0]
                assert point["quantiles"]["0.9"] == direct.quantile(0.9, at)[0]


def test_a_whole_city_answered_from_memory_equals_the_plain_function(service: Any, model: Counting) -> None:
    service.know(**{f"bin_{i}": float(i % 99) for i in range(600)})
    body = {"by": (service.now[0] + pd.Timedelta(hours=30)).isoformat(), "risk": 0.2, "full_pct": 85}
    outlook = read_outlook(service.champion, service.store, None, None, service.now[0])
    direct = json.loads(
        due(outlook, DueRequest.model_validate_json(json.dumps(body)), service.now[0]).model_dump_json()
    )
    for _ in ("made", "kept"):
        assert service.post("/v1/due", body) == direct
    assert [len(asked) for asked in model.new()] == [100] * 6


def test_two_workers_on_one_store_agree(service: Any, model: Counting, live: Callable[[Live], None]) -> None:
    service.know(a=90, b=75, c=10)
    workers = [service.live, Live(lambda: service.store, service.copy, lambda: service.now[0])]
    for fill in (20.0, 60.0, 94.0):
        live(workers[0])
        read(service, "c", fill)
        service.now[0] += pd.Timedelta(seconds=30)
        answers = []
        for worker in workers:
            live(worker)
            answers.append(ask(service, risk=0.01))
        assert answers[0] == answers[1]
        assert {bin_["bin_id"]: bin_["fill_now_pct"] for bin_ in answers[1]["due"]}.get("c", fill) == fill


def test_bins_that_nobody_knows_are_not_kept(service: Any, model: Counting) -> None:
    service.know(a=90)
    told = service.post("/v1/forecast", {"bin_ids": ["nope", "a", "none"]})["forecasts"]
    assert [one["status"] for one in told] == ["unknown_bin", "ok", "unknown_bin"]
    assert len(service.live.state()) == 1
    read(service, "a", 91)
    service.ask("PUT", "/v1/bins", {"bins": [{"bin_id": "nope", "timezone": "UTC"}]})
    told = service.post("/v1/forecast", {"bin_ids": ["nope", "a"]})["forecasts"]
    assert [one["status"] for one in told] == ["no_data", "ok"]


def test_a_reading_committed_while_a_forecast_is_made_is_in_the_next(service: Any, model: Counting) -> None:
    service.know(a=10)
    steady, raced = model.model.forecast, list[bool]()

    def racing(history: History, *rest: Any) -> Any:
        if not raced:
            raced.append(True)
            read(service, "a", 77)
        return steady(history, *rest)

    model.model.forecast = racing
    assert service.post("/v1/forecast", {"bin_ids": ["a"]})["forecasts"][0]["fill_now_pct"] == 10
    assert service.post("/v1/forecast", {"bin_ids": ["a"]})["forecasts"][0]["fill_now_pct"] == 77


def test_many_threads_that_post_and_ask_always_find_what_they_posted(
    service: Any, model: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.know(**{f"bin_{i}": 1.0 for i in range(24)})
    monkeypatch.setattr(state_module, "BATCH", 5)
    state, wrong = State(service.champion), list[object]()

    def work(k: int) -> None:
        from data.readings import Readings

        for step in range(8):
            fill, name = float(10 + step), f"bin-{k}"
            at = service.now[0] - pd.Timedelta(minutes=9 - step)
            frame = pd.DataFrame({"bin_id": [name], "measured_at": [at], "fill_pct": [fill], "received_at": [at]})
            service.store.put_readings(Readings.checked(frame))
            for asked in ([name], None):
                outlook = state.outlook(service.store, asked, service.now[0])
                row = list(outlook.forecast.bin_ids).index(name)
                if outlook.forecast.fill_now_pct[row] != fill:
                    wrong.append((name, step, asked))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_first_forecasts_are_made_in_the_background_and_readyz_says_so(
    service: Any, model: Counting, live: Callable[[Live], None]
) -> None:
    service.know(a=90, b=75)
    steady, may = model.model.forecast, threading.Event()

    def waiting(*rest: Any) -> Any:
        may.wait(20)
        return steady(*rest)

    model.model.forecast = waiting
    service.live.keep_fresh()
    try:
        answer = service.ask("GET", "/readyz")
        assert answer.status_code == 503
        assert "0 of 2 bins" in answer.json()["detail"]
        may.set()
        until = time.monotonic() + 20
        while service.ask("GET", "/readyz").status_code != 200 and time.monotonic() < until:
            time.sleep(0.05)
        assert service.ask("GET", "/readyz").json()["forecasts"] == {"ok": True, "bins": 2}
        model.new()
        ask(service)
        assert model.new() == []
    finally:
        may.set()
        service.live.end()


def test_a_new_champion_answers_at_once_or_once_its_state_is_filled(service: Any, model: Counting) -> None:
    service.know(a=90)
    assert ask(service)["model"]["version"] == "7"
    service.copy.now = Champion(model, "brimcast", "8")  # type: ignore[arg-type]  # a stand-in
    assert ask(service)["model"]["version"] == "8"
    service.live._keeper = threading.Thread()
    service.copy.now = Champion(model, "brimcast", "9")  # type: ignore[arg-type]  # a stand-in
    assert ask(service)["model"]["version"] == "8"
    service.live.freshen()
    model.new()
    assert ask(service)["model"]["version"] == "9"
    assert model.new() == []


def test_the_background_makes_forecasts_again_before_requests_must(service: Any, model: Counting) -> None:
    service.know(a=90, b=75)
    service.live.freshen()
    service.now[0] += pd.Timedelta(minutes=2)
    model.new()
    service.live.freshen()
    assert model.new() == []
    service.now[0] += pd.Timedelta(minutes=2)
    service.live.freshen()
    assert model.new() == [["a", "b"]]


def test_an_outlook_once_given_never_changes(service: Any, model: Counting) -> None:
    service.know(a=10, b=20)
    before = service.live.outlook(None, None, service.now[0])
    values = before.forecast.values.copy()
    read(service, "a", 80)
    after = service.live.outlook(None, None, service.now[0])
    assert np.array_equal(before.forecast.values, values)
    assert after.forecast.fill_now_pct.tolist() == [80, 20]

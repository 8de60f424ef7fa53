from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serving.forecasts import forecasts
from serving.messages import ForecastRequest
from serving.outlook import read_outlook


def ask(service: Any, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = service.post("/v1/forecast", {"horizons_h": [6, 24, 72], **body})
    return answer


def test_the_http_answer_equals_the_plain_function(service: Any) -> None:
    service.know(a=10, b=50, c=93)
    body: dict[str, Any] = {
        "bin_ids": ["c", "a", "nope", "b"],
        "horizons_h": [0.5, 6, 336],
        "quantiles": [0.05, 0.5, 0.9],
    }
    outlook = read_outlook(service.champion, service.store, body["bin_ids"], None, service.now[0])
    direct = forecasts(outlook, ForecastRequest(**body), service.now[0])
    assert ask(service, **body) == json.loads(direct.model_dump_json())


def test_the_http_answer_equals_the_models_own(service: Any) -> None:
    service.know(a=10, b=50)
    forecast = service.champion.model.forecast(service.store.history(), service.now[0], ["b", "a"])
    told = ask(service, bin_ids=["b", "a"], full_pct=80)["forecasts"]
    for k, hours in enumerate([6, 24, 72]):
        at = service.now[0] + pd.Timedelta(hours=hours)
        assert [f["points"][k]["p_full"] for f in told] == forecast.p_full(at, 80).tolist()
        assert [f["points"][k]["mean"] for f in told] == forecast.mean(at).tolist()
        assert [f["points"][k]["quantiles"]["0.9"] for f in told] == forecast.quantile(0.9, at).tolist()
    half = pd.to_datetime([f["full_at"]["p50"] for f in told]).tz_localize(None)
    assert (half.to_numpy().astype("datetime64[us]") == forecast.full_at(0.5, 80)).all()


def test_bins_come_in_the_order_asked_and_once_each(service: Any) -> None:
    service.know(a=10, b=50)
    assert [f["bin_id"] for f in ask(service, bin_ids=["b", "a", "b"])["forecasts"]] == ["b", "a"]


def test_an_unknown_bin_is_an_entry_with_empty_numbers(service: Any) -> None:
    told = ask(service, bin_ids=["nope"])["forecasts"][0]
    assert told["status"] == "unknown_bin"
    assert told["fill_now_pct"] is None
    assert [point["p_full"] for point in told["points"]] == [None, None, None]
    assert told["full_at"] == {"p10": None, "p50": None, "p90": None}


def test_the_next_forecast_has_seen_an_acknowledged_reading(service: Any) -> None:
    service.know(a=10)
    for fill in (20.0, 30.0):
        service.now[0] += pd.Timedelta(minutes=1)
        row = {"bin_id": "a", "measured_at": service.now[0].isoformat(), "fill_pct": fill}
        service.post("/v1/readings", {"readings": [row]})
        assert ask(service, bin_ids=["a"])["forecasts"][0]["fill_now_pct"] == fill


def test_as_of_is_not_older_than_a_reading_from_a_sensor_whose_clock_is_ahead(service: Any) -> None:
    service.know(a=10)
    ahead = service.now[0] + pd.Timedelta(minutes=4)
    service.post("/v1/readings", {"readings": [{"bin_id": "a", "measured_at": ahead.isoformat(), "fill_pct": 40}]})
    answer = ask(service, bin_ids=["a"])
    assert pd.Timestamp(answer["as_of"]) == ahead
    assert answer["forecasts"][0]["fill_now_pct"] == 40


def test_as_of_is_now_when_nothing_is_newer(service: Any) -> None:
    service.know(a=10)
    assert pd.Timestamp(ask(service, bin_ids=["a"])["as_of"]) == service.now[0]


def test_a_forecast_of_the_past_knows_only_what_had_been_heard(service: Any) -> None:
    service.know(a=10)
    then = service.now[0]
    before = ask(service, bin_ids=["a"], as_of=then.isoformat())
    service.now[0] += pd.Timedelta(hours=3)
    late = {"bin_id": "a", "measured_at": (then - pd.Timedelta(minutes=1)).isoformat(), "fill_pct": 88}
    service.post("/v1/readings", {"readings": [late]})
    assert ask(service, bin_ids=["a"], as_of=then.isoformat()) == before


def test_times_carry_an_offset(service: Any) -> None:
    service.know(a=10)
    told = ask(service, bin_ids=["a"])
    shown = [told["as_of"], told["model"]["trained_until"], told["forecasts"][0]["last_reading_at"]]
    shown += [point["at"] for point in told["forecasts"][0]["points"]]
    assert all(text.endswith("Z") for text in shown)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bin_ids", []), ("bin_ids", "a"), ("bin_ids", [1]), ("bin_ids", [""]), ("bin_ids", ["a\u0000"]),
        ("bin_ids", ["x" * 201]), ("horizons_h", [-1]), ("horizons_h", [0]), ("horizons_h", [337]), ("horizons_h", []),
        ("horizons_h", ["6"]), ("horizons_h", [True]), ("horizons_h", [1e308]), ("horizons_h", [10**400]),
        ("horizons_h", None), ("as_of", "yesterday"), ("as_of", "2026-03-02T12:00:00"), ("as_of", 5),
        ("as_of", "0001-01-01T00:00:00+14:00"), ("as_of", "9999-12-31T23:59:59-14:00"),
        ("as_of", "2026-03-02T12:06:00Z"), ("quantiles", [0]), ("quantiles", [1.5]), ("quantiles", []),
        ("full_pct", 0), ("full_pct", 101), ("full_pct", "95"), ("surprise", 1),
    ],
)  # fmt: skip
def test_a_wrong_field_is_a_400_that_points_at_it(service: Any, field: str, value: object) -> None:
    answer = service.ask("POST", "/v1/forecast", {"bin_ids": ["a"], field: value})
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert any(error["pointer"].startswith(f"#/{field}") for error in answer.json()["errors"])


def test_many_bins_and_horizons_are_answered_at_once(service: Any) -> None:
    service.know(**{f"bin_{i}": float(i % 90) for i in range(200)})
    told = ask(service, bin_ids=[f"bin-{i}" for i in range(200)], horizons_h=list(range(1, 49)))["forecasts"]
    assert len(told) == 200
    assert all(np.diff([point["mean"] for point in one["points"]]).min() >= 0 for one in told)


def test_an_answer_that_would_be_too_long_is_refused(service: Any) -> None:
    asked = {"bin_ids": [f"b{i}" for i in range(10_000)], "horizons_h": [float(h) for h in range(1, 22)]}
    answer = service.ask("POST", "/v1/forecast", asked)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"pointer": "#/horizons_h", "detail": "210,000 bins times horizons are asked for; at most 200,000 at a time"}
    ]

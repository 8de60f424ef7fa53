from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from pydantic import BaseModel

from serving.answers import VroomAnswer
from serving.due import due
from serving.lwm2m import Lwm2mAnswer
from serving.messages import DueRequest
from serving.ngsi_ld import NgsiLdAnswer
from serving.outlook import read_outlook


def after(service: Any, hours: float) -> str:
    moment: pd.Timestamp = service.now[0] + pd.Timedelta(hours=hours)
    return moment.isoformat()


def ask(service: Any, hours: float = 24, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = service.post("/v1/due", {"by": after(service, hours), **body})
    return answer


def names(answer: dict[str, Any]) -> list[str]:
    return [bin_["bin_id"] for bin_ in answer["due"]]


def test_bins_over_the_risk_are_due_most_urgent_first(service: Any) -> None:
    service.know(low=10, mid=75, high=90, over=99)
    answer = ask(service)
    assert names(answer) == ["over", "high", "mid"]
    safe = [pd.Timestamp(bin_["latest_safe_emptying_at"]) for bin_ in answer["due"]]
    assert safe == sorted(safe)
    assert safe[0] == service.now[0]


def test_the_http_answer_equals_the_plain_function(service: Any) -> None:
    service.know(low=10, mid=75, high=90)
    body = {"by": after(service, 24), "risk": 0.2}
    outlook = read_outlook(service.champion, service.store, None, None, service.now[0])
    direct = due(outlook, DueRequest.model_validate_json(json.dumps(body)), service.now[0])
    assert service.post("/v1/due", body) == json.loads(direct.model_dump_json())


def test_what_is_due_agrees_with_the_forecast(service: Any) -> None:
    service.know(mid=75)
    one = ask(service)["due"][0]
    told = service.post("/v1/forecast", {"bin_ids": ["mid"], "horizons_h": [24]})["forecasts"][0]
    assert one["p_full"] == told["points"][0]["p_full"]
    assert one["expected_fill_pct"] == told["points"][0]["mean"]
    assert one["full_at"] == told["full_at"]
    assert one["expected_volume_l"] == pytest.approx(10 * one["expected_fill_pct"])


def test_a_higher_risk_makes_fewer_bins_due(service: Any) -> None:
    service.know(**{f"bin_{i}": 60.0 + i for i in range(35)})
    due = [set(names(ask(service, risk=risk))) for risk in (0.05, 0.2, 0.5, 0.8)]
    assert due[0] > due[1] > due[2] > due[3]


def test_a_bins_own_next_visit_stands_in_for_by(service: Any) -> None:
    service.know(mid=75, other=75)
    soon = [{"bin_id": "mid", "at": after(service, 2)}, {"bin_id": "mid", "at": after(service, 40)}]
    assert names(ask(service, visits=soon)) == ["other"]
    late = [{"bin_id": "mid", "at": after(service, 40)}]
    assert set(names(ask(service, hours=2, visits=late))) == {"mid"}


@pytest.mark.parametrize("form", ["json", "vroom", "ngsi-ld", "lwm2m"])
def test_visits_of_the_past_and_of_other_bins_change_nothing_and_are_told(service: Any, form: str) -> None:
    service.know(mid=75)
    visits = [{"bin_id": "mid", "at": after(service, -2)}, {"bin_id": "elsewhere", "at": after(service, 2)}]
    answer = ask(service, visits=visits, skip=["mdi"], format=form)
    ignored = answer.pop("ignored")
    assert {one["pointer"]: one["detail"] for one in ignored} == {
        "#/visits/0": "lies before as_of",
        "#/visits/1": "'elsewhere' is not among the bins asked",
        "#/skip/0": "'mdi' is not among the bins asked",
    }
    without = ask(service, format=form)
    assert without.pop("ignored") == []
    assert answer == without


def test_bins_whose_sensors_tell_nothing_are_skipped_with_their_reasons(service: Any) -> None:
    service.know(ok=99, faulty_1=99)
    service.ask("PUT", "/v1/bins", {"bins": [{"bin_id": "empty", "timezone": "UTC"}]})
    old = {"bin_id": "silent", "measured_at": after(service, -60), "fill_pct": 99}
    service.ask("PUT", "/v1/bins", {"bins": [{"bin_id": "silent", "timezone": "UTC"}]})
    service.post("/v1/readings", {"readings": [old]})
    answer = ask(service)
    assert names(answer) == ["ok"]
    assert {s["bin_id"]: s["status"] for s in answer["skipped"]} == {
        "empty": "no_data", "faulty-1": "faulty_sensor", "silent": "stale",
    }  # fmt: skip
    assert all(s["reasons"] for s in answer["skipped"])


def test_a_bin_asked_for_that_nobody_knows_is_skipped(service: Any) -> None:
    service.know(ok=99)
    answer = ask(service, bin_ids=["nope"])
    assert answer["due"] == []
    assert [(s["bin_id"], s["status"]) for s in answer["skipped"]] == [("nope", "unknown_bin")]


def test_only_the_bins_asked_for_are_listed(service: Any) -> None:
    service.know(a=99, b=99)
    assert names(ask(service, bin_ids=["b"])) == ["b"]
    assert names(ask(service, bin_ids=[])) == []


def test_what_if_some_are_not_emptied_names_those_that_would_be_due(service: Any) -> None:
    service.know(a=99, b=99, low=10)
    answer = ask(service, skip=["b", "low", "nope"], limit=1)
    assert names(answer) == ["a"]
    assert answer["left_out"] == 0
    assert answer["skipped"] == [
        {"bin_id": "b", "status": "ok", "reasons": ["left out as asked; full with probability 1.00"]}
    ]


def test_a_limit_keeps_the_most_urgent_and_counts_the_rest(service: Any) -> None:
    service.know(a=80, b=90, c=99)
    answer = ask(service, limit=2)
    assert names(answer) == ["c", "b"]
    assert answer["left_out"] == 1


def test_a_volume_keeps_the_most_urgent_that_fit(service: Any) -> None:
    service.know(a=80, b=90, c=99)
    volumes = [bin_["expected_volume_l"] for bin_ in ask(service)["due"]]
    answer = ask(service, max_volume_l=volumes[0] + volumes[1] + 1)
    assert names(answer) == ["c", "b"]
    assert answer["left_out"] == 1
    assert ask(service, max_volume_l=1)["due"] == []


def test_a_bin_without_a_capacity_is_skipped_where_volume_counts(service: Any) -> None:
    service.know(a=99)
    service.ask("PUT", "/v1/bins", {"bins": [{"bin_id": "a", "timezone": "UTC"}]})
    answer = ask(service, max_volume_l=5000)
    assert answer["due"] == []
    assert answer["skipped"][0]["reasons"] == ["max_volume_l needs its capacity_l"]


def test_vroom_gets_the_same_bins_as_jobs(service: Any) -> None:
    service.know(a=80, b=99)
    service.ask("PUT", "/v1/bins", {"bins": [{"bin_id": "nowhere", "timezone": "UTC"}]})
    row = {"bin_id": "nowhere", "measured_at": after(service, -1), "fill_pct": 99}
    service.post("/v1/readings", {"readings": [row]})
    plain, answer = ask(service), ask(service, format="vroom")
    assert [job["description"] for job in answer["jobs"]] == ["b", "a"]
    assert [job["id"] for job in answer["jobs"]] == [1, 2]
    by_name = {bin_["bin_id"]: bin_ for bin_ in plain["due"]}
    for job in answer["jobs"]:
        assert job["location"] == [14.0, 50.0]
        assert 0 <= job["priority"] <= 100
        assert 0 <= job["pickup"][0] - by_name[job["description"]]["expected_volume_l"] < 1
        start, end = job["time_windows"][0]
        assert start == service.now[0].timestamp()
        assert start < end <= service.now[0].timestamp() + 24 * 3600
    assert [s["reasons"] for s in answer["skipped"]] == [["no latitude and longitude"]]


@pytest.mark.parametrize("form", ["vroom", "ngsi-ld", "lwm2m"])
def test_every_format_holds_to_the_document(service: Any, form: str) -> None:
    service.know(mid=75, over=99)
    models: dict[str, type[BaseModel]] = {"vroom": VroomAnswer, "ngsi-ld": NgsiLdAnswer, "lwm2m": Lwm2mAnswer}
    models[form].model_validate(ask(service, format=form))
    schema = service.ask("GET", "/docs.json").json()["paths"]["/v1/due"]["post"]["responses"]["200"]["content"]
    assert f"/{models[form].__name__}'" in str(schema)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("by", None), ("by", "tomorrow"), ("by", "2026-03-03"), ("by", "2026-03-03T06:00:00"), ("by", 1.7e9),
        ("by", "2026-03-01T06:00:00Z"), ("by", "2026-03-30T06:00:00Z"), ("by", "9999-12-31T23:59:59-14:00"),
        ("risk", 0), ("risk", 1), ("risk", -0.1), ("risk", "0.1"), ("limit", 0), ("limit", 1.5), ("limit", 10**30),
        ("max_volume_l", 0), ("max_volume_l", 10**400), ("format", "xml"), ("visits", [{"bin_id": "a"}]),
        ("visits", [{"bin_id": "a", "at": "2026-05-01T00:00:00Z"}]), ("full_pct", 300), ("bins", []),
    ],
)  # fmt: skip
def test_a_wrong_field_is_a_400_that_points_at_it(service: Any, field: str, value: object) -> None:
    answer = service.ask("POST", "/v1/due", {"by": "2026-03-03T06:00:00Z", field: value})
    assert answer.status_code == 400, answer.text
    assert any(error["pointer"].startswith(f"#/{field}") for error in answer.json()["errors"])

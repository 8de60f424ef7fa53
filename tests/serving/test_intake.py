from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

GOOD = {"bin_id": "a", "measured_at": "2026-03-02T11:00:00Z", "fill_pct": 40}
HOUR = {
    "at": "2026-03-03T09:00:00Z",
    "issued_at": "2026-03-02T11:00:00Z",
    "temperature_c": 4.5,
    "precipitation_mm": 0.2,
}


def reasons(answer: dict[str, Any]) -> dict[int, str]:
    return {row["index"]: row["reason"] for row in answer["rejected"]}


def test_good_rows_are_kept_when_others_are_bad(service: Any) -> None:
    service.know(a=10)
    bad = [
        {}, 5, None, [], {**GOOD, "bin_id": "elsewhere"}, {**GOOD, "fill_pct": 999}, {**GOOD, "fill_pct": "much"},
        {**GOOD, "measured_at": "2026-03-02T11:00:00"}, {**GOOD, "measured_at": "2026-03-02T12:06:00Z"},
        {**GOOD, "fill_pct": None}, {**GOOD, "fill_pct": True}, {**GOOD, "fill_pct": 10**400},
        {**GOOD, "fill_pct": [1]}, {**GOOD, "bin_id": {"x": 1}}, {**GOOD, "bin_id": "a\u0000"},
        {**GOOD, "measured_at": "0001-01-01T00:00:00Z"}, {**GOOD, "measured_at": "9999-12-31T23:59:59-14:00"},
        {**GOOD, "received_at": "2027-01-01T00:00:00Z"}, {**GOOD, "measured_at": 1.7e18},
    ]  # fmt: skip
    answer = service.post("/v1/readings", {"readings": [*bad, GOOD]})
    assert answer["accepted"] == 1
    assert sorted(reasons(answer)) == list(range(len(bad)))


def test_the_same_readings_posted_again_change_nothing(service: Any) -> None:
    service.know(a=10)
    body = {"readings": [GOOD, {**GOOD, "measured_at": "2026-03-02T11:30:00+01:00", "fill_pct": 41.5}]}
    assert service.post("/v1/readings", body)["accepted"] == 2
    before = service.store.history().fingerprint()
    assert service.post("/v1/readings", body) == {"accepted": 0, "unchanged": 2, "rejected": [], "ignored_fields": []}
    assert service.store.history().fingerprint() == before


def test_a_row_repeated_in_one_request_is_unchanged(service: Any) -> None:
    service.know(a=10)
    answer = service.post("/v1/readings", {"readings": [GOOD, GOOD, GOOD]})
    assert (answer["accepted"], answer["unchanged"], answer["rejected"]) == (1, 2, [])


def test_a_repeat_within_one_post_becomes_a_version_when_what_lay_between_comes_late(service: Any) -> None:
    service.know(a=10)

    def heard(minute: int, fill: float) -> dict[str, Any]:
        return {**GOOD, "fill_pct": fill, "received_at": f"2026-03-02T11:{minute:02d}:00Z"}

    body = {"readings": [heard(10, 40), heard(30, 40)]}
    for accepted in (1, 0):
        answer = service.post("/v1/readings", body)
        assert (answer["accepted"], answer["unchanged"], answer["rejected"]) == (accepted, 2 - accepted, [])
    assert service.post("/v1/readings", {"readings": [heard(20, 70)]})["accepted"] == 1
    frame = service.store.history().readings.frame
    assert frame[frame["measured_at"] == GOOD["measured_at"]]["fill_pct"].tolist() == [40, 70, 40]
    assert service.post("/v1/forecast", {"bin_ids": ["a"]})["forecasts"][0]["fill_now_pct"] == 10


def test_distances_become_percent_by_the_bins_scale(service: Any) -> None:
    scaled = {"bin_id": "a", "timezone": "UTC", "empty_mm": 1200, "full_mm": 200}
    service.ask("PUT", "/v1/bins", {"bins": [scaled]})
    row = {"bin_id": "a", "measured_at": GOOD["measured_at"], "distance_mm": 700}
    assert service.post("/v1/readings", {"readings": [row]})["accepted"] == 1
    assert service.store.history().readings.frame["fill_pct"].tolist() == [50.0]


def test_fields_that_nobody_knows_are_named(service: Any) -> None:
    service.know(a=10)
    assert service.post("/v1/readings", {"readings": [{**GOOD, "rssi": -90}]})["ignored_fields"] == ["rssi"]


def test_any_bin_may_report_while_no_bins_are_known(service: Any) -> None:
    assert service.post("/v1/readings", {"readings": [GOOD]})["accepted"] == 1


def test_bins_are_put_and_listed(service: Any) -> None:
    rows = [{"bin_id": f"b{i}", "timezone": "Europe/Prague", "capacity_l": 240} for i in range(5)]
    assert service.ask("PUT", "/v1/bins", {"bins": rows}).json()["accepted"] == 5
    assert service.ask("PUT", "/v1/bins", {"bins": rows}).json()["unchanged"] == 5
    first = service.ask("GET", "/v1/bins?limit=3").json()
    rest = service.ask("GET", f"/v1/bins?limit=3&after={first['next_after']}").json()
    assert [bin_["bin_id"] for bin_ in first["bins"] + rest["bins"]] == [f"b{i}" for i in range(5)]
    assert rest["next_after"] is None


def test_bad_bins_are_rejected_one_by_one(service: Any) -> None:
    rows = [
        {"bin_id": "ok", "timezone": "UTC"}, {"bin_id": "x", "timezone": "Mars/Base"}, {"timezone": "UTC"}, 5,
        {"bin_id": "x", "timezone": "UTC", "latitude": 91}, {"bin_id": "x", "timezone": "UTC", "capacity_l": -1},
        {"bin_id": "x", "timezone": "UTC", "full_pct": 10**400}, {"bin_id": "x", "timezone": "UTC", "name": [1]},
    ]  # fmt: skip
    answer = service.ask("PUT", "/v1/bins", {"bins": rows}).json()
    assert answer["accepted"] == 1
    assert sorted(reasons(answer)) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("fault", [{"full_pct": -3}, {"full_pct": 0.5}, {"full_pct": 201}, {"name": "\ud800"},
                                   {"stream": "a\u0000"}, {"site_kind": "x" * 201}, {"device_id": "a\u0000"},
                                   {"bin_id": " "}, {"bin_id": "\ud800"}, {"empty_mm": 100, "full_mm": 100},
                                   {"valid_from": "2026-01-02T00:00Z", "valid_to": "2026-01-01T00:00Z"}])  # fmt: skip
def test_what_no_bin_is_like_and_no_database_takes_is_rejected_with_its_row(
    service: Any, fault: dict[str, Any]
) -> None:
    text = json.dumps({"bins": [{"bin_id": "ok", "timezone": "UTC"}, {"bin_id": "x", "timezone": "UTC"} | fault]})
    answer = service.client.put("/v1/bins", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["accepted"], reasons(answer.json())) == (1, {1: "invalid_row"})


def test_blanks_around_a_bins_name_are_no_part_of_it(service: Any) -> None:
    service.ask("PUT", "/v1/bins", {"bins": [{"bin_id": " a ", "timezone": "UTC"}]})
    for name in ("a", " a "):
        assert service.post("/v1/readings", {"readings": [{**GOOD, "bin_id": name}]})["rejected"] == []
    emptied = {"bin_id": " a", "emptied_at": "2026-03-01T07:40:00Z"}
    assert service.post("/v1/emptyings", {"emptyings": [emptied]})["accepted"] == 1


def test_a_page_after_what_no_database_takes_is_a_400(service: Any) -> None:
    answer = service.ask("GET", "/v1/bins?after=%00")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/after"


def test_emptyings_are_kept_once(service: Any) -> None:
    service.know(a=10)
    body = {
        "emptyings": [
            {"bin_id": "a", "emptied_at": "2026-03-01T07:40:00Z"},
            {"bin_id": "nope", "emptied_at": "2026-03-01T07:40:00Z"},
            {"bin_id": "a", "emptied_at": "2026-03-09T07:40:00Z"},
        ]
    }
    answer = service.post("/v1/emptyings", body)
    assert answer["accepted"] == 1
    assert reasons(answer) == {1: "unknown_bin", 2: "from_the_future"}
    assert service.post("/v1/emptyings", body)["unchanged"] == 1
    assert len(service.store.history().emptyings) == 1


@pytest.mark.parametrize("fault", [{"fill_after_pct": 300}, {"fill_after_pct": -50}, {"fill_before_pct": 1e9}])
def test_an_emptying_of_an_impossible_fill_is_rejected_with_its_row(service: Any, fault: dict[str, Any]) -> None:
    service.know(a=10)
    emptied = {"bin_id": "a", "emptied_at": "2026-03-01T07:40:00Z"}
    answer = service.post("/v1/emptyings", {"emptyings": [emptied | fault, emptied]})
    assert (answer["accepted"], reasons(answer)) == (1, {0: "invalid_row"})


def test_weather_is_kept_once_whatever_of_it_cannot_be_used(service: Any) -> None:
    rows = [
        HOUR,
        HOUR | {"issued_at": "2026-03-01T12:00:00Z"},
        HOUR | {"issued_at": "2026-03-02T12:06:00Z"},
        HOUR | {"temperature_c": None, "precipitation_mm": None},
        HOUR | {"temperature_c": 100},
        HOUR | {"at": "2026-03-03T09:00:00"},
        {"at": HOUR["at"], "temperature_c": 4.0},
    ]
    answer = service.post("/v1/weather", {"weather": rows})
    assert answer["accepted"] == 2
    assert reasons(answer) == {2: "from_the_future", 3: "missing_value", 4: "invalid_row", 5: "invalid_row",
                               6: "missing_value"}  # fmt: skip
    assert (service.post("/v1/weather", {"weather": rows})["unchanged"]) == 2
    assert len(service.store.weather()) == 2


@pytest.mark.parametrize("rows", [[], {}, "x", None, 5, [GOOD] * 10_001])
def test_what_is_no_list_of_rows_is_a_400(service: Any, rows: object) -> None:
    answer = service.ask("POST", "/v1/readings", {"readings": rows})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/readings"


def test_one_bin_is_told_with_its_readings_and_forecast(service: Any) -> None:
    service.know(a=40)
    service.post("/v1/emptyings", {"emptyings": [{"bin_id": "a", "emptied_at": "2026-03-01T07:40:00Z"}]})
    told = service.ask("GET", "/v1/bins/a?days=3").json()
    assert told["bin"]["capacity_l"] == 1000
    assert [row["fill_pct"] for row in told["readings"]] == [40]
    assert [row["source"] for row in told["emptyings"]] == ["reported"]
    assert told["forecast"]["status"] == "ok"


@pytest.mark.parametrize("name", ["nope", "%00", "%ED%A0%80", "a" * 150, "..%2f..%2fetc", "a%0Ab", "%F0%9F%97%91"])
def test_a_bin_that_nobody_knows_is_a_404(service: Any, name: str) -> None:
    answer = service.ask("GET", f"/v1/bins/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["bin_id", "measured_at", "fill_pct", "distance_mm", "received_at", "temperature_c", "quality", "device_id",
          "timezone", "latitude", "capacity_l", "full_pct", "name", "valid_from", "emptied_at",
          "probability", "at", "issued_at", "precipitation_mm"]  # fmt: skip
TIME = st.datetimes().map(lambda at: at.isoformat() + "Z") | st.text(max_size=12)
ROW = st.dictionaries(st.sampled_from(FIELDS), JSON | TIME | st.just("a"), max_size=9) | JSON


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=6))
def test_every_row_of_any_json_is_accepted_unchanged_or_rejected(service: Any, rows: list[Any]) -> None:
    for method, path, key in (("POST", "/v1/readings", "readings"), ("PUT", "/v1/bins", "bins"),
                              ("POST", "/v1/emptyings", "emptyings"), ("POST", "/v1/weather", "weather")):  # fmt: skip
        text = json.dumps({key: rows}, allow_nan=True)
        answer = service.client.request(method, path, content=text, headers={"content-type": "application/json"})
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["accepted"] + told["unchanged"] + len(told["rejected"]) == len(rows)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON | st.dictionaries(st.sampled_from(["by", "risk", "bin_ids", "horizons_h", "visits"]), JSON | TIME))
def test_no_json_makes_a_forecast_fail(service: Any, body: Any) -> None:
    for path in ("/v1/forecast", "/v1/due"):
        text = json.dumps(body, allow_nan=True)
        answer = service.client.post(path, content=text, headers={"content-type": "application/json"})
        assert answer.status_code in (200, 400), answer.text


def test_nan_and_infinity_are_rejected_with_their_rows(service: Any) -> None:
    service.know(a=10)
    rows = [{**GOOD, "fill_pct": value} for value in (math.nan, math.inf, -math.inf)]
    answer = service.client.post(
        "/v1/readings", content=json.dumps({"readings": rows}), headers={"content-type": "application/json"}
    )
    assert sorted(reasons(answer.json())) == [0, 1, 2]


def test_a_field_name_that_cannot_be_written_is_no_failure_of_ours(service: Any) -> None:
    half, headers = "\ud800", {"content-type": "application/json"}
    for method, path, row in (
        ("POST", "readings", GOOD),
        ("POST", "emptyings", {"bin_id": "a", "emptied_at": "2026-03-02T11:00:00Z"}),
        ("PUT", "bins", {"bin_id": "a", "timezone": "UTC"}),
        ("POST", "weather", HOUR),
    ):
        body = json.dumps({path: [row | {half: 1}]})
        answer = service.client.request(method, f"/v1/{path}", content=body, headers=headers)
        assert (answer.status_code, answer.json()["accepted"], answer.json()["ignored_fields"]) == (200, 1, ["?"])
        body = json.dumps({path: [row], half: 1})
        answer = service.client.request(method, f"/v1/{path}", content=body, headers=headers)
        assert answer.status_code == 400

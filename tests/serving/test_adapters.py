from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.adapters import PLATFORMS

ALL = [(platform.name, example) for platform in PLATFORMS for example in platform.examples]
PROBLEM = "application/problem+json"


def example(name: str) -> Any:
    return json.loads((files("data.adapters") / "examples" / f"{name}.json").read_text("utf-8"))


def bin_(bin_id: str, **more: Any) -> dict[str, Any]:
    return {"bin_id": bin_id, "timezone": "UTC"} | more


@pytest.fixture
def city(service: Any) -> Any:
    """A service that knows the bins and devices of all examples; its clock stands a day after them."""
    scale = {"empty_mm": 1216, "full_mm": 216}
    bins = [
        bin_("bin-0001"), bin_("bin-0002"), bin_("24583"), bin_("24590"),
        bin_("ttn", device_id="24E124713B492222", **scale), bin_("netvox", device_id="r718x-0042"),
        bin_("chirp", device_id="24e124713b493333", **scale),
        bin_("decent", device_id="70b3d57ba0000303", empty_mm=2234, full_mm=234),
    ]  # fmt: skip
    assert service.ask("PUT", "/v1/bins", {"bins": bins}).json()["rejected"] == []
    return service


def post(service: Any, name: str, payload: Any, query: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = service.post(f"/v1/adapters/{name}{query}", payload)
    return answer


def fills(service: Any) -> dict[str, list[float]]:
    found: dict[str, list[float]] = service.store.history().readings.frame.groupby("bin_id")["fill_pct"].apply(list)
    return dict(found)


@pytest.mark.parametrize(("name", "shown"), ALL)
def test_every_example_is_taken_and_again_changes_nothing(city: Any, name: str, shown: str) -> None:
    first = post(city, name, example(shown))
    assert first["rejected"] == []
    before = city.store.history().fingerprint()
    again = post(city, name, example(shown))
    assert (again["accepted"], again["unchanged"]) == (0, first["accepted"])
    assert again["emptyings"] == {"accepted": 0, "unchanged": first["emptyings"]["accepted"]}
    assert city.store.history().fingerprint() == before


def test_a_notifications_levels_are_readings_and_its_last_emptyings_emptyings(city: Any) -> None:
    answer = post(city, "ngsi-ld", example("ngsi-ld-normalised"))
    assert (answer["accepted"], answer["emptyings"]["accepted"]) == (2, 1)
    assert fills(city) == {"bin-0001": [63.5], "bin-0002": [20.0]}
    [emptying] = city.store.history().emptyings.frame.to_dict("records")
    assert (emptying["bin_id"], emptying["source"]) == ("bin-0001", "reported")
    assert str(emptying["emptied_at"]) == "2026-02-27 07:40:00+00:00"


def test_a_notification_with_its_context_is_json_too(city: Any) -> None:
    body = json.dumps(example("ngsi-ld-normalised"))
    headers = {"content-type": "application/ld+json"}
    answer = city.client.post("/v1/adapters/ngsi-ld", content=body, headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2)


def test_picks_and_measurements_of_prague_are_kept(city: Any) -> None:
    assert post(city, "golemio", example("golemio-measurements"))["accepted"] == 2
    assert post(city, "golemio", example("golemio-picks"))["emptyings"]["accepted"] == 1
    [pick] = city.store.history().emptyings.frame.to_dict("records")
    assert (pick["fill_before_pct"], pick["fill_after_pct"]) == (82, 11)
    assert fills(city) == {"24583": [35.0], "24590": [48.0]}


def test_a_row_that_prague_revises_is_a_new_version_and_the_old_one_still_holds_for_the_past(city: Any) -> None:
    rows = example("golemio-measurements")[:1]
    post(city, "golemio", rows)
    then = city.now[0]
    city.now[0] = then.replace(hour=18)
    revised = [rows[0] | {"percent_calculated": 41, "updated_at": rows[0]["updated_at"] + 60_000}]
    assert post(city, "golemio", revised)["accepted"] == 1
    assert city.store.history(until=then).readings.frame["fill_pct"].tolist() == [35]
    assert city.store.history(until=city.now[0]).readings.frame["fill_pct"].tolist() == [41]


def test_distances_become_percent_by_the_scale_of_the_devices_bin(city: Any) -> None:
    post(city, "ttn", example("ttn-em400-mud"))
    post(city, "ttn", example("ttn-r718x"))
    post(city, "chirpstack", example("chirpstack-em310-udl"), "?event=up")
    post(city, "chirpstack", example("chirpstack-dl-mbx"))
    assert fills(city) == {"ttn": [50.0], "netvox": [50.0], "chirp": [50.0], "decent": [50.0]}
    frame = city.store.history().readings.frame.set_index("bin_id")
    assert (frame.loc["ttn", "temperature_c"], frame.loc["ttn", "battery_pct"]) == (25.7, 92)
    assert frame.loc["netvox", "battery_pct"] == 94.9


def test_a_sensor_that_moved_reports_for_the_bin_it_sat_in_when_it_measured(service: Any) -> None:
    sensor = {"device_id": "24e124713b492222", "empty_mm": 1216, "full_mm": 216}
    moved = "2026-03-01T11:00:00Z"
    bins = [bin_("old", **sensor, valid_to=moved), bin_("new", **sensor, valid_from=moved)]
    service.ask("PUT", "/v1/bins", {"bins": bins})
    uplink = example("ttn-em400-mud")
    assert post(service, "ttn", uplink)["accepted"] == 1
    uplink["uplink_message"]["received_at"] = "2026-03-01T10:00:00.5Z"
    assert post(service, "ttn", uplink)["accepted"] == 1
    assert sorted(fills(service)) == ["new", "old"]


def test_an_unknown_device_is_rejected_by_its_name(city: Any) -> None:
    uplink = example("ttn-em400-mud") | {"end_device_ids": {"dev_eui": "24E1247100000000"}}
    [rejected] = post(city, "ttn", uplink)["rejected"]
    assert (rejected["index"], rejected["reason"]) == (0, "unknown_device")
    assert "24E1247100000000" in rejected["detail"]


def test_what_is_no_uplink_is_answered_200_and_ignored_with_a_word(city: Any) -> None:
    for name, shown, query in (("ttn", "ttn-join-accept", ""), ("chirpstack", "chirpstack-join", "?event=join")):
        answer = post(city, name, example(shown), query)
        assert [row["reason"] for row in answer["ignored"]] == ["join_accept" if name == "ttn" else "join"]
        assert (answer["accepted"], answer["unchanged"], answer["rejected"]) == (0, 0, [])


def test_good_items_survive_bad_neighbours_and_indices_count_items(city: Any) -> None:
    entities = [
        7,
        {"id": "urn:ngsi-ld:Device:d", "type": "Device"},
        {"id": "urn:ngsi-ld:WasteContainer:elsewhere", "type": "WasteContainer", "fillingLevel": 0.1},
        {"id": "urn:ngsi-ld:WasteContainer:bin-0001", "type": "WasteContainer", "fillingLevel": 0.3,
         "dateLastEmptying": "2026-02-27"},
        {"id": "urn:ngsi-ld:WasteContainer:bin-0002", "type": "WasteContainer",
         "fillingLevel": {"value": 0.2, "observedAt": "2027-01-01T00:00:00Z"},
         "dateLastEmptying": "2026-02-27T07:40:00Z"},
    ]  # fmt: skip
    answer = post(city, "ngsi-ld", {"notifiedAt": "2026-03-01T12:00:00Z", "data": entities})
    assert [(row["index"], row["reason"]) for row in answer["rejected"]] == [
        (0, "malformed_row"), (2, "unknown_bin"), (3, "invalid_row"), (4, "from_the_future"),
    ]  # fmt: skip
    assert [row["index"] for row in answer["ignored"]] == [1]
    assert (answer["accepted"], answer["emptyings"]["accepted"]) == (1, 1)


def test_fields_of_a_sensor_that_no_table_has_are_named(city: Any) -> None:
    assert post(city, "ttn", example("ttn-r718x"))["ignored_fields"] == [
        "AngleOfInclination", "Device", "Status", "Volt",
    ]  # fmt: skip


def test_the_next_forecast_has_seen_what_an_adapter_took(city: Any) -> None:
    post(city, "ttn", example("ttn-em400-mud"))
    assert city.post("/v1/forecast", {"bin_ids": ["ttn"]})["forecasts"][0]["fill_now_pct"] == 50


HALF = "\ud800"  # half a character, as JSON can write it and UTF-8 cannot
EMPTIED = {"dateLastEmptying": HALF, "fillingLevel": 0.5}


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("ttn", {"end_device_ids": {"dev_eui": HALF, "device_id": "a\u0000"}, "uplink_message": {}}),
        ("ttn", {"end_device_ids": {"dev_eui": "A"},
                 "uplink_message": {"received_at": HALF, "decoded_payload": {"distance": 5, HALF: HALF}}}),
        ("chirpstack", {"deviceInfo": {"devEui": "A"}, "object": {HALF: 1}}),
        ("chirpstack", {"deviceInfo": {"devEui": "A"}, "object": {"distance": HALF}}),
        ("ngsi-ld", [{"id": HALF, "type": "WasteContainer"} | EMPTIED, {"id": "a", "type": HALF},
                     {"id": "a", "type": "WasteContainer", "fillingLevel": HALF}]),
        ("golemio", [{"id": HALF, "percent_calculated": HALF, "measured_at_utc": HALF},
                     {"id": HALF, "percent_calculated": 1, "measured_at_utc": HALF},
                     {"id": HALF, "pick_at_utc": HALF, "percent_before": HALF}]),
    ],
)  # fmt: skip
def test_text_that_cannot_be_written_is_rejected_or_ignored(city: Any, name: str, payload: Any) -> None:
    headers = {"content-type": "application/json"}
    answer = city.client.post(f"/v1/adapters/{name}", content=json.dumps(payload), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 0
    assert answer.json()["rejected"] or answer.json()["ignored"]


@pytest.mark.parametrize("name", [platform.name for platform in PLATFORMS])
@pytest.mark.parametrize("payload", [None, {}, "x", 5, {"data": 5}, {"end_device_ids": []}, {"deviceInfo": "x"}])
def test_what_is_no_such_payload_is_a_problem(service: Any, name: str, payload: Any) -> None:
    headers = {"content-type": "application/json"}
    answer = service.client.post(f"/v1/adapters/{name}", content=json.dumps(payload), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
    assert answer.json()["errors"]


def test_an_unknown_platform_is_a_404_and_too_many_items_a_400(service: Any) -> None:
    assert service.ask("POST", "/v1/adapters/sigfox", {}).status_code == 404
    answer = service.ask("POST", "/v1/adapters/golemio", [{}] * 10_001)
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)
    assert "10,000" in answer.json()["detail"]


def test_the_document_shows_the_examples_under_the_schema_they_hold_to(service: Any) -> None:
    paths = service.ask("GET", "/docs.json").json()["paths"]
    for platform in PLATFORMS:
        body = paths[platform.path]["post"]["requestBody"]
        content = body["content"]["application/json"]
        assert body["required"] is True
        assert {name: shown["value"] for name, shown in content["examples"].items()} == {
            name: example(name) for name in platform.examples
        }
        assert platform.schema.items() <= content["schema"].items()
        assert {"200", "400", "413", "415", "503"} <= paths[platform.path]["post"]["responses"].keys()


def test_requests_are_counted_by_platform(city: Any) -> None:
    post(city, "golemio", example("golemio-picks"))
    text = city.ask("GET", "/metrics").text
    assert 'brimcast_requests_total{method="POST",route="/v1/adapters/golemio",status="200"}' in text


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.sampled_from(["2026-03-01T12:00:00Z", "WasteContainer", "urn:ngsi-ld:WasteContainer:a", 10**300, "a\u0000"]),
)  # fmt: skip


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, Any]:
    """A real payload of a platform in which some parts are something else, or gone."""
    name, shown = draw(st.sampled_from(ALL))
    payload = example(shown)
    for _ in range(draw(st.integers(1, 3))):
        place = payload
        for _ in range(draw(st.integers(0, 4))):
            inner = [value for value in (place.values() if isinstance(place, dict) else place)
                     if isinstance(value, (dict, list)) and value]  # fmt: skip
            if not inner:
                break
            place = draw(st.sampled_from(inner))
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if keys:
            key = draw(st.sampled_from(keys))
            place[key] = draw(
                st.one_of(SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.text(max_size=3), SCALARS))
            )
    return name, payload


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=broken())
def test_no_payload_whatever_is_a_failure_of_ours(city: Any, sent: tuple[str, Any]) -> None:
    name, payload = sent
    answer = city.ask("POST", f"/v1/adapters/{name}", payload)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200:
        told = answer.json()
        counted = told["accepted"] + told["unchanged"] + sum(told["emptyings"].values())
        assert counted + len(told["rejected"]) + len(told["ignored"]) >= (len(payload) if name == "golemio" else 0)

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from serving.answers import DueAnswer
from serving.ngsi_ld import ngsi_ld

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def due(service: Any, form: str) -> dict[str, Any]:
    answer: dict[str, Any] = service.post("/v1/due", {"by": "2026-03-03T12:00:00Z", "format": form})
    return answer


def test_the_due_bins_are_entities_with_their_deadline_and_forecast(service: Any) -> None:
    service.know(low=10, mid=75, over=99)
    plain, answer = due(service, "json"), due(service, "ngsi-ld")
    assert [entity["id"] for entity in answer["entities"]] == [
        f"urn:ngsi-ld:WasteContainer:{bin_['bin_id']}" for bin_ in plain["due"]
    ]
    for bin_, entity in zip(plain["due"], answer["entities"], strict=True):
        assert set(entity) == {"id", "type", "@context", "nextActuationDeadline", "urn:brimcast:fillForecast"}
        assert entity["nextActuationDeadline"] == {
            "type": "Property",
            "value": {"@type": "DateTime", "@value": bin_["latest_safe_emptying_at"]},
            "observedAt": bin_["as_of"],
        }
        forecast = entity["urn:brimcast:fillForecast"]
        assert (forecast["type"], forecast["observedAt"]) == ("Property", bin_["as_of"])
        assert forecast["value"] == {
            "status": "ok", "pFull": bin_["p_full"], "expectedFillPct": bin_["expected_fill_pct"],
            "latestSafeEmptyingAt": bin_["latest_safe_emptying_at"], "fullAt": bin_["full_at"], "model": "brimcast 7",
        }  # fmt: skip
    assert (answer["left_out"], answer["skipped"]) == (plain["left_out"], plain["skipped"])


def test_what_is_unknown_is_left_out_as_ngsi_ld_knows_no_null() -> None:
    bin_ = {
        "bin_id": "0003/ 043C00614", "as_of": NOW, "status": "ok", "fill_now_pct": None, "p_full": 0.6,
        "expected_fill_pct": None, "latest_safe_emptying_at": None, "full_at": {"p10": NOW, "p50": None, "p90": None},
        "latitude": None, "longitude": None, "capacity_l": None, "expected_volume_l": None,
    }  # fmt: skip
    model = {"name": "m", "version": "1", "trained_until": None}
    answer = DueAnswer.model_validate({"as_of": NOW, "model": model, "due": [bin_], "left_out": 0, "skipped": []})
    [entity] = json.loads(ngsi_ld(answer).model_dump_json())["entities"]
    assert "null" not in json.dumps(entity)
    assert entity["id"] == "urn:ngsi-ld:WasteContainer:0003/%20043C00614"
    assert entity["nextActuationDeadline"]["value"]["@value"] == "2026-03-02T12:00:00Z"
    value = entity["urn:brimcast:fillForecast"]["value"]
    assert value["fullAt"] == {"p10": "2026-03-02T12:00:00Z"}
    assert "reasons" not in value
    answer.due[0].reasons = ["probably emptied since"]
    [entity] = json.loads(ngsi_ld(answer).model_dump_json())["entities"]
    assert entity["urn:brimcast:fillForecast"]["value"]["reasons"] == ["probably emptied since"]


def test_an_entity_that_its_broker_notifies_of_is_the_bin_again(service: Any) -> None:
    service.know(over=99)
    [entity] = due(service, "ngsi-ld")["entities"]
    level = {"type": "Property", "value": 0.98, "observedAt": service.now[0].isoformat()}
    notification = {"type": "Notification", "data": [entity | {"fillingLevel": level}]}
    assert service.post("/v1/adapters/ngsi-ld", notification)["accepted"] == 1
    assert service.store.history().readings.frame["bin_id"].unique().tolist() == ["over"]


def test_a_forecast_written_back_is_no_reading(service: Any) -> None:
    service.know(over=99)
    answer = service.post("/v1/adapters/ngsi-ld", {"data": due(service, "ngsi-ld")["entities"]})
    assert [row["reason"] for row in answer["ignored"]] == ["no_level"]

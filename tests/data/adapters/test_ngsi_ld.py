from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.adapters.delivery import Delivery, PayloadError
from data.adapters.ngsi_ld import bin_of, read_ngsi_ld, urn_of

AT = "2026-03-01T12:00:00Z"


def notified(*entities: Any, **more: Any) -> Delivery:
    return read_ngsi_ld({"type": "Notification", "notifiedAt": "2026-03-01T12:00:03Z", "data": list(entities)} | more)


def container(level: Any = 0.5, **more: Any) -> dict[str, Any]:
    return {"id": "urn:ngsi-ld:WasteContainer:b", "type": "WasteContainer", "fillingLevel": level} | more


@pytest.mark.parametrize("form", ["normalised", "concise", "simplified"])
def test_every_representation_tells_the_same_level_and_emptying(example: Any, form: str) -> None:
    found = read_ngsi_ld(example(f"ngsi-ld-{form}"))
    first = found.readings[0]
    assert (first.item, first.row["bin_id"], first.row["fill_pct"]) == (0, "bin-0001", 63.5)
    assert first.row["measured_at"] == ("2026-03-01T12:00:03.412Z" if form == "simplified" else AT)
    assert first.row.get("temperature_c") == (None if form == "simplified" else 11.5)
    assert [told.row for told in found.emptyings] == [
        {"bin_id": "bin-0001", "emptied_at": "2026-02-27T07:40:00Z", "source": "reported"}
    ]
    assert (found.rejected, found.ignored) == ([], [])


def test_a_notification_tells_of_several_entities(example: Any) -> None:
    found = read_ngsi_ld(example("ngsi-ld-normalised"))
    assert [(told.item, told.row["bin_id"]) for told in found.readings] == [(0, "bin-0001"), (1, "bin-0002")]


def test_a_plain_list_of_entities_is_taken_too(example: Any) -> None:
    entities = example("ngsi-ld-normalised")["data"]
    assert len(read_ngsi_ld(entities).readings) == 2


def test_whole_uris_are_known_by_their_last_word() -> None:
    space = "https://smartdatamodels.org/dataModel.WasteManagement/"
    entity = {"id": "urn:ngsi-ld:WasteContainer:b", "type": f"{space}WasteContainer",
              f"{space}fillingLevel": {"type": "Property", "value": 0.25, "observedAt": AT}}  # fmt: skip
    assert notified(entity).readings[0].row == {"bin_id": "b", "measured_at": AT, "fill_pct": 25.0}


@pytest.mark.parametrize(
    ("level", "more", "expected"),
    [
        ({"value": 0.5, "observedAt": AT}, {"dateObserved": "2026-01-01T00:00:00Z"}, AT),
        (0.5, {"dateObserved": {"value": {"@type": "DateTime", "@value": AT}}}, AT),
        (0.5, {"TimeInstant": AT}, AT),
        ({"value": 0.5, "modifiedAt": AT}, {}, AT),
        (0.5, {}, "2026-03-01T12:00:03Z"),
    ],
)
def test_the_moment_is_the_levels_own_then_the_entitys_then_the_notifications(
    level: Any, more: dict[str, Any], expected: str
) -> None:
    assert notified(container(level, **more)).readings[0].row["measured_at"] == expected


def test_a_percentage_says_so_by_its_unit_code() -> None:
    assert notified(container({"value": 40, "unitCode": "P1"})).readings[0].row["fill_pct"] == 40


@pytest.mark.parametrize(
    ("level", "reason"),
    [(40, "impossible_fill"), ("0.4", "unparsable_value"), (True, "unparsable_value"), ({}, "unparsable_value")],
)
def test_a_level_that_is_no_number_from_0_to_1_is_rejected(level: Any, reason: str) -> None:
    found = notified(container(level), container(0.2))
    assert [(left.item, left.reason) for left in found.rejected] == [(0, reason)]
    assert [told.item for told in found.readings] == [1]


def test_of_several_values_the_one_without_a_dataset_holds() -> None:
    several = [{"value": 0.9, "datasetId": "urn:x:model"}, {"value": 0.4, "observedAt": AT}]
    assert notified(container(several)).readings[0].row["fill_pct"] == 40


def test_a_deleted_level_and_other_entities_are_ignored_with_a_word() -> None:
    gone = container({"type": "Property", "value": "urn:ngsi-ld:null"})
    found = notified(gone, {"id": "urn:ngsi-ld:Device:d", "type": "Device", "value": 1})
    assert [(left.item, left.reason) for left in found.ignored] == [(0, "no_level"), (1, "other_type")]


@pytest.mark.parametrize("payload", [None, 5, "x", {}, {"data": {}}, {"data": None, "type": "Notification"}])
def test_what_holds_no_list_of_entities_is_no_payload(payload: Any) -> None:
    with pytest.raises(PayloadError):
        read_ngsi_ld(payload)


@pytest.mark.parametrize(
    ("urn", "bin_id"),
    [
        ("urn:ngsi-ld:WasteContainer:bin-0001", "bin-0001"),
        ("urn:ngsi-ld:WasteContainer:prague:1354_1", "urn:ngsi-ld:WasteContainer:prague:1354_1"),
        ("wastecontainer:Fleming:12a", "wastecontainer:Fleming:12a"),
        ("urn:ngsi-ld:WasteContainer:", "urn:ngsi-ld:WasteContainer:"),
        ("urn:ngsi-ld:WasteContainer:0003/%20043C00614", "0003/ 043C00614"),
        ("urn:ngsi-ld:WasteContainer:100%25", "100%"),
    ],
)
def test_an_urn_is_one_bin_and_a_bin_one_urn(urn: str, bin_id: str) -> None:
    assert bin_of(urn) == bin_id
    assert urn_of(bin_id) == urn


@given(st.text(min_size=1, max_size=20))
def test_a_bins_urn_leads_back_to_the_bin(bin_id: str) -> None:
    assert bin_of(urn_of(bin_id)) == bin_id

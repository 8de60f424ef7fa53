"""The Things Stack and ChirpStack, which tell the same of the same sensors."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from data.adapters.chirpstack import read_chirpstack
from data.adapters.delivery import PayloadError
from data.adapters.devices import names_of, place
from data.adapters.ttn import read_ttn
from data.bins import Bins


def test_an_uplink_of_the_things_stack_is_a_reading_of_its_device(example: Any) -> None:
    [told] = read_ttn(example("ttn-em400-mud")).readings
    assert told.row == {
        "measured_at": "2026-03-01T12:00:00.656299995Z", "distance_mm": 716, "temperature_c": 25.7, "battery_pct": 92,
    }  # fmt: skip
    assert told.devices == ("24E124713B492222", "24e124713b492222", "eui-24e124713b492222")


def test_an_event_of_chirpstack_is_a_reading_of_its_device(example: Any) -> None:
    [told] = read_chirpstack(example("chirpstack-em310-udl"), "up").readings
    assert told.row == {"measured_at": "2026-03-01T12:00:00.653481+00:00", "distance_mm": 716, "battery_pct": 92}
    assert told.devices == ("24E124713B493333", "24e124713b493333")
    assert read_chirpstack(example("chirpstack-em310-udl")).readings == [told]


def test_an_uplink_heard_by_several_gateways_is_one_reading(example: Any) -> None:
    assert len(example("ttn-em400-mud")["uplink_message"]["rx_metadata"]) == 2
    assert len(read_ttn(example("ttn-em400-mud")).readings) == 1
    assert len(example("chirpstack-em310-udl")["rxInfo"]) == 2
    assert len(read_chirpstack(example("chirpstack-em310-udl")).readings) == 1


def test_the_networks_battery_stands_in_where_the_sensor_tells_a_voltage(example: Any) -> None:
    found = read_ttn(example("ttn-r718x"))
    assert found.readings[0].row["battery_pct"] == 94.9
    assert found.unknown == {"Device", "Volt", "Status", "AngleOfInclination"}


@pytest.mark.parametrize(
    "event",
    ["join_accept", "downlink_ack", "downlink_nack", "downlink_sent", "downlink_failed", "downlink_queued",
     "downlink_queue_invalidated", "location_solved", "service_data", "uplink_normalized"],
)  # fmt: skip
def test_the_things_stacks_other_messages_are_ignored_with_a_word(example: Any, event: str) -> None:
    found = read_ttn({"end_device_ids": example("ttn-join-accept")["end_device_ids"], event: {}})
    assert [left.reason for left in found.ignored] == [event]
    assert (found.readings, found.rejected) == ([], [])


@pytest.mark.parametrize("event", ["join", "ack", "txack", "log", "status", "location", "integration", "new_one", None])
def test_chirpstacks_other_events_are_ignored_with_a_word(example: Any, event: str | None) -> None:
    found = read_chirpstack(example("chirpstack-join"), event)
    assert [left.reason for left in found.ignored] == [event or "no_uplink"]
    assert (found.readings, found.rejected) == ([], [])


def test_a_simulated_uplink_is_no_reading(example: Any) -> None:
    assert [left.reason for left in read_ttn(example("ttn-em400-mud") | {"simulated": True}).ignored] == ["simulated"]


def test_bytes_that_nobody_decoded_are_rejected_and_an_empty_uplink_is_ignored(example: Any) -> None:
    ttn, chirpstack = example("ttn-em400-mud"), example("chirpstack-em310-udl")
    del ttn["uplink_message"]["decoded_payload"], chirpstack["object"]
    assert [left.reason for left in read_ttn(ttn).rejected] == ["not_decoded"]
    assert [left.reason for left in read_chirpstack(chirpstack).rejected] == ["not_decoded"]
    del ttn["uplink_message"]["frm_payload"], chirpstack["data"]
    assert [left.reason for left in read_ttn(ttn).ignored] == ["empty_uplink"]
    assert [left.reason for left in read_chirpstack(chirpstack, "up").ignored] == ["empty_uplink"]


@pytest.mark.parametrize("payload", [None, [], {}, "x", {"end_device_ids": "d"}, {"deviceInfo": []}])
def test_what_names_no_device_is_no_payload(payload: Any) -> None:
    for read in (read_ttn, read_chirpstack):
        with pytest.raises(PayloadError):
            read(payload)


@pytest.mark.parametrize("name", ["", "a\u0000", "\ud800", "x" * 201, 5, None])
def test_an_uplink_without_a_usable_device_is_rejected(example: Any, name: Any) -> None:
    ids = {"end_device_ids": {"dev_eui": 5, "device_id": name}}
    assert [left.reason for left in read_ttn(example("ttn-em400-mud") | ids).rejected] == ["missing_value"]
    info = {"deviceInfo": {"devEui": name}}
    assert [left.reason for left in read_chirpstack(example("chirpstack-em310-udl") | info).rejected] == [
        "missing_value"
    ]


@pytest.mark.parametrize("written", ["24E124713B492222", "24e124713b492222", "eui-24e124713b492222"])
def test_a_device_goes_by_the_name_in_the_bins_table(example: Any, written: str) -> None:
    bins = Bins.checked(pd.DataFrame([{"bin_id": "b", "timezone": "UTC", "device_id": written}]))
    assert [row["device_id"] for row in place(read_ttn(example("ttn-em400-mud")).readings, bins)] == [written]


def test_an_unknown_device_keeps_its_first_name(example: Any) -> None:
    for bins in (None, Bins.named(["b"])):
        [row] = place(read_ttn(example("ttn-em400-mud")).readings, bins)
        assert row["device_id"] == "24E124713B492222"
    assert names_of(None, "bin-17") == ("BIN-17", "bin-17")


@pytest.mark.parametrize("scaled", [True, False])
def test_a_bin_that_was_measured_trusts_the_distance_over_the_sensors_percentage(example: Any, scaled: bool) -> None:
    known = {"bin_id": "b", "timezone": "UTC", "device_id": "00137A1000012345"}
    bins = Bins.checked(pd.DataFrame([known | ({"empty_mm": 1200, "full_mm": 200} if scaled else {})]))
    [row] = place(read_ttn(example("ttn-r718x")).readings, bins)
    assert ("distance_mm" in row, "fill_pct" in row) == (scaled, not scaled)

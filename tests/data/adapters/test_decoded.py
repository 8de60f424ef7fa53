from __future__ import annotations

from typing import Any

import pytest

from data.adapters.decoded import quantity, take_decoded
from data.adapters.delivery import Delivery


def decoded(payload: Any) -> Delivery:
    delivery = Delivery(items=1)
    take_decoded(delivery, 0, payload, {"measured_at": "2026-03-01T12:00:00Z"}, ("D",))
    return delivery


@pytest.mark.parametrize(
    ("payload", "row"),
    [
        ({"battery": 92, "distance": 2116, "position": "normal"}, {"battery_pct": 92, "distance_mm": 2116}),
        (
            {"battery": 92, "temperature": 25.7, "distance": 2116, "position": "normal"},
            {"battery_pct": 92, "temperature_c": 25.7, "distance_mm": 2116},
        ),
        (
            {"temperature": 23.2, "temperature_alarm": "threshold_alarm", "distance": 1601,
             "distance_alarm": "threshold_alarm"},
            {"temperature_c": 23.2, "distance_mm": 1601},
        ),
        (
            {"Device": "R718X", "Volt": 3.6, "Status": "ON", "Distance": 300, "Temp": -2.5, "FillLevel": 50},
            {"distance_mm": 300, "temperature_c": -2.5, "fill_pct": 50},
        ),
        (
            {"protocol_version": 2, "device_id": 303, "number_of_valid_samples": {"value": 1, "unit": None},
             "distance": {"displayName": "Distance", "unit": "mm", "value": 1234}},
            {"distance_mm": 1234},
        ),
        ({"distance": {"unit": "m", "value": 1.234}}, {"distance_mm": 1234}),
        ({"distance": "211.6 cm"}, {"distance_mm": 2116}),
    ],
)  # fmt: skip
def test_the_usual_sensors_are_understood(payload: dict[str, Any], row: dict[str, float]) -> None:
    [told] = decoded(payload).readings
    assert told.row == {"measured_at": "2026-03-01T12:00:00Z", **row}
    assert told.devices == ("D",)


def test_a_voltage_is_no_percentage_and_is_named_as_unknown() -> None:
    found = decoded({"distance": 1, "battery_voltage": {"unit": "V", "value": 2.9}, "Volt": "2.9(low battery)",
                     "battery": "3.6 V"})  # fmt: skip
    assert "battery_pct" not in found.readings[0].row
    assert found.unknown == {"battery_voltage", "Volt", "battery"}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"distance": 500, "position": "tilt"}, "tilted"),
        ({"distance": 0, "number_of_valid_samples": {"value": 0}}, "no_echo"),
        ({"distance": "far"}, "unparsable_value"), ({"distance": {"value": 3, "unit": "ft"}}, "unparsable_value"),
        ({"distance": True}, "unparsable_value"), ({"FillLevel": [50]}, "unparsable_value"), ([], "not_decoded"),
        ("AXVc", "not_decoded"),
    ],
)  # fmt: skip
def test_a_level_that_means_nothing_is_rejected(payload: Any, reason: str) -> None:
    found = decoded(payload)
    assert ([left.reason for left in found.rejected], found.readings) == ([reason], [])


@pytest.mark.parametrize(
    "payload",
    [{}, {"battery": 92}, {"ipso_version": "v0.1", "device_status": "on", "sn": "6713a15234560001"},
     {"Cmd": "GetFillMaxDistanceRsp", "Device": "R718X", "FillMaxDistance": 2000}, {"distance": None}],
)  # fmt: skip
def test_an_uplink_without_a_level_is_ignored_with_a_word(payload: Any) -> None:
    found = decoded(payload)
    assert [left.reason for left in found.ignored] == ["no_level"]
    assert (found.readings, found.rejected) == ([], [])


def test_numbers_come_plain_written_or_with_their_unit() -> None:
    assert quantity(2116) == quantity("2116") == (2116.0, "")
    assert quantity({"value": 2.9, "unit": " V "}) == (2.9, "v")
    assert quantity("9" * 400) == quantity(10**400) == quantity(float("nan")) == (None, "")

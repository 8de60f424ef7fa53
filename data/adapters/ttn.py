"""Webhooks of The Things Stack v3 (The Things Network), JSON format.

https://www.thethingsindustries.com/docs/integrations/data-formats/
"""

from __future__ import annotations

from typing import Any

from data.adapters.decoded import take_decoded
from data.adapters.delivery import Delivery, PayloadError, Row, finite, quoted
from data.adapters.devices import names_of

UPLINK = "uplink_message"
OTHERS = {
    "uplink_normalized": "it repeats what uplink_message tells",
    "join_accept": "a device joined the network",
    "downlink_ack": "a downlink was acknowledged",
    "downlink_nack": "a downlink was not acknowledged",
    "downlink_sent": "a downlink was sent",
    "downlink_failed": "a downlink failed",
    "downlink_queued": "a downlink was queued",
    "downlink_queue_invalidated": "a downlink queue was made void",
    "location_solved": "a device was located",
    "service_data": "a service of the network tells something",
}


def read_ttn(payload: Any) -> Delivery:
    """The reading of an uplink; every other message is passed over. An uplink heard by many gateways is one message.

    Measured when the network server received the uplink: these sensors measure when they send, and gateways' clocks
    are often wrong. Raises PayloadError.
    """
    ids = payload.get("end_device_ids") if isinstance(payload, dict) else None
    if not isinstance(ids, dict):
        raise PayloadError(
            f"The payload is {quoted(payload)} without an object end_device_ids",
            expected="a webhook message of The Things Stack v3",
            example='{"end_device_ids": {"dev_eui": "24E124713B492222"}, "uplink_message": {...}}',
            remedy="Choose the webhook format JSON.",
        )
    delivery = Delivery(items=1)
    if UPLINK not in payload:
        event = next((name for name in OTHERS if name in payload), None)
        delivery.ignore(0, event or "no_uplink", OTHERS.get(event or "", f"the message holds no {UPLINK}"))
    elif not isinstance(payload[UPLINK], dict):
        delivery.reject(0, "malformed_row", f"{UPLINK} is {quoted(payload[UPLINK])}, expected an object")
    elif payload.get("simulated") is True:
        delivery.ignore(0, "simulated", "somebody simulated this uplink in the console; no sensor sent it")
    else:
        _uplink(delivery, payload, payload[UPLINK], ids)
    return delivery


def _uplink(delivery: Delivery, payload: dict[str, Any], uplink: dict[str, Any], ids: dict[str, Any]) -> None:
    devices = names_of(ids.get("dev_eui"), ids.get("device_id"))
    if not devices:
        delivery.reject(0, "missing_value", "end_device_ids has neither dev_eui nor device_id")
    elif uplink.get("decoded_payload") is None:
        if not uplink.get("frm_payload"):
            delivery.ignore(0, "empty_uplink", "the uplink holds no payload")
            return
        delivery.reject(0, "not_decoded", "the uplink has no decoded_payload: choose the device's payload formatter")
    else:
        base: Row = {"measured_at": uplink.get("received_at") or payload.get("received_at")}
        battery = uplink.get("last_battery_percentage")
        level = finite(battery.get("value") if isinstance(battery, dict) else None)
        if level is not None:
            base["battery_pct"] = level
        take_decoded(delivery, 0, uplink["decoded_payload"], base, devices)

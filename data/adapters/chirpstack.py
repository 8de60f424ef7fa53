"""Events of ChirpStack v4's HTTP integration, JSON encoding.

https://www.chirpstack.io/docs/chirpstack/integrations/events.html
"""

from __future__ import annotations

from typing import Any

from data.adapters.decoded import take_decoded
from data.adapters.delivery import Delivery, PayloadError, quoted
from data.adapters.devices import names_of

UPLINK = "up"
UPLINK_FIELDS = ("object", "data", "fPort")
OTHERS = {
    "join": "a device joined the network",
    "ack": "a downlink was acknowledged, or not",
    "txack": "a downlink was sent",
    "log": "the network logs something of a device",
    "status": "a device tells of its battery and its link",
    "location": "a device was located",
    "integration": "an integration tells something",
}


def read_chirpstack(payload: Any, event: str | None = None) -> Delivery:
    """The reading of an `up` event; every other is passed over. An uplink heard by many gateways is one event.

    `event`: what ChirpStack puts into the address (?event=up); without it, what the payload looks like. Raises
    PayloadError.
    """
    info = payload.get("deviceInfo") if isinstance(payload, dict) else None
    if not isinstance(info, dict):
        raise PayloadError(
            f"The payload is {quoted(payload)} without an object deviceInfo",
            expected="an event of ChirpStack v4",
            example='{"time": "2026-03-01T12:00:00Z", "deviceInfo": {"devEui": "24e124713b492222"}, "object": {...}}',
            remedy="Choose the payload encoding JSON.",
        )
    delivery = Delivery(items=1)
    event = event or (UPLINK if any(name in payload for name in UPLINK_FIELDS) else "no_uplink")
    devices = names_of(info.get("devEui"))
    if event != UPLINK:
        delivery.ignore(0, event, OTHERS.get(event, "the event is no uplink"))
    elif not devices:
        delivery.reject(0, "missing_value", "deviceInfo has no devEui")
    elif payload.get("object") is None:
        if not payload.get("data"):
            delivery.ignore(0, "empty_uplink", "the uplink holds no payload")
        else:
            delivery.reject(0, "not_decoded", "the uplink has no object: give the device profile its codec")
    else:
        take_decoded(delivery, 0, payload["object"], {"measured_at": payload.get("time")}, devices)
    return delivery

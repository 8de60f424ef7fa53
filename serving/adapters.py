"""The field's platforms: which payloads are taken as they are, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pandas as pd

from data.adapters.delivery import Delivery, Left, PayloadError, Told
from data.adapters.devices import place
from serving.answers import AdapterAnswer, Counts, IntakeAnswer, RejectedRow
from serving.intake import take_emptyings, take_readings
from serving.messages import MAX_ROWS
from serving.metrics import count_rows
from serving.problems import Problem

if TYPE_CHECKING:
    from data.store import Store

NONE = IntakeAnswer(accepted=0, unchanged=0, rejected=[])
ENTITIES = {"type": "array", "maxItems": MAX_ROWS, "items": {}}


@dataclass(frozen=True)
class Platform:
    """A platform: its name in the address, and its payload for the API's document; `examples` name files."""

    name: str
    summary: str
    schema: dict[str, Any]
    examples: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where its payloads are posted."""
        return f"/v1/adapters/{self.name}"

    def body(self) -> dict[str, Any]:
        """The request body for the OpenAPI document."""
        folder = files("data.adapters") / "examples"
        shown = {name: {"value": json.loads((folder / f"{name}.json").read_text("utf-8"))} for name in self.examples}
        return {"requestBody": {"required": True, "content": {
            "application/json": {"schema": self.schema, "examples": shown}}}}  # fmt: skip


NGSI_LD = Platform(
    "ngsi-ld",
    "Send a notification of an NGSI-LD broker",
    {"anyOf": [{"type": "object", "required": ["data"], "properties": {"data": ENTITIES}}, ENTITIES]},
    ("ngsi-ld-normalised", "ngsi-ld-concise", "ngsi-ld-simplified"),
)
GOLEMIO = Platform(
    "golemio",
    "Send measurements or picks of Golemio",
    {"type": "array", "maxItems": MAX_ROWS, "items": {}},
    ("golemio-measurements", "golemio-picks"),
)
TTN = Platform(
    "ttn",
    "Webhook of The Things Stack v3",
    {"type": "object", "required": ["end_device_ids"], "properties": {"end_device_ids": {"type": "object"}}},
    ("ttn-em400-mud", "ttn-r718x", "ttn-join-accept"),
)
CHIRPSTACK = Platform(
    "chirpstack",
    "HTTP integration of ChirpStack v4",
    {"type": "object", "required": ["deviceInfo"], "properties": {"deviceInfo": {"type": "object"}}},
    ("chirpstack-em310-udl", "chirpstack-dl-mbx", "chirpstack-join"),
)
PLATFORMS = (NGSI_LD, GOLEMIO, TTN, CHIRPSTACK)


def refusal(error: PayloadError) -> Problem:
    """400 for what is no payload of the platform."""
    return Problem(400, f"#: {error}", [{"pointer": "#", "detail": str(error)}])


def take(store: Store, delivery: Delivery, now: pd.Timestamp) -> AdapterAnswer:
    """Put what a payload holds into the store. Raises Problem 400 where it has more than MAX_ROWS items."""
    if delivery.items > MAX_ROWS:
        detail = f"{delivery.items:,} items are too many; send at most {MAX_ROWS:,}"
        raise Problem(400, f"#: {detail}", [{"pointer": "#", "detail": detail}])
    readings = emptyings = NONE
    if delivery.readings:
        names = {name for told in delivery.readings for name in told.devices}
        rows = place(delivery.readings, store.known((), names) if names else None)
        readings = take_readings(store, rows, now)
    if delivery.emptyings:
        emptyings = take_emptyings(store, [told.row for told in delivery.emptyings], now)
    count_rows("readings", 0, 0, [one.reason for one in delivery.rejected])
    rejected = [
        *_rows(delivery.rejected),
        *_of_items(readings.rejected, delivery.readings),
        *_of_items(emptyings.rejected, delivery.emptyings),
    ]
    return AdapterAnswer(
        accepted=readings.accepted,
        unchanged=readings.unchanged,
        emptyings=Counts(accepted=emptyings.accepted, unchanged=emptyings.unchanged),
        rejected=sorted(rejected, key=lambda row: row.index),
        ignored=_rows(delivery.ignored),
        ignored_fields=sorted(delivery.unknown)[:50],
    )


def _rows(left: Sequence[Left]) -> list[RejectedRow]:
    return [RejectedRow(index=one.item, reason=one.reason, detail=one.detail) for one in left]


def _of_items(rejected: Sequence[RejectedRow], told: Sequence[Told]) -> list[RejectedRow]:
    """Rejected rows by the item of the payload that told them."""
    return [row.model_copy(update={"index": told[row.index].item}) for row in rejected]

"""Notifications of an NGSI-LD broker (Orion-LD, Scorpio, Stellio) about FIWARE's WasteContainer.

https://github.com/smart-data-models/dataModel.WasteManagement/blob/master/WasteContainer/doc/spec.md and ETSI GS
CIM 009, 4.5 (representations: normalised, concise, simplified or keyValues) and 5.3.1 (Notification).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeGuard
from urllib.parse import unquote

from data.adapters.delivery import Delivery, PayloadError, Row, Told, finite, quoted

KIND = "WasteContainer"
PREFIX = f"urn:ngsi-ld:{KIND}:"
LEVEL, EMPTIED = "fillingLevel", "dateLastEmptying"
PERCENT = "P1"
"""The UN/CEFACT code of a percentage; without it a level counts from 0 to 1."""
OWN_TIMES = ("dateObserved", "TimeInstant", "modifiedAt", "dateModified")
DELETED = "urn:ngsi-ld:null"
NO_URI = re.compile(r'[\x00-\x20<>"{}|\\^`%]')


class Attribute(NamedTuple):
    """An attribute's value, and what may be told beside it."""

    value: Any
    observed_at: Any = None
    unit: Any = None


def bin_of(urn: str) -> str:
    """The bin of an entity: what follows urn:ngsi-ld:WasteContainer: where that is one word, else the whole id."""
    rest = urn.removeprefix(PREFIX)
    return unquote(rest) if rest != urn and rest and ":" not in rest else urn


def urn_of(bin_id: str) -> str:
    """The entity of a bin: `bin_of` the other way round. What no URI may hold, such as a blank, is percent-encoded."""
    return bin_id if ":" in bin_id else PREFIX + NO_URI.sub(lambda found: f"%{ord(found[0]):02X}", bin_id)


def read_ngsi_ld(payload: Any) -> Delivery:
    """The readings and emptyings of a notification's entities, or of a list of entities. Raises PayloadError.

    Measured at the level's observedAt; where the broker tells none, at the entity's own time (OWN_TIMES), else when
    the broker notified.
    """
    entities = payload.get("data") if isinstance(payload, dict) else payload
    if not isinstance(entities, list):
        raise PayloadError(
            f"The payload is {quoted(payload)} without a list of entities",
            expected="an NGSI-LD notification with its entities under data",
            example='{"type": "Notification", "data": [{"id": "urn:ngsi-ld:WasteContainer:bin-0001", ...}]}',
            remedy="Subscribe with the format normalized or concise.",
        )
    notified_at = payload.get("notifiedAt") if isinstance(payload, dict) else None
    delivery = Delivery(items=len(entities))
    for item, entity in enumerate(entities):
        if not isinstance(entity, dict) or not isinstance(entity.get("id"), str) or not entity["id"]:
            delivery.reject(item, "malformed_row", "expected an entity, an object with an id, a type and attributes")
        elif not _is_container(entity):
            delivery.ignore(item, "other_type", f"the entity is of type {quoted(entity.get('type'))}, not {KIND}")
        else:
            _entity(delivery, item, entity, notified_at)
    return delivery


def _entity(delivery: Delivery, item: int, entity: dict[str, Any], notified_at: Any) -> None:
    bin_id = bin_of(entity["id"])
    told = {_short(name): attribute(value) for name, value in entity.items()}
    level, emptied = told.get(LEVEL), told.get(EMPTIED)
    if _is_there(emptied):
        delivery.emptyings.append(Told(item, {"bin_id": bin_id, "emptied_at": emptied.value, "source": "reported"}))
    if not _is_there(level):
        if not _is_there(emptied):
            delivery.ignore(item, "no_level", f"the entity holds neither {LEVEL} nor {EMPTIED}")
        return
    filled = finite(level.value)
    if filled is None:
        delivery.reject(item, "unparsable_value", f"{LEVEL} is {quoted(level.value)}, expected a number from 0 to 1")
        return
    if level.unit != PERCENT:
        if filled > 2:
            detail = f"{LEVEL} is {filled:g}, expected 0 to 1; a percentage needs unitCode {PERCENT}"
            delivery.reject(item, "impossible_fill", detail)
            return
        filled *= 100
    own = (told[name].value for name in OWN_TIMES if _is_there(told.get(name)))
    measured_at = level.observed_at or next(own, None) or notified_at
    row: Row = {"bin_id": bin_id, "measured_at": measured_at, "fill_pct": round(filled, 6)}
    temperature = told.get("temperature")
    if _is_there(temperature) and finite(temperature.value) is not None:
        row["temperature_c"] = finite(temperature.value)
    battery = finite(told["batteryLevel"].value) if _is_there(told.get("batteryLevel")) else None
    if battery is not None:
        row["battery_pct"] = round(battery if told["batteryLevel"].unit == PERCENT else 100 * battery, 6)
    delivery.readings.append(Told(item, row))


def attribute(given: Any) -> Attribute:
    """An attribute in any representation: normalised, concise or simplified; of several the one without a datasetId."""
    if isinstance(given, list):
        instances = [one for one in given if isinstance(one, dict) and "value" in one]
        given = next((one for one in instances if "datasetId" not in one), instances[0] if instances else given)
    if not isinstance(given, dict):
        return Attribute(given)
    value = given.get("value", given)
    if isinstance(value, dict) and "@value" in value:
        value = value["@value"]
    return Attribute(value, given.get("observedAt") or given.get("modifiedAt"), given.get("unitCode"))


def _is_there(found: Attribute | None) -> TypeGuard[Attribute]:
    return found is not None and found.value is not None and found.value != DELETED


def _is_container(entity: dict[str, Any]) -> bool:
    kinds = entity.get("type")
    return KIND in [_short(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])]


def _short(name: Any) -> str:
    """A term without its namespace: brokers that lack the @context tell whole URIs."""
    return re.split(r"[/#:]", name)[-1] if isinstance(name, str) else ""

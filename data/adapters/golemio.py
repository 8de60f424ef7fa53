"""Sensor measurements and picks of Golemio, Prague's data platform, as its API gives them.

GET https://api.golemio.cz/v2/sortedwastestations/measurements and .../picks, arrays of up to 10,000 rows; and the
rows of the feed behind them, which also have container_id and local times.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from data.adapters.delivery import Delivery, PayloadError, Row, Told, finite, quoted

MEASURED, PICKED, UPDATED = "measured_at_utc", "pick_at_utc", "updated_at"
OFFSET = re.compile(r"(?:[Zz]|[+-]\d\d:?\d\d)\s*$")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_golemio(payload: Any) -> Delivery:
    """The readings (measurements) and emptyings (picks) of an array of rows, each known by its own fields.

    Of three clocks only measured_at_utc says when a level was; updated_at tells which of two rows about one moment
    revises the other; prediction_utc is the vendor's forecast, and not used. Raises PayloadError.
    """
    if not isinstance(payload, list):
        raise PayloadError(
            f"The payload is {quoted(payload)}",
            expected="an array of measurements or picks, as the API answers",
            example='[{"id": "24583", "percent_calculated": 35, "measured_at_utc": "2026-03-01T11:53:58.000Z", ...}]',
            remedy="Send the answer of /v2/sortedwastestations/measurements or /picks as it is.",
        )
    delivery = Delivery(items=len(payload))
    updated: dict[int, float] = {}
    for item, row in enumerate(payload):
        if not isinstance(row, dict) or (MEASURED not in row and PICKED not in row):
            delivery.reject(item, "malformed_row", f"expected an object with {MEASURED} or {PICKED}")
            continue
        bin_id = _container(row)
        if bin_id is None:
            found = quoted(row.get("container_id", row.get("id")))
            delivery.reject(item, "missing_value", f"id is {found}, expected a container's")
        elif PICKED in row:
            delivery.emptyings.append(Told(item, _pick(bin_id, row)))
        elif row.get("upturned") == 1:
            delivery.reject(item, "tilted", "the container lies upturned, so its level means nothing")
        else:
            delivery.readings.append(Told(item, _measurement(bin_id, row)))
            updated[item] = _seconds(row.get(UPDATED))
    _leave_revised(delivery, updated)
    return delivery


def _container(row: dict[str, Any]) -> str | None:
    """The container: of the feed's rows `container_id`, as their `id` counts rows; of the API's rows `id`."""
    found = row.get("container_id", row.get("id"))
    if isinstance(found, bool) or not isinstance(found, (str, int)) or found == "":
        return None
    return found if isinstance(found, str) else f"{found:d}" if abs(found) < 2**63 else None


def _measurement(bin_id: str, row: dict[str, Any]) -> Row:
    told: Row = {"bin_id": bin_id, "measured_at": moment(row[MEASURED]), "fill_pct": row.get("percent_calculated")}
    temperature = finite(row.get("temperature"))
    return told if temperature is None else told | {"temperature_c": temperature}


def _pick(bin_id: str, row: dict[str, Any]) -> Row:
    return {
        "bin_id": bin_id,
        "emptied_at": moment(row[PICKED]),
        "fill_before_pct": row.get("percent_before"),
        "fill_after_pct": row.get("percent_now"),
        "source": "reported",
    }


def moment(value: Any) -> Any:
    """A time that is UTC by its name: text gets the offset it lacks, numbers are milliseconds since 1970."""
    if isinstance(value, str):
        text = value.strip()
        return text if not text or OFFSET.search(text) else f"{text}Z"
    number = finite(value)
    if number is None:
        return value
    try:
        return (EPOCH + timedelta(milliseconds=number)).isoformat()
    except OverflowError:
        return value


def _seconds(value: Any) -> float:
    """A time as seconds since 1970, only to compare; what is none is older than all."""
    try:
        return datetime.fromisoformat(moment(value)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return float("-inf")


def _leave_revised(delivery: Delivery, updated: dict[int, float]) -> None:
    """Pass over measurements that a row of the same payload, updated later, tells otherwise."""
    last: dict[tuple[str, str], Told] = {}
    for told in sorted(delivery.readings, key=lambda told: (updated[told.item], told.item)):
        last[told.row["bin_id"], str(told.row["measured_at"])] = told
    kept = []
    for told in delivery.readings:
        newest = last[told.row["bin_id"], str(told.row["measured_at"])]
        if newest is told or newest.row["fill_pct"] == told.row["fill_pct"]:
            kept.append(told)
        else:
            detail = f"row {newest.item} of this payload revises what it says of {told.row['measured_at']}"
            delivery.ignore(told.item, "revised", detail)
    delivery.readings = kept

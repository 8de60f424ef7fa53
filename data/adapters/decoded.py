"""Decoded payloads of the usual bin sensors, as their makers' own decoders name the fields.

Milesight EM310-UDL, EM400-MUD  battery (%), distance (mm), temperature (°C), position (normal, tilt)
Netvox R718X                    Distance (mm), FillLevel (%), Temp (°C), Volt
Decentlab DL-MBX                distance, number_of_valid_samples, battery_voltage, each {value, unit}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from data.adapters.delivery import Delivery, Row, Told, finite, quoted, shown

COLUMNS = {
    "distance": "distance_mm",
    "distancemm": "distance_mm",
    "filllevel": "fill_pct",
    "filllevelpct": "fill_pct",
    "fillpct": "fill_pct",
    "temp": "temperature_c",
    "temperature": "temperature_c",
    "temperaturec": "temperature_c",
    "battery": "battery_pct",
    "batterypct": "battery_pct",
    "batterylevel": "battery_pct",
}
"""Field names in small letters without marks -> our column. A voltage is no percentage, and left alone."""
UNITS = {
    "distance_mm": {"": 1.0, "mm": 1.0, "cm": 10.0, "m": 1000.0},
    "fill_pct": {"": 1.0, "%": 1.0},
    "temperature_c": {"": 1.0, "c": 1.0, "°c": 1.0},
    "battery_pct": {"": 1.0, "%": 1.0},
}
POSITION, SAMPLES = "position", "numberofvalidsamples"
WRITTEN = re.compile(r"\s*([-+]?\d{1,12}(?:\.\d{1,12})?)\s*([a-zA-Z%°]{0,4})\s*")


class Quantity(NamedTuple):
    """A number and its unit in small letters ('' where none is told); `number` is None for what is no number."""

    number: float | None
    unit: str


def take_decoded(delivery: Delivery, item: int, decoded: Any, base: Row, devices: tuple[str, ...]) -> None:
    """Add the reading of one decoded uplink, or why it is none; `base`: what the network tells of it."""
    if not isinstance(decoded, Mapping):
        delivery.reject(item, "not_decoded", f"the decoded payload is {quoted(decoded)}, expected an object of fields")
        return
    row, fields = dict(base), {_plain(name): value for name, value in decoded.items()}
    for name, value in decoded.items():
        column = COLUMNS.get(_plain(name))
        if column is None:
            if _plain(name) not in (POSITION, SAMPLES):
                delivery.miss(name)
            continue
        number, unit = quantity(value)
        scale = UNITS[column].get(unit)
        if number is not None and scale is not None:
            row[column] = round(number * scale, 6)
        elif column in ("distance_mm", "fill_pct") and value is not None:
            expected = f"a number in {', '.join(filter(None, UNITS[column]))}"
            delivery.reject(item, "unparsable_value", f"{shown(name, 60)} is {quoted(value)}, expected {expected}")
            return
        else:
            delivery.miss(name)
    if "distance_mm" not in row and "fill_pct" not in row:
        held = ", ".join(sorted(map(str, decoded)))[:120] or "nothing"
        delivery.ignore(item, "no_level", f"the uplink holds {held}, but neither a distance nor a fill level")
    elif fields.get(POSITION) in ("tilt", 1):
        delivery.reject(item, "tilted", "the sensor says that it is tilted, so its distance means nothing")
    elif SAMPLES in fields and quantity(fields[SAMPLES]).number == 0:
        delivery.reject(item, "no_echo", "the sensor says that no sample was valid, so its distance means nothing")
    else:
        delivery.readings.append(Told(item, row, devices))


def quantity(value: Any) -> Quantity:
    """A decoded value: plain (2116), written ('2116 mm'), or an object of its value and unit."""
    unit = ""
    if isinstance(value, Mapping):
        told = value.get("unit")
        unit, value = told.strip().lower() if isinstance(told, str) else "", value.get("value")
    if isinstance(value, str) and (found := WRITTEN.fullmatch(value)):
        return Quantity(float(found[1]), unit or found[2].lower())
    return Quantity(finite(value), unit)


def _plain(name: Any) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())

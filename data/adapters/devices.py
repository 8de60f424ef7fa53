"""From a sensor as its network names it to the one that the bins table knows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from data.adapters.delivery import Row, Told
from data.bins import Bins

PLAIN = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")


def names_of(eui: Any, *others: Any) -> tuple[str, ...]:
    """What a sensor may be called in the bins table: its EUI in large or small letters, or another name it has."""
    texts = [text for text in (eui, *others) if isinstance(text, str) and PLAIN.fullmatch(text)]
    written = [text for text in texts[:1] for text in (text.upper(), text.lower())]
    return tuple(dict.fromkeys([*written, *texts]))


def place(readings: Sequence[Told], bins: Bins | None) -> list[Row]:
    """The rows, each device by the name in `bins` (its first name where none is there).

    Of a sensor that tells both, its own percentage is left out where the bins table has empty_mm and full_mm for it
    (somebody measured the bin), else its distance.
    """
    known = set() if bins is None else set(bins.frame["device_id"].dropna())
    scaled = set() if bins is None else set(bins.frame.dropna(subset=["empty_mm", "full_mm"])["device_id"].dropna())
    rows = []
    for _, told, devices in readings:
        row = dict(told)
        if devices:
            row["device_id"] = next((name for name in devices if name in known), devices[0])
        if "distance_mm" in row and "fill_pct" in row:
            row.pop("fill_pct" if row.get("device_id") in scaled else "distance_mm")
        rows.append(row)
    return rows

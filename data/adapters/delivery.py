"""What one payload of a platform holds: rows for our tables, each with the item of the payload that told it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from data.errors import InputError

Row = dict[str, Any]


class Told(NamedTuple):
    """A row for a table; `item` counts the payload's items from 0. `devices`: the names its sensor may go by."""

    item: int
    row: Row
    devices: tuple[str, ...] = ()


class Left(NamedTuple):
    """An item that became no row, and why."""

    item: int
    reason: str
    detail: str


class PayloadError(InputError):
    """The whole is no payload of the platform; nothing of it was taken."""


@dataclass
class Delivery:
    """The rows and the rest of a payload of `items` items: each item is in at least one of the four lists.

    `ignored` are items that are right but tell no level, such as a join; `rejected` are wrong. `unknown`: fields of
    the measurements that no table has. The rows are not checked yet: what cleans rows of any source cleans these.
    """

    items: int
    readings: list[Told] = field(default_factory=list)
    emptyings: list[Told] = field(default_factory=list)
    rejected: list[Left] = field(default_factory=list)
    ignored: list[Left] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)

    def reject(self, item: int, reason: str, detail: str) -> None:
        """Set one item aside."""
        self.rejected.append(Left(item, shown(reason, 40), shown(detail)))

    def ignore(self, item: int, reason: str, detail: str) -> None:
        """Pass over one item that tells no level."""
        self.ignored.append(Left(item, shown(reason, 40), shown(detail)))

    def miss(self, name: Any) -> None:
        """Note a field that no table has."""
        self.unknown.add(shown(name, 60))


Adapter = Callable[[Any], Delivery]


def shown(text: Any, length: int = 300) -> str:
    """Text of a payload as an answer can hold it: not long, and writable as UTF-8 (JSON may hold half a character)."""
    return str(text)[:length].encode("utf-8", "replace").decode()


def quoted(value: Any) -> str:
    """A value as an error shows it: short, and never a whole document."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    return repr(value)[:60]


def finite(value: Any) -> float | None:
    """A JSON number as a float; None for what is none (true and false are none), or is beyond all floats."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < float("inf") else None

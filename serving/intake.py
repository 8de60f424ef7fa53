"""What clients send into the store: each row accepted, unchanged, or rejected with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import BaseModel, ValidationError

from data.adapters.delivery import shown
from data.bins import Bins
from data.cleaning import clean
from data.emptyings import Emptyings
from data.faults import ids
from data.tables import CLOCK_SLACK_MIN
from data.times import known_zones, read_times
from data.weather import VALUES, Weather
from serving.answers import IntakeAnswer, RejectedRow
from serving.messages import BinRow, EmptyingRow, ReadingRow, WeatherRow
from serving.metrics import count_rows
from serving.problems import where
from serving.traces import span
from serving.wording import said

if TYPE_CHECKING:
    from data.store import Store

SLACK = pd.Timedelta(minutes=CLOCK_SLACK_MIN)
READING_FIELDS = (*ReadingRow.model_fields, "device_id")
MAX_TEXT = 200
UNPLAIN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass
class Sifted:
    """The rows that may go on, with their place in the request, and those set aside so far."""

    rows: list[Any] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    ignored: set[str] = field(default_factory=set)

    def reject(self, index: int, reason: str, detail: str) -> None:
        """Set one row aside."""
        self.rejected.append(RejectedRow(index=index, reason=reason, detail=detail[:300]))

    def answer(self, table: str, accepted: int, unchanged: int) -> IntakeAnswer:
        """The answer, its rejected rows in the order sent."""
        count_rows(table, accepted, unchanged, (row.reason for row in self.rejected))
        rejected = sorted(self.rejected, key=lambda row: row.index)
        ignored = [shown(name, 100) for name in sorted(self.ignored)[:50]]
        return IntakeAnswer(accepted=accepted, unchanged=unchanged, rejected=rejected, ignored_fields=ignored)


def take_readings(store: Store, rows: Sequence[Any], now: pd.Timestamp) -> IntakeAnswer:
    """Clean the rows and put the good ones into the store."""
    sifted = Sifted()
    for index, row in enumerate(rows):
        fault = _unusable(row)
        if fault:
            sifted.reject(index, *fault)
            continue
        sifted.ignored |= row.keys() - set(READING_FIELDS)
        sifted.rows.append([_cell(row.get(name)) for name in READING_FIELDS])
        sifted.index.append(index)
    frame = pd.DataFrame(sifted.rows, columns=list(READING_FIELDS), dtype=object)
    ahead = (
        read_times(frame["received_at"].astype("str").where(frame["received_at"].notna())).utc > now + SLACK
    ).to_numpy()
    for place in ahead.nonzero()[0].tolist():
        sifted.reject(sifted.index[place], "from_the_future", "received_at lies ahead of the service's clock")
    kept = [index for index, late in zip(sifted.index, ahead.tolist(), strict=True) if not late]
    frame = frame[~ahead]
    bins = store.known(ids(frame, "bin_id").dropna().unique(), ids(frame, "device_id").dropna().unique())
    cleaned = clean(frame, bins, now=now)
    for place, reason, detail in cleaned.rejected.frame[["row", "reason", "detail"]].itertuples(index=False, name=None):
        if reason != "repeat":
            sifted.reject(kept[int(place)], reason, detail)
    with span("store", readings=len(cleaned.readings)):
        stored = store.put_readings(cleaned.readings, stamped=now, retold=cleaned.retold)
    return sifted.answer("readings", stored.accepted, stored.unchanged)


def put_bins(store: Store, rows: Sequence[Any]) -> IntakeAnswer:
    """Put the good rows into the store, in place of what it knew of their bins."""
    sifted = _checked(rows, BinRow)
    zones = known_zones()
    good: list[dict[str, Any]] = []
    for index, row in zip(sifted.index, sifted.rows, strict=True):
        if row["timezone"] in zones:
            good.append(row)
        else:
            sifted.reject(index, "unknown_timezone", f"{row['timezone'][:80]!r} is no IANA name such as Europe/Prague")
    if not good:
        return sifted.answer("bins", 0, 0)
    stored = store.put_bins(Bins.checked(pd.DataFrame(good)))
    return sifted.answer("bins", stored.accepted, len(good) - stored.accepted)


def take_emptyings(store: Store, rows: Sequence[Any], now: pd.Timestamp) -> IntakeAnswer:
    """Put the good rows into the store."""
    sifted = _checked(rows, EmptyingRow)
    bins = store.known({row["bin_id"] for row in sifted.rows})
    known = None if bins is None else set(bins.frame["bin_id"])
    good: list[dict[str, Any]] = []
    for index, row in zip(sifted.index, sifted.rows, strict=True):
        row["received_at"] = row["received_at"] or now
        if row["emptied_at"] > now + SLACK or row["received_at"] > now + SLACK:
            sifted.reject(index, "from_the_future", "it lies ahead of the service's clock")
        elif known is not None and row["bin_id"] not in known:
            sifted.reject(index, "unknown_bin", f"the store has no bin {row['bin_id']}; PUT /v1/bins makes it known")
        else:
            good.append(row)
    if not good:
        return sifted.answer("emptyings", 0, 0)
    stored = store.put_emptyings(Emptyings.checked(pd.DataFrame(good)))
    return sifted.answer("emptyings", stored.accepted, len(good) - stored.accepted)


def take_weather(store: Store, rows: Sequence[Any], now: pd.Timestamp) -> IntakeAnswer:
    """Put the good rows into the store."""
    sifted = _checked(rows, WeatherRow)
    good: list[dict[str, Any]] = []
    for index, row in zip(sifted.index, sifted.rows, strict=True):
        if row["issued_at"] > now + SLACK:
            sifted.reject(index, "from_the_future", "issued_at lies ahead of the service's clock")
        elif all(row[name] is None for name in VALUES):
            sifted.reject(index, "missing_value", f"{' and '.join(VALUES)} are missing")
        else:
            good.append(row)
    if not good:
        return sifted.answer("weather", 0, 0)
    stored = store.put_weather(Weather.checked(pd.DataFrame(good)))
    return sifted.answer("weather", stored.accepted, len(good) - stored.accepted)


def _unusable(row: Any) -> tuple[str, str] | None:
    """Why a row cannot even be put into a table."""
    if not isinstance(row, Mapping):
        return "malformed_row", "expected an object such as {'bin_id': ..., 'measured_at': ..., 'fill_pct': ...}"
    for name in ("bin_id", "device_id"):
        value = row.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (str, int)) or not _plain(value)):
            return "unparsable_value", f"{name} must be a text of 1 to {MAX_TEXT} characters without control characters"
    return None


def _plain(value: object) -> bool:
    return not isinstance(value, str) or (len(value) <= MAX_TEXT and not UNPLAIN.search(value))


def _cell(value: Any) -> Any:
    """A JSON value as a table can hold it: long and nested ones only as the text of an error."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return value if abs(value) < 2**53 else float("inf")
    if isinstance(value, str):
        return value[:MAX_TEXT].encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if value == value else "NaN"  # as a float it would pass for nothing
    return value if value is None else f"a {type(value).__name__}"


def _checked(rows: Sequence[Any], kind: type[BaseModel]) -> Sifted:
    """Rows that hold to `kind`, as dicts; the others rejected with their first fault."""
    sifted = Sifted()
    for index, row in enumerate(rows):
        try:
            checked = kind.model_validate(row)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = where(first)
            reason = "missing_value" if first["type"] == "missing" else "invalid_row"
            sifted.reject(index, reason, said(first) if place == "#" else f"{place}: {said(first)}")
            continue
        sifted.ignored |= set(row) - set(kind.model_fields)
        sifted.rows.append(checked.model_dump())
        sifted.index.append(index)
    return sifted

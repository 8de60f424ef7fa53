from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from data.progress import working

if TYPE_CHECKING:
    from data.history import History
    from data.settings import Settings


def read_history(
    readings: str,
    bins: str | None,
    emptyings: str | None,
    weather: str | None,
    timezone: str | None,
    pairs: list[str] | None,
) -> History:
    """Read, clean and say on stderr what was set aside."""
    from data.sources import read_mapping
    from training.inputs import read_history as read

    with working("Reading"):
        heard = read(readings, bins, emptyings, weather, timezone=timezone, mapping=read_mapping(pairs or []))
    for text in heard.notes:
        note(text)
    return heard.history


def named_or_store(readings: str | None, settings: Settings, otherwise: str = "") -> str:
    """What is named, or the store. Raises InputError where there is neither; `otherwise`: what else helps then."""
    from data.databases import is_store
    from data.errors import InputError

    if readings is not None:
        return readings
    if is_store(settings.store):
        return settings.store
    raise InputError(
        f"No readings are named, and no store answers at {source_of(settings.store)}",
        expected="--readings and --bins, or a store in BRIMCAST_STORE",
        remedy=f"Name what was heard of late; or load it into a store with `brimcast data load`{otherwise}.",
        example="--readings readings.parquet --bins bins.csv",
    )


def source_of(readings: str) -> str:
    """Where readings came from, without a password."""
    if "://" not in readings:
        return str(Path(readings).absolute())
    from data.databases import database_url, shown

    return shown(database_url(readings))


def note(text: str) -> None:
    """Say something on stderr that is no error."""
    print(f"Note: {text}.", file=sys.stderr)

"""Times as others write them, read into UTC."""

import zoneinfo
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import InputError

EXAMPLE = "2025-01-31T06:00:00+01:00"
_OFFSET = r"\d[Tt ]\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"


@dataclass(frozen=True)
class Times:
    """A column of times: `utc` (datetime64[us, UTC], NaT where missing or bad), and (n,) bools of what is wrong.

    `missing`: nothing there; `naive`: no offset and no zone named; `bad`: not a time, or one that the named zone
    skips or repeats.
    """

    utc: pd.Series
    missing: np.ndarray
    naive: np.ndarray
    bad: np.ndarray


def read_times(column: pd.Series, timezone: str | None = None) -> Times:
    """Read ISO 8601 text or datetimes; times without an offset are of `timezone`, or `naive` when that is None."""
    missing = column.isna().to_numpy()
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        none = np.zeros(len(column), dtype=bool)
        return Times(column.dt.tz_convert("UTC").astype("datetime64[us, UTC]"), missing, none, none)
    if pd.api.types.is_datetime64_dtype(column.dtype):
        local, naive = column.astype("datetime64[us]"), ~missing
        utc = pd.Series(pd.NaT, index=column.index, dtype="datetime64[us, UTC]")
    elif pd.api.types.is_numeric_dtype(column.dtype):
        none = np.zeros(len(column), dtype=bool)
        return Times(pd.Series(pd.NaT, index=column.index, dtype="datetime64[us, UTC]"), missing, none, ~missing)
    else:
        text = column.astype("str").str.strip()
        missing = missing | (text == "").to_numpy(dtype=bool)
        utc = _parsed(text)
        failed = utc.isna().to_numpy() & ~missing
        if failed.any():  # "2025-01-31 06:00 UTC" is common and unambiguous
            text = text.mask(failed, text.str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True))
            utc = utc.mask(failed, _parsed(text.where(failed)))
        naive = utc.notna().to_numpy() & ~text.str.contains(_OFFSET, regex=True, na=False).to_numpy(dtype=bool)
        local = utc.dt.tz_localize(None) if naive.any() else utc
        utc = utc.mask(naive) if naive.any() else utc
    if timezone is not None and naive.any():
        placed = local.where(naive).dt.tz_localize(check_zone(timezone), ambiguous="NaT", nonexistent="NaT")
        utc = utc.where(~naive, placed.dt.tz_convert("UTC").astype("datetime64[us, UTC]"))
        naive = np.zeros(len(column), dtype=bool)
    return Times(utc, missing, naive, utc.isna().to_numpy() & ~missing & ~naive)


def _parsed(text: pd.Series) -> pd.Series:
    return pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce").astype("datetime64[us, UTC]")


def check_zone(timezone: str) -> str:
    """Return the IANA name again, or raise InputError when there is no such zone."""
    if timezone not in known_zones():
        close = _close(timezone)
        raise InputError(
            f"There is no timezone named {timezone!r}",
            expected="an IANA name, such as Europe/Prague or UTC",
            remedy=f"Did you mean {close}?"
            if close
            else "See https://en.wikipedia.org/wiki/List_of_tz_database_time_zones.",
        )
    return timezone


def known_zones() -> set[str]:
    """All IANA names."""
    return zoneinfo.available_timezones()


def _close(timezone: str) -> str | None:
    import difflib

    words = {name.casefold(): name for name in sorted(known_zones())}
    ends = {name.rsplit("/", 1)[-1].casefold(): name for name in sorted(known_zones())}
    near = difflib.get_close_matches(timezone.casefold(), [*words, *ends], n=1, cutoff=0.75)
    return (words.get(near[0]) or ends[near[0]]) if near else None

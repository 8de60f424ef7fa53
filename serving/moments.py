"""Moments, ids and numbers as they come in and go out over HTTP; times are RFC 3339 with an offset."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from serving.wording import found

FIRST, LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def _written_out(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and DATE_AND_TIME.match(value)):
        return value
    raise ValueError(
        f"expected a date and time with an offset, such as 2026-03-01T06:00:00+01:00, found {found(value)}"
    )


def _within_reach(moment: datetime) -> datetime:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"expected a moment between 1990 and 2200, found {moment}") from error
    if not FIRST <= moment <= LAST:
        raise ValueError(f"expected a moment between 1990 and 2200, found {moment}")
    return moment


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_within_reach)]
"""A moment that a client sends: a string with an offset, between 1990 and 2200; UTC inside."""


def integral(value: Any) -> Any:
    """What a client sends for an integer: JSON knows one kind of number, so 40.0 is 40."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


BinId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A bin's name: 1 to 200 characters, none of them a control character."""

BinName = Annotated[BinId, StringConstraints(strip_whitespace=True)]
"""A bin's name on its way into the store, where no name has blanks around it."""

Text = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Up to 200 characters for people, none of them a control character or half of a character."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite JSON number; not a string, not true or false."""


def utc(moment: datetime) -> pd.Timestamp:
    """The same moment as a Timestamp in UTC, microseconds."""
    return pd.Timestamp(moment).tz_convert("UTC").as_unit("us")


def moments(times: Any) -> list[datetime | None]:
    """Moments for an answer from any array of times (UTC where they have no zone); None for NaT."""
    index = pd.DatetimeIndex(pd.to_datetime(np.asarray(times) if not isinstance(times, pd.Series) else times, utc=True))
    return [None if missing else moment for moment, missing in zip(index.to_pydatetime(), index.isna(), strict=True)]


def numbers(values: Any) -> list[float | None]:
    """Numbers for an answer; None for NaN and infinities."""
    array = np.asarray(values, dtype=float)
    return [value if math.isfinite(value) else None for value in array.tolist()]


def texts(values: Any) -> list[str | None]:
    """Texts for an answer; None where missing."""
    return [None if pd.isna(value) else str(value) for value in values]

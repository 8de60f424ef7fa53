"""The due list as LwM2M object 3435, Filling level, the one standard that has a forecast.

https://github.com/OpenMobileAlliance/lwm2m-registry/blob/prod/3435.xml; values as SenML JSON (RFC 8428), as LwM2M 1.1
(Core, 7.4.4) writes them: a Time is a number of seconds since 1970.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from serving.answers import DueAnswer, Listing

if TYPE_CHECKING:
    from serving.champion import Champion

OBJECT = "/3435/0/"
SPEED, FULL_DATE = "8", "10"
"""Resources: average filling speed in percent a day; the next date at which the container should be full."""
DAY_H = 24.0


class Record(BaseModel):
    """A SenML record: resource `n` of the object `bn`."""

    model_config = ConfigDict(serialize_by_alias=True)

    base: str = Field(alias="bn")
    base_time: int = Field(alias="bt", description="when the forecast was made, unix seconds")
    name: str = Field(alias="n", description="8: average filling speed, percent a day; 10: forecast full date")
    value: int | float = Field(alias="v", description="percent a day, or unix seconds")


class FillingLevel(BaseModel):
    """One bin's object: `senml` is a pack of application/senml+json."""

    bin_id: str
    senml: list[Record]


class Lwm2mAnswer(Listing):
    """The due bins' resources 8 and 10; what is unknown, or more than 14 days away, is left out."""

    objects: list[FillingLevel]


def lwm2m(answer: DueAnswer, champion: Champion) -> Lwm2mAnswer:
    """The same bins, in the same order; the full date is the one with even odds (p50)."""
    speeds = speeds_pct_per_day(champion, [due.bin_id for due in answer.due])
    objects = []
    for due, speed in zip(answer.due, speeds.tolist(), strict=True):
        full_at = due.full_at.p50
        values = {SPEED: round(speed, 3), FULL_DATE: np.nan if full_at is None else int(full_at.timestamp())}
        made = int(due.as_of.timestamp())
        records = [
            Record.model_construct(base=OBJECT, base_time=made, name=name, value=value)
            for name, value in values.items()
            if np.isfinite(value)
        ]
        objects.append(FillingLevel.model_construct(bin_id=due.bin_id, senml=records))
    return Lwm2mAnswer.model_construct(objects=objects, **answer.beside())


def speeds_pct_per_day(champion: Champion, bin_ids: list[str]) -> np.ndarray:
    """(n,) the mean of each bin's own profile over a week, absent an emptying; NaN for bins it has none of."""
    profiles = getattr(champion.model, "profiles", None)
    if profiles is None or not bin_ids:
        return np.full(len(bin_ids), np.nan)
    found = {bin_id: row for row, bin_id in enumerate(profiles.bin_ids_.tolist())}
    rows = np.array([found.get(bin_id, -1) for bin_id in bin_ids])
    return np.where(rows < 0, np.nan, DAY_H * profiles.rates_[rows].mean(axis=1))

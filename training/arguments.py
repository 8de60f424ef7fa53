"""Words of the command line: the options that commands share, and times and horizons read into values."""

from __future__ import annotations

from typing import Annotated

import pandas as pd
import typer

from data.durations import duration_of
from data.times import EXAMPLE, read_times

LONGEST_H = 336.0


def time_of(text: str) -> pd.Timestamp:
    """An ISO 8601 time with an offset, in UTC. Raises typer.BadParameter (a wrong call)."""
    times = read_times(pd.Series([text], dtype="str"))
    if times.naive[0]:
        raise typer.BadParameter(f"{text} has no UTC offset. Add one, such as {text}Z (UTC) or {EXAMPLE}.")
    if times.missing[0] or times.bad[0]:
        raise typer.BadParameter(f"{text!r} is not a time. Expected ISO 8601 with an offset, such as {EXAMPLE}.")
    return pd.Timestamp(times.utc.iloc[0])


def horizons_of(text: str) -> list[float]:
    """Horizons in hours from a list such as 6h,12h,3d: rising, each once, up to 14 days. Raises typer.BadParameter."""
    hours = sorted({duration_of(part) / pd.Timedelta(hours=1) for part in text.split(",") if part.strip()})
    if not hours:
        raise typer.BadParameter("No horizon is named. Expected such as 6h,12h,24h.")
    if hours[-1] > LONGEST_H:
        raise typer.BadParameter(f"{hours[-1]:g} h is beyond what is forecast, 14 days.")
    return hours


def risks_of(text: str) -> list[float]:
    """Risks such as 0.05,0.1: rising, each once, between 0 and 1. Raises typer.BadParameter."""
    try:
        risks = sorted({float(part) for part in text.split(",") if part.strip()})
    except ValueError:
        risks = []
    if not risks or not 0 < risks[0] <= risks[-1] < 1:
        raise typer.BadParameter(f"{text!r} names no risks. Expected probabilities between 0 and 1, such as 0.05,0.1.")
    return risks


ReadingsAt = Annotated[str, typer.Option("--readings", help="Readings: CSV, Parquet or a database URL.")]
BinsAt = Annotated[str | None, typer.Option("--bins", help="The bins table; without it local time is UTC.")]
EmptyingsAt = Annotated[str | None, typer.Option("--emptyings", help="Reported emptyings; others are detected.")]
WeatherAt = Annotated[
    str | None, typer.Option("--weather", help="Weather of the city: at, issued_at, temperature_c, precipitation_mm.")
]
Zone = Annotated[str | None, typer.Option(help="IANA zone of times without an offset.")]
Map = Annotated[list[str] | None, typer.Option("--map", help="Read a foreign column: fill_pct=Fullness. Repeatable.")]
Country = Annotated[
    str | None, typer.Option(metavar="CODE", help="Whose public holidays count, as CZ. [default: BRIMCAST_COUNTRY]")
]
Name = Annotated[str, typer.Option(help="The registered model's name.")]
From = Annotated[pd.Timestamp, typer.Option("--from", parser=time_of, metavar="TIME", help="The first origin.")]
To = Annotated[pd.Timestamp | None, typer.Option(parser=time_of, metavar="TIME", help="The end of the last window.")]
Horizons = Annotated[str, typer.Option(metavar="LIST", help="Horizons, such as 6h,12h,3d.")]
Every = Annotated[str, typer.Option(metavar="DURATION", help="The time between origins.")]
HORIZONS, EVERY, NAME = "6h,12h,24h,48h,72h", "6h", "brimcast"

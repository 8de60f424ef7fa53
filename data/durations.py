from __future__ import annotations

import re

import pandas as pd
import typer

UNITS_S = {"s": 1, "min": 60, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LONGEST = pd.Timedelta(days=36_525)
"""A century: what is longer reaches back before times that are read."""


def duration_of(text: str, option: str | None = None) -> pd.Timedelta:
    """A duration such as 30s, 15min, 6h, 2d or 104w: above zero, a century at most.

    Raises typer.BadParameter (a wrong call), which names the `option`.
    """
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip().lower())
    seconds = float(matched[1]) * UNITS_S.get(matched[2], 0) if matched else 0.0
    if not 0 < seconds <= LONGEST.total_seconds():
        raise typer.BadParameter(
            f"{text!r} is not a duration up to a century. Expected such as 30s, 15min, 6h, 2d or 104w.",
            param_hint=option,
        )
    return pd.Timedelta(seconds=seconds)

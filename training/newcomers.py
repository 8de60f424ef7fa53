"""Known bins played as new ones: how a model answers where it has learned nothing of a bin."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from data.bins import Bins
from data.emptyings import Emptyings
from data.history import History
from data.readings import Readings

LEAD = pd.Timedelta(days=3)
NEW = "new "


def newcomers(history: History, bin_ids: Sequence[str], start: pd.Timestamp) -> History:
    """These bins under names that no model knows, first heard of three days before `start`.

    The scores of a model there are those of a cold start, though every bin of the city may be years old.
    """
    known = history.select(bin_ids).since(start - LEAD)
    return History(
        Readings(_renamed(known.readings.frame)),
        Emptyings(_renamed(known.emptyings.frame)),
        Bins(_renamed(known.bins.frame)),
        known.weather,
    )


def _renamed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(bin_id=(NEW + frame["bin_id"]).astype(frame["bin_id"].dtype))

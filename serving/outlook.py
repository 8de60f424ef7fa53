"""What an answer is made from: the forecast of the bins asked, by which model, and the facts told beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data.tables import CLOCK_SLACK_MIN
from serving.moments import utc
from serving.problems import wrong
from serving.traces import span

if TYPE_CHECKING:
    from data.history import History
    from data.store import Store
    from serving.champion import Champion
    from training.forecast import FillForecast

SLACK = pd.Timedelta(minutes=CLOCK_SLACK_MIN)
PLACE = ["latitude", "longitude", "capacity_l"]


@dataclass(frozen=True)
class Outlook:
    """The forecast of n bins, each as of its own moment, by `champion`; `places` (n, 3) holds PLACE, NaN if unknown."""

    champion: Champion
    forecast: FillForecast
    places: np.ndarray

    def as_of(self, now: pd.Timestamp) -> pd.Timestamp:
        """The newest moment that any of the bins was forecast at: no reading of any of them is newer. `now` for none.

        A bin whose own moment is earlier has had no reading since.
        """
        return utc(pd.Timestamp(self.forecast.as_of.max()).tz_localize("UTC")) if len(self.forecast) else now

    def take(self, rows: np.ndarray) -> Outlook:
        """These rows, in this order."""
        return replace(self, forecast=self.forecast.take(rows), places=self.places[rows])

    def select(self, bin_ids: np.ndarray) -> Outlook:
        """These bins, all of which are there, in this order."""
        return self.take(pd.Index(self.forecast.bin_ids).get_indexer(pd.Index(bin_ids)))


def read_outlook(
    champion: Champion, store: Store, bin_ids: Sequence[str] | None, as_of: pd.Timestamp | None, now: pd.Timestamp
) -> Outlook:
    """The outlook of these bins (default: all) straight from the store, as of one moment (default: `newest_moment`).

    Raises Problem where as_of lies ahead.
    """
    if as_of is not None and as_of > now + SLACK:
        raise wrong("as_of", f"lies ahead of the service's clock, which says {now.isoformat()}")
    since = (as_of or now) - pd.Timedelta(days=champion.model.HISTORY_DAYS)
    with span("readings"):
        history = store.history(bin_ids, since=since, bare=True)
    moment = newest_moment(history, now) if as_of is None else as_of
    if champion.model.reads_weather:
        with span("weather"):
            history = replace(history, weather=store.weather(since, moment))
    with span("forecast", bins=len(history.bins.unique)):
        made = champion.model.forecast(history, moment, bin_ids)  # which looks at nothing that was heard later
    forecast = replace(made, status=made.status.astype(object))
    facts = history.bins.unique[PLACE].reindex(pd.Index(forecast.bin_ids, dtype="str"))
    return Outlook(champion, forecast, facts.to_numpy(dtype=float))


def newest_moment(history: History, now: pd.Timestamp) -> pd.Timestamp:
    """Now, or the newest reading where a sensor's clock runs ahead, by up to five minutes."""
    frame = history.readings.frame
    newest = [frame[name].max() for name in ("measured_at", "received_at")] if len(frame) else []
    return min(max(now, *newest), now + SLACK) if newest else now


def joined(parts: Sequence[Outlook]) -> Outlook:
    """The rows of all parts, which are of one champion, end to end."""
    some = [part for part in parts if len(part.forecast)] or list(parts[:1])
    if len(some) == 1:
        return some[0]
    whole = some[0].forecast.joined([part.forecast for part in some])
    return replace(some[0], forecast=whole, places=np.concatenate([part.places for part in some]))

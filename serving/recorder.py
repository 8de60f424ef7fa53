"""What the service forecast is kept, to be scored when the truth arrives: some of each hour's, off every answer's path.

Recorded is what the state holds ready for each bin, whether or not somebody asks: clients ask for the bins that worry
them, and scores of those alone would tell of no other.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data.given import CHAMPION, Given
from serving.metrics import RECORDED

if TYPE_CHECKING:
    from serving.outlook import Outlook

HORIZONS_H = (6, 12, 24, 48, 72)
ROOM = 64
"""Outlooks that wait to be looked at, of 125 bins or half a megabyte each; more are dropped, and counted."""
SPREAD_US = 55 * 60 * 1_000_000
LOOK_AGAIN_S = 0.5
FLUSHED_WITHIN_S = 2.0
log = logging.getLogger("brimcast")


class Recorder:
    """Hands forecasts drawn by lot to `put`, in a thread of its own. Nothing here waits, or raises, in who notes them.

    `share`: of what share of the bins, drawn anew each hour, one forecast is kept. Those that cannot be kept are
    counted, and the bin's next forecast within the hour is tried instead.
    """

    def __init__(self, put: Callable[[Given], object], share: float, now: Callable[[], pd.Timestamp]) -> None:
        self._put, self._share, self._now = put, share, now
        self._waiting: queue.Queue[Outlook] = queue.Queue(ROOM)
        self._told = np.zeros(0, dtype=np.uint64)  # the lots of this hour's, and the last's
        self._hours = np.zeros(0, dtype="datetime64[h]")
        self._failing = False
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Record from now on, until `end`; not at all where the share is none."""
        if self._share > 0:
            self._thread = threading.Thread(target=self._keep, name="brimcast-recorder", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Record what was noted, within two seconds, and no more."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(FLUSHED_WITHIN_S)

    def note(self, outlook: Outlook) -> None:
        """Forecasts that were made; they must not be written to afterwards."""
        if self._thread is None:
            return
        try:
            self._waiting.put_nowait(outlook)
        except queue.Full:
            RECORDED.labels("dropped").inc(int(drawn(lots(outlook), outlook.forecast.as_of, self._share).sum()))

    def record(self, outlook: Outlook) -> None:
        """Keep those that were drawn, once a bin and hour."""
        forecast, lot = outlook.forecast, lots(outlook)
        new = drawn(lot, forecast.as_of, self._share) & ~np.isin(lot, self._told)
        new &= ~np.isnan(forecast.fill_now_pct)  # no_data and unknown_bin come without numbers
        rows = np.flatnonzero(new)
        if not len(rows):
            return
        some = forecast.take(np.repeat(rows, len(HORIZONS_H)))
        at = some.as_of + np.tile(np.array(HORIZONS_H, dtype="timedelta64[h]"), len(rows))
        champion = outlook.champion
        try:
            told = some.table(at)
            self._put(Given.of(told, some.full_pct, CHAMPION, champion.name, champion.version, self._now()))
        except Exception as error:  # whatever it is, answers go on, and so does this
            RECORDED.labels("failed").inc(len(rows))
            (log.debug if self._failing else log.error)("forecasts are not recorded: %s", error)
            self._failing = True
            return
        RECORDED.labels("stored").inc(len(rows))
        if self._failing:
            log.info("forecasts are recorded again")
        self._failing = False
        self._remember(lot[rows], forecast.as_of[rows])

    def _remember(self, lot: np.ndarray, as_of: np.ndarray) -> None:
        hours = np.concatenate([self._hours, as_of.astype("datetime64[h]")])
        kept = hours >= hours.max() - 1
        self._told, self._hours = np.concatenate([self._told, lot])[kept], hours[kept]

    def _keep(self) -> None:
        while True:
            try:
                self.record(self._waiting.get(timeout=LOOK_AGAIN_S))
            except queue.Empty:
                if self._ending.is_set():
                    return


def lots(outlook: Outlook) -> np.ndarray:
    """(n,) uint64: a number drawn for each bin and hour of as_of, the same in every process."""
    forecast = outlook.forecast
    hour = forecast.as_of.astype("datetime64[h]").astype(np.int64)
    drawing = pd.DataFrame({"bin_id": pd.Series(forecast.bin_ids, dtype="str"), "hour": hour})
    return pd.util.hash_pandas_object(drawing, index=False).to_numpy()


def drawn(lot: np.ndarray, as_of: np.ndarray, share: float) -> np.ndarray:
    """(n,) bool: who was drawn for the hour, from the minute on that was drawn with it.

    So the moments lie all over the hour, as readings do; not at its beginning, when each bin's first forecast is made.
    """
    ticket = lot / 2.0**64 / share
    into_us = (as_of - as_of.astype("datetime64[h]")) / np.timedelta64(1, "us")
    return (ticket < 1) & (into_us >= ticket * SPREAD_US)

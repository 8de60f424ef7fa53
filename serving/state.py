"""The live state: every bin's forecast in memory, made again only when the store or the clock says that it is old."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from serving.outlook import Outlook, joined, read_outlook
from serving.turns import Turns

if TYPE_CHECKING:
    from data.store import Store
    from serving.champion import Champion

Kept = TypeVar("Kept")
OLDEST = pd.Timedelta(minutes=5)
BATCH = 125
FEW = 16
THREADS = 2
"""Boosters and databases let go of Python's lock: two batches at once take little more than half the time of two."""


class State:
    """One champion's forecasts, each shown to `noted` when it is made. Safe to use from several threads.

    A forecast is old when the bin's version in the store is not the one it was made from, or after five minutes.
    Versions are read before the readings: what is committed in between is at worst read twice, never missed.
    """

    def __init__(self, champion: Champion, noted: Callable[[Outlook], None] = lambda made: None) -> None:
        self.champion, self._noted = champion, noted
        self.filled = False
        self._lock = threading.Lock()  # over what is kept
        self._turns = Turns()  # large batches are made one after the other, not twice at once
        self._pool = ThreadPoolExecutor(THREADS, "brimcast-forecasts")
        self._index = pd.Index([], dtype=object)
        self._versions = np.zeros(0, dtype=np.int64)
        self._rows: Outlook | None = None

    def __len__(self) -> int:
        return len(self._index)

    def look(self, work: Callable[[Outlook], Kept]) -> Kept | None:
        """What `work` reads off all that is kept, of whatever age, at one moment; None before anything is kept.

        Others wait meanwhile: it must be quick, and keep nothing of what it is shown.
        """
        with self._lock:
            return None if self._rows is None or not len(self._index) else work(self._rows)

    def outlook(self, store: Store, bin_ids: Sequence[str] | None, now: pd.Timestamp) -> Outlook:
        """The outlook of these bins (default: all), in the order asked; has seen all that was committed before."""
        ids, versions = _versions(store, bin_ids)
        if not len(ids):
            return read_outlook(self.champion, store, [], None, now)
        kept, old = self._kept(ids, versions, now, OLDEST)
        if kept is not None and not old.any():
            return kept
        with self._turns.asked() if old.sum() > FEW else nullcontext():
            made = self._made(store, ids[old], versions[old], lambda: now, OLDEST)
        return joined([*([] if kept is None else [kept]), *made]).select(ids)

    def refresh(self, store: Store, clock: Callable[[], pd.Timestamp], oldest: pd.Timedelta = OLDEST) -> int:
        """Make again what is old, or older than `oldest`, batch by batch; returns how many bins that were.

        The first time on all threads; later on one, beside the requests that are answered meanwhile.
        """
        ids, versions = _versions(store, None)
        with self._lock:
            self._forget(ids)
            _, old = self._old(ids, versions, clock(), oldest)
        ids, versions, size = ids[old], versions[old], BATCH if self.filled else THREADS * BATCH
        for start in range(0, len(ids), size):
            part = slice(start, start + size)
            with self._turns.spare():
                self._made(store, ids[part], versions[part], clock, oldest, BATCH)
        self.filled = True
        return len(ids)

    def _made(
        self,
        store: Store,
        ids: np.ndarray,
        versions: np.ndarray,
        clock: Callable[[], pd.Timestamp],
        oldest: pd.Timedelta,
        batch: int | None = None,
    ) -> list[Outlook]:
        """Outlooks of all these bins, made now, or by another thread since they were found to be old.

        In batches of `batch` bins (default: as even as all threads like them).
        """
        kept, old = self._kept(ids, versions, clock(), oldest)
        ids, versions = ids[old], versions[old]

        def make(part: slice) -> Outlook:
            made = read_outlook(self.champion, store, ids[part].tolist(), None, clock())
            self._keep(made, versions[part])
            self._noted(made)
            return made

        parts = list(_parts(len(ids), batch))
        made = list(map(make, parts) if len(parts) < 2 else self._pool.map(make, parts))
        return made if kept is None else [kept, *made]

    def _old(
        self, ids: np.ndarray, versions: np.ndarray, now: pd.Timestamp, oldest: pd.Timedelta
    ) -> tuple[np.ndarray, np.ndarray]:
        """The row of each bin (-1: none), and whether its forecast must be made again."""
        rows = self._index.get_indexer(pd.Index(ids, dtype=object))
        fresh = rows >= 0
        if self._rows is not None and fresh.any():
            there = rows[fresh]
            age = np.abs(np.datetime64(now.tz_localize(None), "us") - self._rows.forecast.as_of[there])
            fresh[fresh] = (self._versions[there] == versions[fresh]) & (age <= oldest.to_timedelta64())
        return rows, ~fresh

    def _forget(self, ids: np.ndarray) -> None:
        """Let go of bins that are not among these, all that the store knows: they were retired, or renamed."""
        there = self._index.isin(ids)
        if self._rows is not None and not there.all():
            rows = np.flatnonzero(there)
            self._rows, self._versions = self._rows.take(rows), self._versions[rows]
            self._index = self._index[rows]

    def _kept(
        self, ids: np.ndarray, versions: np.ndarray, now: pd.Timestamp, oldest: pd.Timedelta
    ) -> tuple[Outlook | None, np.ndarray]:
        """A copy of what is kept and not old, and which bins are old. Seen at one moment: others may write after it."""
        with self._lock:
            rows, old = self._old(ids, versions, now, oldest)
            return (None if self._rows is None or old.all() else self._rows.take(rows[~old])), old

    def _keep(self, made: Outlook, versions: np.ndarray) -> None:
        """Keep what was made of the bins that the store knows, in place where there was one before."""
        known = versions >= 0
        made, versions = made.take(np.flatnonzero(known)), versions[known]
        with self._lock:
            rows = self._index.get_indexer(pd.Index(made.forecast.bin_ids, dtype=object))
            there, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
            if self._rows is not None and len(there):
                self._rows = _put(self._rows, rows[there], made.take(there))
                self._versions[rows[there]] = versions[there]
            if len(new):
                added = made.take(new)
                self._rows = added if self._rows is None else joined([self._rows, added])
                self._versions = np.concatenate([self._versions, versions[new]])
                self._index = pd.Index(self._rows.forecast.bin_ids, dtype=object)


def _parts(count: int, batch: int | None) -> Iterator[slice]:
    """Slices of `count` rows, each of `batch`; without it of at most BATCH and alike, some for every thread."""
    if batch is None:
        pieces = -(-count // BATCH)
        batch = -(-count // (-(-pieces // THREADS) * THREADS)) if count > THREADS * FEW else max(count, 1)
    yield from (slice(start, start + batch) for start in range(0, count, batch))


def _versions(store: Store, bin_ids: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """The bins asked (default: all that the store knows) and their versions, -1 for one never heard of."""
    told = store.versions(bin_ids)
    ids = sorted(told) if bin_ids is None else list(bin_ids)
    named = np.array(ids, dtype=object)
    return named, np.fromiter((told.get(bin_id, -1) for bin_id in ids), dtype=np.int64, count=len(ids))


def _put(kept: Outlook, rows: np.ndarray, made: Outlook) -> Outlook:
    """Write over these rows, in place: a copy of a whole city for one reading would cost more than its forecast."""
    old, new = kept.forecast, made.forecast
    for name in ("as_of", "values", "status", "last_reading_at", "fill_now_pct", "full_pct"):
        getattr(old, name)[rows] = getattr(new, name)
    kept.places[rows] = made.places
    reasons = list(old.reasons)
    for row, why in zip(rows.tolist(), new.reasons, strict=True):
        reasons[row] = why
    return replace(kept, forecast=replace(old, reasons=tuple(reasons)))

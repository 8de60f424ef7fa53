from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from data.history import History

HOUR_US = 3_600_000_000
MILLI = 1000.0
FUTURE_SLACK_US = 5 * 60 * 1_000_000


@dataclass(frozen=True)
class Sequences:
    """Readings as they were known, laid end to end: m sequences, n readings in all, each sequence in order of time.

    Levels are whole thousandths of a percent, so that sums over them are exact in any order: what is asked beside a
    bin, or how long a history is, can never change a digit of its forecast.

    offsets (m + 1,)  sequence s holds the readings offsets[s]:offsets[s + 1]
    seq (n,)          the sequence each reading belongs to
    measured (n,)     microseconds since 1970, UTC
    heard (n,)        likewise, when it was received
    fill (n,)         thousandths of a percent, int64
    """

    offsets: np.ndarray
    seq: np.ndarray
    measured: np.ndarray
    heard: np.ndarray
    fill: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def is_first(self) -> np.ndarray:
        """(n,) bool: the first reading of its sequence."""
        first = np.ones(len(self.seq), dtype=bool)
        first[1:] = self.seq[1:] != self.seq[:-1]
        return first

    @property
    def is_last(self) -> np.ndarray:
        """(n,) bool: the last reading of its sequence."""
        last = np.ones(len(self.seq), dtype=bool)
        last[:-1] = self.seq[1:] != self.seq[:-1]
        return last

    @property
    def last(self) -> np.ndarray:
        """(m,) index of each sequence's last reading; -1 where it has none."""
        return np.where(self.offsets[1:] > self.offsets[:-1], self.offsets[1:] - 1, -1)

    @property
    def step_h(self) -> np.ndarray:
        """(m,) mean hours between a sequence's readings; NaN with fewer than two."""
        measured = self.measured if len(self.measured) else np.zeros(1, dtype=np.int64)
        count = self.offsets[1:] - self.offsets[:-1]
        span = measured[np.maximum(self.last, 0)] - measured[np.minimum(self.offsets[:-1], len(measured) - 1)]
        return np.where(count > 1, span / np.maximum(count - 1, 1) / HOUR_US, np.nan)

    def lag(self, values: np.ndarray, k: int, missing: float | np.integer) -> np.ndarray:
        """(n,) the value `k` readings earlier in the same sequence (later, for negative k), or `missing`."""
        out = np.full(len(values), missing, dtype=values.dtype)
        here, there = (slice(k, None), slice(None, -k)) if k > 0 else (slice(None, k), slice(-k, None))
        out[here] = np.where(self.seq[here] == self.seq[there], values[there], missing)
        return out

    def where(self, keep: np.ndarray) -> Sequences:
        """The same sequences with only the readings where `keep` (n,) holds."""
        if keep.all():
            return self
        offsets = sums(keep)[self.offsets]
        return replace(
            self, offsets=offsets, seq=self.seq[keep], measured=self.measured[keep], heard=self.heard[keep],
            fill=self.fill[keep],
        )  # fmt: skip


def microseconds(times: pd.Series | pd.DatetimeIndex | np.ndarray) -> np.ndarray:
    """Times as int64 microseconds since 1970, UTC."""
    array = times if isinstance(times, np.ndarray) else times.to_numpy(dtype="datetime64[us]")
    return array.astype("datetime64[us]").astype(np.int64)


def microsecond(moment: pd.Timestamp) -> int:
    """One moment as microseconds since 1970; it must name its zone."""
    return int(moment.tz_convert("UTC").tz_localize(None).to_datetime64().astype("datetime64[us]").astype(np.int64))


def search(values: np.ndarray, low: np.ndarray, high: np.ndarray, sought: np.ndarray, *, right: bool) -> np.ndarray:
    """(k,) insertion points of `sought` (k,) into the sorted slices values[low:high]; numpy's searchsorted by slice."""
    low, high = low.copy(), high.copy()
    open_ = low < high
    while open_.any():
        middle = (low + high) >> 1
        at_middle = values[np.minimum(middle, len(values) - 1)]
        up = (at_middle <= sought) if right else (at_middle < sought)
        low = np.where(open_ & up, middle + 1, low)
        high = np.where(open_ & ~up, middle, high)
        open_ = low < high
    return low


def sums(values: np.ndarray) -> np.ndarray:
    """(n + 1,) whole sums of the first 0, 1, ... n values: what lies between two rows is the difference."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values.astype(np.int64))])


def ragged(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices low[s]:high[s] of all s end to end, and the s of each."""
    counts = np.maximum(high - low, 0)
    owner = np.repeat(np.arange(len(low)), counts)
    begin = np.cumsum(counts) - counts
    return np.arange(counts.sum()) - begin[owner] + low[owner], owner


@dataclass(frozen=True)
class Archive:
    """A history's readings as plain arrays, every version, to cut sequences from.

    Arrays over the readings in order of bin, measured_at and received_at; `starts` (b + 1,) are the bins' offsets.
    """

    bin_ids: pd.Index
    starts: np.ndarray
    measured: np.ndarray
    heard: np.ndarray
    fill: np.ndarray

    @classmethod
    def of(cls, history: History) -> Archive:
        """The arrays of `history.readings`."""
        frame = history.readings.frame
        ids = frame["bin_id"]
        begins = np.flatnonzero(ids.ne(ids.shift()).to_numpy()) if len(frame) else np.zeros(0, dtype=int)
        return cls(
            bin_ids=pd.Index(ids.iloc[begins], dtype="str"),
            starts=np.concatenate([begins, [len(frame)]]),
            measured=microseconds(frame["measured_at"]),
            heard=microseconds(frame["received_at"]),
            fill=np.rint(frame["fill_pct"].to_numpy() * MILLI).astype(np.int64),
        )

    def sequences(
        self,
        bin_ids: Sequence[str] | np.ndarray,
        as_of: np.ndarray,
        days: float | np.ndarray | None,
        heard_by: np.ndarray | None = None,
    ) -> Sequences:
        """What was known of bin_ids[s] at as_of[s] (microseconds), measured in the `days` before (None: all before).

        `days` may be an array, one for each row.

        One sequence per row asked, empty for bins without readings. Only readings received by as_of, of each the
        version heard last. `heard_by` (microseconds) asks as if nothing had been heard since: an outage.
        """
        heard_by = as_of if heard_by is None else heard_by
        low, high = self._rows(bin_ids, as_of, days, heard_by)
        rows, owner = ragged(low, high)
        told = self.heard[rows] <= heard_by[owner]
        rows, owner = rows[told], owner[told]
        measured = self.measured[rows]
        newest = np.ones(len(rows), dtype=bool)
        newest[:-1] = (owner[1:] != owner[:-1]) | (measured[1:] != measured[:-1])
        rows, owner, measured = rows[newest], owner[newest], measured[newest]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(as_of)))])
        return Sequences(offsets, owner, measured, self.heard[rows], self.fill[rows])

    def counts(self, bin_ids: Sequence[str] | np.ndarray, as_of: np.ndarray, days: float) -> np.ndarray:
        """(m,) readings that `sequences` would look at."""
        low, high = self._rows(bin_ids, as_of, days, as_of)
        return high - low

    def _rows(
        self,
        bin_ids: Sequence[str] | np.ndarray,
        as_of: np.ndarray,
        days: float | np.ndarray | None,
        heard_by: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        code = self.bin_ids.get_indexer(pd.Index(np.asarray(bin_ids, dtype=object), dtype="str"))
        known = code >= 0
        begin = np.where(known, self.starts[np.maximum(code, 0)], 0) if len(self.bin_ids) else np.zeros(len(code), int)
        end = np.where(known, self.starts[code + 1], 0) if len(self.bin_ids) else np.zeros(len(code), int)
        low = begin
        if days is not None:
            low = search(
                self.measured, begin, end, as_of - (np.asarray(days) * (24 * HOUR_US)).astype(np.int64), right=False
            )
        high = search(self.measured, begin, end, heard_by + FUTURE_SLACK_US, right=True)
        return low, high

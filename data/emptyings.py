from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from data.cycles import SAME_EMPTYING_H, Cycles, find_cycles
from data.sequences import HOUR_US, MILLI, Archive
from data.tables import EMPTYINGS

if TYPE_CHECKING:
    from data.history import History

GAP_H = 3.0


@dataclass(frozen=True)
class Emptyings:
    """Moments at which bins were emptied, sorted by bin and moment; the columns of `data.tables.EMPTYINGS`."""

    frame: pd.DataFrame

    @classmethod
    def checked(cls, frame: pd.DataFrame) -> Emptyings:
        """Emptyings from a frame that comes from outside; `received_at` defaults to `emptied_at`."""
        full = pd.DataFrame(index=frame.index)
        for name in EMPTYINGS.columns:
            default = frame["emptied_at"] if name == "received_at" else pd.Series(None, index=frame.index, dtype=object)
            column = frame.get(name, default)
            if name in ("emptied_at", "received_at"):
                column = pd.to_datetime(column, utc=True).astype("datetime64[us, UTC]")
            elif name in ("bin_id", "source"):
                column = column.astype("str")
            else:
                column = pd.to_numeric(column).astype(float)
            full[name] = column
        full["received_at"] = full["received_at"].fillna(full["emptied_at"])
        full["source"] = full["source"].fillna("reported")
        full = full.sort_values(["bin_id", "emptied_at", "received_at"], kind="stable")
        full = full.drop_duplicates(["bin_id", "emptied_at"], keep="first").reset_index(drop=True)
        return cls(EMPTYINGS.validate(full))

    @classmethod
    @cache  # nobody changes a table's frame
    def none(cls) -> Emptyings:
        """No emptyings."""
        return cls.checked(pd.DataFrame({"bin_id": pd.Series(dtype="str"), "emptied_at": pd.Series(dtype="str")}))

    def __len__(self) -> int:
        return len(self.frame)


def find_emptyings(history: History) -> Emptyings:
    """All emptyings of a history: the reported ones, and those that its readings show.

    A detected emptying has `received_at`, the moment at which the last reading that proves it was heard; it was not
    known before. Where more than three hours lie between the readings around it, `emptied_at` is the hour in between
    at which the fleet was emptied most often so far, judged with the fill since then.
    """
    archive = Archive.of(history)
    if not len(archive.bin_ids):
        return Emptyings(history.emptyings.frame)
    always = np.full(len(archive.bin_ids), np.iinfo(np.int64).max // 2)
    cycles = find_cycles(archive.sequences(archive.bin_ids.to_numpy(), always, None))
    s = cycles.sequences
    at = np.flatnonzero(cycles.begins)
    detected = pd.DataFrame(
        {
            "bin_id": archive.bin_ids[s.seq[at]],
            "emptied_at": _utc(_moments(cycles, at)),
            "received_at": _utc(cycles.known[at]),
            "fill_before_pct": cycles.before[at] / MILLI,
            "fill_after_pct": s.fill[at] / MILLI,
            "source": "detected",
            "probability": cycles.probability[at],
            "last_full": _utc(s.measured[at - 1]),
        }
    )
    reported = history.emptyings.frame
    near = _confirmed(detected, reported)
    return Emptyings.checked(pd.concat([reported, detected[~near].drop(columns="last_full")], ignore_index=True))


def _utc(moments: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(moments.astype("datetime64[us]")).tz_localize("UTC")


def _confirmed(detected: pd.DataFrame, reported: pd.DataFrame) -> np.ndarray:
    """(n,) bool: detected emptyings that are told again by a report, which lies at most 3 hours off."""
    if not len(reported) or not len(detected):
        return np.zeros(len(detected), dtype=bool)
    slack = pd.Timedelta(hours=SAME_EMPTYING_H)
    told = reported[["bin_id", "emptied_at"]].rename(columns={"emptied_at": "told_at"}).sort_values("told_at")
    own = detected.reset_index().sort_values("emptied_at")
    own["until"] = own["emptied_at"] + slack
    # The last report not after the end of the interval in which the emptying may lie.
    found = pd.merge_asof(own.sort_values("until"), told, left_on="until", right_on="told_at", by="bin_id")
    near = found["told_at"] >= np.minimum(found["emptied_at"] - slack, found["last_full"])
    return near.set_axis(found["index"]).reindex(range(len(detected))).to_numpy(dtype=bool)


def _moments(cycles: Cycles, at: np.ndarray) -> np.ndarray:
    """(k,) microseconds: when the emptyings before the readings `at` happened, as far as readings can tell."""
    s = cycles.sequences
    low, high = s.measured[at - 1], s.measured[at]
    moments = low + (high - low) // 2
    wide = (high - low) > GAP_H * HOUR_US
    if not wide.any():
        return moments
    order = np.argsort(cycles.known[at], kind="stable")
    hour = (moments // HOUR_US % 24).astype(int)
    one_hot = np.zeros((len(at) + 1, 24), dtype=np.int32)
    exact = order[~wide[order]]
    one_hot[1:][~wide[order], hour[exact]] = 1
    habit = np.cumsum(one_hot, axis=0)[:-1]  # what was known of the fleet before each of these events
    rank = np.empty(len(at), dtype=int)
    rank[order] = np.arange(len(at))
    habit = habit[rank[wide]] + 0.25
    # Hours since the emptying, if the bin filled since then as it did in the cycle before.
    begin = np.maximum.accumulate(np.where(cycles.breaks, np.arange(len(s.seq)), 0))[at - 1][wide]
    risen = np.maximum(cycles.before[at][wide] - s.fill[begin], 1000)
    hours = np.maximum((low[wide] - s.measured[begin]) / HOUR_US, 1.0)
    since = np.maximum(s.fill[at][wide], 0) / (risen / hours)
    # Candidates: every hour of the gap, up to three days back from its end.
    back = np.arange(72)
    candidate = (high[wide] // HOUR_US)[:, None] - back[None, :]
    possible = (candidate * HOUR_US > low[wide][:, None] - HOUR_US // 2) & (back[None, :] < 72)
    likely = habit[np.arange(len(habit))[:, None], candidate % 24] * np.exp(-np.abs(back[None, :] - since[:, None]) / 8)
    best = np.where(possible, likely, -1).argmax(axis=1)
    chosen = candidate[np.arange(len(best)), best] * HOUR_US + HOUR_US // 2
    moments[wide] = np.clip(chosen, low[wide], high[wide])
    return moments

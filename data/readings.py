from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.tables import READINGS

TIMES = ["measured_at", "received_at"]
ORDER = ["bin_id", *TIMES]
NEEDED = (*ORDER, "fill_pct")


@dataclass(frozen=True)
class Readings:
    """Sensor reports, every version heard, sorted by bin, measured_at and received_at.

    `frame`: the columns of `data.tables.READINGS`; `fill_pct` in percent, times in UTC.
    """

    frame: pd.DataFrame

    @classmethod
    def checked(cls, frame: pd.DataFrame) -> Readings:
        """Readings from a frame that comes from outside: typed, checked, sorted, without repeats.

        `received_at` defaults to `measured_at`. The same values heard again are no new version: the first is kept.
        Raises pandera's SchemaError where a column is missing or out of range.
        """
        known = frame[[c for c in READINGS.columns if c in frame]].copy()
        if "received_at" not in known:
            known["received_at"] = known["measured_at"]
        for column in ("measured_at", "received_at"):
            known[column] = pd.to_datetime(known[column], utc=True).astype("datetime64[us, UTC]")
        return cls.split(known)[0]

    @classmethod
    def none(cls) -> Readings:
        """No readings."""
        empty = {"bin_id": pd.Series(dtype="str"), "measured_at": pd.Series(dtype="str")}
        return cls.checked(pd.DataFrame({**empty, "fill_pct": pd.Series(dtype=float)}))

    @classmethod
    def split(cls, frame: pd.DataFrame) -> tuple[Readings, np.ndarray]:
        """Readings from typed columns, and the labels (of the frame's index) of the rows that are repeats.

        An optional column without a single value is left out, so that files and stores give the same frames.
        """
        names = [c for c in READINGS.columns if c in frame and (c in NEEDED or frame[c].notna().any())]
        known = frame[names].astype({c: float for c in names if c not in ("bin_id", *TIMES)} | {"bin_id": "str"})
        # Two values heard at one moment have no order in time: the values themselves break the tie, so that
        # shuffled input gives the same history.
        values = [known[c].to_numpy() for c in names if c not in ORDER]
        times = [known[c].to_numpy(dtype="datetime64[us]") for c in reversed(TIMES)]
        order = np.lexsort([*reversed(values), *times, pd.factorize(known["bin_id"], sort=True)[0]])
        known = known.take(order)
        again = repeats(known)
        return cls(READINGS.validate(known[~again].reset_index(drop=True))), known.index[again].to_numpy()

    @classmethod
    def sorted(cls, frame: pd.DataFrame) -> Readings:
        """Readings from typed columns that are sorted already, as a store gives them; repeats are left out."""
        silent = [c for c in frame if c not in NEEDED and frame[c].isna().all()]
        return cls(frame[~repeats(frame)].drop(columns=silent).reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.frame)

    def latest(self) -> pd.DataFrame:
        """Of each (bin_id, measured_at) the version heard last; rows as `frame`, one per measurement."""
        last = np.ones(len(self.frame), dtype=bool)
        last[_revisions(self.frame) - 1] = False
        return self.frame if last.all() else self.frame[last].reset_index(drop=True)


def repeats(ordered: pd.DataFrame) -> np.ndarray:
    """(n,) bool: rows that say again what the version before them said; `ordered` is sorted as `ORDER`."""
    same, fill, rows = np.zeros(len(ordered), dtype=bool), ordered["fill_pct"].to_numpy(), _revisions(ordered)
    same[rows] = fill[rows] == fill[rows - 1]
    return same


def _revisions(ordered: pd.DataFrame) -> np.ndarray:
    """(r,) rows of the same bin and moment as the row before; `ordered` is sorted as `ORDER`."""
    times, ids = ordered["measured_at"].to_numpy(dtype="datetime64[us]"), ordered["bin_id"]
    alike = np.flatnonzero(times[1:] == times[:-1]) + 1  # texts are dear to compare: only where the times are the same
    return alike[ids.iloc[alike].to_numpy() == ids.iloc[alike - 1].to_numpy()]


@dataclass(frozen=True)
class Rejected:
    """Input rows set aside: `row` (0-based position in the input), `bin_id`, `reason` (code) and `detail` (text)."""

    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def counts(self) -> dict[str, int]:
        """Rows by reason, most frequent first."""
        return {str(reason): int(n) for reason, n in self.frame["reason"].value_counts().items()}

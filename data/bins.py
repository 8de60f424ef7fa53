from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from data.tables import BINS, FULL_PCT

DEFAULTS: dict[str, str | float] = {"stream": "mixed", "full_pct": FULL_PCT}
NUMBERS = ("latitude", "longitude", "capacity_l", "full_pct", "empty_mm", "full_mm")
TIMES = ("valid_from", "valid_to")
SORTED = ["bin_id", "valid_from", "device_id"]  # a device without valid_from is the oldest


@dataclass(frozen=True)
class Bins:
    """What is known of the bins: all columns of `data.tables.BINS`, a row per bin and device, sorted by bin_id."""

    frame: pd.DataFrame

    @classmethod
    def checked(cls, frame: pd.DataFrame) -> Bins:
        """Bins from a frame that comes from outside; missing columns are filled with their defaults."""
        full = pd.DataFrame(index=frame.index)
        for name in BINS.columns:
            column = frame[name] if name in frame else pd.Series(DEFAULTS.get(name), index=frame.index, dtype=object)
            if name in NUMBERS:
                column = pd.to_numeric(column).astype(float)
            elif name in TIMES:
                column = pd.to_datetime(column, utc=True).astype("datetime64[us, UTC]")
            else:
                column = column.astype("str")
            full[name] = column.fillna(DEFAULTS[name]) if name in DEFAULTS else column
        full = full.drop_duplicates(["bin_id", "device_id", "valid_from"], keep="last")
        return cls(BINS.validate(full.sort_values(SORTED, kind="stable", na_position="first").reset_index(drop=True)))

    @classmethod
    def named(cls, bin_ids: Iterable[str], timezone: str = "UTC") -> Bins:
        """Bins of which only the ids are known."""
        ids = sorted(set(bin_ids))
        return cls.checked(pd.DataFrame({"bin_id": pd.Series(ids, dtype="str"), "timezone": timezone}))

    @property
    def unique(self) -> pd.DataFrame:
        """One row per bin (the newest device's), indexed by bin_id."""
        return self.frame.drop_duplicates("bin_id", keep="last").set_index("bin_id", drop=False)

    def select(self, bin_ids: Iterable[str]) -> Bins:
        """Only these bins; unknown ids are left out."""
        return Bins(self.frame[self.frame["bin_id"].isin(list(bin_ids))].reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.frame)

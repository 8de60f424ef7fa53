"""From millimetres to percent, and from a device to its bin, as of the moment of measuring."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.bins import Bins

BEGINNING = pd.Timestamp("0001-01-01", tz="UTC")


@dataclass(frozen=True)
class Scales:
    """Which device sat in which bin from when to when, with its empty_mm and full_mm; sorted by valid_from."""

    frame: pd.DataFrame

    @classmethod
    def of(cls, bins: Bins | None) -> "Scales":
        """The scales that a bins table tells; none without one."""
        source = bins if bins is not None else Bins.named([])
        frame = source.frame[["bin_id", "device_id", "valid_from", "valid_to", "empty_mm", "full_mm"]].copy()
        frame["valid_from"] = frame["valid_from"].fillna(BEGINNING)
        return cls(frame.sort_values("valid_from", kind="stable").reset_index(drop=True))

    def bin_of(self, device_id: pd.Series, at: pd.Series) -> pd.Series:
        """(n,) the bin that each device sat in then; missing where none is known."""
        return self._then("device_id", device_id, at)["bin_id"]

    def fill_pct(self, bin_id: pd.Series, at: pd.Series, distance_mm: pd.Series) -> pd.Series:
        """(n,) percent: 0 at empty_mm, 100 at full_mm; NaN where the bin has no scale then."""
        then = self._then("bin_id", bin_id, at)
        span = (then["empty_mm"] - then["full_mm"]).where(lambda mm: mm != 0)
        return 100.0 * (then["empty_mm"] - distance_mm) / span

    def _then(self, key: str, ids: pd.Series, at: pd.Series) -> pd.DataFrame:
        """Rows of `frame` valid for each id at each moment, in the order asked; missing where there is none."""
        asked = pd.DataFrame({key: ids, "at": at, "row": np.arange(len(ids))}).dropna().sort_values("at", kind="stable")
        known = self.frame.dropna(subset=[key])
        found = pd.merge_asof(asked, known, left_on="at", right_on="valid_from", by=key)
        valid = found["valid_to"].isna() | (found["at"] < found["valid_to"])
        found = found[valid & found["valid_from"].notna()].set_index("row")
        return found.reindex(np.arange(len(ids))).set_axis(ids.index)

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from data.tables import EMPTYINGS


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
            column = frame[name] if name in frame else default
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
    def none(cls) -> Emptyings:
        """No emptyings."""
        return cls.checked(pd.DataFrame({"bin_id": pd.Series(dtype="str"), "emptied_at": pd.Series(dtype="str")}))

    def __len__(self) -> int:
        return len(self.frame)

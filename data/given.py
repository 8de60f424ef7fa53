from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.tables import GIVEN

CHAMPION, SHADOW, BASELINE = "champion", "shadow", "baseline"
KEY = ["bin_id", "as_of", "at"]
TIMES = ("as_of", "at", "given_at")


@dataclass(frozen=True)
class Given:
    """Forecasts that a service gave, kept to be scored when the truth arrives: the columns of `data.tables.GIVEN`.

    `role`: the champion answered with it; the shadow (a challenger) and the baseline were asked the same beside it.
    """

    frame: pd.DataFrame

    @classmethod
    def checked(cls, frame: pd.DataFrame) -> Given:
        """Forecasts from a frame that comes from outside. Raises pandera's SchemaError for what is none."""
        known = frame[[c for c in GIVEN.columns if c in frame]].reset_index(drop=True)
        for name in TIMES:
            known[name] = pd.to_datetime(known[name], utc=True).astype("datetime64[us, UTC]")
        return cls(GIVEN.validate(known))

    @classmethod
    def of(
        cls, forecasts: pd.DataFrame, full_pct: np.ndarray, role: str, name: str, version: str, now: pd.Timestamp
    ) -> Given:
        """The rows of a forecasts table that hold numbers: told now, of bins full at `full_pct` (n,), by this model."""
        told = forecasts.drop(columns="model_version").assign(
            role=role, model_name=name, model_version=version, full_pct=full_pct, given_at=now
        )
        return cls.checked(told[told["p_full"].notna()])

    def of_role(self, role: str) -> Given:
        """Only those of this role."""
        return Given(self.frame[self.frame["role"] == role].reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.frame)

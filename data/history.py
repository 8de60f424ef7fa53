from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from data.bins import Bins
from data.emptyings import Emptyings
from data.readings import Readings


@dataclass(frozen=True)
class History:
    """All that was heard: readings (every version), reported emptyings and bins. `until` asks what was known when."""

    readings: Readings
    emptyings: Emptyings = field(default_factory=Emptyings.none)
    bins: Bins = field(default_factory=lambda: Bins.named([]))

    @classmethod
    def of(cls, readings: Readings, emptyings: Emptyings | None = None, bins: Bins | None = None) -> History:
        """A history whose bins default to those that the readings name (in UTC, stream mixed)."""
        known = bins if bins is not None else Bins.named(readings.frame["bin_id"].unique())
        return cls(readings, emptyings if emptyings is not None else Emptyings.none(), known)

    def until(self, as_of: pd.Timestamp) -> History:
        """What was known at `as_of`: rows received by then, of each reading the version heard last."""
        heard = self.readings.frame["received_at"] <= as_of
        readings = Readings(self.readings.frame[heard].reset_index(drop=True)).latest()
        told = self.emptyings.frame["received_at"] <= as_of
        return History(Readings(readings), Emptyings(self.emptyings.frame[told].reset_index(drop=True)), self.bins)

    def since(self, start: pd.Timestamp) -> History:
        """Only what was measured, or emptied, at or after `start`."""
        readings, emptyings = self.readings.frame, self.emptyings.frame
        return History(
            Readings(readings[readings["measured_at"] >= start].reset_index(drop=True)),
            Emptyings(emptyings[emptyings["emptied_at"] >= start].reset_index(drop=True)),
            self.bins,
        )

    def select(self, bin_ids: Iterable[str]) -> History:
        """Only these bins."""
        ids = list(bin_ids)
        readings, emptyings = self.readings.frame, self.emptyings.frame
        return History(
            Readings(readings[readings["bin_id"].isin(ids)].reset_index(drop=True)),
            Emptyings(emptyings[emptyings["bin_id"].isin(ids)].reset_index(drop=True)),
            self.bins.select(ids),
        )

    @property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """First and last measured_at, or None without readings."""
        times = self.readings.frame["measured_at"]
        return (times.min(), times.max()) if len(times) else None

    def fingerprint(self) -> str:
        """A short hash of every value: the same data give the same, whatever the order they came in."""
        digest = hashlib.sha256()
        for frame in (self.readings.frame, self.emptyings.frame, self.bins.frame):
            hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
            digest.update(",".join(frame.columns).encode())
            digest.update(np.sort(hashes).tobytes())
        return digest.hexdigest()[:16]

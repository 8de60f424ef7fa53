from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from data.bins import Bins
from data.emptyings import Emptyings
from data.readings import Readings
from data.weather import Weather


@dataclass(frozen=True)
class History:
    """All that was heard: readings (every version), emptyings, bins and weather. `until` asks what was known when."""

    readings: Readings
    emptyings: Emptyings = field(default_factory=Emptyings.none)
    bins: Bins = field(default_factory=lambda: Bins.named([]))
    weather: Weather = field(default_factory=Weather.none)

    @classmethod
    def of(
        cls,
        readings: Readings,
        emptyings: Emptyings | None = None,
        bins: Bins | None = None,
        weather: Weather | None = None,
    ) -> History:
        """A history whose bins default to those that the readings name (in UTC, stream mixed)."""
        known = bins if bins is not None else Bins.named(readings.frame["bin_id"].unique())
        told = emptyings if emptyings is not None else Emptyings.none()
        return cls(readings, told, known, weather if weather is not None else Weather.none())

    def heard_by(self, moment: pd.Timestamp) -> History:
        """All that was heard by then, every version of it."""
        readings, emptyings = self.readings.frame, self.emptyings.frame
        return replace(
            self,
            readings=Readings(readings[readings["received_at"] <= moment].reset_index(drop=True)),
            emptyings=Emptyings(emptyings[emptyings["received_at"] <= moment].reset_index(drop=True)),
            weather=self.weather.issued_by(moment),
        )

    def until(self, as_of: pd.Timestamp) -> History:
        """What was known at `as_of`: rows received by then, of readings and weather the version heard last."""
        heard = self.heard_by(as_of)
        return replace(heard, readings=Readings(heard.readings.latest()), weather=heard.weather.latest())

    def since(self, start: pd.Timestamp) -> History:
        """Only what was measured, or emptied, at or after `start`, and the weather from then on."""
        readings, emptyings = self.readings.frame, self.emptyings.frame
        return replace(
            self,
            readings=Readings(readings[readings["measured_at"] >= start].reset_index(drop=True)),
            emptyings=Emptyings(emptyings[emptyings["emptied_at"] >= start].reset_index(drop=True)),
            weather=self.weather.since(start),
        )

    def select(self, bin_ids: Iterable[str]) -> History:
        """Only these bins."""
        ids = list(bin_ids)
        readings, emptyings = self.readings.frame, self.emptyings.frame
        return replace(
            self,
            readings=Readings(readings[readings["bin_id"].isin(ids)].reset_index(drop=True)),
            emptyings=Emptyings(emptyings[emptyings["bin_id"].isin(ids)].reset_index(drop=True)),
            bins=self.bins.select(ids),
        )

    @property
    def span(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """First and last measured_at, or None without readings."""
        times = self.readings.frame["measured_at"]
        return (times.min(), times.max()) if len(times) else None

    def fingerprint(self) -> str:
        """A short hash of every value: the same data give the same, whatever the order they came in."""
        digest = hashlib.sha256()
        weather = [self.weather.frame] if len(self.weather) else []  # so that a history without it keeps its hash
        for frame in (self.readings.frame, self.emptyings.frame, self.bins.frame, *weather):
            hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
            digest.update(",".join(frame.columns).encode())
            digest.update(np.sort(hashes).tobytes())
        return digest.hexdigest()[:16]

"""The simulated city's weather: hourly temperature and rain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

OBSERVED_AFTER = pd.Timedelta(minutes=10)
"""How long after its hour an observation is published."""


@dataclass(frozen=True)
class Weather:
    """Hourly weather of one city; every array has shape (hours,)."""

    at: pd.DatetimeIndex
    temperature_c: NDArray[np.float64]
    anomaly_c: NDArray[np.float64]
    """Degrees above what is normal for the season and the hour."""
    precipitation_mm: NDArray[np.float64]

    def frame(self) -> pd.DataFrame:
        """The contract's weather table: at, issued_at, temperature_c, precipitation_mm (observations only)."""
        return pd.DataFrame(
            {
                "at": self.at,
                "issued_at": self.at + OBSERVED_AFTER,
                "temperature_c": self.temperature_c.round(1),
                "precipitation_mm": self.precipitation_mm.round(1),
            }
        )


def simulate_weather(at: pd.DatetimeIndex, zone: str, rng: np.random.Generator) -> Weather:
    """Weather of a temperate northern city at the UTC hours `at`, whose clocks show `zone`."""
    local = at.tz_convert(zone)
    hours = len(at)
    year = 2 * np.pi * (local.day_of_year.to_numpy() - 200) / 365.25
    day = 2 * np.pi * (local.hour.to_numpy() - 15) / 24
    normal = 10.0 + 10.0 * np.cos(year) + (3.0 + 1.5 * np.cos(year)) * np.cos(day)
    anomaly = _persistent(rng.standard_normal(hours + 240), decay_h=60.0)[240:] * 4.0
    # A latent wave with the memory of passing fronts; it rains while the wave is high, about 8% of the hours.
    front = _persistent(rng.standard_normal(hours + 240), decay_h=6.0)[240:]
    amount = rng.gamma(0.8, 1.5, hours)
    return Weather(at, normal + anomaly, anomaly, np.where(front > 1.4, amount, 0.0))


def _persistent(noise: NDArray[np.float64], decay_h: float) -> NDArray[np.float64]:
    """A first-order autoregression of unit variance (once settled) with the given memory in hours."""
    keep = np.exp(-1.0 / decay_h)
    return np.asarray(lfilter([np.sqrt(1.0 - keep**2)], [1.0, -keep], noise))

"""The simulated city's weather: hourly temperature and rain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

OBSERVED_AFTER = pd.Timedelta(minutes=10)
"""How long after its hour an observation is published."""
SETTLING_H = 480
"""Hours simulated ahead of the first, so that the weather does not begin from nothing."""


@dataclass(frozen=True)
class Weather:
    """Hourly weather of one city; every array has shape (hours,)."""

    at: pd.DatetimeIndex
    temperature_c: NDArray[np.float64]
    anomaly_c: NDArray[np.float64]
    """Degrees above what is normal for the season and the hour."""
    precipitation_mm: NDArray[np.float64]

    def frame(self) -> pd.DataFrame:
        """Return the contract's weather table: at, issued_at, temperature_c, precipitation_mm (observations only)."""
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
    anomaly = _persistent(rng.standard_normal(hours + SETTLING_H), decay_h=60.0) * 4.0
    # A latent wave with the memory of passing fronts; it rains while the wave is high, about 8% of the hours.
    front = _persistent(rng.standard_normal(hours + SETTLING_H), decay_h=6.0)
    amount = rng.gamma(0.8, 1.5, hours)
    return Weather(at, normal + anomaly, anomaly, np.where(front > 1.4, amount, 0.0))


def _persistent(noise: NDArray[np.float64], decay_h: float) -> NDArray[np.float64]:
    """Turn white noise into a first-order autoregression of unit variance with the given memory in hours."""
    new = 1.0 - np.exp(-1.0 / decay_h)
    wave = pd.Series(noise).ewm(alpha=new, adjust=False).mean().to_numpy()
    return np.asarray(wave * np.sqrt((2.0 - new) / new))[SETTLING_H:]

"""The simulated city's weather: hourly temperature and rain, and what was forecast of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OBSERVED_AFTER = pd.Timedelta(minutes=70)
"""How long after the beginning of its hour an observation is published."""
ISSUED_EVERY_H, LEAD_H = 12, 84
"""A forecast of the next hours is issued at midnight and noon, UTC."""
ANOMALY_H, FRONT_H = 60.0, 6.0
"""Memory of the temperature's anomaly and of the fronts that bring rain."""
ANOMALY_SKILL_H, FRONT_SKILL_H = 600.0, 290.0
"""Lead at which a forecast's correlation with the truth is 1/e: 1.1 degrees off a day ahead, 1.9 three days ahead."""
ANOMALY_C = 4.0
RAIN_FRONT = 1.4
"""It rains while the front's wave is higher, about 8% of the hours."""
SETTLING_H = 480
"""Hours simulated ahead of the first, so that the weather does not begin from nothing."""


@dataclass(frozen=True)
class CityWeather:
    """Hourly weather of one city; every array has shape (hours,), each value holds for the hour that begins at `at`."""

    at: pd.DatetimeIndex
    temperature_c: Floats
    anomaly_c: Floats
    """Degrees above what is normal for the season and the hour."""
    precipitation_mm: Floats
    forecasts: pd.DataFrame
    """What was forecast of these hours: at, issued_at, temperature_c, precipitation_mm."""

    def frame(self) -> pd.DataFrame:
        """Return the contract's weather table: forecasts and observations, by at and issued_at."""
        observed = pd.DataFrame(
            {
                "at": self.at,
                "issued_at": self.at + OBSERVED_AFTER,
                "temperature_c": self.temperature_c,
                "precipitation_mm": self.precipitation_mm,
            }
        )
        both = pd.concat([self.forecasts, observed]).sort_values(["at", "issued_at"], ignore_index=True)
        return both.round({"temperature_c": 1, "precipitation_mm": 1})


def simulate_weather(
    at: pd.DatetimeIndex, zone: str, rng: np.random.Generator, forecast_rng: np.random.Generator
) -> CityWeather:
    """Weather of a temperate northern city at the UTC hours `at`, whose clocks show `zone`."""
    local = at.tz_convert(zone)
    hours = len(at)
    year = 2 * np.pi * (local.day_of_year.to_numpy() - 200) / 365.25
    day = 2 * np.pi * (local.hour.to_numpy() - 15) / 24
    normal = 10.0 + 10.0 * np.cos(year) + (3.0 + 1.5 * np.cos(year)) * np.cos(day)
    warmth = _persistent(rng.standard_normal(hours + SETTLING_H), ANOMALY_H)
    # A latent wave with the memory of passing fronts.
    front = _persistent(rng.standard_normal(hours + SETTLING_H), FRONT_H)
    amount = rng.gamma(0.8, 1.5, hours)
    anomaly = warmth * ANOMALY_C
    forecasts = _forecasts(at, normal, warmth, front, amount, forecast_rng)
    return CityWeather(at, normal + anomaly, anomaly, np.where(front > RAIN_FRONT, amount, 0.0), forecasts)


def _forecasts(
    at: pd.DatetimeIndex, normal: Floats, warmth: Floats, front: Floats, amount: Floats, rng: np.random.Generator
) -> pd.DataFrame:
    """What was issued of the hours `at`: the true waves, mixed with others of their kind the more the longer the lead.

    So forecasts are as variable as the weather itself, and their error grows with the lead.
    """
    first = np.arange(-at[0].hour % ISSUED_EVERY_H, len(at), ISSUED_EVERY_H)
    lead = np.arange(LEAD_H)
    hour = first + lead[:, None]  # (leads, issues)
    there = hour < len(at)
    waves = []
    for wave, memory_h, skill_h in ((warmth, ANOMALY_H, ANOMALY_SKILL_H), (front, FRONT_H, FRONT_SKILL_H)):
        skill = np.exp(-lead / skill_h)[:, None]
        other = _persistent(rng.standard_normal((LEAD_H + SETTLING_H, len(first))), memory_h)
        waves.append(skill * wave[np.minimum(hour, len(at) - 1)] + np.sqrt(1 - skill**2) * other)
    here = hour[there]
    return pd.DataFrame(
        {
            "at": at[here],
            "issued_at": at[np.broadcast_to(first, hour.shape)[there]],
            "temperature_c": normal[here] + ANOMALY_C * waves[0][there],
            "precipitation_mm": np.where(waves[1][there] > RAIN_FRONT, amount[here], 0.0),
        }
    )


def _persistent(noise: Floats, decay_h: float) -> Floats:
    """Turn white noise into first-order autoregressions of unit variance with this memory, a row an hour."""
    new = 1.0 - np.exp(-1.0 / decay_h)
    wave = pd.DataFrame(noise).ewm(alpha=new, adjust=False).mean().to_numpy().reshape(noise.shape)
    return np.asarray(wave * np.sqrt((2.0 - new) / new))[SETTLING_H:]

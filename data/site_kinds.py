"""What distinguishes sites and streams in the simulated city: their rhythms and sensitivities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SiteKind:
    """One kind of site; factors multiply the rate, 1 is no effect."""

    share: float
    weekday_peaks: tuple[tuple[float, float, float], ...]
    """(local hour, width in hours, weight) of each peak from Monday to Friday."""
    weekend_peaks: tuple[tuple[float, float, float], ...]
    weekday_factors: tuple[float, float, float, float, float, float, float]
    """Monday to Sunday."""
    summer: float
    """Log amplitude of the yearly wave with its top in mid July."""
    warm: float
    """Log effect of ten degrees above the season's normal."""
    rain: float
    """Share of the rate lost in an hour with a millimetre of rain or more."""
    holiday: float


@dataclass(frozen=True)
class Stream:
    """One waste stream."""

    share: float
    log_rate: float
    """Log of its median rate against the other streams' (only differences count)."""
    peak_day: float
    """Day of the year at which most is thrown in."""
    season: float
    """Log amplitude of the yearly wave with its top on `peak_day`."""
    capacities_l: tuple[float, float, float]


SITE_KINDS: dict[str, SiteKind] = {
    "residential": SiteKind(
        0.40, ((7.5, 1.5, 0.7), (18.5, 2.5, 1.3)), ((11.0, 2.5, 1.0), (18.0, 3.0, 1.0)),
        (1.05, 0.9, 0.9, 0.9, 0.95, 1.15, 1.15), -0.05, 0.02, 0.10, 1.20,
    ),
    "high_street": SiteKind(
        0.25, ((12.5, 2.0, 1.0), (17.5, 2.5, 1.2)), ((14.0, 3.0, 1.3), (20.0, 3.0, 0.7)),
        (0.85, 0.85, 0.9, 1.0, 1.25, 1.45, 0.7), 0.10, 0.10, 0.25, 0.70,
    ),
    "park": SiteKind(
        0.15, ((12.5, 2.5, 0.7), (17.5, 3.0, 1.3)), ((15.0, 3.5, 1.5), (19.0, 2.5, 0.5)),
        (0.75, 0.75, 0.8, 0.8, 1.05, 1.45, 1.4), 0.40, 0.30, 0.50, 1.50,
    ),
    "office": SiteKind(
        0.10, ((9.0, 1.5, 0.7), (12.5, 1.5, 1.0), (16.5, 1.5, 0.8)), ((13.0, 3.0, 1.0),),
        (1.25, 1.3, 1.3, 1.25, 1.1, 0.45, 0.35), -0.08, 0.0, 0.0, 0.30,
    ),
    "transit": SiteKind(
        0.10, ((8.0, 1.2, 1.0), (17.0, 2.0, 1.2)), ((13.0, 4.0, 1.0), (21.0, 3.0, 0.6)),
        (1.1, 1.05, 1.05, 1.1, 1.25, 0.8, 0.65), 0.05, 0.03, 0.0, 0.65,
    ),
}  # fmt: skip

STREAMS: dict[str, Stream] = {
    "mixed": Stream(0.45, 0.15, 196.0, 0.03, (120.0, 240.0, 1100.0)),
    "paper": Stream(0.18, 0.15, 350.0, 0.15, (240.0, 1100.0, 3000.0)),
    "plastic": Stream(0.17, 0.10, 196.0, 0.15, (240.0, 1100.0, 3000.0)),
    "glass": Stream(0.10, -0.80, 5.0, 0.15, (240.0, 1500.0, 3000.0)),
    "organic": Stream(0.10, -0.15, 170.0, 0.40, (120.0, 240.0, 660.0)),
}

NIGHT_FLOOR = 0.06
"""What a site gets in its quietest hours, against the sum of its peaks."""


def weekly_pattern(kind: SiteKind) -> NDArray[np.float64]:
    """Relative rate by local hour of week, Monday 00:00 first: shape (168,), mean 1."""
    weekday = _day_pattern(kind.weekday_peaks)
    weekend = _day_pattern(kind.weekend_peaks)
    days = np.vstack([np.tile(weekday, (5, 1)), np.tile(weekend, (2, 1))])
    week = (days * np.asarray(kind.weekday_factors)[:, None]).ravel()
    return week / week.mean()


def _day_pattern(peaks: tuple[tuple[float, float, float], ...]) -> NDArray[np.float64]:
    """Relative rate by hour of day, shape (24,), mean 1; peaks are bells that wrap around midnight."""
    centre, width, weight = np.asarray(peaks).T
    apart = np.abs(np.arange(24)[:, None] + 0.5 - centre)
    apart = np.minimum(apart, 24.0 - apart)
    day = NIGHT_FLOOR + (weight * np.exp(-0.5 * (apart / width) ** 2)).sum(axis=1)
    return day / day.mean()

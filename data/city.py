"""The simulated city: its bins, and the true rates at which they fill."""

from __future__ import annotations

from dataclasses import dataclass

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.city_settings import CitySettings
from data.city_weather import CityWeather
from data.site_kinds import SITE_KINDS, STREAMS, weekly_pattern

Floats = NDArray[np.float64]
Grid = NDArray[np.float32]
"""One value per hour and bin: shape (hours, bins)."""

KM_PER_DEGREE = 111.2
NEAR = 0.05
"""An event that reaches a bin by less than this does not reach it."""


@dataclass(frozen=True)
class City:
    """The bins of a city; arrays have shape (bins,), in the order of `bins`."""

    bins: pd.DataFrame
    """The contract's bins table; `empty_mm` and `full_mm` are there where the sensor measures a distance."""
    neighbourhood: NDArray[np.int64]
    base_rate_pct_per_day: Floats
    pattern: NDArray[np.float32]
    """Relative rate by local hour of week: shape (168, bins), mean 1 for every bin."""


@dataclass(frozen=True)
class Rates:
    """What the city throws in on average; expected growth in an hour is `rate * shock * event`."""

    rate_pct_per_h: Grid
    """From the bin, hour of week, season, weather and holidays: what could be known beforehand."""
    shock: Grid
    """Factor of the local day (city, neighbourhood and bin together), mean 1, nobody knows it beforehand."""
    event: Grid
    """Factor of local events, 1 without one."""


def found_city(settings: CitySettings, rng: np.random.Generator) -> City:
    """Place the bins and choose what each is like."""
    n = settings.bins
    kinds, kind_index = _drawn(settings.site_kind_shares, n, rng)
    streams, stream_index = _drawn(settings.stream_shares, n, rng)
    neighbourhood, latitude, longitude = _placed(settings, rng)
    capacities = np.array([STREAMS[name].capacities_l for name in streams])
    # Sensors that measure a distance: the hidden depth of their bins is part of the bins table.
    measures_distance = np.zeros(n, dtype=bool)
    measures_distance[rng.permutation(n)[: round(settings.distance_share * n)]] = True
    full_mm = 10.0 * rng.integers(15, 31, n)
    depth_mm = 10.0 * rng.integers(70, 151, n)
    number = pd.Series(np.arange(1, n + 1)).astype("str")
    bins = pd.DataFrame(
        {
            "bin_id": "bin-" + number.str.zfill(max(4, len(str(n)))),
            "timezone": settings.timezone,
            "stream": np.array(streams)[stream_index],
            "site_kind": np.array(kinds)[kind_index],
            "latitude": latitude.round(6),
            "longitude": longitude.round(6),
            "capacity_l": capacities[stream_index, rng.integers(0, capacities.shape[1], n)],
            "full_pct": settings.full_pct,
            "empty_mm": np.where(measures_distance, full_mm + depth_mm, np.nan),
            "full_mm": np.where(measures_distance, full_mm, np.nan),
            "name": "Quarter " + pd.Series(neighbourhood + 1).astype("str") + ", site " + number,
        }
    )
    base = _base_rates(settings, streams, stream_index, rng)
    return City(bins, neighbourhood, base, _patterns(kinds, kind_index, rng))


def true_rates(settings: CitySettings, city: City, weather: CityWeather, rng: np.random.Generator) -> Rates:
    """Return the rates of every hour of `weather` and bin, in points per hour; grids have shape (hours, bins)."""
    local = weather.at.tz_convert(settings.timezone)
    hour_of_week = (local.day_of_week * 24 + local.hour).to_numpy()
    kinds, kind_index = np.unique(city.bins["site_kind"].to_numpy(dtype="U"), return_inverse=True)
    streams, stream_index = np.unique(city.bins["stream"].to_numpy(dtype="U"), return_inverse=True)
    # Season, weather and holidays differ by site kind and stream only: (hours, kinds) and (hours, streams).
    day_of_year = local.day_of_year.to_numpy()[:, None]
    by_kind = [SITE_KINDS[name] for name in kinds]
    summer, warm, rain, holiday = np.array([(k.summer, k.warm, k.rain, k.holiday) for k in by_kind]).T
    wet = np.minimum(weather.precipitation_mm, 1.0)[:, None]
    effect = settings.weather_effect
    warmth = effect * warm * weather.anomaly_c[:, None] / 10.0
    of_kind = np.exp(_wave(day_of_year, 196.0, summer) + warmth) * (1.0 - rain * wet) ** effect
    of_kind *= np.where(_is_holiday(local, settings.country)[:, None], holiday, 1.0)
    peak_day, season = np.array([(STREAMS[name].peak_day, STREAMS[name].season) for name in streams]).T
    of_stream = np.exp(_wave(day_of_year, peak_day, season))
    rate = (city.pattern * (city.base_rate_pct_per_day / 24.0).astype(np.float32))[hour_of_week]
    rate *= of_kind.astype(np.float32)[:, kind_index]
    rate *= of_stream.astype(np.float32)[:, stream_index]
    shock_rng, event_rng = rng.spawn(2)
    day = (local.tz_localize(None).normalize() - local[0].tz_localize(None).normalize()).days.to_numpy()
    shock = _day_shocks(settings, city, int(day[-1]) + 1, shock_rng)[day]
    return Rates(rate, shock, _event_factors(settings, city, len(local), event_rng))


def _drawn(shares: dict[str, float], n: int, rng: np.random.Generator) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names with a share, and n indices into them drawn by their shares."""
    names = sorted(name for name, share in shares.items() if share > 0)
    weights = np.array([shares[name] for name in names])
    return names, rng.choice(len(names), size=n, p=weights / weights.sum())


def _placed(settings: CitySettings, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Neighbourhood, latitude and longitude of every bin: clusters around the city's centre."""
    n = settings.bins
    count = max(1, round(n / settings.bins_per_neighbourhood))
    centres_km = rng.normal(0.0, settings.city_radius_km / 2.0, (count, 2))
    neighbourhood = rng.integers(0, count, n)
    north, east = (centres_km[neighbourhood] + rng.normal(0.0, settings.neighbourhood_radius_km, (n, 2))).T
    latitude = settings.latitude + north / KM_PER_DEGREE
    longitude = settings.longitude + east / (KM_PER_DEGREE * np.cos(np.radians(settings.latitude)))
    return neighbourhood, latitude, longitude


def _base_rates(
    settings: CitySettings, streams: list[str], stream_index: NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    """Mean rate of every bin in points per day: log-normal over the city, streams apart from one another."""
    offset = np.array([STREAMS[name].log_rate for name in streams])
    weight = np.array([settings.stream_shares[name] for name in streams])
    weight = weight / weight.sum()
    offset = offset - weight @ offset
    spread = np.sqrt(weight @ offset**2)
    # The streams' differences are part of the city's sigma, and never more than all of it.
    offset *= min(1.0, settings.base_rate_sigma / spread) if spread > 0 else 1.0
    within = np.sqrt(max(0.0, settings.base_rate_sigma**2 - weight @ offset**2))
    log_rate = offset[stream_index] + within * rng.standard_normal(len(stream_index))
    return np.asarray(settings.base_rate_pct_per_day * np.exp(log_rate))


def _patterns(kinds: list[str], kind_index: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the hour-of-week pattern of every bin, (168, bins): its kind's, shifted and bent by its own habits."""
    n = len(kind_index)
    of_kind = np.array([weekly_pattern(SITE_KINDS[name]) for name in kinds])
    shift = rng.integers(-1, 2, n)
    hour = np.arange(168)[:, None]
    pattern = of_kind[kind_index, (hour - shift) % 168]
    pattern = pattern * np.exp(rng.normal(0.0, 0.15, (7, n)))[hour[:, 0] // 24]
    return np.asarray(pattern / pattern.mean(axis=0), dtype=np.float32)


def _wave(day_of_year: NDArray[np.int64], peak_day: Floats | float, amplitude: Floats) -> Floats:
    """Log factor of a yearly wave that is highest on `peak_day`."""
    return np.asarray(amplitude * np.cos(2 * np.pi * (day_of_year - peak_day) / 365.25))


def _is_holiday(local: pd.DatetimeIndex, country: str) -> NDArray[np.bool_]:
    """Whether each local hour lies on a public holiday."""
    years = range(local[0].year, local[-1].year + 1)
    days = pd.DatetimeIndex(list(holidays.country_holidays(country, years=years)))
    return np.asarray(local.tz_localize(None).normalize().isin(days))


def _day_shocks(settings: CitySettings, city: City, days: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Shock of every day and bin, (days, bins): log-normal with mean 1."""
    sigmas = settings.city_shock_sigma, settings.neighbourhood_shock_sigma, settings.bin_shock_sigma
    shared = rng.normal(0.0, sigmas[0], (days, 1))
    nearby = rng.normal(0.0, sigmas[1], (days, int(city.neighbourhood.max()) + 1))
    own = rng.normal(0.0, sigmas[2], (days, len(city.neighbourhood)))
    mean_one = -0.5 * sum(sigma**2 for sigma in sigmas)
    return np.exp(shared + nearby[:, city.neighbourhood] + own + mean_one).astype(np.float32)


def _event_factors(settings: CitySettings, city: City, hours: int, rng: np.random.Generator) -> Grid:
    """Factor of local events, (hours, bins): each lifts the bins around one of them for some hours."""
    n = len(city.neighbourhood)
    factor = np.ones((hours, n), dtype=np.float32)
    neighbourhoods = int(city.neighbourhood.max()) + 1
    count = rng.poisson(settings.events_per_neighbourhood_year * neighbourhoods * hours / (365.25 * 24))
    first = rng.integers(0, hours, count)
    last = first + np.ceil(rng.uniform(*settings.event_hours, count)).astype(int)
    strength = rng.uniform(*settings.event_factor, count)
    for venue, begin, end, lift in zip(rng.integers(0, n, count), first, last, strength, strict=True):
        close = nearness(settings, city.bins, venue)
        near = np.flatnonzero(close > NEAR)
        factor[begin:end, near] *= (1.0 + (lift - 1.0) * close[near]).astype(np.float32)
    return factor


def nearness(settings: CitySettings, bins: pd.DataFrame, venue: int | slice = slice(None)) -> Floats:
    """How much of an event next to one bin reaches the others, 0..1: (bins,) for a venue, (bins, bins) for all."""
    north = bins["latitude"].to_numpy() * KM_PER_DEGREE
    east = bins["longitude"].to_numpy() * KM_PER_DEGREE * np.cos(np.radians(settings.latitude))
    apart_km = np.hypot(np.subtract.outer(north[venue], north), np.subtract.outer(east[venue], east))
    return np.asarray(np.exp(-0.5 * (apart_km / settings.event_radius_km) ** 2))

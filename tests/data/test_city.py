from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from data.city import found_city
from data.simulation import CitySettings, Simulation, simulate
from data.site_kinds import SITE_KINDS, weekly_pattern


@pytest.fixture(scope="module")
def city() -> Simulation:
    return simulate(CitySettings(), np.random.default_rng(0))


def test_base_rates_are_log_normal_around_sixteen_points_a_day_with_sigma_three_quarters() -> None:
    rates = found_city(CitySettings(bins=5000), np.random.default_rng(1)).base_rate_pct_per_day
    assert np.median(rates) == pytest.approx(16.0, rel=0.05)
    assert np.log(rates).std() == pytest.approx(0.75, rel=0.05)


def test_glass_fills_slower_than_mixed_waste() -> None:
    made = found_city(CitySettings(bins=2000), np.random.default_rng(1))
    rates = pd.Series(made.base_rate_pct_per_day).groupby(made.bins["stream"].to_numpy()).median()
    assert rates["glass"] < 0.6 * rates["mixed"]


def test_the_bins_table_has_the_columns_of_the_contract_and_unique_ids(city: Simulation) -> None:
    assert list(city.bins) == [
        "bin_id", "timezone", "stream", "site_kind", "latitude", "longitude", "capacity_l", "full_pct", "empty_mm",
        "full_mm", "name",
    ]  # fmt: skip
    assert city.bins["bin_id"].is_unique
    assert city.bins["bin_id"].is_monotonic_increasing
    assert (city.bins["full_pct"] == 95.0).all()


def test_one_bin_in_ten_measures_a_distance(city: Simulation) -> None:
    measures = city.bins["empty_mm"].notna()
    assert measures.sum() == 20
    assert (city.bins["empty_mm"] > city.bins["full_mm"])[measures].all()


def test_bins_cluster_around_the_centre(city: Simulation) -> None:
    assert city.bins["latitude"].between(49.9, 50.25).all()
    assert city.bins["longitude"].between(14.1, 14.8).all()
    by_neighbourhood = city.bins.groupby(city.city.neighbourhood)["latitude"].std() * 111.2
    assert by_neighbourhood.median() < 0.6 < city.bins["latitude"].std() * 111.2


def test_patterns_have_mean_one_and_offices_rest_at_weekends() -> None:
    for kind in SITE_KINDS.values():
        assert weekly_pattern(kind).mean() == pytest.approx(1.0)
        assert (weekly_pattern(kind) > 0).all()
    office = weekly_pattern(SITE_KINDS["office"])
    assert office[120:].mean() < 0.4 * office[:120].mean()


def test_a_public_holiday_changes_the_rate_as_the_site_kind_says(city: Simulation) -> None:
    local = city.weather.at.tz_convert("Europe/Prague").tz_localize(None).normalize()
    rate = city.rates.rate_pct_per_h
    holiday, usual = rate[local == "2025-05-08"].mean(axis=0), rate[local == "2025-05-15"].mean(axis=0)
    ratio = pd.Series(holiday / usual).groupby(city.bins["site_kind"].to_numpy()).median()
    assert ratio["office"] < 0.5
    assert ratio["residential"] > 1.05


def test_parks_fill_faster_in_summer_and_slower_in_rain(city: Simulation) -> None:
    park = (city.bins["site_kind"] == "park").to_numpy()
    rate = city.rates.rate_pct_per_h[:, park].mean(axis=1)
    month = city.weather.at.month
    assert rate[month == 6].mean() > 1.3 * rate[month == 1].mean()
    day_ahead, rain = rate[:-168], city.weather.precipitation_mm
    change = rate[168:] / day_ahead
    assert np.median(change[(rain[168:] > 1) & (rain[:-168] == 0)]) < 0.7


def test_shocks_have_mean_one_hold_all_day_and_are_shared(city: Simulation) -> None:
    shock = city.rates.shock
    assert shock.mean() == pytest.approx(1.0, abs=0.05)
    days = city.weather.at.tz_convert("Europe/Prague").tz_localize(None).normalize()
    daily = pd.DataFrame(shock).groupby(days)
    assert (daily.nunique() == 1).all(axis=None)
    between_bins = np.corrcoef(np.log(daily.first().to_numpy()).T)
    assert 0.2 < np.median(between_bins) < 0.6


def test_events_are_rare_local_and_only_lift(city: Simulation) -> None:
    event = city.rates.event
    assert (event >= 1.0).all()
    assert 0.0005 < (event > 1.05).mean() < 0.02
    assert (event > 1.05).sum(axis=1).max() < 0.5 * event.shape[1]


def test_observed_weather_is_published_after_its_hour(city: Simulation) -> None:
    weather = city.weather.frame()
    observed = weather[weather["issued_at"] >= weather["at"] + pd.Timedelta(hours=1)]
    assert len(observed) == 180 * 24
    assert len(weather) == len(observed) + len(city.weather.forecasts)
    assert (weather["precipitation_mm"] >= 0).all()
    assert weather["temperature_c"].between(-35, 45).all()


def test_weather_is_forecast_the_worse_the_longer_ahead(city: Simulation) -> None:
    truth = pd.DataFrame({"at": city.weather.at, "truth": city.weather.temperature_c})
    made = city.weather.forecasts.merge(truth)
    lead = (made["at"] - made["issued_at"]) // pd.Timedelta(hours=24)
    error = (made["temperature_c"] - made["truth"]).groupby(lead).std()
    assert lead.min() == 0
    assert error.is_monotonic_increasing
    assert 0.5 < error[0] < error[2] < 2.5


def test_weather_drives_deposits_as_strongly_as_told() -> None:
    def rates(effect: float) -> np.ndarray:
        made = simulate(CitySettings(bins=30, days=20, weather_effect=effect), np.random.default_rng(1))
        return made.rates.rate_pct_per_h.astype(float)

    none, once, thrice = rates(0.0), rates(1.0), rates(3.0)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose((once / none) ** 3, thrice / none, rtol=1e-3)
    assert abs(np.log(once / none)).max() > 0.2


@pytest.mark.parametrize(
    "wrong",
    [
        {"bins": 0}, {"days": 0}, {"timezone": "Prague"}, {"country": "Atlantis"}, {"bin": 3}, {"gap_hours": (9, 3)},
        {"start": "2025-01-06T00:00"}, {"start": "2025-01-06T00:30Z"}, {"stream_shares": {"gold": 1.0}},
        {"site_kind_shares": {"park": 0.0}},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CitySettings.model_validate(wrong)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        CitySettings().bins = 3

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.simulation import CitySettings, Simulation, simulate


@pytest.fixture(scope="module")
def city() -> Simulation:
    return simulate(CitySettings(bins=300, days=200), np.random.default_rng(0))


def paired(city: Simulation) -> pd.DataFrame:
    """Each planned visit with the emptying that came of it, if any."""
    end = pd.Timestamp(city.settings.start) + pd.Timedelta(days=city.settings.days)
    visits = city.visits[city.visits["planned_at"] < end - pd.Timedelta(hours=3)].sort_values("planned_at")
    emptyings = city.true_emptyings.sort_values("emptied_at")
    return pd.merge_asof(
        visits, emptyings, left_on="planned_at", right_on="emptied_at", by="bin_id", direction="nearest",
        tolerance=pd.Timedelta(hours=3),
    )  # fmt: skip


def test_six_in_a_hundred_visits_are_missed(city: Simulation) -> None:
    assert paired(city)["emptied_at"].isna().mean() == pytest.approx(0.06, abs=0.007)


def test_three_in_a_hundred_emptyings_are_partial_and_leave_a_fifth_to_a_half(city: Simulation) -> None:
    emptyings = city.true_emptyings
    assert emptyings["partial"].mean() == pytest.approx(0.03, abs=0.006)
    big = emptyings[emptyings["partial"] & (emptyings["fill_before_pct"] > 10)]
    assert (big["fill_after_pct"] / big["fill_before_pct"]).between(0.199, 0.501).all()


def test_a_full_emptying_leaves_next_to_nothing(city: Simulation) -> None:
    emptyings = city.true_emptyings
    assert (emptyings.loc[~emptyings["partial"], "fill_after_pct"] <= city.settings.residue_pct + 0.01).all()


def test_every_emptying_follows_a_plan_within_two_hours(city: Simulation) -> None:
    emptyings = city.true_emptyings.sort_values("emptied_at")
    visits = city.visits.sort_values("planned_at")
    found = pd.merge_asof(
        emptyings, visits, left_on="emptied_at", right_on="planned_at", by="bin_id", direction="nearest",
        tolerance=pd.Timedelta(hours=2),
    )  # fmt: skip
    assert found["planned_at"].notna().all()


def test_visits_say_only_what_was_planned(city: Simulation) -> None:
    assert list(city.visits) == ["bin_id", "planned_at"]
    assert not city.visits.duplicated().any()


def test_visits_are_planned_in_the_local_morning_across_the_clock_change(city: Simulation) -> None:
    local = city.visits["planned_at"].dt.tz_convert("Europe/Prague")
    hour = local.dt.hour + local.dt.minute / 60
    assert hour.between(5.5, 10.6).all()
    assert local.dt.tz_localize(None).dt.minute.mod(5).eq(0).all()


def test_every_bin_has_a_visit_planned_past_the_end(city: Simulation) -> None:
    end = pd.Timestamp(city.settings.start) + pd.Timedelta(days=200)
    assert city.visits["planned_at"].max() > end + pd.Timedelta(days=12)
    ahead = city.visits.loc[city.visits["planned_at"] >= end, "bin_id"].nunique()
    assert ahead > 0.9 * city.settings.bins  # the slowest bins wait three weeks


def test_every_bin_is_visited_and_busy_bins_more_often(city: Simulation) -> None:
    visits = city.visits["bin_id"].value_counts().reindex(city.bins["bin_id"]).to_numpy()
    assert (visits > 0).all()
    busy = city.city.base_rate_pct_per_day > 40
    assert visits[busy].mean() > 4 * visits[city.city.base_rate_pct_per_day < 10].mean()


def test_most_bins_are_emptied_before_they_overflow_and_some_are_not(city: Simulation) -> None:
    before = city.true_emptyings["fill_before_pct"]
    assert before.median() > 30
    assert 0.02 < (before > 95).mean() < 0.25


def test_the_level_never_falls_without_an_emptying(city: Simulation) -> None:
    fell = np.diff(city.levels.level, axis=0) < -1e-4
    assert not (fell & (city.levels.emptying < 0)).any()


def test_levels_pass_the_rim_and_stay_below_the_ceiling(city: Simulation) -> None:
    assert 120 < city.levels.level.max() <= city.settings.ceiling_pct
    assert city.levels.level.min() >= 0


def test_levels_grow_at_the_true_rate_times_shock_and_event_on_average(city: Simulation) -> None:
    rates, level = city.rates, city.levels.level
    free = (city.levels.emptying < 0) & (level[:-1] < 80)
    expected = (rates.rate_pct_per_h * rates.shock * rates.event)[free]
    assert np.diff(level, axis=0)[free].mean() == pytest.approx(expected.mean(), rel=0.02)


def test_deposits_are_lumpy_with_bulky_ones_among_them(city: Simulation) -> None:
    more = np.diff(city.levels.level, axis=0)[(city.levels.emptying < 0) & (city.levels.level[:-1] < 80)]
    assert (more < 0.01).mean() > 0.3
    assert 0.0005 < (more > 8).mean() < 0.02


def test_rounds_can_be_perfect() -> None:
    settings = CitySettings(bins=40, days=30, missed_share=0, partial_share=0, residue_pct=0)
    emptyings = simulate(settings, np.random.default_rng(0)).true_emptyings
    assert (emptyings["fill_after_pct"] == 0).all()
    assert not emptyings["partial"].any()

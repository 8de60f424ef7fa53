from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.sensors import distance_mm
from data.simulation import CitySettings, Simulation, simulate


@pytest.fixture(scope="module")
def city() -> Simulation:
    return simulate(CitySettings(bins=400, days=120), np.random.default_rng(0))


@pytest.fixture(scope="module")
def shown_true(city: Simulation) -> np.ndarray:
    return city.levels.at(city.reports.measured_s)


def runs(mask: np.ndarray) -> np.ndarray:
    """Lengths of the runs of True down the columns, those that touch an end left out."""
    change = np.diff(mask.astype(np.int8), axis=0)
    begins, ends = np.argwhere(change.T == 1), np.argwhere(change.T == -1)
    frames = [pd.DataFrame(x, columns=["bin", "at"]) for x in (begins, ends)]
    matched = pd.merge_asof(
        frames[0].sort_values("at"), frames[1].sort_values("at").rename(columns={"at": "end"}), left_on="at",
        right_on="end", by="bin", direction="forward", allow_exact_matches=False,
    )  # fmt: skip
    return (matched["end"] - matched["at"]).dropna().to_numpy()


def test_noise_is_two_points(city: Simulation, shown_true: np.ndarray) -> None:
    sane = ~city.reports.spike & ~city.reports.stuck & (shown_true > 10) & (shown_true < 90)
    error = (city.reports.fill_pct - shown_true)[sane]
    assert error.mean() == pytest.approx(0.0, abs=0.05)
    assert error.std() == pytest.approx(np.hypot(2.0, 1 / np.sqrt(12)), rel=0.02)


def test_readings_are_whole_percents_from_0_to_100(city: Simulation) -> None:
    fill = city.readings["fill_pct"].dropna()
    assert (fill == fill.round()).all()
    assert fill.between(0, 100).all()
    assert fill.max() == 100


def test_the_sensor_saturates_where_the_truth_does_not(city: Simulation, shown_true: np.ndarray) -> None:
    over = (shown_true > 108) & ~city.reports.spike & ~city.reports.stuck
    assert over.any()
    assert (city.reports.fill_pct[over] == 100).all()


def test_six_in_a_thousand_readings_are_lone_spikes_far_from_the_truth(
    city: Simulation, shown_true: np.ndarray
) -> None:
    spike = city.reports.spike
    assert spike.mean() == pytest.approx(0.006, rel=0.05)
    assert not (spike[1:] & spike[:-1]).any()
    away = np.abs(city.reports.fill_pct - np.minimum(shown_true, 100))[spike]
    assert (away >= 24).all()


def test_four_in_a_hundred_readings_are_lost(city: Simulation) -> None:
    reports = city.reports
    last = reports.measured_s < city.settings.hours * 3600 - 1
    assert 1 - reports.kept[~reports.gap & last].mean() == pytest.approx(0.04, abs=0.002)


def test_each_bin_has_a_gap_of_6_to_60_hours_every_40_days(city: Simulation) -> None:
    lengths = runs(city.reports.gap)
    assert len(lengths) / (400 * 120 / 40) == pytest.approx(1.0, abs=0.08)
    assert lengths.min() >= 5
    assert np.quantile(lengths, 0.98) <= 61  # a few overlap
    assert np.median(lengths) == pytest.approx(33, abs=3)


def test_fifteen_in_a_hundred_bins_are_stuck_once_for_12_to_72_hours(city: Simulation) -> None:
    stuck = city.reports.stuck
    assert stuck.any(axis=0).mean() == pytest.approx(0.15)
    hours = stuck.sum(axis=0)[stuck.any(axis=0)]
    assert hours.min() >= 11
    assert hours.max() <= 73
    frozen = np.where(stuck, city.reports.fill_pct, np.nan)[:, stuck.any(axis=0)]
    assert (np.nanmax(frozen, axis=0) == np.nanmin(frozen, axis=0)).all()


def test_one_in_a_hundred_readings_is_heard_hours_late_and_the_rest_at_once(city: Simulation) -> None:
    delay = (city.readings["received_at"] - city.readings["measured_at"]).dt.total_seconds()
    assert delay.min() >= 1
    assert (delay > 1000).mean() == pytest.approx(0.01, rel=0.1)
    assert delay[delay > 1000].between(1800, 12 * 3600).all()
    assert delay.quantile(0.98) < 150


def test_distances_convert_back_to_the_same_fill(city: Simulation) -> None:
    reports, bins = city.reports, city.bins
    distance = distance_mm(reports.fill_pct, bins)
    empty, full = bins["empty_mm"].to_numpy(), bins["full_mm"].to_numpy()
    back = 100 * (empty - distance) / (empty - full)
    measures = bins["empty_mm"].notna().to_numpy()
    assert np.abs(back - reports.fill_pct)[:, measures].max() <= 0.08  # half a millimetre of at least 700
    assert np.isnan(distance[:, ~measures]).all()


def test_every_reading_has_either_a_fill_or_a_distance(city: Simulation) -> None:
    readings = city.readings
    assert (readings["fill_pct"].isna() ^ readings["distance_mm"].isna()).all()
    distance = set(readings.loc[readings["distance_mm"].notna(), "bin_id"])
    assert distance == set(city.bins.loc[city.bins["empty_mm"].notna(), "bin_id"])


@pytest.mark.parametrize(("interval_h", "per_day"), [(0.25, 96), (3.0, 8), (24.0, 1)])
def test_sensors_report_as_often_as_asked(interval_h: float, per_day: int) -> None:
    settings = CitySettings(bins=20, days=20, report_interval_h=interval_h, lost_share=0, gap_every_days=1e9)
    made = simulate(settings, np.random.default_rng(0))
    assert len(made.readings) / (20 * 20) == pytest.approx(per_day, rel=0.02)
    assert made.readings.groupby("bin_id")["measured_at"].apply(lambda at: at.is_monotonic_increasing).all()


def test_a_perfect_sensor_shows_the_true_level_even_around_emptyings() -> None:
    settings = CitySettings(
        bins=30, days=40, report_interval_h=0.1, noise_pct=0, step_pct=0, spike_share=0, stuck_share=0, distance_share=0
    )
    made = simulate(settings, np.random.default_rng(0))
    readings = made.readings.sort_values("measured_at")
    emptyings = made.true_emptyings.sort_values("emptied_at")
    around: dict[str, Any] = {
        "left_on": "emptied_at",
        "right_on": "measured_at",
        "by": "bin_id",
        "tolerance": pd.Timedelta("8min"),
    }
    before = pd.merge_asof(emptyings, readings, direction="backward", **around)["fill_pct"]
    after = pd.merge_asof(emptyings, readings, direction="forward", **around)["fill_pct"]
    known = (before.notna() & after.notna()).to_numpy()
    assert known.mean() > 0.8
    capped = emptyings["fill_before_pct"].clip(upper=100).to_numpy()
    assert np.abs(before - capped)[known].quantile(0.95) < 1.5
    assert np.abs(after - emptyings["fill_after_pct"].to_numpy())[known].quantile(0.95) < 1.5


@pytest.fixture(scope="module")
def ill_city() -> Simulation:
    settings = CitySettings(bins=100, days=60, erratic_share=0.2, revised_share=0.1, spike_share=0, distance_share=0)
    return simulate(settings, np.random.default_rng(0))


def test_erratic_sensors_jump_far_from_the_truth_and_recover(ill_city: Simulation) -> None:
    reports = ill_city.reports
    away = np.abs(reports.fill_pct - np.minimum(ill_city.levels.at(reports.measured_s), 100))
    sick = reports.erratic
    assert sick.any(axis=0).mean() == pytest.approx(0.2)
    assert (away[sick] > 12).mean() == pytest.approx(0.5, abs=0.1)
    assert (away[~sick & ~reports.stuck] > 12).mean() < 1e-4
    hours = sick.sum(axis=0)[sick.any(axis=0)]
    assert hours.min() >= 71
    assert hours.max() <= 505


def test_spells_stand_in_the_truth(ill_city: Simulation) -> None:
    spells, reports = ill_city.true_spells, ill_city.reports
    assert spells.groupby("kind").size().to_dict() == {"erratic": 20, "stuck": 15}
    assert not spells["bin_id"].duplicated().any()  # as long as there are bins enough
    hours = ((spells["ends_at"] - spells["begins_at"]) / pd.Timedelta(hours=1)).groupby(spells["kind"]).sum()
    assert hours["erratic"] == pytest.approx(reports.erratic.sum(), rel=0.02)
    assert hours["stuck"] == pytest.approx(reports.stuck.sum(), rel=0.02)


def test_one_in_ten_readings_is_revised_hours_later(ill_city: Simulation) -> None:
    readings = ill_city.readings
    again = readings.duplicated(["bin_id", "measured_at"], keep="first")
    assert again.mean() == pytest.approx(0.1 / 1.1, abs=0.005)
    first = readings[readings.duplicated(["bin_id", "measured_at"], keep="last")].reset_index(drop=True)
    last = readings[again].reset_index(drop=True)
    later_h = (last["received_at"] - first["received_at"]).dt.total_seconds() / 3600
    assert later_h.between(0.9, 48.1).all()
    assert 2 < (last["fill_pct"] - first["fill_pct"]).std() < 8


def test_faults_that_are_not_asked_for_leave_the_city_as_it_was(ill_city: Simulation) -> None:
    plain = simulate(CitySettings(**ill_city.settings.model_dump() | {"erratic_share": 0, "revised_share": 0}),
                     np.random.default_rng(0))  # fmt: skip
    healthy = ~ill_city.reports.erratic
    assert not plain.reports.erratic.any()
    assert (plain.reports.fill_pct == ill_city.reports.fill_pct)[healthy].all()


def test_fresh_deposits_settle() -> None:
    base = CitySettings(bins=30, days=30, bag_pct=3)
    plain, settling = (
        simulate(base.model_copy(update={"settling_share": share}), np.random.default_rng(0)) for share in (0.0, 0.5)
    )
    sinks = [(np.diff(made.levels.level, axis=0)[made.levels.emptying < 0] < -0.1).mean() for made in (plain, settling)]
    assert sinks[0] == 0
    assert sinks[1] > 0.2
    before = [made.true_emptyings["fill_before_pct"].median() for made in (plain, settling)]
    assert before[1] == pytest.approx(before[0], rel=0.15)  # what settled is gone


@pytest.fixture(scope="module")
def odd_city() -> Simulation:
    settings = CitySettings(
        bins=60, days=60, echoes_per_month=3, moved_share=0.5, compactions_per_month=2, noise_pct=0, step_pct=0,
        spike_share=0, stuck_share=0, distance_share=0,
    )  # fmt: skip
    return simulate(settings, np.random.default_rng(0))


def test_echoes_hold_for_hours_and_return_and_moved_sensors_stay_off(odd_city: Simulation) -> None:
    reports = odd_city.reports
    off = reports.fill_pct - np.minimum(odd_city.levels.at(reports.measured_s), 100)
    moved = reports.moves
    assert len(moved.bin_index) == 30
    echo = np.abs(reports.echoes.at(reports.measured_s, 3600)) > 1
    assert len(reports.echoes.bin_index) == pytest.approx(3 * 60 * 2, rel=0.2)
    still = np.ones(60, dtype=bool)
    still[moved.bin_index] = False
    assert (np.abs(off[:, still][echo[:, still]]) > 5).mean() > 0.95
    assert np.abs(off[:, still][~echo[:, still]]).max() < 0.01
    after = (reports.measured_s > moved.begin_s.max()) & ~echo
    assert (off[:, moved.bin_index] * np.sign(moved.away_pct) >= -0.01)[after[:, moved.bin_index]].all()


def test_compactions_press_the_content_down_by_their_share(odd_city: Simulation) -> None:
    level, pressed = odd_city.levels.level, odd_city.levels.compactions
    assert len(pressed.hour) == pytest.approx(60 * 2 * 2, rel=0.2)
    share = level[pressed.hour + 1, pressed.bin_index] / np.maximum(level[pressed.hour, pressed.bin_index], 1)
    assert (odd_city.levels.emptying[pressed.hour, pressed.bin_index] < 0).all()
    large = level[pressed.hour, pressed.bin_index] > 40
    assert share[large].min() >= 0.59
    assert np.median(share[large]) < 0.9


def test_what_befalls_bins_and_sensors_stands_in_the_truth(odd_city: Simulation) -> None:
    counts = odd_city.true_spells.groupby("kind").size()
    assert counts["echo"] == len(odd_city.reports.echoes.bin_index)
    assert counts["moved"] == 30
    assert counts["compaction"] == len(odd_city.levels.compactions.hour)


def test_offsets_that_are_not_asked_for_leave_the_city_as_it_was(odd_city: Simulation) -> None:
    asked = odd_city.settings.model_dump()
    plain = simulate(CitySettings(**asked | {"echoes_per_month": 0, "moved_share": 0}), np.random.default_rng(0))
    pd.testing.assert_frame_equal(plain.true_levels, odd_city.true_levels)
    calm = odd_city.reports.echoes.at(odd_city.reports.measured_s, 3600) == 0
    calm[:, odd_city.reports.moves.bin_index] = False
    assert (plain.reports.fill_pct == odd_city.reports.fill_pct)[calm].all()

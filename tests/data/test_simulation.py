from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.simulation import CitySettings, Simulation, simulate, simulate_to

FILES = {
    "readings.parquet", "bins.csv", "visits.csv", "weather.parquet", "truth/levels.parquet", "truth/emptyings.csv",
    "truth/spells.csv", "truth/settings.json",
}  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        simulate_to(tmp_path / name, bins=10, days=20, seed=3)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert set(files(tmp_path / "one")) == FILES


def test_another_seed_is_another_city() -> None:
    one, two = (simulate(CitySettings(bins=10, days=20), np.random.default_rng(seed)) for seed in (0, 1))
    assert not one.readings.equals(two.readings)


def test_sensors_do_not_change_the_truth() -> None:
    one = simulate(CitySettings(bins=10, days=20), np.random.default_rng(0))
    two = simulate(CitySettings(bins=10, days=20, noise_pct=8, report_interval_h=3), np.random.default_rng(0))
    pd.testing.assert_frame_equal(one.true_levels, two.true_levels)
    pd.testing.assert_frame_equal(one.true_emptyings, two.true_emptyings)


def test_files_hold_what_the_simulation_holds(small_city: Simulation, small_city_folder: Path) -> None:
    readings = pd.read_parquet(small_city_folder / "readings.parquet")
    pd.testing.assert_frame_equal(readings, small_city.readings)
    levels = pd.read_parquet(small_city_folder / "truth" / "levels.parquet")
    pd.testing.assert_frame_equal(levels, small_city.true_levels)
    visits = pd.read_csv(small_city_folder / "visits.csv", parse_dates=["planned_at"])
    assert (visits["planned_at"].to_numpy() == small_city.visits["planned_at"].to_numpy()).all()
    emptyings = pd.read_csv(small_city_folder / "truth" / "emptyings.csv", parse_dates=["emptied_at"])
    assert emptyings["emptied_at"].dt.tz is not None
    assert len(emptyings) == len(small_city.true_emptyings)
    settings = json.loads((small_city_folder / "truth" / "settings.json").read_text())
    assert CitySettings.model_validate(settings) == small_city.settings


def test_tables_have_the_columns_and_instants_of_the_contract(small_city: Simulation) -> None:
    readings, levels = small_city.readings, small_city.true_levels
    assert list(readings) == ["bin_id", "measured_at", "received_at", "fill_pct", "distance_mm"]
    assert list(levels) == ["bin_id", "at", "level", "rate_pct_per_h", "shock", "event"]
    for at in (readings["measured_at"], readings["received_at"], levels["at"], small_city.visits["planned_at"]):
        assert str(at.dtype) == "datetime64[us, UTC]"
    assert len(levels) == 12 * 45 * 24
    assert readings["fill_pct"].dtype == np.float64


def test_readings_are_sorted_and_lie_within_the_days_asked_for(small_city: Simulation) -> None:
    readings = small_city.readings
    assert readings.equals(readings.sort_values(["bin_id", "measured_at"], kind="stable", ignore_index=True))
    start = pd.Timestamp("2025-01-06", tz="UTC")
    assert readings["measured_at"].between(start, start + pd.Timedelta(days=45), inclusive="left").all()
    assert not readings.duplicated(["bin_id", "measured_at"]).any()


def test_truth_lies_on_the_hour_and_is_uncapped(small_city: Simulation) -> None:
    levels = small_city.true_levels
    assert (levels["at"] == levels["at"].dt.floor("h")).all()
    assert levels["level"].max() > 100
    assert (levels["rate_pct_per_h"] > 0).all()


def test_tables_cross_chunks_without_a_seam(small_city: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = small_city.readings, small_city.true_levels
    monkeypatch.setattr("data.simulation.CHUNK_ROWS", 5000)
    pd.testing.assert_frame_equal(small_city.readings, whole[0])
    pd.testing.assert_frame_equal(small_city.true_levels, whole[1])


def test_writing_again_replaces_and_leaves_no_scratch(tmp_path: Path) -> None:
    simulate_to(tmp_path, bins=4, days=5, seed=0)
    simulate_to(tmp_path, bins=3, days=5, seed=0)
    assert set(files(tmp_path)) == FILES
    assert {path.name for path in tmp_path.iterdir()} == {name.split("/")[0] for name in FILES}
    assert len(pd.read_csv(tmp_path / "bins.csv")) == 3


def test_one_bin_and_one_day_are_a_city(tmp_path: Path) -> None:
    simulate_to(tmp_path, bins=1, days=1, seed=0)
    assert len(pd.read_parquet(tmp_path / "truth" / "levels.parquet")) == 24


def test_other_settings_are_kept_beside_the_size_asked_for(tmp_path: Path) -> None:
    simulate_to(tmp_path, bins=2, days=3, seed=0, settings=CitySettings(bins=9, timezone="Asia/Seoul", country="KR"))
    bins = pd.read_csv(tmp_path / "bins.csv")
    assert len(bins) == 2
    assert (bins["timezone"] == "Asia/Seoul").all()


def test_no_bins_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bins is 0"):
        simulate_to(tmp_path, bins=0, days=3, seed=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_file_in_the_way_is_an_error_that_says_so(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        simulate_to(tmp_path / path, bins=1, days=1, seed=0)
    assert (tmp_path / "file").read_text() == "mine"

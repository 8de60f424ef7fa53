"""The oracle of a simulated city knows the odds exactly, and nothing else of the future."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.oracle import foretell
from data.simulation import CitySettings, Simulation, simulate

LONELY = CitySettings(city_shock_sigma=0.0, neighbourhood_shock_sigma=0.0, bin_shock_sigma=0.3, missed_share=1.0)
"""Bins that share no chances, and that nobody empties: their outcomes are independent draws."""


def _windows(simulation: Simulation, as_of_h: float, horizons_h: tuple[float, ...]) -> pd.DataFrame:
    """Every bin at one moment."""
    start = pd.Timestamp(simulation.settings.start)
    as_of = start + pd.Timedelta(hours=as_of_h)
    at = [as_of + pd.Timedelta(hours=h) for h in horizons_h]
    ids = simulation.bins["bin_id"]
    return pd.DataFrame({"bin_id": ids.repeat(len(at)).to_numpy(), "as_of": as_of, "at": at * len(ids)})


def _truth(simulation: Simulation, windows: pd.DataFrame) -> np.ndarray:
    """The true level at the end of each window, 0-100; windows end on the hour."""
    hours = (windows["at"] - pd.Timestamp(simulation.settings.start)) // pd.Timedelta(hours=1)
    bins = pd.Index(simulation.bins["bin_id"]).get_indexer(pd.Index(windows["bin_id"]))
    return np.minimum(simulation.levels.level[hours.to_numpy(), bins], 100.0)


@pytest.mark.parametrize(
    "more", [{}, {"settling_share": 0.3}, {"events_per_neighbourhood_year": 100.0, "event_radius_km": 0.6}]
)
def test_the_truth_falls_below_each_quantile_as_often_as_foretold(more: dict[str, float]) -> None:
    spread_out = {"bins": 1500, "days": 6, "bins_per_neighbourhood": 5.0, "city_radius_km": 60.0}
    settings = LONELY.model_copy(update=spread_out | more)
    simulation = simulate(settings, np.random.default_rng(1))
    windows = _windows(simulation, 31, (9, 40))
    found = foretell(simulation, windows, np.random.default_rng(2), paths=400)
    y = _truth(simulation, windows)
    moving = ((found["q90"] < 100) & (found["q10"] > found["q05"])).to_numpy()  # where no outcome has odds of its own
    assert moving.mean() > 0.4
    for name, share in (("q10", 0.1), ("q30", 0.3), ("q50", 0.5), ("q70", 0.7), ("q90", 0.9)):
        assert (y < found[name])[moving].mean() == pytest.approx(share, abs=0.035)
    assert (found["mean"] - y).mean() == pytest.approx(0, abs=4 * (found["mean"] - y).std() / np.sqrt(len(y)))
    assert found["p_full"].mean() == pytest.approx((y >= 95).mean(), abs=0.015)


def test_knowing_todays_shock_helps_today_and_no_longer_tomorrow() -> None:
    settings = LONELY.model_copy(update={"bins": 400, "days": 8, "bin_shock_sigma": 0.6, "bulky_share": 0.0})
    simulation = simulate(settings, np.random.default_rng(3))
    windows = _windows(simulation, 24 + 5, (12, 72))
    y = _truth(simulation, windows)
    without, knowing = (
        foretell(simulation, windows, np.random.default_rng(4), paths=400, knows_today=today) for today in (False, True)
    )
    today = (windows["at"] - windows["as_of"] == pd.Timedelta(hours=12)).to_numpy()
    gain = [
        np.abs(without["q50"] - y)[rows].mean() / np.abs(knowing["q50"] - y)[rows].mean() for rows in (today, ~today)
    ]
    assert gain[0] > 1.15
    assert gain[1] < gain[0]


def test_rows_stand_in_the_order_asked_and_nothing_rises_before_it_begins(small_city: Simulation) -> None:
    windows = _windows(small_city, 100.5, (0, 6, 72)).sample(frac=1.0, random_state=0).reset_index(drop=True)
    windows = pd.concat([windows, windows.iloc[:3]], ignore_index=True)
    found = foretell(small_city, windows, np.random.default_rng(5), paths=50)
    pd.testing.assert_frame_equal(found[["bin_id", "as_of", "at"]], windows)
    numbers = found.filter(regex=r"^q\d\d$").to_numpy()
    assert (np.diff(numbers, axis=1) >= 0).all()
    assert ((numbers >= 0) & (numbers <= 100)).all()
    pd.testing.assert_frame_equal(found.iloc[-3:].reset_index(drop=True), found.iloc[:3])
    now = (found["at"] == found["as_of"]).to_numpy()
    assert (numbers[now, 0] == numbers[now, -1]).all()


def test_the_same_generator_foretells_the_same(small_city: Simulation) -> None:
    windows = _windows(small_city, 200, (24,))
    once, again = (foretell(small_city, windows, np.random.default_rng(6), paths=20) for _ in range(2))
    pd.testing.assert_frame_equal(once, again)


def test_windows_outside_the_simulation_are_refused(small_city: Simulation) -> None:
    with pytest.raises(InputError, match="within 45 days"):
        foretell(small_city, _windows(small_city, 45 * 24 - 3, (6,)), np.random.default_rng(7))
    stranger = _windows(small_city, 10, (6,)).assign(bin_id="nowhere")
    with pytest.raises(InputError, match="nowhere"):
        foretell(small_city, stranger, np.random.default_rng(7))


def test_no_windows_give_an_empty_table(small_city: Simulation) -> None:
    assert len(foretell(small_city, _windows(small_city, 10, (6,)).iloc[:0], np.random.default_rng(8))) == 0


def test_who_is_told_the_level_starts_from_there(small_city: Simulation) -> None:
    windows = _windows(small_city, 10 * 24, (1,))
    level = np.full(len(windows), 40.0)
    sure, unsure = (
        foretell(small_city, windows, np.random.default_rng(9), paths=200, told=(level, np.full(len(windows), spread)))
        for spread in (0.0, 8.0)
    )
    assert sure["q05"].between(40, 45).all()
    width = (unsure["q90"] - unsure["q10"]) - (sure["q90"] - sure["q10"])
    assert width.median() == pytest.approx(2 * 1.2816 * 8, rel=0.25)

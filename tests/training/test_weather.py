"""The weather as the model reads it: nothing leaks, nothing hangs on what else is asked, and it can be missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.history import History
from data.sequences import HOUR_US, microsecond
from data.weather import Weather
from tests.conftest import SMALL
from training.calendar import WEEK_H, Clock
from training.departures import departures
from training.elasticities import Elasticities
from training.examples import Examples
from training.features import Features
from training.inputs import read_history
from training.model import NO_WEATHER, FillModel
from training.profiles import Accumulated
from training.settings import ModelSettings

START = pd.Timestamp("2025-03-01", tz="UTC").as_unit("us")
HOW = ModelSettings(**SMALL, country="CZ")


@pytest.fixture(scope="module")
def history(small_city_folder: Path) -> History:
    """The small city with its weather table."""
    files = [str(small_city_folder / name) for name in ("readings.parquet", "bins.csv", "weather.parquet")]
    return read_history(files[0], files[1], weather=files[2]).history


@pytest.fixture(scope="module")
def model(history: History, split: pd.Timestamp) -> FillModel:
    """A tiny model taught with the weather until `split`."""
    return FillModel.fit(history, until=split, settings=HOW)


@pytest.fixture
def windows(history: History, split: pd.Timestamp) -> pd.DataFrame:
    """Every bin at moments on, before and after the hours at which weather is issued."""
    ids = history.bins.unique["bin_id"].to_numpy()
    minutes = np.array([0, 7, 70, 71, 719, 720, 1_000, 3_333])
    frame = pd.DataFrame({"bin_id": np.repeat(ids, len(minutes))})
    frame["as_of"] = split + pd.to_timedelta(np.tile(minutes, len(ids)), "min")
    frame["at"] = frame["as_of"] + pd.to_timedelta(np.resize([0.0, 0.4, 5.0, 26.5, 80.0], len(frame)), "h")
    return frame.astype({"bin_id": "str"})


def moved(weather: Weather, rows: pd.Series, by_c: float) -> Weather:
    """The weather with these rows warmer."""
    frame = weather.frame
    return Weather.checked(frame.assign(temperature_c=frame["temperature_c"].mask(rows, frame["temperature_c"] + by_c)))


# ---------------------------------------------------------------- what is known when


def test_weather_issued_later_changes_no_forecast(model: FillModel, history: History, windows: pd.DataFrame) -> None:
    whole = model.forecast_windows(history, windows)
    for as_of, asked in windows.groupby("as_of"):
        then = pd.Timestamp(as_of)
        later = moved(history.weather, history.weather.frame["issued_at"] > then, 30.0)
        for known in (history.until(then), replace(history, weather=later)):
            alone = model.forecast_windows(known, asked.reset_index(drop=True))
            pd.testing.assert_frame_equal(whole.loc[asked.index].reset_index(drop=True), alone, check_exact=True)


def test_weather_issued_by_then_does_change_it(model: FillModel, history: History, split: pd.Timestamp) -> None:
    told = history.weather.frame
    ahead = (told["issued_at"] <= split) & (told["at"] > split)
    warm = replace(history, weather=moved(history.weather, ahead, 15.0))
    assert (model.forecast(history, split).values != model.forecast(warm, split).values).any()


def test_the_newest_forecast_of_an_hour_is_the_one_used(
    model: FillModel, history: History, split: pd.Timestamp
) -> None:
    told = history.weather.frame
    newest = told[told["issued_at"] <= split].groupby("at")["issued_at"].max()
    old = told["issued_at"] < told["at"].map(newest)
    revised = replace(history, weather=moved(history.weather, old, 15.0))
    assert old.any()
    np.testing.assert_array_equal(model.forecast(history, split).values, model.forecast(revised, split).values)


def test_each_bin_alone_is_forecast_as_among_others(model: FillModel, history: History, windows: pd.DataFrame) -> None:
    together = model.forecast_windows(history, windows)
    some = np.random.default_rng(0).permutation(len(windows))[:25]
    for row in some:
        alone = model.forecast_windows(history, windows.iloc[[row]].reset_index(drop=True))
        pd.testing.assert_frame_equal(together.iloc[[row]].reset_index(drop=True), alone, check_exact=True)


def test_the_days_of_history_it_names_are_enough(model: FillModel, history: History, split: pd.Timestamp) -> None:
    recent = history.since(split - pd.Timedelta(days=FillModel.HISTORY_DAYS))
    assert len(recent.weather) < len(history.weather)
    np.testing.assert_array_equal(model.forecast(history, split).values, model.forecast(recent, split).values)


# ---------------------------------------------------------------- with and without


def test_a_model_taught_with_weather_answers_without_it_and_says_so(
    model: FillModel, history: History, split: pd.Timestamp
) -> None:
    told = model.forecast(history, split)
    untold = model.forecast(replace(history, weather=Weather.none()), split)
    assert not any(NO_WEATHER in why for why in told.reasons)
    assert all(NO_WEATHER in why for why in untold.reasons)
    assert untold.status.tolist() == told.status.tolist()
    assert not np.isnan(untold.values[untold.status == "ok"]).any()


def test_observations_alone_tell_nothing_of_the_hours_ahead(
    model: FillModel, history: History, split: pd.Timestamp
) -> None:
    table = history.weather.frame
    observed = Weather(table[table["issued_at"] > table["at"]].reset_index(drop=True))
    seen = model.forecast(replace(history, weather=observed), split)
    blind = model.forecast(replace(history, weather=Weather.none()), split)
    assert all(NO_WEATHER in why for why in seen.reasons)
    np.testing.assert_array_equal(seen.values, blind.values)


def test_a_model_taught_without_weather_looks_at_none(
    tiny_model: FillModel, history: History, small_history: History, split: pd.Timestamp
) -> None:
    assert not tiny_model.reads_weather
    assert "weather" not in tiny_model.card
    one, other = tiny_model.forecast(history, split), tiny_model.forecast(small_history, split)
    np.testing.assert_array_equal(one.values, other.values)
    assert one.reasons == other.reasons


def test_a_saved_and_loaded_model_reads_the_weather_the_same(
    model: FillModel, history: History, split: pd.Timestamp, tmp_path: Path
) -> None:
    model.save(tmp_path / "model")
    loaded = FillModel.load(tmp_path / "model")
    assert loaded.reads_weather
    assert model.elasticities is not None
    assert loaded.elasticities is not None
    np.testing.assert_array_equal(loaded.elasticities.own, model.elasticities.own)
    assert loaded.card["weather"] == len(history.weather.issued_by(split))
    np.testing.assert_array_equal(loaded.forecast(history, split).values, model.forecast(history, split).values)


# ---------------------------------------------------------------- what departs from what is usual


def departed(rows: list[tuple[float, float, float, float]], as_of_h: float, at_h: float) -> list[float]:
    """Warmth and wetness times points, of a bin that gathers one an hour, from `at_h` back to `as_of_h`.

    Rows are (at, issued, degrees, millimetres), in hours from START.
    """
    frame = pd.DataFrame(rows, columns=["at", "issued_at", "temperature_c", "precipitation_mm"])
    for name in ("at", "issued_at"):
        frame[name] = START + pd.to_timedelta(frame[name].astype(float), "h")
    as_of, at = (np.array([microsecond(START + pd.Timedelta(hours=h))]) for h in (as_of_h, at_h))
    gathered = Accumulated.of(np.ones((1, WEEK_H)), np.zeros(1, dtype=int))
    clock = Clock.over(np.array(["UTC"], dtype=object), int(as_of[0]), int(as_of[0]) + 340 * HOUR_US)
    found = departures(Weather.checked(frame), as_of, gathered, clock)
    return found.sums(np.zeros(1, dtype=int), at, gathered, clock)[0].tolist()


OBSERVED = [(h, h + 1, 10.0 if h % 24 < 12 else 2.0, 0.0) for h in range(-28 * 24, 0)]
"""Four weeks of dry days, ten degrees in their first half and two in the other."""


def test_warmth_is_what_is_above_the_same_hour_of_the_weeks_before() -> None:
    ahead = [(0, -1, 10.0, 0.0), *((h, -1, 15.0, 1.0) for h in (1, 2)), (12, -1, 15.0, 0.0)]
    assert departed(OBSERVED + ahead, 0.0, 3.0) == pytest.approx([0 + 5 + 5, 0 + 0.5 + 0.5])
    assert departed(OBSERVED + ahead, 0.0, 12.5) == pytest.approx([5 + 5 + 0.5 * 13, 1.0])


def test_only_the_time_between_the_moment_and_the_one_asked_counts() -> None:
    ahead = [(0, -1, 11.0, 0.0), (1, -1, 12.0, 0.0), (2, -1, 14.0, 0.0)]
    usual = (10.0 * 27 + 11.0) / 28  # the hour that runs is one of the past, too
    assert departed(OBSERVED + ahead, 0.5, 1.25)[0] == pytest.approx(0.5 * (11 - usual) + 0.25 * 2)
    assert departed(OBSERVED + ahead, 0.5, 0.5) == [0.0, 0.0]


def test_what_was_not_issued_yet_and_what_is_beyond_three_days_is_as_usual() -> None:
    assert departed([*OBSERVED, (1, 5, 15.0, 9.0)], 0.0, 2.0) == [0.0, 0.0]
    ahead = [(0, -1, 10.0, 0.0), (72, -1, 15.0, 0.0), (73, -1, 15.0, 0.0)]
    assert departed(OBSERVED + ahead, 0.0, 300.0)[0] == pytest.approx(5.0)


# ---------------------------------------------------------------- what is learned of it


def examples(elasticity: np.ndarray, rng: np.random.Generator) -> Examples:
    """Rises of 20 bins over 30 weeks, whose expectation errs by the week, and by the bin and day."""
    bins, days = 20, 210
    code, day = (part.ravel() for part in np.meshgrid(np.arange(bins), np.arange(days), indexing="ij"))
    hope = rng.uniform(5, 20, len(code))
    city = np.cumsum(rng.standard_normal((days, 2)), axis=0) % 3 - 1.5
    weather = city[day] * [4.0, 0.05] * hope[:, None]
    error = rng.normal(0, 0.1, days)[day] + rng.normal(0, 0.3, len(code))
    rise = hope * (1 + error) + (weather * elasticity[code]).sum(axis=1)
    names = ("bin", "expected_pace_pct", "pace_672h")
    matrix = np.column_stack([code, hope, np.ones(len(code))]).astype(float)
    text = code.astype(str).astype(object)
    return Examples(
        Features(names, matrix, np.zeros(len(code))), rise, text, hope, (day * 24 * HOUR_US).astype(np.int64), text,
        weather, np.zeros(len(code), dtype=bool),
    )  # fmt: skip


def test_each_bins_elasticity_is_found_again() -> None:
    rng = np.random.default_rng(5)
    true = np.column_stack([rng.choice([0.0, 0.05], 20), np.full(20, -0.5)])
    found = Elasticities.learn(examples(true, rng), 20)
    assert np.abs(found.own[:, 0] - true[:, 0]).max() < 0.02
    assert -0.6 < found.pooled[1] < -0.1  # drawn toward none by its error


@pytest.mark.parametrize("seed", range(6))
def test_where_the_weather_does_nothing_next_to_nothing_is_found(seed: int) -> None:
    found = Elasticities.learn(examples(np.zeros((20, 2)), np.random.default_rng(seed)), 20)
    assert np.abs(found.own).max(axis=0)[0] < 0.012
    assert np.abs(found.own).max(axis=0)[1] < 0.6


def test_a_bin_that_nobody_knows_has_the_pooled_elasticity() -> None:
    found = Elasticities(np.array([[0.1, 0.0], [0.2, 1.0]]), np.array([0.05, -1.0]))
    sums = np.array([[10.0, 0.5]] * 3)
    np.testing.assert_allclose(found.more(np.array([0, 1, -1]), sums, np.array([1.0, 1.0, 2.0])), [1.0, 2.5, 0.0])
    again = Elasticities.from_json(found.to_json())
    np.testing.assert_array_equal(again.own, found.own)

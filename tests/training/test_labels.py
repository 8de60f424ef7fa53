import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.emptyings import Emptyings
from data.errors import InputError
from data.readings import Readings
from training.labels import asks, hindsight_emptyings, label, levels, windows

START = pd.Timestamp("2024-01-01", tz="UTC")
H = pd.Timedelta(hours=1)


def _readings(fill: np.ndarray, bin_id: str = "x", step_h: float = 1.0) -> Readings:
    at = START + pd.to_timedelta(np.arange(len(fill)) * step_h, unit="h")
    return Readings.checked(pd.DataFrame({"bin_id": bin_id, "measured_at": at, "fill_pct": fill}))


def _hours(times: pd.Series) -> list[int]:
    return sorted(((times - START) // H).tolist())


@pytest.fixture
def rising() -> np.ndarray:
    """Hourly, rising 1 an hour, emptied between hours 30 and 31, one stray 0 at hour 10."""
    fill = np.r_[np.arange(31) + 40.0, np.arange(29) + 1.0]
    fill[10] = 0
    return fill


def test_windows_that_straddle_an_emptying_are_left_out(rising: np.ndarray) -> None:
    found = windows(_readings(rising), START, START + 59 * H, H, (6,))
    assert _hours(found["as_of"]) == [*range(24), *range(31, 54)]
    assert found["y"][4] == 49.0, "the stray 0 between 49 and 51 is smoothed away"
    assert found["y"][0] == 46.0


def test_a_stray_reading_is_no_emptying(rising: np.ndarray) -> None:
    assert np.flatnonzero(hindsight_emptyings(levels(_readings(rising)))).tolist() == [31]


def test_a_window_needs_a_fresh_reading_and_a_near_target(rising: np.ndarray) -> None:
    readings = Readings(_readings(rising).frame.drop(index=range(3, 20)).reset_index(drop=True))
    found = _hours(windows(readings, START, START + 59 * H, H, (6,))["as_of"])
    assert {13, 14} <= set(found)
    assert not {12, 15} & set(found)


def test_daily_bins_are_judged_by_single_readings() -> None:
    fill = np.array([0, 20, 40, 60, 20, 40, 60, 80, 0, 20.0])
    hits = hindsight_emptyings(levels(_readings(fill, step_h=24)))
    assert np.flatnonzero(hits).tolist() == [4, 8]


def test_reported_emptyings_exclude_windows_too(rising: np.ndarray) -> None:
    readings, told = _readings(rising), pd.DataFrame({"bin_id": ["x"], "emptied_at": [START + 40.5 * H]})
    asked = asks(readings, START, START + 59 * H, H, (6,))
    without = label(readings, asked)
    told_too = label(readings, asked, Emptyings.checked(told))
    assert set(_hours(without["as_of"])) - set(_hours(told_too["as_of"])) == set(range(35, 41))


def test_known_truth_replaces_the_readings(rising: np.ndarray) -> None:
    at = START + pd.to_timedelta(np.arange(60), unit="h")
    truth = pd.DataFrame({"bin_id": "x", "at": at, "level": np.linspace(0, 118, 60)})
    emptied = Emptyings.checked(pd.DataFrame({"bin_id": ["x"], "emptied_at": [START + 20.5 * H]}))
    asked = asks(_readings(rising), START, START + 59 * H, H, (6,))
    found = label(_readings(rising), asked, emptied, truth)
    assert _hours(found["as_of"]) == [*range(15), *range(21, 54)]
    assert found["y"].iloc[0] == pytest.approx(12.0)
    assert found["y"].max() == 100
    with pytest.raises(InputError):
        label(_readings(rising), asked, None, truth)


def test_revised_readings_are_judged_by_their_latest_version() -> None:
    first = _readings(np.full(40, 10.0)).frame
    second = first.assign(fill_pct=30.0, received_at=first["received_at"] + 100 * H)
    both = Readings.checked(pd.concat([second, first]))
    assert set(windows(both, START, START + 39 * H, H, (6,))["y"]) == {30.0}


@pytest.mark.parametrize("fill", [np.array([]), np.array([5.0]), np.array([5.0, 6.0])])
def test_too_few_readings_give_no_window(fill: np.ndarray) -> None:
    asked = pd.DataFrame({"bin_id": ["x", "y"], "as_of": [START, START], "at": [START + H, START + H]})
    found = label(_readings(fill), asked)
    assert len(found) == 0
    assert {"horizon_h", "y"} <= set(found.columns)


@st.composite
def cities(draw: st.DrawFn) -> tuple[Readings, pd.DataFrame]:
    """Sawtooth bins with noise and gaps, and their true emptyings (bin_id, index of the first row after)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames, emptied = [], []
    for k in range(draw(st.integers(1, 4))):
        n, step_h = int(rng.integers(20, 200)), float(rng.choice([0.5, 1, 3, 24]))
        fill = np.zeros(n)
        for i in range(1, n):
            fill[i] = min(100, fill[i - 1] + rng.uniform(0, 6))
            if rng.random() < 0.05 and fill[i] > 60:
                fill[i] = 0
                emptied.append((f"b{k}", START + i * step_h * H))
        frame = _readings((fill + rng.normal(0, 1, n)).clip(0, 100), f"b{k}", step_h).frame
        keep = rng.random(n) > draw(st.sampled_from([0.0, 0.1]))
        frames.append(frame[keep])
    return Readings.checked(pd.concat(frames)), pd.DataFrame(emptied, columns=["bin_id", "emptied_at"])


@given(cities(), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_shuffling_readings_and_asks_changes_nothing(city: tuple[Readings, pd.DataFrame], seed: int) -> None:
    readings, _ = city
    asked = asks(readings, START, START + 2000 * H, 5 * H, (6, 24))
    shuffled = Readings.checked(readings.frame.sample(frac=1, random_state=seed))
    mixed = label(shuffled, asked.sample(frac=1, random_state=seed))
    key = ["bin_id", "as_of", "at"]
    plain = label(readings, asked).sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(mixed.sort_values(key, ignore_index=True), plain)


@given(cities())
@settings(max_examples=25, deadline=None)
def test_a_bin_is_labelled_alone_as_among_others(city: tuple[Readings, pd.DataFrame]) -> None:
    readings, _ = city
    asked = asks(readings, START, START + 2000 * H, 5 * H, (6, 24))
    together = label(readings, asked)
    for name, frame in readings.frame.groupby("bin_id"):
        alone = label(Readings(frame.reset_index(drop=True)), asked)
        pd.testing.assert_frame_equal(alone, together[together["bin_id"] == name].reset_index(drop=True))


@given(cities())
@settings(max_examples=25, deadline=None)
def test_no_label_crosses_a_hindsight_emptying(city: tuple[Readings, pd.DataFrame]) -> None:
    readings, _ = city
    found = windows(readings, START, START + 2000 * H, 5 * H, (6, 24, 48))
    lines = levels(readings)
    hits = np.flatnonzero(hindsight_emptyings(lines))
    at_us = pd.DatetimeIndex(found["as_of"]).asi8, pd.DatetimeIndex(found["at"]).asi8
    code = lines.codes_of(found["bin_id"])
    for i in hits:
        inside = (code == lines.code[i]) & (at_us[0] < lines.time_us[i]) & (at_us[1] >= lines.time_us[i - 1])
        assert not inside.any()


@given(st.integers(0, 10_000), st.integers(5, 40), st.floats(0, 100))
@settings(max_examples=50, deadline=None)
def test_one_stray_reading_in_a_steady_bin_is_never_an_emptying(seed: int, where: int, stray: float) -> None:
    rng = np.random.default_rng(seed)
    fill = 70 + rng.normal(0, 2, 60)
    fill[where] = stray
    assert not hindsight_emptyings(levels(_readings(fill.clip(0, 100)))).any()


@pytest.mark.slow
def test_a_city_of_2000_bins_is_labelled_in_under_a_minute() -> None:
    bins, n = 2000, 180 * 24
    rng = np.random.default_rng(0)
    at = (START + pd.to_timedelta(np.tile(np.arange(n), bins), unit="h")).as_unit("us")
    ids = pd.Series(np.repeat([f"b{k:04d}" for k in range(bins)], n), dtype="str")
    fill = (np.arange(n * bins) % 97 + rng.normal(0, 2, n * bins)).clip(0, 100)
    readings = Readings(pd.DataFrame({"bin_id": ids, "measured_at": at, "received_at": at, "fill_pct": fill}))
    pick = rng.integers(0, n * bins, 300_000)
    asked = pd.DataFrame({"bin_id": ids.to_numpy()[pick], "as_of": at[pick]})
    asked["at"] = asked["as_of"] + pd.to_timedelta(rng.choice([6, 24, 72], len(pick)), unit="h")
    begun = time.perf_counter()
    assert len(label(readings, asked)) > 10_000
    assert time.perf_counter() - begun < 60

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.history import History
from data.readings import Readings
from data.sequences import Archive, microsecond
from training.calendar import WEEK_H, Clock
from training.profiles import Accumulated
from training.situations import Situations, describe

START = pd.Timestamp("2024-03-04", tz="UTC")


def described(fills: list[list[float]], hours: int | None = None) -> Situations:
    """Situations of bins a, b, ... with these hourly readings (NaN: none), at the last's moment or after `hours`."""
    frames = []
    for name, fill in zip("abcdef", fills, strict=False):
        at = START + pd.to_timedelta(np.arange(len(fill)), unit="h")
        frames.append(pd.DataFrame({"bin_id": name, "measured_at": at, "received_at": at, "fill_pct": fill}).dropna())
    history = History.of(Readings.checked(pd.concat(frames)))
    ids = np.array(list("abcdef"[: len(fills)]), dtype=object)
    moment = microsecond(START + pd.Timedelta(hours=len(fills[0]) - 1 if hours is None else hours))
    as_of = np.full(len(ids), moment)
    clock = Clock.over(np.array(["UTC"] * len(ids), dtype=object), microsecond(START) - 10**12, moment + 10**12)
    rates = Accumulated.of(np.full((len(ids), WEEK_H), 1.0), np.arange(len(ids)))
    return describe(Archive.of(history), history, ids, as_of, rates, clock)


def test_an_erratic_sensor_shows_where_its_readings_lay_of_late() -> None:
    found = described([[20.0, 20.0, 60.0, 60.0] * 12 + [20.0]])
    values = {name: found.columns[name][0] + found.level[0] for name in found.columns if name.endswith("_24h")}
    assert values["q0_24h"] == pytest.approx(20)
    assert values["q100_24h"] == pytest.approx(60)
    assert values["q50_24h"] in (pytest.approx(20), pytest.approx(60))


def test_readings_before_the_window_do_not_count() -> None:
    found = described([[80.0] * 24 + [10.0] * 30])
    assert found.columns["q100_24h"][0] + found.level[0] == pytest.approx(10)
    assert found.columns["q100_72h"][0] + found.level[0] == pytest.approx(80)


def test_where_nothing_was_heard_of_late_nothing_is_said_of_it() -> None:
    found = described([[10.0, 11.0, 12.0]], hours=40)
    assert np.isnan(found.columns["q50_24h"][0])
    assert found.columns["q50_72h"][0] + found.level[0] == pytest.approx(11)


def test_a_bin_is_described_the_same_beside_others_and_alone() -> None:
    rng = np.random.default_rng(3)
    fills = [np.clip(np.cumsum(rng.gamma(0.3, 2, 60)) + rng.normal(0, 2, 60), 0, 100).tolist() for _ in range(4)]
    together = described(fills)
    for k, fill in enumerate(fills):
        alone = described([fill])
        for name, column in alone.columns.items():
            np.testing.assert_array_equal(column[0], together.columns[name][k], err_msg=name)


def test_a_fall_that_no_later_reading_confirms_is_pending_and_the_level_forecast_from() -> None:
    found = described([[50.0 + k for k in range(20)] + [8.0]])
    assert found.columns["pending"][0] == 1
    assert found.level[0] == pytest.approx(8)


@pytest.mark.parametrize(
    ("latest", "level"),
    [
        ([95.0, 96.0, 97.0, 3.0, 17.0], 17),  # the second reading lies too far off to confirm the first
        ([95.0, 96.0, 97.0, 1.0, 73.0, 2.0], 2),  # a spike after an emptying, which takes the emptying for one too
        ([95.0, 96.0, 97.0, *[np.nan] * 20, 25.0], 25),  # the first reading after a gap
    ],
)
def test_readings_after_a_fall_that_is_not_yet_judged_are_not_averaged_with_those_before_it(
    latest: list[float], level: float
) -> None:
    found = described([[50.0 + k for k in range(45)] + latest])
    assert found.level[0] == pytest.approx(level, abs=2)
    assert found.columns["pending"][0] == 1
    assert found.pace[0] > 0.7


def test_jumps_of_the_sensor_do_not_make_a_bin_look_faster() -> None:
    steady = [10.0 + 0.25 * k for k in range(240)]
    jumping = [value + (60 if 100 <= k < 200 and k % 10 < 4 else 0) for k, value in enumerate(steady)]
    found = described([steady, jumping])
    np.testing.assert_allclose(found.pace[1], found.pace[0], rtol=0.1)


def test_a_bin_far_slower_than_its_profile_is_known_for_it() -> None:
    found = described([[10.0 + 0.04 * k for k in range(650)]])
    assert found.pace[0] == pytest.approx((26 + 12) / (650 + 12), rel=0.05)


def test_a_bin_far_faster_than_its_profile_may_take_large_deposits() -> None:
    """Steps of 80 are three days' worth of the profile, but a few hours' of this bin."""
    found = described([[2.0, 20.0, 100.0, *[100.0] * 21] * 25 + [2.0]])
    assert found.pace[0] == pytest.approx((25 * 98 + 12) / (25 * 2 + 12), rel=0.05)


def test_a_bin_far_slower_than_its_profile_is_not_made_faster_by_jumps() -> None:
    """They are less than two days' worth of the profile, but weeks of this bin."""
    steady = [10.0 + 0.04 * k for k in range(650)]
    jumping = [value + (55 if k >= 100 and k % 60 < 4 else 0) for k, value in enumerate(steady)]
    found = described([steady, jumping])
    np.testing.assert_allclose(found.pace[1], found.pace[0], rtol=0.2)

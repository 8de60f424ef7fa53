from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.history import History
from data.readings import Readings
from data.simulation import Simulation
from training.deposits import Deposits
from training.model import FillModel
from training.rules import Rule
from training.times_to_full import (
    LONGEST_H,
    crossing,
    first_full,
    full_by_deposits,
    passed,
    rate_passage,
    scores,
    told_by,
    truly_full,
)

NOW = pd.Timestamp("2025-03-01T00:00Z").as_unit("us")


def readings(fill: list[float], step_h: float = 2.0) -> Readings:
    at = NOW + pd.to_timedelta(np.arange(len(fill)) * step_h, unit="h")
    return Readings.checked(pd.DataFrame({"bin_id": "a", "measured_at": at, "fill_pct": fill}))


def origins(*hours: float) -> pd.DataFrame:
    return pd.DataFrame({"bin_id": "a", "as_of": [NOW + pd.Timedelta(hours=h) for h in hours]})


def seen(fill: list[float], *hours: float) -> pd.DataFrame:
    asked = origins(*hours)
    return first_full(readings(fill), asked, np.full(len(asked), 95.0))


def test_it_is_full_at_the_first_reading_that_says_so() -> None:
    found = seen([50, 60, 70, 80, 90, 96, 97, 98, 99], 3)
    assert found["hours"].tolist() == [7]


def test_a_bin_that_was_emptied_before_was_open_until_the_last_reading() -> None:
    found = seen([50, 60, 70, 80, 90, 5, 6, 7, 8], 2)
    assert found["hours"].isna().all()
    assert found["open_h"].tolist() == [6]


def test_a_bin_that_is_full_already_is_not_asked() -> None:
    assert len(seen([97, 98, 99, 99, 99, 99], 4)) == 0


def test_a_silence_ends_what_could_be_seen() -> None:
    frame = readings([50, 60, 70, 99, 99, 99]).frame
    late = frame["measured_at"].where(frame.index < 3, frame["measured_at"] + pd.Timedelta(days=3))
    found = first_full(Readings.checked(frame.assign(measured_at=late, received_at=late)), origins(0), np.array([95.0]))
    assert found["hours"].isna().all()
    assert found["open_h"].tolist() == [4]


def test_what_was_thrown_in_tells_when_an_emptied_bin_would_have_been_full() -> None:
    fill = [2.0 * (hour % 40) for hour in range(800)]
    deposits = Deposits.of(History.of(readings(fill, step_h=1.0)))
    found = full_by_deposits(deposits, origins(30, 35, 700), np.full(3, 95.0))
    assert found["hours"].tolist() == pytest.approx([17.5, 12.5], abs=1)  # the last is not followed for two weeks
    assert found["open_h"].tolist() == [LONGEST_H] * 2


def test_a_median_that_errs_beyond_the_emptying_is_not_blamed() -> None:
    window = pd.DataFrame({"bin_id": ["a", "a"], "hours": [np.nan, 10.0], "open_h": [20.0, 30.0]})
    assert scores(window, np.array([50.0, 10.0]))["powell"] == 0
    assert scores(window, np.array([15.0, 13.0]))["powell"] == 4
    assert scores(window, np.array([15.0, 13.0]))["error"] == 3


@pytest.mark.parametrize(("pace", "told_late"), [(1.0, False), (1.5, True)])
def test_who_was_full_by_the_moment_told_is_counted_through_emptyings(pace: float, *, told_late: bool) -> None:
    rng = np.random.default_rng(0)
    truly, cut = rng.exponential(10, 20_000), rng.exponential(8, 20_000)
    window = pd.DataFrame({"hours": np.where(truly <= cut, truly, np.nan), "open_h": cut})
    assert window["hours"].isna().mean() > 0.5
    told = 1 - np.exp(-np.minimum(truly, cut) / (10 * pace))
    shares = passed(window, told, (0.1, 0.5, 0.9))
    if told_late:
        assert (shares > [0.13, 0.6, 0.94]).all()
    else:
        np.testing.assert_allclose(shares, [0.1, 0.5, 0.9], atol=0.02)


def test_nobody_was_full_by_a_moment_before_all_others() -> None:
    window = pd.DataFrame({"hours": [5.0, np.nan], "open_h": [9.0, 7.0]})
    assert passed(window, np.array([0.4, 0.4]), (0.3, 0.4, 0.9)).tolist() == [0, 0.5, 0.5]


def test_a_curve_is_crossed_between_its_points_or_never() -> None:
    assert crossing(np.array([[0.0, 10, 20], [0, 1, 2]]), np.array([0.0, 10, 30]), np.full(2, 15)).tolist() == [
        20,
        np.inf,
    ]


def test_truth_in_a_simulated_city_is_never_later_than_what_was_seen_to_be_full(small_city: Simulation) -> None:
    truth = small_city.true_levels
    start = truth["at"].min() + pd.Timedelta(days=20)
    ids = small_city.bins["bin_id"].to_numpy()
    asked = pd.DataFrame({"bin_id": ids, "as_of": start})
    found = truly_full(truth, asked, np.full(len(ids), 95.0))
    assert len(found) > 0
    assert (found["hours"].dropna() > 0).all()
    level = truth.set_index(["bin_id", "at"])["level"]
    for row in found.dropna().itertuples():
        path = level.loc[row.bin_id].loc[start : start + pd.Timedelta(hours=row.hours)]
        if (path.diff().dropna() >= 0).all():
            assert path.iloc[-1] == pytest.approx(95, abs=10)
            assert (path.iloc[:-1] < 95.01).all()


def test_the_model_and_a_rule_can_be_asked(tiny_model: FillModel, small_history: History, split: pd.Timestamp) -> None:
    ids = small_history.bins.unique["bin_id"].to_numpy(object)[:5]
    asked, full = pd.DataFrame({"bin_id": ids, "as_of": split}), np.full(5, 95.0)
    model = told_by(tiny_model.forecast(small_history, split, list(ids)), full)
    plain = rate_passage(Rule("rate-28d").fit(small_history, split), small_history, asked, full)
    assert (model >= 0).all()
    assert (plain >= 0).all()

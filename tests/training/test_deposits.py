"""What was thrown in, told from readings: held against a simulated city's truth, and against bins made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.history import History
from data.levels import draw_deposits
from data.readings import Readings
from data.sequences import HOUR_US, microsecond, microseconds
from data.simulation import Simulation
from training.deposits import Deposits
from training.opportunities import Rounds
from training.policies import Always
from training.replay import LEAD, follow
from training.stage import Stage

START = pd.Timestamp("2025-03-03T00:00Z")


def history_of(levels: np.ndarray, step_h: float = 1.0) -> History:
    """One bin's readings, one every `step_h` hours."""
    at = START + pd.to_timedelta(np.arange(len(levels)) * step_h, unit="h")
    return History.of(Readings.checked(pd.DataFrame({"bin_id": "a", "measured_at": at, "fill_pct": levels})))


def thrown(deposits: Deposits, hours: list[float]) -> np.ndarray:
    """Percent thrown into the first bin by so many hours after START."""
    moments = microsecond(START) + (np.array(hours) * HOUR_US).astype(np.int64)
    return deposits.until(np.zeros(len(hours), dtype=int), moments)


def sawtooth(rate: float, period_h: int, cycles: int) -> np.ndarray:
    """What a sensor shows of a bin that fills steadily and is emptied every so many hours; capped at 100."""
    return np.minimum(np.tile(np.arange(period_h) * rate, cycles), 100.0)


def test_what_rose_was_thrown_in_and_what_an_emptying_hid_comes_from_the_rate() -> None:
    deposits = Deposits.of(history_of(sawtooth(2.0, 40, 10)))
    # One step of forty lies over the emptying.
    assert thrown(deposits, [0, 39, 79, 359]) == pytest.approx([0, 78, 158, 718], abs=2)
    assert deposits.filled.sum() == 9
    assert deposits.left_pct[0] == pytest.approx(0)


def test_a_full_bin_goes_on_being_filled_at_its_rate_and_that_is_marked() -> None:
    deposits = Deposits.of(history_of(sawtooth(2.5, 60, 8)))
    assert thrown(deposits, [39, 59]) == pytest.approx([97.5, 147.5], abs=4)
    assert deposits.filled[41:60].all()
    assert not deposits.filled[1:39].any()
    level = deposits.level(np.zeros(1, dtype=int), np.array([microsecond(START + pd.Timedelta(hours=58))]))
    assert level[0] == pytest.approx(145, abs=4)


def resisting(periods: list[int], hours: int = 720) -> History:
    """Hourly readings of bins that gather 2 points an hour, half a point from 60% on, each emptied in its rhythm."""
    hour = np.arange(hours)
    frames = []
    for k, period in enumerate(periods):
        points = 2.0 * (hour % period)
        levels = np.minimum(np.where(points > 60, 60 + (points - 60) / 4, points), 100)
        at = START + pd.to_timedelta(hour, unit="h")
        frames.append(pd.DataFrame({"bin_id": f"bin-{k}", "measured_at": at, "fill_pct": levels}))
    return History.of(Readings.checked(pd.concat(frames)))


def test_a_fuller_bin_that_rises_more_slowly_was_thrown_in_as_much() -> None:
    history = resisting([70, 80, 90, 100] * 3, hours=1440)
    found = Deposits.of(history)
    code = np.repeat(np.arange(12), 2)
    moments = microsecond(START) + np.tile([24, 1416], 12) * HOUR_US
    came = np.diff(found.until(code, moments).reshape(12, 2), axis=1)[:, 0]
    np.testing.assert_allclose(came, 2.0 * 1392, rtol=0.1)
    frame = history.readings.frame
    bins = pd.Index(found.lines.bin_ids).get_indexer(pd.Index(frame["bin_id"]))
    as_it_was = found.level(bins, microseconds(frame["measured_at"]))
    assert np.abs(as_it_was - frame["fill_pct"]).quantile(0.95) < 2
    # What came in 20 hours leads from empty to 40, and from 60 no further than 70.
    assert found.shown(np.zeros(2, dtype=int), np.array([40.0, 100.0])) == pytest.approx([40, 70], abs=2)


def test_who_empties_resisting_bins_daily_finds_in_them_what_an_empty_bin_gathers_in_a_day() -> None:
    history = resisting([70, 80, 90, 100] * 3, hours=1440)
    start = START + pd.Timedelta(days=30)
    stage = Stage.set(history, start, start + pd.Timedelta(days=20), Rounds(), LEAD, None)
    picks, base = follow(Always(), stage.scene, np.full(12, 50.0), stage.open)
    emptyings, overflow_h, fill_pct = stage.outcome(picks, base)
    assert fill_pct.sum() / emptyings.sum() == pytest.approx(48, rel=0.1)  # as they rose, 26% would be found
    assert overflow_h[:, 1:].sum() == 0


def test_of_one_bin_nobody_knows_whether_it_resists() -> None:
    found = Deposits.of(resisting([80]))
    assert (found.resistance.ease == 1).all()
    assert found.shown(np.zeros(1, dtype=int), np.array([90.0])) == pytest.approx([90])


def test_emptyings_are_those_that_the_readings_show() -> None:
    code, time_us, before = Deposits.of(history_of(sawtooth(2.0, 40, 10))).emptyings()
    assert code.tolist() == [0] * 9
    assert ((time_us - microsecond(START)) / HOUR_US).tolist() == [40 * k - 0.5 for k in range(1, 10)]
    assert before == pytest.approx(np.full(9, 80), abs=2)


def test_noise_is_not_taken_for_deposits() -> None:
    rng = np.random.default_rng(0)
    truth = sawtooth(0.5, 160, 4)
    deposits = Deposits.of(history_of(np.clip(truth + rng.normal(0, 2, len(truth)), 0, 100).round()))
    assert thrown(deposits, [600])[0] == pytest.approx(300, rel=0.05)


def test_a_stuck_sensor_hides_deposits_that_its_rate_tells() -> None:
    rng = np.random.default_rng(1)
    levels = np.clip(sawtooth(2.0, 40, 12) + rng.normal(0, 2, 480), 0, 100).round()
    levels[130:230] = 40.0  # over two emptyings and more
    assert thrown(Deposits.of(history_of(levels)), [470])[0] == pytest.approx(940, rel=0.05)


def test_what_came_between_two_readings_came_evenly() -> None:
    deposits = Deposits.of(history_of(sawtooth(6.0, 13, 6), step_h=3.0))
    assert thrown(deposits, [3, 4, 6]) == pytest.approx([6, 8, 12], abs=0.5)
    assert thrown(deposits, [-50, 9999]) == pytest.approx([0, deposits.lines.value[-1]])


def test_readings_that_show_no_rate_are_refused() -> None:
    with pytest.raises(InputError, match="Load more history"):
        Deposits.of(history_of(np.array([5.0])))


def test_deposits_of_a_simulated_city_are_near_the_truth(small_city: Simulation, small_history: History) -> None:
    found = Deposits.of(small_history)
    settings = small_city.settings
    drawn = draw_deposits(settings, small_city.rates, np.random.default_rng(7).spawn(6)[4])
    hours = np.array([3 * 24, settings.hours - 24])
    true = np.diff(np.cumsum(drawn, axis=0, dtype=float)[hours - 1], axis=0)[0]
    moments = microsecond(pd.Timestamp(settings.start)) + hours * HOUR_US
    told = np.diff(found.until(np.arange(settings.bins)[:, None], moments[None, :]), axis=1)[:, 0]
    assert told.sum() == pytest.approx(true.sum(), rel=0.03)
    np.testing.assert_allclose(told, true, rtol=0.12)
    assert (np.diff(found.lines.value)[np.diff(found.lines.code) == 0] >= 0).all()


def test_calm_days_of_a_daily_sensor_are_not_taken_for_more_and_more_missed_emptyings() -> None:
    rng = np.random.default_rng(4)
    came = rng.gamma(1.0, 12.0, 300).round()
    level, levels = 0.0, []
    for points in came:  # one bin made by hand: emptied when it is above 70
        level = points if level > 70 else level + points
        levels.append(min(level, 100.0))
    told = thrown(Deposits.of(history_of(np.array(levels), 24)), [24 * 299])[0]
    assert told == pytest.approx(came[1:].sum(), rel=0.2)

"""The fill model's invariants, on a tiny fitted model and histories that hypothesis makes up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.bins import Bins
from data.emptyings import Emptyings
from data.errors import InputError
from data.history import History
from data.readings import Readings
from data.simulation import Simulation
from tests.conftest import QUICK, TINY
from training.candidate import fit_candidate
from training.forecast import FillForecast
from training.grid import HORIZONS_H, LEVELS
from training.model import FillModel
from training.settings import ModelSettings

MAKING_UP = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
START = pd.Timestamp("2025-02-10T00:00Z").as_unit("us")
NAMES = ["bin-0001", "bin-0002", "newcomer", "stranger"]  # two the model knows, one in the bins table, one nowhere
BINS = Bins.checked(
    pd.DataFrame({"bin_id": NAMES[:3], "timezone": ["Europe/Prague", "UTC", "Asia/Kolkata"], "full_pct": [95, 80, 95]})
)
READINGS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.integers(0, 100),  # measured, hours after START
        st.sampled_from([0.0, 0.01, 2.5, 40.0, 90.0]),  # heard, hours later: some are late, some revise
        st.integers(-5, 130),
    ),
    max_size=50,
)
EMPTYINGS = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.integers(0, 100), st.sampled_from([0.0, 3.0, 60.0]), st.sampled_from([None, 0, 30])
    ),
    max_size=4,
)
MOMENTS = st.integers(0, 200).map(lambda half_hours: START + pd.Timedelta(minutes=30 * half_hours))


def made_up(readings: Sequence[tuple], emptyings: Sequence[tuple] = ()) -> History:
    """A history from rows of (bin, measured or emptied, delay, fill or what stayed), in hours and percent."""
    told = pd.DataFrame(readings, columns=["bin_id", "measured_h", "delay_h", "fill_pct"]).astype({"bin_id": "str"})
    told["measured_at"] = START + pd.to_timedelta(told["measured_h"].astype(float), "h")
    told["received_at"] = told["measured_at"] + pd.to_timedelta(told["delay_h"].astype(float), "h")
    empty = pd.DataFrame(emptyings, columns=["bin_id", "emptied_h", "delay_h", "fill_after_pct"])
    empty["emptied_at"] = START + pd.to_timedelta(empty["emptied_h"].astype(float), "h")
    empty["received_at"] = empty["emptied_at"] + pd.to_timedelta(empty["delay_h"].astype(float), "h")
    return History(Readings.checked(told), Emptyings.checked(empty.astype({"bin_id": "str"})), BINS)


def assert_same(one: FillForecast, other: FillForecast) -> None:
    """Every field the same, bit for bit."""
    assert one.bin_ids.tolist() == other.bin_ids.tolist()
    assert one.status.tolist() == other.status.tolist()
    assert one.reasons == other.reasons
    assert one.model_version == other.model_version
    for name in ("as_of", "values", "left_alone", "last_reading_at", "fill_now_pct", "full_pct", "step_pct"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.fixture(scope="module")
def told_history(small_history: History, small_city: Simulation) -> History:
    """The small city with a third of its readings revised a day later, and crews that report half of the emptyings."""
    rng = np.random.default_rng(5)
    frame = small_history.readings.frame
    revised = frame[rng.random(len(frame)) < 0.3].copy()
    revised["received_at"] += pd.Timedelta(hours=24)
    revised["fill_pct"] = (revised["fill_pct"] + rng.normal(0, 5, len(revised))).clip(-5, 130)
    truth = small_city.true_emptyings.sample(frac=0.5, random_state=3)
    truth = truth.assign(received_at=truth["emptied_at"] + pd.to_timedelta(rng.uniform(0, 48, len(truth)), "h"))
    readings = Readings.checked(pd.concat([frame, revised], ignore_index=True))
    return History(readings, Emptyings.checked(truth.drop(columns="partial")), small_history.bins)


def moments_of(split: pd.Timestamp) -> list[pd.Timestamp]:
    return [split + pd.Timedelta(hours=hours) for hours in (-400.25, 0, 0.5, 30, 77.7)]


# ---------------------------------------------------------------- truncation


def test_what_is_heard_later_does_not_change_a_forecast(
    tiny_model: FillModel, told_history: History, split: pd.Timestamp
) -> None:
    for as_of in moments_of(split):
        assert_same(tiny_model.forecast(told_history, as_of), tiny_model.forecast(told_history.until(as_of), as_of))


@MAKING_UP
@given(READINGS, EMPTYINGS, MOMENTS)
def test_truncation_holds_for_any_history(
    tiny_model: FillModel, readings: list[tuple], emptyings: list[tuple], as_of: pd.Timestamp
) -> None:
    whole = made_up(readings, emptyings)
    now = tiny_model.forecast(whole, as_of, NAMES)
    assert_same(now, tiny_model.forecast(whole.until(as_of), as_of, NAMES))


def test_windows_of_many_origins_are_each_forecast_from_what_was_known_then(
    tiny_model: FillModel, told_history: History, split: pd.Timestamp
) -> None:
    windows = pd.DataFrame({"bin_id": "bin-0003", "as_of": moments_of(split)})
    windows["at"] = windows["as_of"] + pd.Timedelta(hours=20)
    answer = tiny_model.forecast_windows(told_history, windows)
    for k, as_of in enumerate(windows["as_of"]):
        alone = tiny_model.forecast_windows(told_history.until(as_of), windows.iloc[[k]])
        pd.testing.assert_frame_equal(answer.iloc[[k]].reset_index(drop=True), alone, check_exact=True)


def test_the_days_of_history_it_names_are_enough(
    tiny_model: FillModel, told_history: History, split: pd.Timestamp
) -> None:
    as_of = split + pd.Timedelta(days=6)
    recent = told_history.since(as_of - pd.Timedelta(days=FillModel.HISTORY_DAYS))
    assert len(recent.readings) < len(told_history.readings)
    assert_same(tiny_model.forecast(told_history, as_of), tiny_model.forecast(recent, as_of))


# ---------------------------------------------------------------- batch


@MAKING_UP
@given(READINGS, EMPTYINGS, MOMENTS, st.permutations(NAMES))
def test_each_bin_alone_is_forecast_as_among_others(
    tiny_model: FillModel, readings: list[tuple], emptyings: list[tuple], as_of: pd.Timestamp, order: list[str]
) -> None:
    whole = made_up(readings, emptyings)
    together = tiny_model.forecast(whole, as_of, order)
    assert together.bin_ids.tolist() == order
    for name in NAMES:
        alone = tiny_model.forecast(whole.select([name]), as_of, [name])
        if name not in whole.select([name]).bins.frame["bin_id"].to_numpy():
            alone = tiny_model.forecast(whole, as_of, [name])
        assert_same(together.select([name]), alone)


def test_other_windows_change_no_row(tiny_model: FillModel, told_history: History, split: pd.Timestamp) -> None:
    rng = np.random.default_rng(2)
    ids = told_history.bins.unique["bin_id"].to_numpy()
    windows = pd.DataFrame({"bin_id": rng.choice([*ids, "nobody"], 300)})
    windows["as_of"] = split + pd.to_timedelta(rng.integers(-200, 100, 300), "h")
    windows["at"] = windows["as_of"] + pd.to_timedelta(rng.uniform(0, 400, 300), "h")
    together = tiny_model.forecast_windows(told_history, windows)
    assert together["bin_id"].tolist() == windows["bin_id"].tolist()
    some = rng.permutation(300)[:40]
    alone = tiny_model.forecast_windows(told_history, windows.iloc[some].reset_index(drop=True))
    pd.testing.assert_frame_equal(together.iloc[some].reset_index(drop=True), alone, check_exact=True)


def test_a_window_is_answered_as_the_forecast_at_its_origin(
    tiny_model: FillModel, told_history: History, split: pd.Timestamp
) -> None:
    forecast = tiny_model.forecast(told_history, split)
    windows = pd.DataFrame({"bin_id": forecast.bin_ids, "as_of": split, "at": split + pd.Timedelta(hours=31)})
    at = np.full(len(forecast), windows["at"][0].tz_localize(None).to_datetime64())
    answer = tiny_model.forecast_windows(told_history, windows)
    assert answer["reasons"].tolist() == ["; ".join(why) for why in forecast.reasons]
    pd.testing.assert_frame_equal(answer.drop(columns="reasons"), forecast.table(at), check_exact=True)


def test_no_window_and_no_bin_are_answered_with_nothing(tiny_model: FillModel, small_history: History) -> None:
    assert len(tiny_model.forecast(small_history, START, [])) == 0
    none = pd.DataFrame({"bin_id": ["a"], "as_of": [START], "at": [START]}).iloc[:0]
    answer = tiny_model.forecast_windows(small_history, none)
    assert len(answer) == 0
    one = tiny_model.forecast_windows(small_history, pd.DataFrame({"bin_id": ["a"], "as_of": [START], "at": [START]}))
    assert answer.columns.tolist() == one.columns.tolist()


# ---------------------------------------------------------------- round trip, order


def test_a_saved_and_loaded_model_forecasts_the_same_bit_for_bit(
    tiny_model: FillModel, told_history: History, split: pd.Timestamp, tmp_path: Path
) -> None:
    tiny_model.save(tmp_path / "model")
    loaded = FillModel.load(tmp_path / "model")
    for as_of in moments_of(split):
        ids = [*told_history.bins.unique["bin_id"], "stranger"]
        assert_same(tiny_model.forecast(told_history, as_of, ids), loaded.forecast(told_history, as_of, ids))


@MAKING_UP
@given(READINGS, EMPTYINGS, MOMENTS, st.randoms(use_true_random=False))
def test_shuffled_and_repeated_rows_change_nothing(
    tiny_model: FillModel, readings: list[tuple], emptyings: list[tuple], as_of: pd.Timestamp, random: object
) -> None:
    once = tiny_model.forecast(made_up(readings, emptyings), as_of, NAMES)
    more, empty = [*readings, *readings[:7]], [*emptyings, *emptyings[:1]]
    random.shuffle(more)  # type: ignore[attr-defined]
    random.shuffle(empty)  # type: ignore[attr-defined]
    assert_same(once, tiny_model.forecast(made_up(more, empty), as_of, NAMES))


def test_shuffled_rows_change_no_fit(small_history: History, split: pd.Timestamp) -> None:
    frame = small_history.readings.frame.sample(frac=1, random_state=1)
    shuffled = History.of(Readings.checked(frame), None, small_history.bins)
    how = ModelSettings(examples=500, trees=2, **QUICK)
    one, other = (FillModel.fit(h, until=split, settings=how) for h in (small_history, shuffled))
    assert_same(one.forecast(small_history, split), other.forecast(small_history, split))
    assert one.card == other.card


def test_another_seed_gives_another_model(tiny_model: FillModel, small_history: History, split: pd.Timestamp) -> None:
    how = ModelSettings(examples=500, trees=2, **QUICK)
    one, other = (FillModel.fit(small_history, until=split, settings=how, seed=s) for s in (0, 1))
    assert not np.array_equal(one.forecast(small_history, split).values, other.forecast(small_history, split).values)


def test_what_was_heard_after_until_teaches_nothing(small_history: History, split: pd.Timestamp) -> None:
    how = ModelSettings(examples=500, trees=2, **QUICK)
    frame = small_history.readings.frame
    past = History.of(Readings.checked(frame[frame["received_at"] <= split]), None, small_history.bins)
    one, other = (FillModel.fit(h, until=split, settings=how) for h in (small_history, past))
    assert_same(one.forecast(small_history, split), other.forecast(small_history, split))


def test_who_has_learned_of_few_days_of_bins_says_what_the_sensors_say(tiny_model: FillModel) -> None:
    accumulation = tiny_model.accumulation
    unschooled = replace(tiny_model, accumulation=replace(accumulation, support=np.ones_like(accumulation.support)))
    assert unschooled.accumulation.schooling < 0.001
    assert replace(accumulation, support=500 * np.ones_like(accumulation.support)).schooling > 0.9
    told = one(unschooled, made_up(hourly("bin-0001", np.arange(20, 60)), []), 39, "bin-0001")
    assert told.fill_now_pct[0] == pytest.approx(59, abs=1)
    soon = told.quantiles([0.1, 0.9], START + pd.Timedelta(hours=39.1))[0]
    assert soon[1] - soon[0] < 6


# ---------------------------------------------------------------- monotone


@MAKING_UP
@given(READINGS, EMPTYINGS, MOMENTS)
def test_every_forecast_is_monotone_and_whole(
    tiny_model: FillModel, readings: list[tuple], emptyings: list[tuple], as_of: pd.Timestamp
) -> None:
    forecast = tiny_model.forecast(made_up(readings, emptyings), as_of, NAMES)
    assert forecast.values.shape == (4, len(HORIZONS_H), len(LEVELS))
    empty = np.isin(forecast.status, ["no_data", "unknown_bin"])
    assert np.isnan(forecast.values[empty]).all()
    assert np.isfinite(forecast.values[~empty]).all()
    assert (np.diff(forecast.values[~empty], axis=1) >= 0).all()
    assert (np.diff(forecast.values[~empty], axis=2) >= 0).all()
    for why, status in zip(forecast.reasons, forecast.status, strict=True):
        assert bool(why) or status == "ok"
        assert status != "ok" or all("emptied since" in one or "its pace of late" in one for one in why), why
    assert np.array_equal(np.isnan(forecast.fill_now_pct), empty)
    p_full = np.array([forecast.p_full(as_of + pd.Timedelta(hours=h)) for h in (0, 3, 7, 24.5, 80, 336)])
    assert (np.diff(p_full[:, ~empty], axis=0) >= 0).all()


# ---------------------------------------------------------------- one status for each bad bin


def hourly(name: str, fill: Sequence[float] | np.ndarray) -> list[tuple]:
    return [(name, hour, 0.0, value) for hour, value in enumerate(fill)]


def one(model: FillModel, history: History, hours: float, name: str) -> FillForecast:
    return model.forecast(history, START + pd.Timedelta(hours=hours), [name])


def test_a_bin_that_nobody_knows_is_unknown(tiny_model: FillModel) -> None:
    answer = one(tiny_model, made_up(hourly("bin-0001", range(50))), 49, "nobody")
    assert answer.status.tolist() == ["unknown_bin"]
    assert np.isnan(answer.values).all()
    assert answer.reasons[0]


def test_a_bin_without_readings_has_no_data(tiny_model: FillModel) -> None:
    answer = one(tiny_model, made_up(hourly("bin-0001", range(50))), 49, "newcomer")
    assert answer.status.tolist() == ["no_data"]
    assert np.isnan(answer.values).all()
    assert np.isnat(answer.last_reading_at).all()


def test_a_history_without_any_reading_has_no_data(tiny_model: FillModel) -> None:
    answer = tiny_model.forecast(made_up([]), START, NAMES)
    assert answer.status.tolist() == ["no_data", "no_data", "no_data", "unknown_bin"]


def test_a_bin_of_which_only_an_emptying_is_known_has_no_data(tiny_model: FillModel) -> None:
    for others in ([], hourly("bin-0002", range(50))):
        answer = one(tiny_model, made_up(others, [("bin-0001", 40, 0.0, 0)]), 49, "bin-0001")
        assert answer.status.tolist() == ["no_data"]
        assert np.isnan(answer.values).all()
        assert np.isnan(answer.fill_now_pct).all()


def test_one_reading_is_enough_for_a_forecast(tiny_model: FillModel) -> None:
    answer = one(tiny_model, made_up([("newcomer", 48, 0.0, 40.0)]), 49, "newcomer")
    assert answer.status.tolist() == ["cold_start"]
    assert np.isfinite(answer.values).all()
    assert 25 < answer.fill_now_pct[0] < 55
    assert answer.last_reading_at[0] == (START + pd.Timedelta(hours=48)).tz_localize(None)


def test_a_bin_that_is_back_after_weeks_says_that_its_pace_is_not_known(tiny_model: FillModel) -> None:
    before, weeks = hourly("bin-0001", np.arange(50) * 0.5), 24 * 60
    back = [("bin-0001", weeks + hour, 0.0, 40.0 + hour) for hour in (0, 5)]
    history = made_up([*before, *back])
    answer = one(tiny_model, history, weeks + 6, "bin-0001")
    assert answer.status.tolist() == ["ok"]
    assert answer.reasons == (("readings of the last 28 days span 5 h: its pace of late is not known",),)
    assert one(tiny_model, history, 49, "bin-0001").reasons == ((),)


def test_a_new_bin_is_told_whose_profile_stands_for_its_own(tiny_model: FillModel) -> None:
    history = made_up([("newcomer", 48, 0.0, 40.0)])
    stream = history.bins.unique.loc["newcomer", "stream"]
    for model, profile in (
        (replace(tiny_model, streams=(stream,)), f"the profile of stream {stream} is used"),
        (replace(tiny_model, streams=()), f"the training saw no stream {stream}, so the city's profile is used"),
    ):
        assert one(model, history, 49, "newcomer").reasons == (
            (f"0 h of own history when the model was fitted; {profile}",),
        )


def test_a_bin_always_at_100_is_full_now(tiny_model: FillModel) -> None:
    answer = one(tiny_model, made_up(hourly("bin-0001", [100] * 100)), 99, "bin-0001")
    assert answer.status.tolist() == ["ok"]
    assert answer.p_full(START + pd.Timedelta(hours=105))[0] > 0.8
    assert answer.quantile(0.9, START + pd.Timedelta(hours=105))[0] == 100


def test_a_bin_that_is_full_beyond_the_rim_is_full_at_it(
    tiny_model: FillModel, small_history: History, split: pd.Timestamp
) -> None:
    rim, beyond = (
        replace(small_history, bins=Bins.checked(small_history.bins.frame.assign(full_pct=full)))
        for full in (100.0, 150.0)
    )
    forecast = tiny_model.forecast(rim, split)
    assert forecast.p_full(split + pd.Timedelta(hours=72)).max() > 0
    assert_same(tiny_model.forecast(beyond, split), forecast)


def test_a_dead_sensor_is_stale_and_its_interval_widens(tiny_model: FillModel) -> None:
    history = made_up(hourly("bin-0001", np.arange(50) * 0.5))
    alive, dead = one(tiny_model, history, 49, "bin-0001"), one(tiny_model, history, 49 + 120, "bin-0001")
    assert alive.status.tolist() == ["ok"]
    assert dead.status.tolist() == ["stale"]
    assert "120 h old" in dead.reasons[0][0]
    width = [float(np.diff(f.quantiles([0.1, 0.9], f.as_of + np.timedelta64(1, "h")))[0, 0]) for f in (alive, dead)]
    assert width[1] > width[0]


def test_a_stuck_sensor_is_faulty_but_forecast(tiny_model: FillModel) -> None:
    fill = np.concatenate([np.arange(50), np.full(50, 49.0)])
    answer = one(tiny_model, made_up(hourly("bin-0001", fill)), 99, "bin-0001")
    assert answer.status.tolist() == ["faulty_sensor"]
    assert np.isfinite(answer.values).all()
    assert (np.diff(answer.values, axis=1) >= 0).all()
    tomorrow = answer.as_of + np.timedelta64(24, "h")
    low, high = answer.quantiles([0.1, 0.9], tomorrow)[0]
    assert low < 49 < 90 < high  # anything may lie there
    sound = one(tiny_model, made_up(hourly("bin-0001", fill[:50])), 49, "bin-0001")
    assert answer.p_full(tomorrow)[0] > sound.p_full(sound.as_of + np.timedelta64(24, "h"))[0] / 2


def test_a_report_tells_what_a_faulty_sensor_does_not(tiny_model: FillModel) -> None:
    readings = hourly("bin-0001", np.concatenate([np.arange(50), np.full(50, 49.0)]))
    told = one(tiny_model, made_up(readings, [("bin-0001", 97, 0.0, 0)]), 99, "bin-0001")
    untold = one(tiny_model, made_up(readings), 99, "bin-0001")
    assert told.status.tolist() == untold.status.tolist() == ["faulty_sensor"]
    at = told.as_of + np.timedelta64(1, "h")
    assert told.quantile(0.9, at)[0] < 60 < 75 < untold.quantile(0.9, at)[0]


def test_a_report_makes_a_bin_empty_before_its_sensor_says_so(tiny_model: FillModel) -> None:
    readings = hourly("bin-0001", np.arange(80.0))
    later = START + pd.Timedelta(hours=86)
    told = one(tiny_model, made_up(readings, [("bin-0001", 80, 0.0, 0)]), 81, "bin-0001")
    untold = one(tiny_model, made_up(readings), 81, "bin-0001")
    assert told.quantile(0.5, later)[0] < 40 < untold.quantile(0.5, later)[0]


# ---------------------------------------------------------------- fitting


@pytest.mark.parametrize(
    "readings",
    [
        [],
        hourly("bin-0001", [5]),
        hourly("bin-0001", [100] * 50),
        [("bin-0001", 3, 0.0, 7.0)] * 5,
        hourly("bin-0001", np.arange(48)),
    ],
    ids=["none", "one", "all at 100", "only duplicates", "two days"],
)
def test_too_little_to_learn_from_is_an_error_that_says_so(readings: list[tuple]) -> None:
    with pytest.raises(InputError) as caught:
        FillModel.fit(made_up(readings))
    assert "reading" in str(caught.value)
    assert caught.value.remedy


def test_a_model_that_cannot_be_scored_is_kept_without_scores() -> None:
    daily = [("bin-0001", 24 * day, 0.0, 17.0 * day % 100) for day in range(65)]
    said: list[str] = []
    candidate = fit_candidate(made_up(daily), "made up", settings=ModelSettings(**TINY), say=said.append)
    assert candidate.scores is None
    assert candidate.rehearsal is None
    assert said[-1].startswith("no scores: 51 readings of 1 bins")


def test_the_card_says_what_was_learned_from(tiny_model: FillModel, split: pd.Timestamp) -> None:
    card = tiny_model.card
    assert pd.Timestamp(card["trained_until"]) == split
    assert card["bins"] == 12
    assert len(card["fingerprint"]) == 16
    assert card["parameters"]["trees"] == tiny_model.settings.trees

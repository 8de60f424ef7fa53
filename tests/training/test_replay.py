"""Policies replayed on history: nothing leaks, foresight is the limit, and sensors tell what the truth tells."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.history import History
from data.levels import draw_deposits
from data.readings import Readings
from data.simulation import CitySettings, Simulation, simulate
from training.deposits import Deposits
from training.model import FillModel
from training.opportunities import Rounds
from training.policies import (
    ALWAYS,
    DAYS,
    FORESIGHT,
    OWN_DAYS,
    THRESHOLD,
    WEEKDAY,
    Forecasts,
    Foresight,
    Policy,
    Risk,
    Threshold,
    WeekdayRate,
)
from training.practice import known_by
from training.replay import LEAD, SCHEDULE, Replay, follow, replay
from training.rules import fleet_weekly
from training.stage import Stage

SEED = 7  # of the small city


def true_deposits(city: Simulation, seed: int) -> Deposits:
    """What was thrown into a city simulated by `default_rng(seed)`, drawn again as `simulate` drew it."""
    settings = city.settings
    drawn = draw_deposits(settings, city.rates, np.random.default_rng(seed).spawn(6)[4])
    thrown = np.vstack([np.zeros((1, settings.bins)), drawn])
    at = pd.Timestamp(settings.start) + pd.to_timedelta(np.arange(len(thrown)), unit="h")
    ids = city.bins["bin_id"].to_numpy()
    frame = pd.DataFrame({"bin_id": np.tile(ids, len(at)), "at": at.repeat(len(ids))})
    return Deposits.known(frame.assign(thrown_pct=thrown.ravel(), level=city.levels.level.ravel()), left_pct=0.75)


@pytest.fixture(scope="module")
def stage(small_city: Simulation, small_history: History, split: pd.Timestamp) -> Stage:
    end = split + pd.Timedelta(days=6)
    return Stage.set(small_history, split, end, Rounds(), LEAD, true_deposits(small_city, SEED))


@pytest.fixture(scope="module")
def policies(small_history: History, split: pd.Timestamp, tiny_model: FillModel) -> list[Policy]:
    rates = fleet_weekly(known_by(small_history, split)[0], 24)
    return [Threshold(50.0), WeekdayRate(rates, 10.0), Risk(Forecasts(tiny_model), "model", 0.1)]


def usual_h(stage: Stage) -> np.ndarray:
    return np.full(len(stage.scene.bin_ids), 120.0)


def test_what_is_heard_or_thrown_in_later_changes_no_decision(stage: Stage, policies: list[Policy]) -> None:
    scene = stage.scene
    cut = int(scene.opportunities.decided_us[0, 3])
    frame = scene.history.readings.frame
    heard = frame[frame["received_at"] <= pd.Timestamp(cut, unit="us", tz="UTC")]
    rng = np.random.default_rng(0)
    lines = scene.deposits.lines
    later = lines.time_us > cut
    more = np.where(later, lines.value + np.cumsum(rng.uniform(0, 3, len(later)) * later), lines.value)
    other = replace(
        scene,
        history=History(Readings(heard.reset_index(drop=True)), scene.history.emptyings, scene.history.bins),
        deposits=replace(scene.deposits, lines=replace(lines, value=more)),
    )
    until = stage.open & (scene.opportunities.decided_us[:, :-1] <= cut)
    assert until.sum() == 4 * len(scene.bin_ids)
    for policy in policies:
        whole, _ = follow(policy, scene, usual_h(stage), stage.open)
        part, _ = follow(policy, other, usual_h(stage), until)
        np.testing.assert_array_equal(part[until], whole[until])
        assert 0 < whole[until].sum() < until.sum(), "decisions that are all alike show nothing"


def test_readings_of_the_real_past_are_told_as_they_were(stage: Stage, policies: list[Policy]) -> None:
    asked: list[History] = []

    class Spy(FillModel):
        def forecast_windows(self, history: History, windows: pd.DataFrame) -> pd.DataFrame:
            asked.append(history)
            return super().forecast_windows(history, windows)

    model = policies[2].chances.forecaster  # type: ignore[attr-defined]
    follow(Risk(Forecasts(Spy(**model.__dict__)), "spy", 0.1), stage.scene, usual_h(stage), stage.open)
    real = stage.scene.history.readings.frame.set_index(["bin_id", "measured_at", "received_at"])["fill_pct"]
    start = pd.Timestamp(stage.scene.start_us, unit="us", tz="UTC")
    last = asked[-1].readings.frame
    decided = pd.Timestamp(int(stage.scene.opportunities.decided_us[0, len(asked) - 1]), unit="us", tz="UTC")
    assert last["received_at"].max() <= decided
    told = last.set_index(["bin_id", "measured_at", "received_at"])["fill_pct"]
    before = told.index.get_level_values("measured_at") < start
    np.testing.assert_array_equal(told[before], real.reindex(told.index)[before].clip(0, 100))
    assert (np.abs(told[~before] - real.reindex(told.index)[~before]) > 5).any(), "other emptyings, other levels"
    assert (told[~before].between(0, 100)).all()
    own = asked[-1].emptyings.frame
    assert (own["emptied_at"] <= decided).all()
    assert len(own) > 0


def test_a_bin_emptied_as_it_was_shows_the_readings_that_it_had(stage: Stage) -> None:
    # Nobody is emptied: until the first real emptying after the start, the sensor's readings are the real ones.
    scene = stage.scene
    k = 1
    seen: list[pd.DataFrame] = []

    class Nobody:
        family, parameter = "nobody", 0.0

        def pick(self, moment):  # type: ignore[no-untyped-def]
            if moment.number == k:
                seen.append(moment.history.readings.frame)
            return np.zeros(len(moment.rows), dtype=bool)

    follow(Nobody(), scene, usual_h(stage), stage.open)
    code, emptied_us, _ = scene.deposits.emptyings()
    decided = scene.opportunities.decided_us[0, k]
    touched = set(scene.bin_ids[code[(emptied_us >= scene.start_us) & (emptied_us <= decided)]])
    told = seen[0][~seen[0]["bin_id"].isin(touched)]
    assert told["bin_id"].nunique() >= 3
    real = scene.history.readings.frame.merge(told, on=["bin_id", "measured_at", "received_at"], suffixes=("", "_told"))
    np.testing.assert_allclose(real["fill_pct_told"], real["fill_pct"].clip(0, 100), atol=1e-3)


def test_nobody_comes_less_often_than_foresight_without_avoidable_overflow() -> None:
    rng = np.random.default_rng(3)
    hours, bins, days = 10 * 24, 6, 8
    start = pd.Timestamp("2025-03-03T00:00Z")
    at = start + pd.to_timedelta(np.arange(hours), unit="h")
    rate = np.array([0.4, 0.9, 1.4, 2.0, 3.0, 5.0])
    thrown = rng.gamma(0.3, rate / 0.3, (hours, bins))
    ids = [f"bin-{b}" for b in range(bins)]
    frame = pd.DataFrame({"bin_id": np.tile(ids, hours), "at": at.repeat(bins), "thrown_pct": thrown.ravel()})
    frame["level"] = frame.groupby("bin_id")["thrown_pct"].cumsum()
    readings = Readings.checked(frame.rename(columns={"at": "measured_at", "level": "fill_pct"}).assign(
        fill_pct=lambda f: f["fill_pct"].clip(0, 100)))  # fmt: skip
    stage = Stage.set(
        History.of(readings), start + pd.Timedelta(hours=1), start + pd.Timedelta(days=days), Rounds(),
        LEAD, Deposits.known(frame),
    )  # fmt: skip
    chances, deposits = stage.scene.opportunities, stage.scene.deposits
    picks, _ = follow(Foresight(), stage.scene, usual_h(stage), stage.open)
    total = deposits.until(np.arange(bins)[:, None], chances.at_us)
    now = total[:, :-1] + stage.scene.first_base[:, None]
    most = chances.most
    fewest = np.full(bins, most + 1)
    for pattern in product([False, True], repeat=most):
        base, avoidable = stage.scene.first_base.copy(), np.zeros(bins, dtype=bool)
        for k, emptied in enumerate(pattern):
            base = -total[:, k] if emptied else base
            avoidable |= (base + total[:, k + 1] >= 95) & (not emptied)
        fewest = np.where(avoidable, fewest, np.minimum(fewest, sum(pattern)))
    np.testing.assert_array_equal(picks.sum(axis=1), fewest)
    assert len(set(fewest)) >= 4
    assert (now[:, 0] > 0).all()


def test_the_level_is_what_was_thrown_in_since_the_emptying(stage: Stage) -> None:
    picks, base = follow(Threshold(60.0), stage.scene, usual_h(stage), stage.open)
    scene = stage.scene
    bins, k = np.nonzero(picks)
    after = base[bins, k + 1] + scene.deposits.until(bins, scene.opportunities.at_us[bins, k])
    np.testing.assert_allclose(after, scene.deposits.left_pct[bins])
    emptyings, overflow, fill = stage.outcome(picks, base)
    assert emptyings.sum() == picks.sum()
    assert (overflow <= stage.hours).all()
    assert (fill[emptyings > 0] / emptyings[emptyings > 0] <= 100).all()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Replay, Replay]:
    """The rules of a city of 40 bins over 40 days, on true deposits and on what sensors tell."""
    from training.inputs import read_history

    folder = tmp_path_factory.mktemp("city")
    city = simulate(CitySettings(bins=40, days=70), np.random.default_rng(5))
    city.write(folder)
    history = read_history(str(folder / "readings.parquet"), str(folder / "bins.csv")).history
    start = pd.Timestamp(city.settings.start) + pd.Timedelta(days=28)
    return (
        replay(history, {}, start, deposits=true_deposits(city, 5)),
        replay(history, {}, start),
    )


def test_replay_on_sensor_data_agrees_with_replay_on_true_deposits(both: tuple[Replay, Replay]) -> None:
    true, sensed = (result.frontier for result in both)
    assert true[["family", "parameter"]].equals(sensed[["family", "parameter"]])
    np.testing.assert_allclose(sensed["emptyings"], true["emptyings"], rtol=0.1)
    # Of so few bins a single policy's overflow hangs on a dozen events; that of a rule's members together does not.
    by_rule = [result.groupby("family")["overflow_h"].sum() for result in (sensed, true)]
    np.testing.assert_allclose(by_rule[0], by_rule[1], rtol=0.1, atol=0.1)
    np.testing.assert_allclose(sensed["overflow_h"], true["overflow_h"], atol=0.3, rtol=0.2)


def test_the_rules_stand_in_the_order_that_is_known(both: tuple[Replay, Replay]) -> None:
    result = both[0]
    needed = {name: result.needed(name) for name in (FORESIGHT, WEEKDAY, THRESHOLD, DAYS, OWN_DAYS)}
    assert needed[FORESIGHT] < needed[WEEKDAY] < needed[THRESHOLD] < needed[DAYS]
    assert needed[WEEKDAY] < needed[OWN_DAYS] < needed[DAYS]
    frontier = result.frontier
    always = frontier.loc[frontier["family"] == ALWAYS].iloc[0]
    assert always["emptyings"] == pytest.approx(7, abs=0.3)
    assert (frontier["overflow_h"] >= always["overflow_h"] - 1e-9).all()


def test_a_comparison_holds_its_estimate_and_is_repeated_exactly(both: tuple[Replay, Replay]) -> None:
    once, again = (both[1].against(WEEKDAY, THRESHOLD) for _ in range(2))
    assert once == again
    assert once.low <= once.estimate <= once.high < 0
    same = both[1].against(WEEKDAY, WEEKDAY)
    assert (same.estimate, same.low, same.high) == (0, 0, 0)
    with pytest.raises(KeyError, match="nobody"):
        both[1].against("nobody", THRESHOLD)


def test_against_the_schedule_it_is_held_at_the_schedules_overflow(both: tuple[Replay, Replay]) -> None:
    result = both[0]
    was = result.frontier[result.frontier["family"] == SCHEDULE].iloc[0]
    rule = result.frontier[result.frontier["family"] == WEEKDAY].sort_values("overflow_h")
    beside = np.interp(was["overflow_h"], rule["overflow_h"], rule["emptyings"])
    made = result.against(WEEKDAY, SCHEDULE)
    assert made.estimate == pytest.approx(beside / was["emptyings"] - 1, abs=0.03)


def test_the_table_adds_up_to_the_frontier(both: tuple[Replay, Replay]) -> None:
    result = both[0]
    table = result.table
    sums = table.groupby(["family", "parameter"], dropna=False, sort=False)[["emptyings", "overflow_h", "hours"]].sum()
    per_week = sums[["emptyings", "overflow_h"]].div(sums["hours"] / 168, axis=0)
    np.testing.assert_allclose(per_week, result.frontier[["emptyings", "overflow_h"]])


def test_the_same_history_gives_the_same_replay_whichever_order_its_rows_come_in(
    small_history: History, split: pd.Timestamp, tiny_model: FillModel
) -> None:
    shuffled = Readings.checked(small_history.readings.frame.sample(frac=1, random_state=1))
    other = History(shuffled, small_history.emptyings, small_history.bins)
    end = split + pd.Timedelta(days=3)
    once, again = (replay(h, {"model": tiny_model}, split, end, risks=(0.1,)) for h in (small_history, other))
    pd.testing.assert_frame_equal(once.table, again.table)


def test_more_time_to_decide_never_helps_foresight_and_planned_visits_are_kept(
    small_city: Simulation, small_history: History, split: pd.Timestamp
) -> None:
    visits = Rounds(visits=small_city.visits)
    result = replay(small_history, {}, split, rounds=visits)
    always = result.frontier[result.frontier["family"] == ALWAYS].iloc[0]
    first = split + LEAD
    last = small_history.readings.frame["measured_at"].max()
    planned = small_city.visits["planned_at"].between(first, last).sum()
    assert always["emptyings"] * result.hours.sum() / 168 == pytest.approx(planned, rel=0.05)


def test_a_span_outside_the_history_is_refused(small_history: History) -> None:
    for start in ("2020-01-01T00:00Z", "2030-01-01T00:00Z"):
        with pytest.raises(InputError, match="nothing to replay"):
            replay(small_history, {}, pd.Timestamp(start))


def test_a_replay_that_ends_before_it_begins_is_refused(small_history: History, split: pd.Timestamp) -> None:
    with pytest.raises(InputError, match="a replay from"):
        replay(small_history, {}, split, split - pd.Timedelta(days=1))

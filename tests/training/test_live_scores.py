import numpy as np
import pandas as pd
import pytest

from data.bins import Bins
from data.emptyings import Emptyings
from data.given import Given
from data.history import History
from data.readings import Readings
from data.store import Store
from training import live_scores
from training.backtest import backtest
from training.baselines import baseline
from training.live_scores import LOOK_BACK, SETTLED, score_given, score_store
from training.rules import Rule
from training.scores import summary

HORIZONS = (6.0, 24.0)
WEEK = pd.Timedelta(days=7)


@pytest.fixture(scope="module")
def rule(small_history: History, split: pd.Timestamp) -> Rule:
    return baseline("weekday-rate").fit(small_history, split)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def asked(small_history: History, split: pd.Timestamp) -> pd.DataFrame:
    """Every bin, every five hours of three days."""
    ids = small_history.bins.unique.index.tolist()
    rows = [(b, split + pd.Timedelta(hours=5 * k), h) for b in ids for k in range(14) for h in HORIZONS]
    frame = pd.DataFrame(rows, columns=["bin_id", "as_of", "h"]).astype({"as_of": "datetime64[us, UTC]"})
    return frame.assign(at=frame["as_of"] + pd.to_timedelta(frame.pop("h"), unit="h"))


def given(rule: Rule, history: History, windows: pd.DataFrame, role: str = "champion", version: str = "7") -> Given:
    made = rule.forecast_windows(history, windows)
    return Given.of(made, np.full(len(made), 95.0), role, "brimcast", version, windows["as_of"].max())


def test_scores_are_those_of_a_backtest_of_the_same_windows(
    rule: Rule, small_history: History, split: pd.Timestamp
) -> None:
    tested = backtest({"rule": rule}, small_history, start=split, every=pd.Timedelta(hours=6), horizons_h=HORIZONS)
    found = score_given(given(rule, small_history, tested.windows), small_history, split + 2 * WEEK)
    expected = tested.rows("rule")
    assert len(expected) > 200
    columns = ["bin_id", "as_of", "at", "y", "crps", "mae", "cover80", "brier", "event"]
    pd.testing.assert_frame_equal(
        found.rows[columns].sort_values(columns[:3], ignore_index=True),
        expected[columns].sort_values(columns[:3], ignore_index=True),
    )
    pd.testing.assert_frame_equal(summary(found.rows), summary(expected))
    assert len(found.rows) + len(found.unscored) == len(tested.windows)


def test_every_forecast_is_scored_or_told_why_not(
    rule: Rule, small_history: History, asked: pd.DataFrame, split: pd.Timestamp
) -> None:
    now = split + pd.Timedelta(days=2)
    told = given(rule, small_history, asked)
    found = score_given(told, small_history, now)
    assert len(found.rows) + len(found.unscored) == len(told)
    reasons = found.unscored.groupby("unscored").size()
    assert reasons["not_yet_due"] == (asked["at"] + SETTLED > now).sum()
    assert reasons["emptied_between"] > 0
    assert (found.rows["at"] + SETTLED <= now).all()


def test_a_silent_bin_and_one_never_heard_of_are_told(small_history: History, asked: pd.DataFrame, rule: Rule) -> None:
    some = asked[asked["bin_id"] == asked["bin_id"].iloc[0]]
    told = given(rule, small_history, some)
    quiet = small_history.until(some["as_of"].min())
    reasons = score_given(told, quiet, some["at"].max() + WEEK).unscored["unscored"]
    assert set(reasons) == {"no_reading_at", "no_reading_before"}  # at first it had just been heard of
    nothing = score_given(told, History.of(Readings.none()), some["at"].max() + WEEK)
    assert set(nothing.unscored["unscored"]) == {"no_reading_before"}
    assert nothing.rows.empty
    assert "crps" in nothing.rows


def test_a_reported_emptying_leaves_its_window_out(small_history: History, asked: pd.DataFrame, rule: Rule) -> None:
    now = asked["at"].max() + WEEK
    told = given(rule, small_history, asked)
    before = score_given(told, small_history, now).rows
    window = before.iloc[0]
    emptied = {"bin_id": [window["bin_id"]], "emptied_at": [window["at"] - pd.Timedelta(minutes=1)]}
    reported = History(small_history.readings, Emptyings.checked(pd.DataFrame(emptied)), small_history.bins)
    after = score_given(told, reported, now)
    assert len(after.rows) < len(before)
    gone = after.unscored.merge(before[["bin_id", "as_of", "at"]], on=["bin_id", "as_of", "at"])
    assert set(gone["unscored"]) == {"emptied_between"}


def test_full_is_what_the_bin_counted_as_full_when_the_forecast_was_given() -> None:
    start = pd.Timestamp("2026-03-01", tz="UTC").as_unit("us")
    hours = pd.to_timedelta(np.arange(48), unit="h")
    history = History.of(
        Readings.checked(pd.DataFrame({"bin_id": "a", "measured_at": start + hours, "fill_pct": 70.0}))
    )
    windows = pd.DataFrame({"bin_id": ["a", "a"], "as_of": start + 12 * hours[1]})
    windows["at"] = windows["as_of"] + pd.to_timedelta([6, 12], unit="h")
    levels = dict.fromkeys(("q05", *(f"q{p}" for p in range(10, 100, 10)), "q95", "mean"), 50.0)
    made = windows.assign(**levels, p_full=1.0, status="ok", model_version="7")
    told = Given.of(made, np.array([60.0, 95.0]), "champion", "brimcast", "7", start)
    rows = score_given(told, history, start + WEEK).rows
    assert rows["event"].tolist() == [True, False]
    assert rows["brier"].tolist() == [0.0, 1.0]


def test_each_role_and_version_is_scored_by_itself(small_history: History, asked: pd.DataFrame, rule: Rule) -> None:
    now = asked["at"].max() + WEEK
    one = given(rule, small_history, asked)
    other = Given(one.frame.assign(role="shadow", model_version="9"))
    both = score_given(Given(pd.concat([one.frame, other.frame], ignore_index=True)), small_history, now).rows
    assert both.groupby(["role", "model_version"]).size().to_dict() == {
        ("champion", "7"): len(both) / 2, ("shadow", "9"): len(both) / 2,
    }  # fmt: skip


def test_a_store_is_scored_in_parts_as_it_would_be_whole(
    small_history: History, asked: pd.DataFrame, rule: Rule, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    since, now = asked["as_of"].min(), asked["at"].max() + WEEK
    told = given(rule, small_history, asked)
    with Store(f"sqlite:///{tmp_path}/store.db") as store:
        store.put_bins(Bins(small_history.bins.frame))
        store.put_readings(small_history.readings)
        store.put_given(told)
        monkeypatch.setattr(live_scores, "BINS_AT_ONCE", 5)
        found = score_store(store, since, now)
    whole = score_given(told, small_history.since(since - LOOK_BACK), now)
    order = ["bin_id", "as_of", "at"]
    pd.testing.assert_frame_equal(
        found.rows.sort_values(order, ignore_index=True), whole.rows.sort_values(order, ignore_index=True)
    )
    assert len(found.unscored) == len(whole.unscored)

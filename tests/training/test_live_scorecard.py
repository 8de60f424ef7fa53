"""The scorecard of what was given: numbers of the yardstick, beside the baseline's, by horizon, model and day."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from data.given import KEY, Given
from data.history import History
from data.settings import Settings
from data.store import Store
from training import live_runs
from training.baselines import baseline
from training.commands import app
from training.live_runs import EXPERIMENT, log_days
from training.live_scorecard import FILE, Day, days, scorecard, write_scorecard
from training.live_scores import LiveScores, score_given
from training.scores import summary
from training.tracking import RegistryError, connect

HORIZONS = (6.0, 24.0)
TODAY = pd.Timestamp("2026-03-02", tz="UTC").as_unit("us")


@pytest.fixture(scope="module")
def windows(small_history: History, split: pd.Timestamp) -> pd.DataFrame:
    ids = small_history.bins.unique.index.tolist()
    rows = [(b, split + pd.Timedelta(hours=4 * k), h) for b in ids for k in range(30) for h in HORIZONS]
    frame = pd.DataFrame(rows, columns=["bin_id", "as_of", "h"]).astype({"as_of": "datetime64[us, UTC]"})
    return frame.assign(at=frame["as_of"] + pd.to_timedelta(frame.pop("h"), unit="h"))


def said(history: History, windows: pd.DataFrame, split: pd.Timestamp, rule: str, *who: str) -> pd.DataFrame:
    made = baseline(rule).fit(history, split).forecast_windows(history, windows)
    return Given.of(made, np.full(len(made), 95.0), *who, split).frame


@pytest.fixture(scope="module")
def given(small_history: History, windows: pd.DataFrame, split: pd.Timestamp) -> Given:
    """A champion, its shadow, and a baseline that was asked all but the first day."""
    base = said(small_history, windows, split, "weekday-rate", "baseline", "weekday-rate", "")
    parts = [
        said(small_history, windows, split, "hour-of-week", "champion", "brimcast", "1"),
        said(small_history, windows, split, "rate-28d", "shadow", "brimcast", "2"),
        base[base["as_of"] >= split + pd.Timedelta(days=1)],
    ]
    return Given(pd.concat(parts, ignore_index=True))


@pytest.fixture(scope="module")
def now(split: pd.Timestamp) -> pd.Timestamp:
    return split + pd.Timedelta(days=5)


@pytest.fixture(scope="module")
def scores(small_history: History, given: Given, now: pd.Timestamp) -> LiveScores:
    return score_given(given, small_history, now)


@pytest.fixture(scope="module")
def card(scores: LiveScores, split: pd.Timestamp, now: pd.Timestamp) -> dict[str, Any]:
    return scorecard(scores, split, now)


def test_scores_are_the_yardsticks(card: dict[str, Any], scores: LiveScores) -> None:
    champion = scores.rows[scores.rows["role"] == "champion"]
    expected = summary(champion)
    for horizon, part in [("overall", card["overall"]), *zip([6, 24], card["by_horizon"], strict=True)]:
        for name in ("n", "bins", "crps", "mae", "cover80", "brier"):
            assert part[name] == pytest.approx(expected.loc[horizon, name], abs=1e-6)
    assert json.loads(json.dumps(card, allow_nan=False)) == card


def test_every_recorded_forecast_is_accounted_for(card: dict[str, Any], windows: pd.DataFrame) -> None:
    assert card["given"] == len(windows)
    assert card["scored"] + card["not_yet_due"] + sum(card["unscored"].values()) == card["given"]
    assert card["not_yet_due"] > 0


def test_the_skill_is_over_the_windows_that_the_baseline_was_asked_too(
    card: dict[str, Any], scores: LiveScores
) -> None:
    base = scores.rows[scores.rows["role"] == "baseline"]
    champion = scores.rows[scores.rows["role"] == "champion"]
    same = base[KEY].merge(champion, on=KEY)
    expected = 1 - summary(same).loc["overall", "crps"] / summary(base).loc["overall", "crps"]
    assert card["overall"]["skill"] == pytest.approx(expected, abs=1e-6)
    assert card["overall"]["baseline"]["n"] == len(base) < card["overall"]["n"]
    low, high = card["overall"]["skill95"]
    assert low < card["overall"]["skill"] < high


def test_each_model_has_its_own_scores(card: dict[str, Any]) -> None:
    assert [(m["role"], m["model_version"]) for m in card["by_model"]] == [("champion", "1"), ("shadow", "2")]
    assert card["by_model"][0]["overall"] == card["overall"]
    assert card["by_model"][1]["overall"]["crps"] != card["overall"]["crps"]


def test_where_nothing_was_given_nothing_is_told(split: pd.Timestamp, now: pd.Timestamp, given: Given) -> None:
    nothing = scorecard(score_given(Given(given.frame[:0]), History.of(_no_readings()), now), split, now)
    assert (nothing["given"], nothing["overall"], nothing["by_model"]) == (0, None, [])


def _no_readings() -> Any:
    from data.readings import Readings

    return Readings.none()


def test_a_day_is_told_once_all_of_it_has_come_true(scores: LiveScores, split: pd.Timestamp, now: pd.Timestamp) -> None:
    told = days(scores, split, now)
    of = {(day.day, day.role) for day in told}
    first = (split + pd.Timedelta(hours=24)).ceil("D")
    assert min(of) == (first, "champion")
    assert max(of)[0] + pd.Timedelta(hours=30) <= now
    one = told[0]
    rows = scores.rows[(scores.rows["role"] == one.role) & (scores.rows["at"].dt.floor("D") == one.day)]
    table = summary(rows)
    assert one.metrics["crps"] == pytest.approx(table.loc["overall", "crps"], abs=1e-6)
    assert one.metrics["mae_24h"] == pytest.approx(table.loc[24, "mae"], abs=1e-6)
    assert {"cover80_6h", "brier", "skill", "baseline_crps_24h"} <= told[-1].metrics.keys()


# ---------------------------------------------------------------- MLflow


def day(number: int = 0, version: str = "1", **metrics: float) -> Day:
    return Day(TODAY + pd.Timedelta(days=number), "champion", "brimcast", version, {"crps": 4.0, **metrics})


def runs(settings: Settings) -> list[Any]:
    _, client = connect(settings)
    found = client.get_experiment_by_name(EXPERIMENT)
    return list(client.search_runs([found.experiment_id], order_by=["tags.`brimcast.day`"]))


def test_a_day_and_model_have_one_run_that_is_brought_up_to_date(settings: Settings) -> None:
    told = [day(0, mae=5.0), day(0, version="2"), day(1)]
    assert log_days(told, settings) == 3
    assert log_days(told, settings) == 0
    assert log_days([day(0, mae=6.0)], settings) == 1
    found = runs(settings)
    assert [(run.data.tags["brimcast.day"], run.data.tags["brimcast.version"]) for run in found].count(
        ("2026-03-02", "1")
    ) == 1
    assert len(found) == 3
    [first] = [run for run in found if run.data.metrics.get("mae")]
    assert first.data.metrics == {"crps": 4.0, "mae": 6.0}
    assert all((run.info.status, run.data.tags["type"]) == ("FINISHED", "live") for run in found)


def test_of_two_who_log_a_day_at_once_one_run_remains(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    log_days([day(0, mae=5.0)], settings)
    search, blind = live_runs._runs, [True]

    def not_yet(client: Any, found: str) -> list[Any]:
        return [] if blind and blind.pop() else search(client, found)

    monkeypatch.setattr(live_runs, "_runs", not_yet)
    log_days([day(0, mae=6.0)], settings)
    [run] = runs(settings)
    assert run.data.metrics["mae"] == 6.0


def test_a_registry_that_was_never_made_is_not_made_by_logging(own_home: Path) -> None:
    assert log_days([day()], Settings(home=own_home)) == 0
    assert not (own_home / "mlflow.db").exists()


# ---------------------------------------------------------------- the command


def run(*words: str) -> Any:
    return CliRunner().invoke(app, list(words), catch_exceptions=True)


@pytest.fixture
def kept(small_history: History, given: Given, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A store of the small city moved so that it ends now, and what was given in it."""
    last = small_history.span[1] if small_history.span else None
    shift = pd.Timestamp.now("UTC").floor("h") - last
    readings, told = small_history.readings.frame.copy(), given.frame.copy()
    for frame, columns in ((readings, ["measured_at", "received_at"]), (told, ["as_of", "at", "given_at"])):
        frame[columns] = frame[columns] + shift
    settings = Settings(home=own_home)
    with Store(settings.store) as store:
        store.put(type(small_history.readings)(readings), None, small_history.bins)
        store.put_given(Given(told))
    return settings


def test_the_command_asks_scores_and_leaves_the_scorecard_for_the_service(kept: Settings) -> None:
    done = run("scorecard", "--no-log")
    assert done.exit_code == 0, done.output
    assert "champion 1" in done.output
    assert "skill" in done.output
    left = json.loads((kept.home / FILE).read_text())
    assert left["overall"]["baseline"]["n"] == left["overall"]["n"]  # what the baseline lacked, it was asked now
    assert left["shadow"] is None
    again = run("scorecard", "--no-log", "--json")
    told = json.loads(again.stdout)
    assert told["overall"] == left["overall"]


def test_an_outage_of_mlflow_is_told_when_the_scorecard_is_there(
    kept: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise RegistryError("The registry does not answer", expected="one that does", remedy="Wait.")

    monkeypatch.setattr(live_runs, "log_days", away)
    done = run("scorecard")
    assert done.exit_code == 1
    assert (kept.home / FILE).exists()


def test_the_command_compares_what_was_recorded(kept: Settings) -> None:
    done = run("compare", "--live")
    assert done.exit_code == 0, done.output
    assert "CRPS over that of champion 1" in done.output
    assert "shadow 2" in done.output


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["champion"], "so MODEL would"),
        (["--readings", "r.csv", "--bins", "b.csv"], "so --readings, --bins would"),
        (["--emptyings", "e.csv", "--weather", "w.csv"], "so --emptyings, --weather would"),
        (["--every", "6h", "--horizons", "6h"], "so --every, --horizons would"),
        (["--name", "brimcast"], "so --name would"),
        (["--timezone", "Europe/Prague", "--map", "fill_pct=Fullness"], "so --timezone, --map would"),
    ],
)
def test_live_refuses_what_would_change_nothing(words: list[str], named: str) -> None:
    done = run("compare", "--live", *words)
    assert done.exit_code == 2
    assert named in done.output


def test_live_takes_a_span(kept: Settings) -> None:
    assert run("compare", "--live", "--from", "2020-01-01T00:00Z", "--to", "2100-01-01T00:00Z").exit_code == 0
    assert run("compare", "--live", "--to", "2020-01-01T00:00Z").exit_code == 1


def test_without_live_readings_are_needed() -> None:
    assert run("compare", "champion", "challenger").exit_code == 2


def test_a_scorecard_replaces_the_one_before_whole(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "new")
    for number in (1, 2):
        write_scorecard({"given": number}, settings)
    assert json.loads((settings.home / FILE).read_text()) == {"given": 2}
    assert [path.name for path in settings.home.iterdir()] == [FILE]

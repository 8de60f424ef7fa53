from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from data.city_settings import CitySettings
from data.errors import InputError
from data.history import History
from data.readings import Readings
from data.settings import Settings
from data.simulation import simulate
from data.store import Store
from tests.training.conftest import Runner
from training import tracking
from training.candidate import Candidate
from training.drift import changes, stability_index
from training.habits import Habits
from training.inputs import read_history
from training.model import FillModel
from training.monitor_settings import MonitorSettings, read_monitor_settings
from training.monitoring import CANNOT_SAY, OK, RETRAIN, Accuracy, Check, accuracy_checks, drift_checks, monitor

RULE = MonitorSettings()
DAY = pd.Timedelta(days=1)


def outcomes(checks: tuple[Check, ...]) -> dict[str, str]:
    return {check.name: check.outcome for check in checks}


def spliced(before: History, after: History, moment: pd.Timestamp) -> History:
    """One history until a moment, the other from then on."""
    old, new = before.readings.frame, after.readings.frame
    frame = pd.concat([old[old["measured_at"] < moment], new[new["measured_at"] >= moment]])
    frame = frame.sort_values(["bin_id", "measured_at", "received_at"]).reset_index(drop=True)
    return History(Readings(frame), before.emptyings, before.bins)


def city(folder: Path, seed: int, bins: int = 12, days: int = 45, rate: float = 16.0) -> History:
    folder.mkdir()
    plan = CitySettings(bins=bins, days=days, base_rate_pct_per_day=rate)
    simulate(plan, np.random.default_rng(seed)).write(folder)
    return read_history(str(folder / "readings.parquet"), str(folder / "bins.csv")).history


def changed_city(folder: Path) -> tuple[list[str], pd.Timestamp]:
    """Files of a city whose bins fill three times as fast from a moment on, which is told too."""
    history, faster = city(folder / "usual", 7, days=66), city(folder / "faster", 7, days=66, rate=48.0)
    moment = (history.readings.frame["measured_at"].min() + 38 * DAY).floor("D")
    path = folder / "changed.parquet"
    spliced(history, faster, moment).readings.frame.to_parquet(path)
    return ["--readings", str(path), "--bins", str(folder / "usual" / "bins.csv")], moment


@pytest.fixture(scope="module")
def faster(tmp_path_factory: pytest.TempPathFactory) -> History:
    """The small city, its bins filling three times as fast."""
    return city(tmp_path_factory.mktemp("faster") / "city", 7, rate=48.0)


@pytest.fixture
def files(small_city_folder: Path) -> list[str]:
    return ["--readings", str(small_city_folder / "readings.parquet"), "--bins", str(small_city_folder / "bins.csv")]


def test_a_city_that_goes_on_as_before_is_healthy(
    tiny_model: FillModel, small_history: History, split: pd.Timestamp
) -> None:
    at = split + 7 * DAY
    report = monitor(tiny_model, small_history.until(at), None, at=at, settings=RULE)
    assert report.reasons == ()
    assert RETRAIN not in outcomes(report.checks).values()
    assert outcomes(report.checks)["coverage"] == OK
    assert "forecast as of then" in report.accuracy
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize("seed", range(20, 26))
def test_no_season_of_a_simulated_city_is_taken_for_drift(tmp_path: Path, seed: int) -> None:
    history = city(tmp_path / "city", seed, bins=16, days=63)
    trained = (history.readings.frame["measured_at"].min() + 42 * DAY).floor("D")
    for days in (7, 14, 20):
        at = trained + days * DAY
        found = drift_checks(history.until(at), trained, at, RULE, np.random.default_rng(0))
        assert set(outcomes(found).values()) == {OK}, [check.words for check in found]


def test_a_city_that_fills_faster_is_to_be_learned_anew(
    tiny_model: FillModel, small_history: History, faster: History, split: pd.Timestamp
) -> None:
    at = split + 7 * DAY
    report = monitor(tiny_model, spliced(small_history, faster, split).until(at), None, at=at, settings=RULE)
    assert any(words.startswith("emptying rate:") for words in report.reasons), report.checks
    assert outcomes(report.checks)["silent bins"] == OK


def test_a_city_half_of_whose_bins_fell_silent_says_so(small_history: History, split: pd.Timestamp) -> None:
    frame = small_history.readings.frame
    heard = frame["bin_id"].isin(small_history.bins.frame["bin_id"][:6]) | (frame["measured_at"] < split)
    silent = replace(small_history, readings=Readings(frame[heard].reset_index(drop=True)))
    at = split + 7 * DAY
    checks = drift_checks(silent.until(at), split, at, RULE, np.random.default_rng(0))
    assert outcomes(checks)["silent bins"] == RETRAIN
    assert outcomes(checks)["reading rate"] != RETRAIN  # of the days on which bins are heard


def test_sensors_that_are_heard_again_are_no_drift(small_history: History, split: pd.Timestamp) -> None:
    frame = small_history.readings.frame
    heard = (frame["measured_at"] >= split) | (frame["measured_at"].dt.day_of_year % 2 == 0)
    mended = replace(small_history, readings=Readings(frame[heard].reset_index(drop=True)))
    at = split + 7 * DAY
    (silence, *_) = drift_checks(mended.until(at), split, at, RULE, np.random.default_rng(0))
    assert silence.value is not None
    assert silence.value < -0.3
    assert silence.outcome == OK


def test_sensors_that_report_less_often_are_drift(small_history: History, split: pd.Timestamp) -> None:
    frame = small_history.readings.frame
    kept = (frame["measured_at"] < split) | (np.arange(len(frame)) % 2 == 0)
    rarer = replace(small_history, readings=Readings(frame[kept].reset_index(drop=True)))
    at = split + 7 * DAY
    found = outcomes(drift_checks(rarer.until(at), split, at, RULE, np.random.default_rng(0)))
    assert found["reading rate"] == RETRAIN
    assert found["silent bins"] == OK


def test_bins_without_profiles_are_a_reason(tiny_model: FillModel, small_history: History, split: pd.Timestamp) -> None:
    frame = small_history.readings.frame
    new = frame[(frame["bin_id"] == "bin-0001") & (frame["measured_at"] >= split)]
    more = pd.concat([frame, *(new.assign(bin_id=f"new-{k}") for k in range(3))], ignore_index=True)
    at = split + 7 * DAY
    report = monitor(tiny_model, History.of(Readings(more), bins=None), None, at=at, settings=RULE)
    (words,) = [reason for reason in report.reasons if reason.startswith("new bins")]
    assert "3 of 15 bins heard have no profile" in words


def test_what_only_differs_from_the_last_weeks_but_not_from_last_year_is_the_season(
    small_history: History, faster: History, split: pd.Timestamp
) -> None:
    at = split + 7 * DAY
    changed = spliced(small_history, faster, split)
    last_year = faster.readings.frame
    back = last_year.assign(**{n: last_year[n] - 364 * DAY for n in ("measured_at", "received_at")})
    frame = pd.concat([back, changed.readings.frame]).sort_values(["bin_id", "measured_at", "received_at"])
    seasonal = replace(changed, readings=Readings(frame.reset_index(drop=True)))
    alone, beside = (
        outcomes(drift_checks(history.until(at), split, at, RULE, np.random.default_rng(0)))["emptying rate"]
        for history in (changed, seasonal)
    )
    assert (alone, beside) == (RETRAIN, OK)


def test_right_after_the_training_nothing_can_be_said_and_nothing_is_alarming(
    tiny_model: FillModel, small_history: History, split: pd.Timestamp
) -> None:
    report = monitor(tiny_model, small_history.until(split + DAY), None, at=split + DAY, settings=RULE)
    found = outcomes(report.checks)
    assert report.reasons == ()
    assert {found[name] for name in ("coverage", "skill", "silent bins", "emptying rate")} == {CANNOT_SAY}


def windows(cover: float, crps: float, base: float, days: int = 14) -> Accuracy:
    rng = np.random.default_rng(0)
    moments = pd.date_range("2025-03-01", periods=days, freq="D", tz="UTC")
    grid = pd.MultiIndex.from_product([[f"b{k}" for k in range(10)], moments, [6.0, 24.0]])
    rows = grid.to_frame(index=False, name=["bin_id", "as_of", "horizon_h"])
    rows["at"] = rows["as_of"] + pd.to_timedelta(rows["horizon_h"], "h")
    rows = rows.assign(brier=0.1, bias=0.0, width80=20.0, cover50=0.5)
    rows["cover80"] = (rng.random(len(rows)) < cover).astype(float)
    noise = rng.gamma(4, 0.25, len(rows))
    return Accuracy(rows.assign(crps=crps * noise), rows.assign(crps=base * noise[::-1]), "made up")


@pytest.mark.parametrize(
    ("accuracy", "coverage", "skill"),
    [
        (windows(0.8, 5, 8), OK, OK),
        (windows(0.55, 5, 8), RETRAIN, OK),
        (windows(0.99, 5, 8), RETRAIN, OK),
        (windows(0.8, 9, 6), OK, RETRAIN),
        (windows(0.3, 9, 6).__class__(windows(0.3, 9, 6, 1).champion[:6], windows(0.3, 9, 6, 1).baseline[:6], "few"),
         CANNOT_SAY, CANNOT_SAY),
    ],
)  # fmt: skip
def test_accuracy_speaks_against_a_model_only_where_it_is_sure(accuracy: Accuracy, coverage: str, skill: str) -> None:
    assert outcomes(accuracy_checks(accuracy, RULE)) == {"coverage": coverage, "skill": skill}


def test_one_talkative_bin_makes_no_drift(small_history: History, split: pd.Timestamp) -> None:
    before = Habits.of(small_history, split - 28 * DAY, 28)
    now = Habits.of(small_history, split, 7)
    loud = now.table.copy()
    loud.iloc[0, loud.columns.get_loc("reading_rate")] *= 50
    change = changes(before, Habits(loud, now.levels), 2000, np.random.default_rng(0))[1]
    assert change.size > RULE.reading_rate
    assert change.chance > RULE.surely


def test_the_stability_index_is_nothing_for_equal_shares() -> None:
    shares = np.array([0.2, 0.3, 0.5, 0.0, 0.0])
    assert stability_index(shares, shares) == 0
    assert stability_index(shares, shares[::-1]) > 1
    known = stability_index(np.array([0.5, 0.5]), np.array([0.25, 0.75]))
    assert known == pytest.approx(0.25 * np.log(2) + 0.25 * np.log(1.5))


def test_monitor_exits_0_and_logs_what_it_found(run: Runner, files: list[str], registered: Settings) -> None:
    done = run("monitor", *files)
    assert done.code == 0, done.err
    assert "coverage: 80% intervals hold" in done.out
    client = mlflow.MlflowClient(registered.tracking_uri)
    known = client.get_experiment_by_name(tracking.EXPERIMENT).experiment_id
    (logged,) = client.search_runs([known], "tags.type = 'monitor' and tags.retrain = 'False'")
    assert 0.5 < logged.data.metrics["coverage"] < 1


def test_monitor_exits_1_with_its_reasons(
    run: Runner, registered: Settings, small_history: History, faster: History, split: pd.Timestamp, tmp_path: Path,
    small_city_folder: Path,
) -> None:  # fmt: skip
    spliced(small_history, faster, split).readings.frame.to_parquet(tmp_path / "r.parquet")
    words = ["monitor", "--readings", tmp_path / "r.parquet", "--bins", small_city_folder / "bins.csv", "--no-log"]
    done = run(*words, "--json")
    assert done.code == 1
    assert "is to be trained anew. " in done.err
    assert "emptying rate" in done.err
    told = json.loads(done.out)
    assert told["retrain"] is True
    assert {check["name"] for check in told["checks"]} >= {"coverage", "skill", "levels", "new bins"}


def test_monitor_refuses_to_watch_a_model_before_it_was_trained(
    run: Runner, files: list[str], registered: Settings
) -> None:
    done = run("monitor", *files, "--at", "2020-01-01T00:00Z", "--no-log")
    assert done.code == 1
    assert "--at is 2020-01-01 00:00 UTC. Expected a moment after brimcast/" in done.err
    assert "Give a later --at" in done.err


def test_monitor_reads_the_forecasts_that_the_service_recorded(
    run: Runner, registered: Settings, candidate: Candidate, small_history: History, split: pd.Timestamp
) -> None:
    from data.given import Given
    from training.beside import ask_beside, the_baseline

    at = split + 7 * DAY
    asked = pd.DataFrame(
        [
            (bin_id, split + hour * pd.Timedelta(hours=6), split + (hour * 6 + ahead) * pd.Timedelta(hours=1))
            for bin_id in small_history.bins.frame["bin_id"]
            for hour in range(20)
            for ahead in (6, 24)
        ],
        columns=["bin_id", "as_of", "at"],
    ).astype({"bin_id": "str", "as_of": "datetime64[us, UTC]", "at": "datetime64[us, UTC]"})
    forecasts = candidate.model.forecast_windows(small_history, asked)
    with Store(registered.store) as store:
        store.put(small_history.readings, bins=small_history.bins)
        given = Given.of(forecasts, np.full(len(asked), 95.0), "champion", "brimcast", "1", at)
        store.put_given(given)
        ask_beside(store, given, the_baseline(), at)
    done = run("monitor", "--at", at.isoformat(), "--no-log")
    assert "forecasts that the service recorded" in done.out, done.err
    assert "coverage: 80% intervals hold" in done.out


def test_without_a_champion_the_remedy_is_to_fit(run: Runner, files: list[str], settings: Settings) -> None:
    done = run("monitor", *files)
    assert done.code == 1
    assert "training fit" in done.err


def test_a_limit_is_set_from_the_environment_and_a_wrong_one_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIMCAST_MONITOR_NEW_BINS", "0.5")
    assert read_monitor_settings().new_bins == 0.5
    monkeypatch.setenv("BRIMCAST_MONITOR_DAYS", "10")
    with pytest.raises(InputError, match="BRIMCAST_MONITOR_DAYS"):
        read_monitor_settings()

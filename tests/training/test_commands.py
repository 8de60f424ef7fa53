from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data.settings import Settings
from tests.training.conftest import Runner
from training import tracking
from training.candidate import Candidate
from training.commands import main
from training.forecasters import load_model
from training.registry import local_copy

COMMANDS = (
    "fit", "tune", "backtest", "forecast", "compare", "promote", "rollback", "replay", "scorecard", "monitor",
)  # fmt: skip


@pytest.fixture
def windows(tmp_path: Path, small_city_folder: Path, split: pd.Timestamp) -> Path:
    bins = pd.read_csv(small_city_folder / "bins.csv")["bin_id"]
    frame = pd.DataFrame({"bin_id": [*bins, "nobody", bins[0]], "as_of": split})
    frame["at"] = split + pd.to_timedelta(range(6, 6 + len(frame)), unit="h")
    frame.to_parquet(tmp_path / "windows.parquet")
    return tmp_path / "windows.parquet"


@pytest.mark.usefixtures("tiny_fits")
def test_fit_registers_the_first_version_as_champion(
    run: Runner, city: list[str], settings: Settings, split: pd.Timestamp
) -> None:
    done = run("fit", *city, "--until", split.isoformat())
    assert done.code == 0, done.err
    assert re.match(r"brimcast version 1 \(challenger, champion\), run [0-9a-f]{32}", done.out)
    assert re.search(r"Scores on [\d,]+ held-out windows", done.out)
    assert "cover80" in done.out
    found = tracking.find("brimcast", "champion", settings)
    assert found is not None
    assert found.version == 1


@pytest.mark.usefixtures("tiny_fits")
def test_fit_takes_another_name_a_country_and_the_weather(
    run: Runner, city: list[str], small_city_folder: Path, windows: Path, tmp_path: Path, settings: Settings
) -> None:
    weather = ["--weather", str(small_city_folder / "weather.parquet")]
    done = run("fit", *city, *weather, "--name", "praha", "--no-scores", "--country", "cz")
    assert done.code == 0, done.err
    assert done.out.startswith("praha version 1")
    model = load_model(local_copy("praha", "champion", settings)[0])
    assert model.settings.country == "CZ"
    assert model.reads_weather
    assert "Scores" not in done.out
    answers = []
    for words in (weather, []):
        out = tmp_path / "out.parquet"
        done = run("forecast", *city, *words, "--name", "praha", "--windows", windows, "--out", out)
        assert done.code == 0, done.err
        answers.append(pd.read_parquet(out))
    told, untold = answers
    assert told["status"].tolist() == untold["status"].tolist()
    assert (told["q50"] != untold["q50"]).any()


@pytest.mark.usefixtures("tiny_fits")
def test_fit_takes_the_seed_of_its_settings_unless_it_is_given_one(
    run: Runner, city: list[str], tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "settings.json").write_text('{"seed": 7}')
    for words in ([], ["--seed", "0"]):
        done = run("fit", *city, "--no-scores", "--settings", tmp_path / "settings.json", *words)
        assert done.code == 0, done.err
    seeds = [load_model(local_copy("brimcast", version, settings)[0]).settings.seed for version in (1, 2)]
    assert seeds == [7, 0]


@pytest.mark.parametrize(("skill", "warned"), [(-0.1, True), (0.1, False)])
def test_a_first_champion_that_a_baseline_beats_is_pointed_out(
    run: Runner, city: list[str], settings: Settings, split: pd.Timestamp, candidate: Candidate,
    monkeypatch: pytest.MonkeyPatch, skill: float, warned: bool,
) -> None:  # fmt: skip
    told = {**candidate.model.card["skill"], "value": skill}
    model = replace(candidate.model, card={**candidate.model.card, "skill": told})
    monkeypatch.setattr("training.candidate.fit_candidate", lambda *_, **__: replace(candidate, model=model))
    done = run("fit", *city, "--until", split.isoformat())
    assert "champion" in done.out
    assert (f"no other, but {told['against']} was nearer" in " ".join(done.err.split())) == warned


@pytest.mark.parametrize("country", ["XX", "Czechia", "1"])
def test_a_country_that_nobody_knows_is_refused(run: Runner, city: list[str], country: str) -> None:
    done = run("fit", *city, "--country", country)
    assert done.code == 1
    assert country in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("model", ["champion", "version:2", "baseline:persistence"])
def test_forecast_answers_every_window_in_order(
    run: Runner, city: list[str], windows: Path, registered: Settings, tmp_path: Path, model: str
) -> None:
    out = tmp_path / "forecasts.parquet"
    done = run("forecast", *city, "--windows", windows, "--out", out, "--model", model)
    assert done.code == 0, done.err
    asked, made = pd.read_parquet(windows), pd.read_parquet(out)
    assert made["bin_id"].tolist() == asked["bin_id"].tolist()
    assert (made["at"] == asked["at"]).all()
    expected = ["bin_id", "as_of", "at", "q05", *(f"q{p}" for p in range(10, 100, 10)), "q95"]
    assert list(made.columns)[:14] == expected
    assert {"mean", "p_full", "status", "model_version"} <= set(made.columns)
    assert made.loc[made["bin_id"] == "nobody", "status"].tolist() == ["unknown_bin"]


def test_forecast_with_a_baseline_needs_no_registry(
    run: Runner, city: list[str], windows: Path, own_home: Path, tmp_path: Path
) -> None:
    done = run("forecast", *city, "--windows", windows, "--out", tmp_path / "f.csv", "--model", "baseline:hour-of-week")
    assert done.code == 0, done.err
    assert not (own_home / "mlflow.db").exists()


def test_forecast_tells_what_lies_there_if_nobody_comes_when_asked_to(
    run: Runner, city: list[str], windows: Path, registered: Settings, tmp_path: Path
) -> None:
    usual, nobody = tmp_path / "usual.parquet", tmp_path / "nobody.parquet"
    assert run("forecast", *city, "--windows", windows, "--out", usual).code == 0
    assert run("forecast", *city, "--windows", windows, "--out", nobody, "--unattended").code == 0
    usual_table, nobody_table = pd.read_parquet(usual), pd.read_parquet(nobody)
    assert list(nobody_table.columns) == list(usual_table.columns)
    assert nobody_table["p_full"].tolist() == pytest.approx(usual_table["p_full_unattended"].tolist(), nan_ok=True)
    assert nobody_table["q50"].tolist() != pytest.approx(usual_table["q50"].tolist(), nan_ok=True)


def test_a_baseline_cannot_tell_what_lies_there_if_nobody_comes(
    run: Runner, city: list[str], windows: Path, tmp_path: Path
) -> None:
    words = ["--windows", windows, "--out", tmp_path / "f.csv", "--model", "baseline:persistence", "--unattended"]
    done = run("forecast", *city, *words)
    assert done.code == 2
    assert "one answer only" in done.err
    assert not (tmp_path / "f.csv").exists()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("at,issued_at,temperature_c\n2025-01-01T00:00,2025-01-01T00:00Z,1\n", "at without a UTC offset"),
        ("at,issued_at,temperature_c\n2025-01-01T00:00Z,2025-01-01T00:00,1\n", "issued_at without a UTC offset"),
        ("issued_at,temperature_c\n2025-01-01T00:00Z,1\n", "no column at"),
    ],
)
def test_weather_that_cannot_be_read_is_refused(
    run: Runner, city: list[str], windows: Path, tmp_path: Path, table: str, said: str
) -> None:
    (tmp_path / "w.csv").write_text(table)
    out = tmp_path / "out.csv"
    words = ["--weather", tmp_path / "w.csv", "--windows", windows, "--out", out, "--model", "baseline:persistence"]
    done = run("forecast", *city, *words)
    assert done.code == 1
    assert said in done.err
    assert not out.exists()


def test_observations_alone_are_pointed_out(run: Runner, city: list[str], windows: Path, tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("at,temperature_c\n2025-01-01T00:00Z,1\n")
    words = ["--windows", windows, "--out", tmp_path / "out.csv", "--model", "baseline:persistence"]
    done = run("forecast", *city, *words, "--weather", tmp_path / "w.csv")
    assert done.code == 0
    assert "no row issued before its `at`" in done.err


def test_forecast_without_a_champion_says_to_fit_and_writes_nothing(
    run: Runner, city: list[str], windows: Path, tmp_path: Path
) -> None:
    done = run("forecast", *city, "--windows", windows, "--out", tmp_path / "f.csv")
    assert done.code == 1
    assert "no champion" in done.err
    assert "training fit" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["windows.parquet"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"as_of": "2025-02-01T06:00"}, "offset"),
        ({"at": "soon"}, "no time"),
        ({"at": "2024-01-01T00:00Z"}, "before as_of"),
        ({"at": "2025-03-01T00:00Z"}, "more than 14 days after as_of"),
        ({"bin_id": None}, "bin_id"),
    ],
)
def test_a_bad_window_is_quoted_with_its_row(
    run: Runner, city: list[str], tmp_path: Path, broken: dict[str, str | None], said: str
) -> None:
    good = {"bin_id": "b", "as_of": "2025-02-01T06:00Z", "at": "2025-02-01T12:00Z"}
    pd.DataFrame([good, good, good | broken]).to_csv(tmp_path / "w.csv", index=False)
    done = run(
        "forecast",
        *city,
        "--windows",
        tmp_path / "w.csv",
        "--out",
        tmp_path / "f.csv",
        "--model",
        "baseline:persistence",
    )
    assert done.code == 1
    assert said in done.err
    assert len(done.err.strip().splitlines()[-1]) < 1000
    assert not (tmp_path / "f.csv").exists()


def test_an_unknown_model_is_refused_before_the_readings_are_read(run: Runner, windows: Path, tmp_path: Path) -> None:
    done = run(
        "forecast", "--readings", "nowhere.csv", "--windows", windows, "--out", tmp_path / "f.csv", "--model", "best"
    )
    assert done.code == 1
    assert "'best' names no model" in done.err
    assert "baseline:NAME" in done.err


@pytest.mark.usefixtures("tiny_fits")
def test_backtest_prints_a_scorecard_and_writes_its_files(
    run: Runner, city: list[str], split: pd.Timestamp, tmp_path: Path
) -> None:
    out, html = tmp_path / "b.parquet", tmp_path / "b.html"
    done = run(
        "backtest",
        *city,
        "--from",
        split.isoformat(),
        "--every",
        "12h",
        "--horizons",
        "6h,1d",
        "--out",
        out,
        "--html",
        html,
    )
    assert done.code == 0, done.err
    for name in ("model", "persistence", "rate-28d", "weekday-rate", "hour-of-week", "lgb-quantile"):
        assert re.search(rf"^{name}\b", done.out, re.MULTILINE), done.out
    assert set(pd.read_parquet(out)["model"]) >= {"model", "lgb-quantile"}
    assert html.read_text().lstrip().lower().startswith("<!doctype html")


@pytest.mark.parametrize(
    "words",
    [("backtest", "--from", "1999-01-01T00:00Z"), ("backtest", "--from", "2099-01-01T00:00Z"),
     ("compare", "baseline:rate-28d", "baseline:persistence", "--from", "2099-01-01T00:00Z")],
)  # fmt: skip
def test_a_start_outside_the_readings_is_refused_before_any_fit(
    run: Runner, city: list[str], words: tuple[str, ...]
) -> None:
    done = run(*words, *city)
    assert done.code == 1
    assert "between the first reading" in done.err
    assert "Fitting" not in done.err
    assert "Preparing" not in done.err


def test_a_span_that_ends_before_it_starts_is_refused_before_any_fit(
    run: Runner, city: list[str], split: pd.Timestamp
) -> None:
    done = run("backtest", *city, "--from", split.isoformat(), "--to", (split - pd.Timedelta(days=1)).isoformat())
    assert done.code == 1
    assert "an end after its start" in done.err
    assert "Fitting" not in done.err


def test_an_ending_that_no_table_has_is_refused_before_the_work(
    run: Runner, city: list[str], windows: Path, tmp_path: Path
) -> None:
    done = run("forecast", *city, "--windows", windows, "--out", tmp_path / "o.xlsx", "--model", "baseline:rate-28d")
    assert done.code == 1
    assert "a file named .csv" in done.err
    assert "Forecasting" not in done.err


def test_compare_sets_models_side_by_side_with_intervals(
    run: Runner, city: list[str], split: pd.Timestamp, registered: Settings
) -> None:
    done = run("compare", "champion", "baseline:persistence", *city, "--from", split.isoformat(), "--every", "12h")
    assert done.code == 0, done.err
    assert "95% interval" in done.out
    assert re.search(r"^champion +[\d.]+ +1\.000 +1\.000 +1\.000$", done.out, re.MULTILINE), done.out
    assert "flatter" not in done.err


def test_compare_warns_of_windows_that_a_model_has_learned_from(
    run: Runner, city: list[str], split: pd.Timestamp, registered: Settings
) -> None:
    early = split - pd.Timedelta(days=3)
    done = run("compare", "champion", "baseline:persistence", *city, "--from", early.isoformat(), "--every", "1d")
    assert done.code == 0, done.err
    assert re.search(r"Note: champion has learned .* flatter", done.err), done.err


def test_promote_and_rollback_say_who_is_champion(run: Runner, registered: Settings) -> None:
    forced = run("promote", "--force", "--reason", "nothing to judge by")
    assert forced.out.endswith("brimcast version 3 is the champion now, in place of version 1.\n")
    assert run("promote", "3").out == "brimcast version 3 is the champion already: there is no other to judge.\n"
    assert run("rollback").out.endswith("brimcast version 1 is the champion again, in place of version 3.\n")
    again = run("rollback")
    assert again.code == 1
    assert "nothing to roll back to" in again.err


@pytest.mark.parametrize(
    "words",
    [
        ["fit"],
        ["fit", "--readings", "r.csv", "--until", "2025-02-01"],
        ["fit", "--readings", "r.csv", "--until", "tomorrow"],
        ["fit", "--readings", "r.csv", "--seed", "-1"],
        ["backtest", "--readings", "r.csv"],
        ["backtest", "--readings", "r.csv", "--from", "2025-02-01T00:00Z", "--every", "often"],
        ["backtest", "--readings", "r.csv", "--from", "2025-02-01T00:00Z", "--horizons", "6h,20d"],
        ["backtest", "--readings", "r.csv", "--from", "2025-02-01T00:00Z", "--out", "b.xlsx"],
        ["compare", "champion", "--readings", "r.csv", "--from", "2025-02-01T00:00Z"],
        ["promote", "x"],
        ["promote", "0"],
        ["retrain"],
    ],
)
def test_a_wrong_call_exits_2(run: Runner, words: list[str]) -> None:
    done = run(*words)
    assert done.code == 2
    assert "Usage" in done.err


@pytest.mark.parametrize(
    "content", ["", "bin_id,fill_pct\na,1\n", "bin_id,measured_at,fill_pct\na,2025-01-01T00:00,5\n"]
)
def test_bad_readings_exit_1_and_register_nothing(run: Runner, tmp_path: Path, own_home: Path, content: str) -> None:
    (tmp_path / "r.csv").write_text(content)
    done = run("fit", "--readings", tmp_path / "r.csv")
    assert done.code == 1
    assert len(done.err.strip().splitlines()[-1]) > 20
    assert "Traceback" not in done.err
    assert list(own_home.iterdir()) == []


@pytest.mark.parametrize("way", [["-m", "training"], ["-m", "serving.brimcast", "training"]])
def test_both_ways_to_call_show_the_commands(way: list[str]) -> None:
    call = way if way[1] == "training" else ["-c", "from serving.brimcast import main; main()", "training"]
    done = subprocess.run([sys.executable, *call, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert re.search(rf"^\s+{command}\s", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_in_an_example_on_its_own_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"Example:\n    brimcast training {command}" in shown
    assert "\\b" not in shown

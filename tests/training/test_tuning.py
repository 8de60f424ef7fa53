from __future__ import annotations

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from data.history import History
from data.settings import Settings
from tests.conftest import QUICK
from tests.training.conftest import Runner
from training.folds import Fold, rolling_folds
from training.search import Trial
from training.settings import ModelSettings, read_model_settings
from training.tuning import Verdict, verdict_text


@pytest.fixture(scope="module")
def course(small_history: History, split: pd.Timestamp) -> tuple[Fold, ...]:
    return rolling_folds(small_history, split, 3, np.random.default_rng(0))


@pytest.fixture
def quick_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models whose CRPS is the yardstick's, the less the fewer trees they have."""

    def rows(self: Fold, history: History, settings: ModelSettings, seed: int) -> pd.DataFrame:
        return self.yardstick.assign(crps=self.yardstick["crps"] * (0.5 + settings.trees / 220))

    monkeypatch.setattr(Fold, "rows", rows)


def test_folds_lie_side_by_side_and_end_where_the_training_period_does(
    course: tuple[Fold, ...], split: pd.Timestamp
) -> None:
    assert course[-1].end == split
    assert [fold.end for fold in course[:-1]] == [fold.until for fold in course[1:]]
    for fold in course:
        assert fold.windows["as_of"].min() >= fold.until
        assert fold.windows["at"].max() <= fold.end


def test_folds_know_nothing_of_what_came_after_the_training_period(
    small_history: History, split: pd.Timestamp, course: tuple[Fold, ...]
) -> None:
    again = rolling_folds(small_history.until(split), None, 3, np.random.default_rng(0))
    for fold, other in zip(course, again, strict=True):
        assert fold.heard.readings.frame["received_at"].max() <= split
        # Half a minute apart: without `until` the period ends with the last reading.
        assert len(other.windows) == pytest.approx(len(fold.windows), rel=0.05)


def test_shares_are_one_for_the_yardstick_itself(course: tuple[Fold, ...]) -> None:
    for fold in course:
        assert fold.shares(fold.yardstick).mean() == pytest.approx(1)
        half = fold.yardstick.assign(crps=fold.yardstick["crps"] / 2)
        assert fold.shares(half).mean() == pytest.approx(0.5)


def test_a_fitted_model_is_scored_on_the_folds_own_windows(small_history: History, course: tuple[Fold, ...]) -> None:
    fold = course[-1]
    rows = fold.rows(small_history, ModelSettings(examples=1000, trees=5, **QUICK), 0)
    pd.testing.assert_frame_equal(rows[["bin_id", "as_of", "at", "y"]], fold.windows[["bin_id", "as_of", "at", "y"]])
    assert 0.3 < fold.shares(rows).mean() < 3


def test_a_history_too_short_for_folds_is_refused(small_history: History, split: pd.Timestamp) -> None:
    with pytest.raises(InputError, match="fewer --folds"):
        rolling_folds(small_history, split, 30, np.random.default_rng(0))


@pytest.mark.usefixtures("quick_models")
def test_tune_finds_better_settings_and_keeps_every_trial_in_mlflow(
    run: Runner, city: list[str], settings: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "settings.json"
    words = ["tune", *city, "--trials", "6", "--folds", "2", "--budget", "10min", "--out", out]
    done = run(*words)
    assert done.code == 0, done.err
    assert "They are better." in done.out
    assert "Trial 0:" in done.err
    best = read_model_settings(out, None)
    assert best.trees < ModelSettings().trees
    assert best.examples == ModelSettings().examples
    client = mlflow.MlflowClient(settings.tracking_uri)
    known = client.get_experiment_by_name("brimcast").experiment_id
    (parent,) = client.search_runs([known], "tags.type = 'tune'")
    assert parent.info.status == "FINISHED"
    trials = client.search_runs([known], f"tags.type = 'trial' and tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert len(trials) == 6
    (default,) = [trial for trial in trials if trial.data.tags["default"] == "True"]
    assert default.data.params["trees"] == str(ModelSettings().trees)
    assert [m.step for m in client.get_metric_history(default.info.run_id, "fold_share")] == [0, 1]
    assert parent.data.metrics["unseen_ratio_high"] < 1
    assert parent.inputs.dataset_inputs[0].dataset.digest
    words[words.index("--trials") + 1] = "1"
    again = run(*words)
    assert again.code == 0, again.err
    assert "Trial 0:" not in again.err
    assert again.out.startswith("7 trials on 2 folds")


def test_tune_says_when_nothing_is_better_and_writes_the_settings_as_they_were(
    run: Runner, city: list[str], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(self: Fold, history: History, settings: ModelSettings, seed: int) -> pd.DataFrame:
        luck = np.random.default_rng([settings.trees, settings.leaves]).normal(1, 0.2, len(self.yardstick))
        return self.yardstick.assign(crps=self.yardstick["crps"] * luck)

    monkeypatch.setattr(Fold, "rows", same)
    start, out = tmp_path / "start.json", tmp_path / "settings.json"
    start.write_text('{"trees": 77}')
    done = run("tune", *city, "--trials", "3", "--folds", "2", "--settings", start, "--out", out)
    assert done.code == 0, done.err
    assert "not surely better" in done.out or "Nothing tried does better" in done.out
    assert json.loads(out.read_text())["trees"] == 77


def test_a_search_that_got_no_further_than_the_settings_as_they_were_says_so(course: tuple[Fold, ...]) -> None:
    only = Trial(0, ModelSettings(), (0.9, 0.8), 0.85, 60.0, pruned=False, is_default=True)
    text = verdict_text(Verdict(only, only, None), [only], course[:-1], course[-1])
    assert text.startswith("1 trial on 2 folds")
    assert text.endswith("Nothing else was tried: a larger --budget, or the same call again, goes on.")


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"tree": 3}', "tree"), ('{"trees": 0}', "trees"), ("[1]", "settings"), ("{", "settings"), (None, "settings"),
     ("[]", "list"), ("null", "NoneType"), ('{"country": "Narnia"}', "country.*CZ"), ('{"seed": -4}', "seed")],
)  # fmt: skip
def test_settings_that_cannot_be_used_are_quoted(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "settings.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=said):
        read_model_settings(path, None)


def test_a_country_on_the_line_wins_over_the_files(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"country": "DE", "trees": 9}')
    assert read_model_settings(tmp_path / "s.json", "CZ") == ModelSettings(country="CZ", trees=9)
    assert read_model_settings(tmp_path / "s.json", None).country == "DE"

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from data.errors import InputError
from data.history import History
from data.readings import Readings
from data.settings import Settings
from training import recipe as recipes
from training import tracking
from training.recipe import Recipe, Sources, keep, recipe_of
from training.settings import ModelSettings

QUICK = {"examples": 3_000, "networks": 1, "epochs": 1, "fewest_steps": 40, "trees": 5, "leaf_examples": 20}
WHO = {"name": "brimcast", "until": None, "evaluate": False, "against": ("rate-28d",), "seed": 3, "settings": QUICK}


@pytest.fixture(autouse=True)
def committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every change were committed, wherever the tests run."""
    monkeypatch.setattr(recipes, "git_commit", lambda: "c0ffee")
    monkeypatch.setattr("training.artifact.git_commit", lambda: "c0ffee")


@pytest.fixture
def quick_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of the command, in two seconds."""
    monkeypatch.setattr("training.settings.ModelSettings", partial(ModelSettings, **QUICK, threads=1))


def made(history: History, **given: object) -> Recipe:
    return Recipe.of(history, sources=Sources(readings="r.parquet"), **(WHO | given))


def test_what_is_the_same_has_no_differences(small_history: History) -> None:
    assert made(small_history).differences(made(small_history)) == ()


def test_a_history_that_has_grown_is_cut_to_what_was_known(small_history: History, split: pd.Timestamp) -> None:
    frame = small_history.readings.frame
    early = History(Readings(frame[frame["received_at"] <= split].reset_index(drop=True)), bins=small_history.bins)
    then = made(early)
    assert then.differences(made(small_history))
    assert then.differences(made(then.known(small_history))) == ()


def test_differences_name_data_versions_and_commit(small_history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    then = made(small_history)
    frame = small_history.readings.frame.iloc[1:].reset_index(drop=True)
    monkeypatch.setattr(recipes, "git_commit", lambda: "decaf")
    monkeypatch.setattr(recipes, "version", lambda package: "9.9")
    now = made(History(Readings(frame), small_history.emptyings, small_history.bins))
    told = then.differences(now)
    assert told[0].startswith(f"data fingerprint {then.data} then, {now.data} now")
    assert f"{len(frame) + 1:,} readings then, {len(frame):,} now" in told[0]
    assert f"lightgbm {then.versions['lightgbm']} then, 9.9 now" in told
    assert "commit c0ffee then, decaf now" in told
    assert not [words for words in told if words.startswith("python")]


def test_changes_that_were_never_committed_are_a_difference(
    small_history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "git_commit", lambda: "c0ffee+changes")
    (told,) = made(small_history).differences(made(small_history))
    assert "never committed" in told


def test_a_recipe_comes_back_as_it_was_kept(small_history: History, registered: Settings) -> None:
    found = tracking.find("brimcast", 1, registered)
    assert found is not None
    then = made(small_history, until=pd.Timestamp("2025-02-01T00:00Z"))
    keep(then, found.run_id, registered, None, ())
    assert recipe_of(found.run_id, registered) == then


@pytest.mark.parametrize("run_id", ["nothing", "0" * 32])
def test_a_run_without_a_recipe_is_told(registered: Settings, run_id: str) -> None:
    with pytest.raises(InputError, match="no recipe of a run"):
        recipe_of(run_id, registered)


def test_a_recipe_of_settings_that_are_gone_is_told(small_history: History, registered: Settings) -> None:
    found = tracking.find("brimcast", 1, registered)
    assert found is not None
    keep(made(small_history, settings={"forests": 3}), found.run_id, registered, None, ())
    with pytest.raises(InputError, match=r"cannot be followed \(forests"):
        recipe_of(found.run_id, registered)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_fits")
def test_a_run_is_repeated_from_its_id_to_the_byte_on_any_number_of_threads(
    run: Any,
    city: list[str],
    small_city_folder: Path,
    settings: Settings,
    split: pd.Timestamp,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weather = ["--weather", str(small_city_folder / "weather.parquet")]  # issued beyond the last reading
    first = run("fit", *city, *weather, "--until", split.isoformat(), "--no-scores", "--seed", "5", "--country", "cz")
    (like,) = re.findall(r"run ([0-9a-f]{32})", first.out)
    monkeypatch.setattr("training.settings.ModelSettings", partial(ModelSettings, threads=3))
    done = run("fit", "--like", like)
    assert done.code == 0, done.err
    assert re.search(rf"The model's \d\d files are those of run {like}, byte for byte\.", done.out)
    found = tracking.find("brimcast", 2, settings)
    assert found is not None
    tags = mlflow.MlflowClient(settings.tracking_uri).get_run(found.run_id).data.tags
    assert (tags["like"], tags["like_differences"]) == (like, "none")
    assert recipe_of(found.run_id, settings) == recipe_of(like, settings)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_fits")
def test_a_repetition_of_other_data_is_refused_before_it_fits_unless_allowed(
    run: Any, city: list[str], settings: Settings, small_history: History, split: pd.Timestamp, tmp_path: Path
) -> None:
    first = run("fit", *city, "--until", split.isoformat(), "--no-scores")
    (like,) = re.findall(r"run ([0-9a-f]{32})", first.out)
    frame = small_history.readings.frame
    frame.assign(fill_pct=frame["fill_pct"].where(frame.index > 0, 1.0)).to_parquet(tmp_path / "r.parquet")
    other = ["--readings", tmp_path / "r.parquet"]  # the other tables stay the run's
    refused = run("fit", "--like", like, *other)
    assert refused.code == 1
    assert "data fingerprint" in refused.err
    assert "--allow-differences" in refused.err
    assert "Fitting" not in refused.err
    assert "No bins table" not in refused.err
    assert tracking.find("brimcast", 2, settings) is None
    done = run("fit", "--like", like, *other, "--allow-differences")
    assert done.code == 0, done.err
    assert f"Other than in run {like}: data fingerprint" in done.err
    assert re.search(r"\d+ of the model's \d\d files differ from those of run", done.out)
    found = tracking.find("brimcast", 2, settings)
    assert found is not None
    tags = mlflow.MlflowClient(settings.tracking_uri).get_run(found.run_id).data.tags
    assert tags["like_differences"].startswith("data fingerprint")


def test_differences_can_be_allowed_only_where_a_run_is_repeated(run: Any, city: list[str]) -> None:
    refused = run("fit", *city, "--allow-differences")
    assert refused.code == 2
    assert "--like" in refused.err


@pytest.mark.parametrize("words", [["--seed", "3"], ["--no-scores"], ["--name", "other"], ["--country", "CZ"]])
def test_what_the_run_says_cannot_be_said_again(run: Any, words: list[str]) -> None:
    done = run("fit", "--like", "0" * 32, *words)
    assert done.code == 2
    assert "are those of the run" in done.err


FIT = """
import sys
from pathlib import Path
import pandas as pd
from training import artifact
from training.artifact import sha256_lines
from training.inputs import read_history
from training.model import FillModel
from training.settings import ModelSettings

artifact.git_commit = lambda: None  # a commit between the two is no concern of theirs
readings, bins, until, folder = sys.argv[1:]
how = ModelSettings(examples=8_000, networks=2, trees=10, leaf_examples=20, country="CZ")
FillModel.fit(read_history(readings, bins).history, until=pd.Timestamp(until), seed=4, settings=how).save(Path(folder))
print(sha256_lines(Path(folder)))
"""


@pytest.mark.slow
def test_processes_with_other_hash_seeds_and_threads_write_the_same_bytes(
    city: list[str], split: pd.Timestamp, tmp_path: Path
) -> None:
    told = []
    for place, (seed, threads) in enumerate([("0", "1"), ("12345", "2")]):
        environment = os.environ | {
            "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads,
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }  # fmt: skip
        words = [sys.executable, "-c", FIT, city[1], city[3], split.isoformat(), str(tmp_path / str(place))]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told.append(done.stdout)
    assert told[0] == told[1]
    assert "model.json" in told[0]

from __future__ import annotations

import json
import pickletools
import re
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from data.settings import Settings
from tests.conftest import QUICK
from tests.training.conftest import copy_database
from training import tracking
from training.baselines import NAMES
from training.candidate import Candidate
from training.commands import main
from training.tracking import RegistryError

NAME = "brimcast"


@pytest.fixture(scope="module")
def logged(candidate: Candidate, migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home in which the candidate was logged once. Read only."""
    home = tmp_path_factory.mktemp("logged")
    copy_database(migrated, home / "mlflow.db")
    tracking.log(candidate, NAME, Settings(home=home))
    return Settings(home=home)


@pytest.fixture(scope="module")
def run(logged: Settings) -> mlflow.entities.Run:
    """That candidate's run."""
    return client(logged).get_run(client(logged).get_model_version(NAME, "1").run_id)


def client(settings: Settings) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(settings.tracking_uri)


def is_pickle(content: bytes) -> bool:
    try:
        list(pickletools.genops(content))
    except Exception:
        return False
    return True


def test_versions_count_up(candidate: Candidate, settings: Settings) -> None:
    assert [tracking.log(candidate, NAME, settings).version for _ in range(2)] == [1, 2]


def test_a_home_that_was_moved_is_pointed_out(
    candidate: Candidate, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracking.log(candidate, NAME, settings)
    assert "moved" not in caplog.text
    moved = tmp_path / "elsewhere" / settings.home.name
    moved.mkdir(parents=True)
    copy_database(settings.home / "mlflow.db", moved / "mlflow.db")
    tracking.log(candidate, NAME, Settings(home=moved))
    assert f"go on to lie in {(settings.home / 'artifacts').as_uri()}" in caplog.text


def test_a_run_tells_parameters_and_the_commit(candidate: Candidate, run: mlflow.entities.Run) -> None:
    assert run.data.params["seed"] == "0"
    assert run.data.params["until"] == candidate.until.isoformat()
    assert run.data.tags["git_commit"]
    assert run.data.tags["fingerprint"] == candidate.fingerprint


def test_a_run_tells_the_data_by_fingerprint_and_span(candidate: Candidate, run: mlflow.entities.Run) -> None:
    given, scored = run.inputs.dataset_inputs
    if given.dataset.name == "windows":
        given, scored = scored, given
    assert {tag.key: tag.value for tag in scored.tags}["scored_on"] == candidate.scored_on
    assert given.dataset.digest == candidate.fingerprint
    assert "small-city/readings.parquet" in given.dataset.source
    tags = {tag.key: tag.value for tag in given.tags}
    first, last = candidate.history.span or (None, None)
    assert (tags["span_start"], tags["span_end"]) == (str(first), str(last))
    assert tags["bins"] == "12"


def test_a_run_tells_scores_by_horizon_and_stream(candidate: Candidate, run: mlflow.entities.Run) -> None:
    assert candidate.scores is not None
    assert run.data.metrics["crps"] == pytest.approx(candidate.scores.loc["overall", "crps"])
    assert run.data.metrics["crps_24h"] == pytest.approx(candidate.scores.loc[24, "crps"])
    streams = set(candidate.history.bins.frame["stream"])
    assert {name.split("/")[0] for name in run.data.metrics if "/" in name} <= streams
    assert any(name.endswith("/cover80_6h") for name in run.data.metrics)


def test_a_run_holds_the_figures(run: mlflow.entities.Run, logged: Settings) -> None:
    names = {Path(found.path).name for found in client(logged).list_artifacts(run.info.run_id, "figures")}
    assert names == {"fan_charts.png", "p_full_reliability.png", "coverage.png"}


def test_a_run_holds_the_model_card_to_read(run: mlflow.entities.Run) -> None:
    text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/model_card.md")
    assert "**Method**" in text
    assert f"{run.data.metrics['skill']:+.1%}" in text


def test_nothing_in_the_logged_model_is_a_pickle(logged: Settings) -> None:
    (models,) = {path.parent for path in (logged.home / "artifacts").rglob("MLmodel")}
    files = [path for path in models.rglob("*") if path.is_file()]
    assert {"model.json", "MLmodel", "input_example.json"} <= {path.name for path in files}
    assert [path for path in files if is_pickle(path.read_bytes())] == []
    assert [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib", ".skops", ".py")] == []


def test_the_model_has_a_signature_and_an_input_example(logged: Settings) -> None:
    (file,) = (logged.home / "artifacts").rglob("MLmodel")
    info = mlflow.models.Model.load(str(file.parent))
    assert info.signature.inputs.input_names() == ["bin_id", "as_of", "at"]
    assert {"q05", "q50", "q95", "mean", "p_full", "status", "model_version"} <= set(
        info.signature.outputs.input_names()
    )
    assert info.saved_input_example_info is not None


def test_a_version_is_described_by_its_data_and_scores(logged: Settings) -> None:
    told = client(logged).get_model_version(NAME, "1")
    assert "80% interval covers" in told.description
    assert "Known weaknesses" in told.description
    assert told.tags["git_commit"]


def test_artifacts_lie_in_our_home(
    candidate: Candidate, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracking.log(candidate, NAME, settings)
    assert list(tmp_path.iterdir()) == []


def test_logging_leaves_the_store_of_the_process_alone(candidate: Candidate, settings: Settings) -> None:
    before = mlflow.get_tracking_uri()
    tracking.log(candidate, NAME, settings)
    assert mlflow.get_tracking_uri() == before


def test_asking_makes_no_database(own_home: Path) -> None:
    assert tracking.find(NAME, "champion", Settings(home=own_home)) is None
    assert list(own_home.iterdir()) == []


def test_a_database_that_is_none_is_told(own_home: Path) -> None:
    (own_home / "mlflow.db").write_text("not a database, and long enough to be taken for one" * 50)
    with pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI"):
        tracking.find(NAME, "champion", Settings(home=own_home))


def test_a_server_that_is_down_is_told_without_its_password(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError) as told:
        tracking.find(NAME, "champion", Settings(home=own_home, tracking_uri="http://me:secret@127.0.0.1:9"))
    assert "secret" not in str(told.value)


def test_importing_tracking_loads_no_mlflow() -> None:
    code = "import training.tracking, training.registry, training.commands, sys; print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_run_holds_a_table_of_scores_by_slice(candidate: Candidate, run: mlflow.entities.Run) -> None:
    table = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/evaluation.json")
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    (overall,) = [row for row in rows if (row["slice"], row["horizon_h"]) == ("all", "overall")]
    assert overall["crps"] == pytest.approx(run.data.metrics["crps"])
    streams = {row["value"] for row in rows if row["slice"] == "stream"}
    assert streams == set(candidate.history.bins.frame["stream"])
    assert {"day", "level_now", "age", "known_for"} <= {row["slice"] for row in rows}


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_fits")
def test_every_search_of_the_readme_finds_what_it_names(
    settings: Settings, small_city_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    (tmp_path / "how.json").write_text(json.dumps({"examples": 1000, "trees": 4, **QUICK}))
    files = ["--readings", small_city_folder / "readings.parquet", "--bins", small_city_folder / "bins.csv"]
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in ("fit", *files, "--settings", tmp_path / "how.json")])
    assert not left.value.code
    text = (Path(tracking.__file__).parents[1] / "README.md").read_text()
    queries = re.findall(r'search_runs\(search_all_experiments=True, filter_string="(.+?)"\)', text)
    assert len(queries) >= 4
    asking = client(settings)
    (known,) = [e.experiment_id for e in asking.search_experiments() if e.name == tracking.EXPERIMENT]
    (fit,) = asking.search_runs([known], "tags.type = 'fit'")
    registered = tracking.find(NAME, "champion", settings)
    assert registered is not None
    assert registered.run_id == fit.info.run_id
    assert fit.info.status == "FINISHED"
    assert any(name.startswith("system/") for name in fit.data.metrics)
    facts = {"FINGERPRINT": fit.data.tags["fingerprint"], "RUN": fit.info.run_id}
    for query in queries:
        for word, value in facts.items():
            query = query.replace(word, value)
        assert asking.search_runs([known], query), query
    scored = asking.search_runs([known], f"tags.mlflow.parentRunId = '{fit.info.run_id}'")
    assert {run.data.tags["forecaster"] for run in scored} == {"model", *NAMES}
    assert min(scored, key=lambda run: run.data.metrics["crps"]).data.metrics["crps"] > 0
    contexts = {tag.value for given in fit.inputs.dataset_inputs for tag in given.tags if tag.key.endswith("context")}
    assert contexts == {"training", "evaluation"}

"""A fit's run: what it learned from, how good it is, and the model as the next version."""

from __future__ import annotations

import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from data.settings import Settings
from training.artifact import git_commit, sha256_lines
from training.model_card import description, markdown
from training.pyfunc import PARAMETERS, _load_pyfunc, example_windows, save_example
from training.tracking.connection import experiment, session
from training.tracking.datasets import dataset, kind_of, windows_dataset
from training.tracking.versions import REHEARSAL, Registered

if TYPE_CHECKING:
    from training.candidate import Candidate

REQUIRED = ("brimcast", "numpy", "pandas", "pyarrow", "scikit-learn", "lightgbm", "pandera", "holidays", "mlflow")
METRICS_AT_ONCE = 1000


def log(candidate: Candidate, name: str, settings: Settings, run_id: str | None = None) -> Registered:
    """Log a fitted model with its scores, figures and data as one run, and register it as the next version.

    run_id: the run that was opened for the fit; else a new one.

    Sets no alias: that is `training.registry`'s to decide. Raises RegistryError.
    """
    model, card = candidate.model, {"git_commit": git_commit(), **candidate.model.card}
    with session(settings) as (mlflow, client), tempfile.TemporaryDirectory(prefix="brimcast-") as scratch:
        run_name = f"{name} until {card['trained_until']}"
        tags = {"type": "fit", "name": name, "mlflow.runName": run_name, **_tags(card)}
        where = {"experiment_id": experiment(client, settings)} if run_id is None else {"run_id": run_id}
        with mlflow.start_run(**where, tags=tags, nested=run_id is not None) as run:
            run_id = str(run.info.run_id)
            client.log_batch(run_id, metrics=_metrics(mlflow, candidate), params=_params(mlflow, candidate))
            made, about = dataset(candidate.history, candidate.source, candidate.fingerprint)
            mlflow.log_input(made, "training", about)
            if candidate.rows is not None:
                scored = windows_dataset(candidate.rows, candidate.source)
                mlflow.log_input(scored, "evaluation", {"scored_on": candidate.scored_on})
                mlflow.log_table(candidate.evaluation, "evaluation.json")
            for title, figure in candidate.figures.items():
                mlflow.log_figure(figure, f"figures/{title}.png")
            if candidate.scores is not None:
                mlflow.log_text(candidate.scores.to_csv(), "scores.csv")
            mlflow.log_dict(card, "card.json")
            mlflow.log_text(markdown(card), "model_card.md")
            folder = Path(scratch) / "model"
            model.save(folder)
            mlflow.log_text(sha256_lines(folder), "model.sha256")
            save_example(folder, candidate.history, candidate.until)
            if candidate.rehearsal is not None:
                candidate.rehearsal.save(Path(scratch) / REHEARSAL)
                mlflow.log_artifacts(str(Path(scratch) / REHEARSAL), REHEARSAL)
            windows = example_windows(candidate.history, candidate.until)
            logged = mlflow.pyfunc.log_model(
                name="model",
                loader_module="training.pyfunc",
                data_path=str(folder),
                signature=_signature(mlflow, windows, folder),
                input_example=(windows, {"readings": "example"}),
                pip_requirements=_requirements(),
            )
        try:
            client.create_registered_model(name, description="Forecasts when public bins reach the brim.")
        except mlflow.MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = client.create_model_version(
            name,
            source=logged.model_uri,
            run_id=run_id,
            model_id=logged.model_id,
            description=description(card),
            tags=_tags(card),
        )
        client.set_tag(run_id, "version", made.version)
        return Registered(name, int(made.version), run_id)


def _tags(card: dict[str, Any]) -> dict[str, str]:
    names = ("git_commit", "fingerprint", "trained_until")
    return {name: str(card.get(name) or "unknown") for name in names}


def _params(mlflow: Any, candidate: Candidate) -> list[Any]:
    return [mlflow.entities.Param(name, str(value)[:6000]) for name, value in candidate.parameters.items()]


def _metrics(mlflow: Any, candidate: Candidate) -> list[Any]:
    now_ms = int(time.time() * 1000)
    metrics = [mlflow.entities.Metric(name, value, now_ms, 0) for name, value in candidate.metrics().items()]
    return metrics[:METRICS_AT_ONCE]


def _signature(mlflow: Any, windows: pd.DataFrame, folder: Path) -> Any:
    """The door's columns, by asking the saved folder for its example, which shows that it loads and answers."""
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    answer = _load_pyfunc(str(folder)).predict(windows, {"readings": "example"})
    return mlflow.models.ModelSignature(
        inputs=Schema([ColSpec(kind_of(windows[column]), column) for column in windows]),
        outputs=Schema([ColSpec(kind_of(answer[column]), column, required=False) for column in answer]),
        params=ParamSchema([ParamSpec(name, "string", "") for name in PARAMETERS]),
    )


def _requirements() -> list[str]:
    pinned = []
    for package in REQUIRED:
        try:
            pinned.append(f"{package}=={version(package)}")
        except PackageNotFoundError:  # we run from a folder that is not installed
            continue
    return pinned

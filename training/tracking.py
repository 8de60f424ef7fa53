"""What MLflow keeps of us: runs, registered versions, aliases. The only module that imports it, when first used."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd

from data.errors import InputError
from data.history import History
from data.settings import Settings
from training.artifact import git_commit, sha256_lines
from training.model_card import description, markdown
from training.pyfunc import PARAMETERS, _load_pyfunc, example_windows, save_example

if TYPE_CHECKING:
    from training.candidate import Candidate

EXPERIMENT = "brimcast"
REQUIRED = ("brimcast", "numpy", "pandas", "pyarrow", "scikit-learn", "lightgbm", "pandera", "holidays", "mlflow")
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # else it copies the project file of whatever folder we stand in
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # its own 7 keep a service waiting for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "5",  # seconds
    "GIT_PYTHON_REFRESH": "quiet",
}
METRICS_AT_ONCE = 1000
REHEARSAL = "rehearsal"


class RegistryError(InputError):
    """The tracking server or database does not answer, or not in words we know."""


@dataclass(frozen=True)
class Registered:
    """One registered version of a model and the aliases that point at it."""

    name: str
    version: int
    run_id: str
    aliases: tuple[str, ...] = ()


def log(candidate: Candidate, name: str, settings: Settings, run_id: str | None = None) -> Registered:
    """Log a fitted model with its scores, figures and data as one run, and register it as the next version.

    run_id: the run that was opened for the fit; else a new one.

    Sets no alias: that is `training.registry`'s to decide. Raises RegistryError.
    """
    mlflow, client = connect(settings)
    model, card = candidate.model, {"git_commit": git_commit(), **candidate.model.card}
    with answering(settings), used(mlflow, settings), tempfile.TemporaryDirectory(prefix="brimcast-") as scratch:
        run_name = f"{name} until {card['trained_until']}"
        tags = {"type": "fit", "name": name, "mlflow.runName": run_name, **_tags(card)}
        where = {"experiment_id": experiment(client, settings)} if run_id is None else {"run_id": run_id}
        with mlflow.start_run(**where, tags=tags, nested=run_id is not None) as run:
            run_id = str(run.info.run_id)
            client.log_batch(run_id, metrics=_metrics(mlflow, candidate), params=_params(mlflow, candidate))
            made, about = dataset(candidate.history, candidate.source, candidate.fingerprint)
            mlflow.log_input(made, "training", about)
            if candidate.rows is not None:
                mlflow.log_input(_scored(candidate), "evaluation", {"scored_on": candidate.scored_on})
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


def find(name: str, wanted: str | int, settings: Settings) -> Registered | None:
    """The version that an alias (text) or a number names; None where there is none. Raises RegistryError."""
    if not begun(settings):
        return None
    mlflow, client = connect(settings)
    with answering(settings):
        try:
            if isinstance(wanted, int):
                found = client.get_model_version(name, str(wanted))
            else:
                number = client.get_registered_model(name).aliases.get(wanted)
                if number is None:
                    return None
                found = client.get_model_version(name, str(number))
        except mlflow.MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
    return Registered(name, int(found.version), found.run_id, tuple(sorted(found.aliases)))


def set_alias(name: str, alias: str, number: int, settings: Settings) -> None:
    """Point `alias` at a version, away from where it pointed before."""
    _, client = connect(settings)
    with answering(settings):
        client.set_registered_model_alias(name, alias, str(number))


def remove_alias(name: str, alias: str, settings: Settings) -> None:
    """Let `alias` point nowhere."""
    _, client = connect(settings)
    with answering(settings):
        client.delete_registered_model_alias(name, alias)


def download(registered: Registered, folder: Path, settings: Settings) -> None:
    """Write a version's own files (those that `FillModel.load` reads) into `folder`, which must not exist yet."""
    mlflow, client = connect(settings)
    with answering(settings), used(mlflow, settings), tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        uri = client.get_model_version_download_uri(registered.name, str(registered.version))
        whole = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch))
        flavor = mlflow.models.Model.load(str(whole)).flavors.get("python_function", {})
        if flavor.get("loader_module") != "training.pyfunc":
            raise InputError(
                f"Version {registered.version} of {registered.name} is loaded by {flavor.get('loader_module')!r}",
                expected="a model that `brimcast training fit` has logged",
                remedy="Promote another version, or choose another --name.",
            )
        shutil.move(whole / flavor["data"], folder)


def download_rehearsal(registered: Registered, folder: Path, settings: Settings) -> bool:
    """Write the rehearsal that was scored in place of a version into `folder`; False where its run keeps none."""
    with session(settings) as (mlflow, client):
        if not client.list_artifacts(registered.run_id, REHEARSAL):
            return False
        uri = f"runs:/{registered.run_id}/{REHEARSAL}"
        shutil.move(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder.parent)), folder)
    return True


def begun(settings: Settings) -> bool:
    """Whether there is a registry to ask: a SQLite file that is missing would be made by asking."""
    path = _sqlite_file(settings)
    return path is None or path.exists()


def set_environment() -> None:
    """What MLflow must find in the environment when it is imported, unless somebody has set it otherwise."""
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)


def connect(settings: Settings) -> tuple[Any, Any]:
    """MLflow, imported quiet and without telemetry, and its client."""
    set_environment()
    import mlflow
    import mlflow.data
    import mlflow.pyfunc

    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if path := _sqlite_file(settings):
        path.parent.mkdir(parents=True, exist_ok=True)
    with answering(settings):
        return mlflow, mlflow.MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)


@contextmanager
def session(settings: Settings) -> Iterator[tuple[Any, Any]]:
    """MLflow and its client; inside, its fluent calls go to our store, and what it raises is RegistryError."""
    mlflow, client = connect(settings)
    with answering(settings), used(mlflow, settings):
        yield mlflow, client


@contextmanager
def answering(settings: Settings) -> Iterator[None]:
    """Turn what MLflow and its database raise into RegistryError."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        said = _shown(" ".join(str(error).split()))[:300]
        refused = getattr(error, "get_http_status_code", lambda: 0)() in (401, 403)
        remedy = "Check MLFLOW_TRACKING_URI and whether its server or database is up."
        if refused:
            remedy = "Check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and what this user may do there."
        raise RegistryError(
            f"The MLflow registry at {_shown(settings.tracking_uri)} did not do what was asked ({said})",
            expected="an MLflow tracking store that answers",
            remedy=remedy,
            example=None if refused else "MLFLOW_TRACKING_URI=sqlite:////data/mlflow.db",
        ) from error


@contextmanager
def used(mlflow: Any, settings: Settings) -> Iterator[None]:
    """MLflow's fluent calls go to our store inside the block, and where they went before after it."""
    before = os.environ.get("MLFLOW_TRACKING_URI")  # MLflow keeps there what was set, also by a call
    mlflow.set_tracking_uri(settings.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def experiment(client: Any, settings: Settings, name: str = EXPERIMENT) -> str:
    """The experiment's id; its artifacts lie in our home where a database without a server keeps the runs."""
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    served = urlsplit(settings.tracking_uri).scheme in ("http", "https", "databricks")
    location = None if served else (settings.home / "artifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _tags(card: dict[str, Any]) -> dict[str, str]:
    names = ("git_commit", "fingerprint", "trained_until")
    return {name: str(card.get(name) or "unknown") for name in names}


def _params(mlflow: Any, candidate: Candidate) -> list[Any]:
    return [mlflow.entities.Param(name, str(value)[:6000]) for name, value in candidate.parameters.items()]


def _metrics(mlflow: Any, candidate: Candidate) -> list[Any]:
    now_ms = int(time.time() * 1000)
    metrics = [mlflow.entities.Metric(name, value, now_ms, 0) for name, value in candidate.metrics().items()]
    return metrics[:METRICS_AT_ONCE]


def dataset(history: History, source: str, fingerprint: str) -> tuple[Any, dict[str, str]]:
    """Readings as MLflow's dataset input: their fingerprint as digest, their span and size as tags."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.types import ColSpec, Schema

    frame = history.readings.frame
    columns = Schema([ColSpec(_kind(frame[column]), column) for column in frame.columns])
    made = MetaDataset(CodeDatasetSource({"readings": source}), name="readings", digest=fingerprint, schema=columns)
    first, last = history.span or ("", "")
    tags = {
        "span_start": str(first),
        "span_end": str(last),
        "readings": str(len(frame)),
        "bins": str(len(history.bins.unique)),
        "reported_emptyings": str(len(history.emptyings)),
    }
    return made, tags


def _scored(candidate: Candidate) -> Any:
    """The windows that scores come from as MLflow's dataset input; its digest is of these and what came true."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    rows = candidate.rows[["bin_id", "as_of", "at", "y"]] if candidate.rows is not None else pd.DataFrame()
    digest = hashlib.sha256(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes()).hexdigest()[:16]
    return MetaDataset(CodeDatasetSource({"readings": candidate.source}), name="windows", digest=digest)


def _signature(mlflow: Any, windows: pd.DataFrame, folder: Path) -> Any:
    """The door's columns, by asking the saved folder for its example, which shows that it loads and answers."""
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    answer = _load_pyfunc(str(folder)).predict(windows, {"readings": "example"})
    return mlflow.models.ModelSignature(
        inputs=Schema([ColSpec(_kind(windows[column]), column) for column in windows]),
        outputs=Schema([ColSpec(_kind(answer[column]), column, required=False) for column in answer]),
        params=ParamSchema([ParamSpec(name, "string", "") for name in PARAMETERS]),
    )


def _kind(column: pd.Series) -> str:
    if pd.api.types.is_datetime64_any_dtype(column):
        return "datetime"
    return "double" if pd.api.types.is_numeric_dtype(column) else "string"


def _requirements() -> list[str]:
    pinned = []
    for package in REQUIRED:
        try:
            pinned.append(f"{package}=={version(package)}")
        except PackageNotFoundError:  # we run from a folder that is not installed
            continue
    return pinned


def _sqlite_file(settings: Settings) -> Path | None:
    prefix, _, path = settings.tracking_uri.partition(":///")
    return Path(path) if prefix.startswith("sqlite") and path else None


def _shown(text: str) -> str:
    """The text without the user and password of any address in it."""
    return re.sub(r"//[^/@\s]+@", "//", text)

"""The way to MLflow: where it is, what it is told of its environment, and what becomes of its errors."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from data.errors import InputError
from data.settings import Settings

EXPERIMENT = "brimcast"
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


class RegistryError(InputError):
    """The tracking server or database does not answer, or not in words we know."""


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
    with answering(settings), _used(mlflow, settings):
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
def _used(mlflow: Any, settings: Settings) -> Iterator[None]:
    """MLflow's fluent calls go to our store inside the block, and where they went before after it."""
    before = os.environ.get("MLFLOW_TRACKING_URI")  # MLflow keeps there what was set, also by a call
    mlflow.set_tracking_uri(settings.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def experiment(client: Any, settings: Settings, name: str = EXPERIMENT) -> str:
    """The experiment's id; its artifacts lie in our home where a database without a server keeps the runs."""
    served = urlsplit(settings.tracking_uri).scheme in ("http", "https", "databricks")
    location = None if served else (settings.home / "artifacts").as_uri()
    known = client.get_experiment_by_name(name)
    if known is None:
        return str(client.create_experiment(name, artifact_location=location))
    kept = str(known.artifact_location)
    if location is not None and kept != location and kept.endswith(f"/{settings.home.name}/artifacts"):
        logging.getLogger(__name__).warning(
            "%s was moved or copied: MLflow keeps whole paths, so artifacts go on to lie in %s", settings.home, kept
        )
    return str(known.experiment_id)


def _sqlite_file(settings: Settings) -> Path | None:
    prefix, _, path = settings.tracking_uri.partition(":///")
    return Path(path) if prefix.startswith("sqlite") and path else None


def _shown(text: str) -> str:
    """The text without the user and password of any address in it."""
    return re.sub(r"//[^/@\s]+@", "//", text)

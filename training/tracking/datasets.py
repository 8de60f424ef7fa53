"""Dataset inputs of runs: the readings that were worked on, and the windows that were judged by."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd

from data.history import History
from training.scores import KEY


def dataset(history: History, source: str, fingerprint: str) -> tuple[Any, dict[str, str]]:
    """Readings as MLflow's dataset input: their fingerprint as digest, their span and size as tags."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.types import ColSpec, Schema

    frame = history.readings.frame
    columns = Schema([ColSpec(kind_of(frame[column]), column) for column in frame.columns])
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


def windows_dataset(rows: pd.DataFrame, source: str) -> Any:
    """Scored windows (bin_id, as_of, at, y) as MLflow's dataset input; its digest is of these and what came true."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    hashed = pd.util.hash_pandas_object(rows[[*KEY, "y"]], index=False).to_numpy()
    digest = hashlib.sha256(hashed.tobytes()).hexdigest()[:16]
    return MetaDataset(CodeDatasetSource({"readings": source}), name="windows", digest=digest)


def kind_of(column: pd.Series) -> str:
    """What MLflow's schemas call the column's type."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return "datetime"
    return "double" if pd.api.types.is_numeric_dtype(column) else "string"

"""What MLflow keeps of us: runs, registered versions, aliases. The only package that imports it, when first used."""

from training.tracking.connection import (
    EXPERIMENT,
    RegistryError,
    answering,
    begun,
    connect,
    experiment,
    session,
    set_environment,
)
from training.tracking.datasets import dataset, windows_dataset
from training.tracking.fits import REQUIRED, log
from training.tracking.versions import (
    Registered,
    download,
    download_rehearsal,
    find,
    remove_alias,
    set_alias,
)

__all__ = [
    "EXPERIMENT", "REQUIRED", "Registered", "RegistryError", "answering", "begun", "connect", "dataset", "download",
    "download_rehearsal", "experiment", "find", "log", "remove_alias", "session", "set_alias", "set_environment",
    "windows_dataset",
]  # fmt: skip

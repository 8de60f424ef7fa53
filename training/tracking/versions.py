"""Registered versions: which there are, where aliases point, and their files."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from data.settings import Settings
from training.tracking.connection import answering, begun, connect, session

REHEARSAL = "rehearsal"


@dataclass(frozen=True)
class Registered:
    """One registered version of a model and the aliases that point at it."""

    name: str
    version: int
    run_id: str
    aliases: tuple[str, ...] = ()


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
    with session(settings) as (mlflow, client), tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
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

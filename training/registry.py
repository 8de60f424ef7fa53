"""Which registered version answers: champion and challenger, promotion, one step back, and the local copy."""

from __future__ import annotations

import json
import logging
import re
import tempfile
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.history import History
from data.outputs import whole
from data.readings import Readings
from data.settings import Settings, read_settings
from training import tracking
from training.artifact import is_intact
from training.tracking import Registered, RegistryError

NAME = "brimcast"
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous_champion"
ALIASES = (CHAMPION, CHALLENGER, PREVIOUS)
REGISTERED = "registered.json"
COPYING = ".copying-"


def check_name(name: str) -> str:
    """The name of a registered model, if it is one: it also names a folder. Raises InputError."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
        raise InputError(
            f"{name!r} is not the name of a registered model",
            expected="letters, digits, '_', '-' and '.'",
            remedy="Choose another --name.",
            example=NAME,
        )
    return name


def enter(registered: Registered, settings: Settings) -> Registered:
    """Make a newly registered version the challenger, and the champion where there is none yet."""
    tracking.set_alias(registered.name, CHALLENGER, registered.version, settings)
    if tracking.find(registered.name, CHAMPION, settings) is None:
        tracking.set_alias(registered.name, CHAMPION, registered.version, settings)
    return found(registered.name, registered.version, settings)


def promote(name: str, version: int | None, settings: Settings) -> tuple[Registered, Registered | None]:
    """Make a version (default: the challenger) the champion; returns it and the champion before, if another was.

    The champion before is remembered for `rollback`. Promoting the champion again changes nothing.
    """
    chosen = found(name, CHALLENGER if version is None else version, settings)
    before = tracking.find(name, CHAMPION, settings)
    if before is not None and before.version == chosen.version:
        return chosen, None
    # Remembered first: whatever stops us between the two, `rollback` never leads to the wrong version.
    if before is not None:
        tracking.set_alias(name, PREVIOUS, before.version, settings)
    tracking.set_alias(name, CHAMPION, chosen.version, settings)
    return found(name, chosen.version, settings), before


def rollback(name: str, settings: Settings) -> tuple[Registered, Registered]:
    """Make the champion before the last promotion the champion again; returns it and the one it replaces.

    One step: the memory is used up. Raises InputError where nothing is remembered.
    """
    previous, now = remembered(name, settings)
    tracking.set_alias(name, CHAMPION, previous.version, settings)
    tracking.remove_alias(name, PREVIOUS, settings)
    return found(name, previous.version, settings), now


def remembered(name: str, settings: Settings) -> tuple[Registered, Registered]:
    """The version that `rollback` would lead to, and the champion. Raises InputError where nothing is remembered."""
    now = found(name, CHAMPION, settings)
    previous = tracking.find(name, PREVIOUS, settings)
    if previous is None or previous.version == now.version:
        raise InputError(
            f"There is nothing to roll back to: version {now.version} of {name} is the champion, "
            "and no promotion stands before it",
            expected="a champion that `promote` has put there since the last rollback",
            remedy="Promote the version you want instead.",
            example="brimcast training promote 3",
        )
    return previous, now


def found(name: str, wanted: str | int, settings: Settings) -> Registered:
    """The version that an alias or number names. Raises InputError where there is none."""
    registered = tracking.find(check_name(name), wanted, settings)
    if registered is None:
        what = f"version {wanted}" if isinstance(wanted, int) else wanted
        raise InputError(
            f"The registry has no {what} of a model named {name}",
            expected="a version that has been fitted and registered",
            remedy="Fit one, or check --name, BRIMCAST_HOME and MLFLOW_TRACKING_URI.",
            example="brimcast training fit --readings readings.parquet --bins bins.csv",
        )
    return registered


class Refused(InputError):  # noqa: N818 - what the registry offers is no model of ours
    """A registered version that this code cannot answer with: broken, foreign, or of another format."""


def local_copy(name: str = NAME, wanted: str | int = CHAMPION, settings: Settings | None = None) -> tuple[Path, int]:
    """`newest_copy`, or where the registry does not answer the copy that answered last, and a warning logged.

    Raises InputError where the registry knows no such version, Refused where it cannot be loaded, RegistryError where
    the registry does not answer and there is no copy.
    """
    settings = settings or read_settings()
    try:
        return newest_copy(name, wanted, settings)
    except RegistryError as error:
        kept = last_copy(name, wanted, settings)
        if kept is None:
            raise
        logging.getLogger(__name__).warning("%s Going on with version %d, copied before.", error, kept[1])
        return kept


def newest_copy(name: str, wanted: str | int, settings: Settings) -> tuple[Path, int]:
    """A folder that `FillModel.load` reads, with the version that an alias or number names; and that version.

    Lies in `home/models/<name>/<version>/`, copied there once, whole or not at all, and only if it loads and forecasts:
    so the last copy is always one that answers; one that was damaged since is copied again. Raises InputError where
    the registry knows no such version, Refused where it cannot answer, RegistryError where the registry does not.
    """
    if not tracking.begun(settings) and _last_version(name, wanted, settings) is not None:
        raise RegistryError(
            f"The registry {settings.tracking_uri} is gone",
            expected="the database of before",
            remedy="Check BRIMCAST_HOME and MLFLOW_TRACKING_URI.",
        )
    registered = found(name, wanted, settings)
    folder = _copied(registered, settings)
    if isinstance(wanted, str):
        with whole(_pointer(name, wanted, settings)) as draft:
            draft.write_text(str(registered.version))
    return folder, registered.version


def last_copy(
    name: str = NAME, wanted: str | int = CHAMPION, settings: Settings | None = None
) -> tuple[Path, int] | None:
    """The copy that `local_copy` returned last, without asking the registry (and without importing MLflow)."""
    settings = settings or read_settings()
    version = _last_version(name, wanted, settings)
    if version is None:
        return None
    folder = _models(name, settings) / str(version)
    return (folder, version) if (folder / REGISTERED).exists() else None


def copied_at(folder: Path) -> int:
    """When a folder was copied, nanoseconds; 0 for one that is no whole copy."""
    note = folder / REGISTERED
    return note.stat().st_mtime_ns if note.exists() else 0


def registered_as(folder: Path) -> dict[str, object]:
    """What `local_copy` noted of a folder: name, version and run_id; nothing for a folder that is no whole copy."""
    try:
        return dict(json.loads((folder / REGISTERED).read_text()))
    except (FileNotFoundError, ValueError):  # a machine that stops may leave a file empty
        return {}


def _copied(registered: Registered, settings: Settings) -> Path:
    models = _models(registered.name, settings)
    folder = models / str(registered.version)
    note = {"name": registered.name, "version": registered.version, "run_id": registered.run_id}
    if registered_as(folder) == note and is_intact(folder):
        return folder
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=COPYING, dir=models) as scratch:
        draft = Path(scratch) / "model"
        _download(registered, draft, settings)
        (draft / REGISTERED).write_text(json.dumps(note))
        if folder.exists():  # of another registry, that counted the same
            folder.replace(Path(scratch) / "former")
        try:
            draft.replace(folder)
        except OSError:  # another process was faster
            if registered_as(folder) != note:
                raise
    return folder


def _download(registered: Registered, draft: Path, settings: Settings) -> None:
    from training.model import FillModel

    def refused(found: str) -> Refused:
        return Refused(
            f"Version {registered.version} of {registered.name} is refused ({found})",
            expected="a model that this version of Brimcast has fitted, as it was logged",
            remedy="Roll back, or promote another version.",
            example="brimcast training rollback",
        )

    try:
        tracking.download(registered, draft, settings)
        model = FillModel.load(draft)
    except RegistryError:
        raise
    except InputError as error:
        raise refused(error.found) from error
    try:
        model.forecast(*_trial())
    except Exception as error:  # whatever is wrong with it, it cannot answer
        raise refused(f"it loads, but does not forecast: {error}") from error


def _trial() -> tuple[History, pd.Timestamp]:
    """A bin that no model knows, with a few readings: every model can say something of it."""
    at = pd.Timestamp("2025-01-01T00:00Z") + pd.to_timedelta(range(48), "h")
    table = pd.DataFrame({"bin_id": "trial", "measured_at": at, "fill_pct": [float(k) for k in range(48)]})
    return History.of(Readings.checked(table)), at[-1]


def _last_version(name: str, wanted: str | int, settings: Settings) -> int | None:
    if isinstance(wanted, int):
        return wanted
    pointer = _pointer(name, wanted, settings)
    text = pointer.read_text().strip() if pointer.exists() else ""
    return int(text) if text.isdigit() else None


def _pointer(name: str, alias: str, settings: Settings) -> Path:
    return _models(name, settings) / f"{alias}.txt"


def _models(name: str, settings: Settings) -> Path:
    return settings.home / "models" / check_name(name)

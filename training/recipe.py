"""Everything that a fit depends on, kept with its run, so that the run can be repeated to the byte."""

from __future__ import annotations

import platform
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from data.errors import InputError
from data.history import History
from data.settings import Settings
from training.artifact import git_commit
from training.practice import known_by
from training.settings import ModelSettings
from training.tracking import REQUIRED, session

FILE, DIGESTS = "recipe.json", "model.sha256"
LIKE, DIFFERENCES = "like", "like_differences"
PACKAGES = (*REQUIRED, "scipy")
CHANGES = "+changes"


class Sources(BaseModel):
    """Where a fit's tables came from, as the command line named them; a database's password is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    readings: str
    bins: str | None = None
    emptyings: str | None = None
    weather: str | None = None
    timezone: str | None = None
    map: tuple[str, ...] = ()


class Recipe(BaseModel):
    """How a run was fitted, from what, and with what.

    heard_until: of all that was read, also what it was only scored on; rows: by table; data: the fingerprint of these;
    versions: of packages, Python and the platform; commit: None outside a checkout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sources: Sources
    until: datetime | None
    heard_until: datetime
    evaluate: bool
    against: tuple[str, ...]
    seed: int
    settings: dict[str, Any]
    data: str
    rows: dict[str, int]
    versions: dict[str, str]
    commit: str | None

    @classmethod
    def of(cls, history: History, **given: Any) -> Recipe:
        """The recipe of a fit on all of `history`, here and now."""
        tables = {"readings": history.readings.frame, "emptyings": history.emptyings.frame, "bins": history.bins.frame}
        tables |= {"weather": history.weather.frame} if len(history.weather) else {}
        return cls(
            heard_until=heard_until(history),
            data=history.fingerprint(),
            rows={name: len(frame) for name, frame in tables.items()},
            versions=_versions(),
            commit=git_commit(),
            **given,
        )

    @property
    def method(self) -> dict[str, Any]:
        """What of it was chosen, not found: all that a repetition takes over, but for the sources."""
        return self.model_dump(include={"name", "until", "evaluate", "against", "seed", "settings"})

    def known(self, history: History) -> History:
        """What this recipe's fit knew of a history that may have grown since."""
        return known_by(history, pd.Timestamp(self.heard_until))[0]

    def differences(self, now: Recipe) -> tuple[str, ...]:
        """What makes a repetition another fit, each in words: data, versions, commit."""
        found = []
        if now.data != self.data:
            names = self.rows | now.rows
            rows = [f"{self.rows.get(n, 0):,} {n} then, {now.rows.get(n, 0):,} now" for n in names]
            found.append(f"data fingerprint {self.data} then, {now.data} now ({'; '.join(rows)})")
        for name in sorted(self.versions.keys() | now.versions.keys()):
            then, today = (versions.get(name, "none") for versions in (self.versions, now.versions))
            if then != today:
                found.append(f"{name} {then} then, {today} now")
        if now.commit != self.commit:
            found.append(f"commit {self.commit} then, {now.commit} now")
        elif self.commit is not None and self.commit.endswith(CHANGES):
            found.append(f"commit {self.commit}: changes that were never committed may differ")
        return tuple(found)


def heard_until(history: History) -> pd.Timestamp:
    """When the last of a history's readings and emptyings was heard."""
    return max(frame["received_at"].max() for frame in (history.readings.frame, history.emptyings.frame) if len(frame))


def heard_only(history: History) -> History:
    """Without the weather that was issued later than all else was heard: nothing asks it, and a repetition cuts it."""
    return known_by(history, heard_until(history))[0]


def keep(recipe: Recipe, run_id: str, settings: Settings, like: str | None, differences: tuple[str, ...]) -> None:
    """Keep a recipe with its run; `like`: the run that it repeats, and what differs from that one all the same."""
    with session(settings) as (_, client):
        client.log_dict(run_id, recipe.model_dump(mode="json"), FILE)
        if like is not None:
            client.set_tag(run_id, LIKE, like)
            client.set_tag(run_id, DIFFERENCES, "; ".join(differences)[:5000] or "none")


def recipe_of(run_id: str, settings: Settings) -> Recipe:
    """The recipe kept with a run. Raises InputError where there is none that this version of Brimcast can follow."""
    text = _text(run_id, FILE, settings)
    if text is None:
        raise InputError(
            f"There is no recipe of a run {run_id!r}",
            expected="the id of a run that `brimcast training fit` has logged",
            remedy="Take it from what fit printed, or from MLflow; check MLFLOW_TRACKING_URI.",
            example="brimcast training fit --like 1c35d23c58e64ec2bb19365b1429d170",
        )
    try:
        found = Recipe.model_validate_json(text)
        ModelSettings(**found.settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"The recipe of run {run_id} cannot be followed ({'.'.join(map(str, first['loc']))}: {first['msg']})",
            expected="a recipe of this version of Brimcast",
            remedy="Repeat it with the release that fitted it.",
        ) from error
    return found


def changed_files(run_id: str, like: str, settings: Settings) -> tuple[int, tuple[str, ...]]:
    """How many files the model of a run has, and which of them are not those of another run, byte for byte."""
    ours, theirs = (_digests(_text(run, DIGESTS, settings) or "") for run in (run_id, like))
    return len(ours), tuple(sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)))


def _digests(text: str) -> dict[str, str]:
    """Digests by file, of the lines that `sha256sum` writes."""
    return {name: digest for digest, _, name in (line.partition("  ") for line in text.splitlines())}


def _text(run_id: str, file: str, settings: Settings) -> str | None:
    """A text that a run keeps; None where there is no such run, or no such text."""
    with session(settings) as (mlflow, client):
        try:
            run = client.get_run(run_id)
        except mlflow.MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        if file not in [found.path for found in client.list_artifacts(run_id)]:
            return None
        return str(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{file}"))


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # we run from a folder that is not installed
            continue
    return found

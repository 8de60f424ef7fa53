"""A run of MLflow while it goes on: it nests, is tagged with its kind, and watches the machine that works."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from data.history import History
from data.settings import Settings
from training.artifact import git_commit
from training.tracking import dataset, experiment, session

if TYPE_CHECKING:
    from training.candidate import Candidate
    from training.monitoring import Report

TYPE = "type"
"""The tag that says what a run did: fit, score, tune, trial, monitor; decisions and live days have it too."""


@dataclass(frozen=True)
class Run:
    """A run that has been opened."""

    run_id: str
    settings: Settings

    def log(
        self,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, object] | None = None,
        step: int = 0,
    ) -> None:
        """Add to the run, in one request. Raises RegistryError."""
        now_ms = int(time.time() * 1000)
        with session(self.settings) as (mlflow, client):
            entities = mlflow.entities
            client.log_batch(
                self.run_id,
                params=[entities.Param(name, str(value)) for name, value in (params or {}).items()],
                metrics=[entities.Metric(name, value, now_ms, step) for name, value in (metrics or {}).items()],
                tags=[entities.RunTag(name, str(value)) for name, value in (tags or {}).items()],
            )

    def table(self, frame: pd.DataFrame, name: str) -> None:
        """Keep a table as the artifact `name`.json, which MLflow shows under Evaluations of runs side by side."""
        with session(self.settings) as (_, client):
            client.log_table(self.run_id, frame, f"{name}.json")

    def keep(self, content: Mapping[str, Any], name: str) -> None:
        """Keep a mapping as the artifact `name`.json."""
        with session(self.settings) as (_, client):
            client.log_dict(self.run_id, dict(content), f"{name}.json")

    def data(self, history: History, source: str, context: str) -> None:
        """Say on which readings the innermost open run works; context: training, evaluation or monitoring."""
        made, tags = dataset(history, source, history.fingerprint())
        with session(self.settings) as (mlflow, _):
            mlflow.log_input(made, context, tags)


@contextmanager
def running(
    title: str,
    kind: str,
    settings: Settings,
    *,
    tags: Mapping[str, object] | None = None,
    parent: Run | None = None,
    system: bool = False,
) -> Iterator[Run]:
    """A run around the block, finished or failed as the block is; nested under `parent`.

    system: how busy the machine is, every few seconds, as metrics system/…. Raises RegistryError.
    """
    told = {TYPE: kind, "git_commit": git_commit() or "unknown", **{n: str(v) for n, v in (tags or {}).items()}}
    with (
        session(settings) as (mlflow, client),
        mlflow.start_run(
            experiment_id=experiment(client, settings),
            run_name=title,
            tags=told,
            nested=True,
            parent_run_id=parent.run_id if parent else None,
            log_system_metrics=system,
        ) as opened,
    ):
        yield Run(opened.info.run_id, settings)


def log_scores(candidate: Candidate, parent: Run) -> None:
    """Runs under a fit's, one for the model and one for each baseline, to be set side by side in MLflow."""
    if candidate.rows is None:
        return
    card = candidate.model.card
    for name, scores in {"model": card["scores"], **card["baselines"]}.items():
        tags = {"forecaster": name, "scored_on": candidate.scored_on}
        with running(f"{name}, scored", "score", parent.settings, tags=tags, parent=parent) as run:
            run.log(metrics={metric: float(value) for metric, value in scores.items() if value is not None})


def log_report(report: Report, name: str, history: History, source: str, settings: Settings) -> None:
    """A run for what `monitor` found: each number as a metric, the outcome as a tag, the report as an artifact."""
    tags = {"name": name, "model_version": report.model, "retrain": bool(report.reasons)}
    with running(f"monitor {report.model}", "monitor", settings, tags=tags) as run:
        run.data(history, source, "monitoring")
        numbers = {check.name.replace(" ", "_"): check.value for check in report.checks}
        run.log(metrics={n: value for n, value in numbers.items() if value is not None})
        run.keep(report.to_json(), "monitor")

"""MLflow's runs of forecasts that were given: one a UTC day and model, made once and brought up to date after that."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from data.settings import Settings
from training.live_scorecard import Day
from training.tracking import answering, begun, connect, experiment

EXPERIMENT = "brimcast-live"
KIND = "live"
MOST = 1000
TAGS = ("brimcast.day", "brimcast.role", "brimcast.model", "brimcast.version")


def log_days(days: Sequence[Day], settings: Settings) -> int:
    """Log each day's scores, a run a day, role and model; how many runs were new or changed. Raises RegistryError.

    A run is known by its tags. Where a late reading changed a day, its run tells the newer scores. Nothing is logged
    where MLflow's own SQLite file is not there: asking would make an empty one.
    """
    if not days or not begun(settings):
        return 0
    mlflow, client = connect(settings)
    changed = 0
    with answering(settings):
        found = experiment(client, settings, EXPERIMENT)
        runs = {_tags(run.data.tags): run for run in _runs(client, found)}
        for day in days:
            run = runs.get(_wanted(day)) or _made(client, found, day)
            if run.data.metrics != day.metrics:
                now_ms = int(time.time() * 1000)
                metrics = [mlflow.entities.Metric(name, value, now_ms, 0) for name, value in day.metrics.items()]
                client.log_batch(run.info.run_id, metrics=metrics)
                client.set_terminated(run.info.run_id)
                changed += 1
    return changed


def _made(client: Any, found: str, day: Day) -> Any:
    """A new run; where another process was faster, its run, and ours is gone."""
    tags = {"type": KIND, **dict(zip(TAGS, _wanted(day), strict=True))}
    name = f"{day.day:%Y-%m-%d} {day.role} {day.name} {day.version}"
    own = client.create_run(found, tags=tags, run_name=name)
    same = [run for run in _runs(client, found) if _tags(run.data.tags) == _wanted(day)]
    first = min(same, key=lambda run: (run.info.start_time, run.info.run_id), default=own)
    if first.info.run_id != own.info.run_id:
        client.delete_run(own.info.run_id)
    return first


def _wanted(day: Day) -> tuple[str, ...]:
    return f"{day.day:%Y-%m-%d}", day.role, day.name, day.version


def _tags(tags: dict[str, str]) -> tuple[str, ...]:
    return tuple(tags.get(name, "") for name in TAGS)


def _runs(client: Any, found: str) -> list[Any]:
    """The newest runs: more than days are scored at once."""
    return list(client.search_runs([found], order_by=["attributes.start_time DESC"], max_results=MOST))

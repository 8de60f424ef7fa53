"""The logbook of decisions: each is an MLflow run, and an entry atop its version's description."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

from data.settings import Settings
from training.decision import Decision
from training.figures import change_chart
from training.model_card import LONGEST
from training.promotion_settings import PromotionSettings
from training.tracking import Registered, dataset, experiment, session, windows_dataset

KIND, ROLLED_BACK = "decision", "rolled_back"
BREAK = "\n\n---\n\n"
ENTRIES = 3


@contextmanager
def entered(decision: Decision, rule: PromotionSettings, settings: Settings) -> Iterator[str]:
    """Log a decision as a run, yield its id to carry the decision out, and describe the version by it.

    Find runs by their tags: type = decision, name, outcome, challenger, champion. Where the block raises, the run has
    failed and the version is described as before. Raises RegistryError.
    """
    challenger, verdict = decision.challenger, decision.verdict
    with session(settings) as (mlflow, client):
        title = f"{challenger.name} version {challenger.version}: {decision.outcome}"
        with mlflow.start_run(experiment_id=experiment(client, settings), run_name=title, tags=_tags(decision)) as run:
            client.log_batch(run.info.run_id, params=_params(mlflow, decision, rule))
            _log_inputs(mlflow, decision)
            if verdict is not None:
                mlflow.log_metrics(verdict.metrics)
                mlflow.log_table(verdict.table, "verdict.json")
                mlflow.log_figure(change_chart(verdict.table), "figures/changes.png")
            yield str(run.info.run_id)
            entry = decision.entry(run.info.run_id)
            mlflow.log_text(entry, "changelog.md")
        _describe(client, challenger, entry)
        for key, value in (("decision", decision.outcome), ("decision_run", run.info.run_id)):
            client.set_model_version_tag(challenger.name, str(challenger.version), key, value)


@contextmanager
def rolled_back(
    back: Registered, left: Registered, reason: str | None, made_at: pd.Timestamp, settings: Settings
) -> Iterator[str]:
    """Log as a run that `back` becomes the champion again in place of `left`; yield its id to carry that out.

    Find it by its tags: type = decision, outcome = rolled_back, name, champion (who was it until then), back_to; its
    start is when, its reason why. Both versions' descriptions say so. Nothing is kept but tags: who rolls back may
    have lost the artifacts' storage. Where the block raises, the run has failed and no description changes. Raises
    RegistryError.
    """
    why = (reason or "").strip()[:5000]
    tags = {"type": KIND, "name": left.name, "outcome": ROLLED_BACK}
    tags |= {"champion": str(left.version), "champion_run": left.run_id}
    tags |= {"back_to": str(back.version), "back_to_run": back.run_id} | ({"reason": why} if why else {})
    title = f"{left.name} version {left.version}: rolled back to version {back.version}"
    with session(settings) as (mlflow, client):
        with mlflow.start_run(experiment_id=experiment(client, settings), run_name=title, tags=tags) as run:
            run_id = str(run.info.run_id)
            yield run_id
        day, decided = f"{made_at:%Y-%m-%d}", f"\n\n{f'Because: {why}. ' if why else ''}MLflow run {run_id}"
        _describe(client, left, f"**{day}: rolled back; version {back.version} is the champion again.**{decided}")
        _describe(client, back, f"**{day}: champion again, after version {left.version} was rolled back.**{decided}")
        for key, value in (("decision", ROLLED_BACK), ("decision_run", run_id)):
            client.set_model_version_tag(left.name, str(left.version), key, value)


def _log_inputs(mlflow: Any, decision: Decision) -> None:
    """The readings, and the windows of them, that both were judged on, where they were."""
    source = decision.source or "unknown"
    if decision.history is not None:
        made, about = dataset(decision.history, source, decision.history.fingerprint())
        mlflow.log_input(made, "evaluation", about)
    if decision.windows is not None:
        about = {"windows": str(len(decision.windows))}
        mlflow.log_input(windows_dataset(decision.windows, source), "evaluation", about)


def _describe(client: Any, registered: Registered, entry: str) -> None:
    """Put an entry on top of a version's description, which keeps the newest few; what is too long ends the card."""
    known = client.get_model_version(registered.name, str(registered.version)).description or ""
    *entries, card = known.split(BREAK)
    text = BREAK.join([entry, *entries[: ENTRIES - 1], card])
    if len(text) > LONGEST:
        text = text[: text.rfind("\n", 0, LONGEST)]
    client.update_model_version(registered.name, str(registered.version), description=text)


def _tags(decision: Decision) -> dict[str, str]:
    champion = decision.champion
    tags = {
        "type": KIND,
        "name": decision.challenger.name,
        "outcome": decision.outcome,
        "challenger": str(decision.challenger.version),
        "challenger_run": decision.challenger.run_id,
        "champion": str(champion.version) if champion else "none",
        "champion_run": champion.run_id if champion else "none",
    }
    return tags | ({} if decision.reason is None else {"reason": decision.reason[:5000]})


def _params(mlflow: Any, decision: Decision, rule: PromotionSettings) -> list[Any]:
    given: dict[str, object] = {}
    if decision.verdict is not None:
        met = decision.verdict
        given = {"readings": decision.source, "from": met.start.isoformat(), "to": met.end.isoformat()}
        given |= {"judged_challenger": met.judged[0], "judged_champion": met.judged[1], **rule.model_dump()}
    return [mlflow.entities.Param(name, str(value)[:6000]) for name, value in given.items()]

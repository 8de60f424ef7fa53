"""The scorecard of forecasts already due, as the scoring process left it: no request scores anything."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Literal

import pandas as pd
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from data.settings import Settings
from serving.answers import Scores
from serving.problems import without_places

FILE = "scorecard.json"
MEASURES = {
    "mae": "Mean absolute error of the median, percentage points",
    "crps": "Continuous ranked probability score, percentage points",
    "cover80": "Share of truths inside the 80% interval",
    "brier": "Brier score of p_full",
}
LABELS = ["role", "version", "horizon_h"]
log = logging.getLogger("brimcast")


class LiveScores(Scores):
    """Scores of forecasts that were given, beside the baseline's of the same bins and moments."""

    bins: int | None = None
    baseline: Scores | None = Field(default=None, description="of the same windows; null where it was not asked")
    skill: float | None = Field(default=None, description="1 - CRPS / that of the baseline")
    skill95: tuple[float | None, float | None] | None = Field(
        default=None, description="its 95% interval (blocks of bin and week)"
    )


class ModelScores(BaseModel):
    """Of one model: the champion of its time, or a challenger in its shadow."""

    role: Literal["champion", "shadow"]
    model_name: str
    model_version: str
    overall: LiveScores | None = None
    by_horizon: list[LiveScores] = []


class Shadow(BaseModel):
    """The challenger, asked what the champion answered."""

    ok: bool
    version: str | None = None
    asked: int = Field(default=0, description="forecasts that it made when it was asked last")
    detail: str = ""


class Scorecard(BaseModel):
    """How good the forecasts were that the service gave since `since`, by what came true; made in the background."""

    made_at: AwareDatetime | None = Field(default=None, description="null: nothing has been scored yet")
    since: AwareDatetime | None = None
    span: tuple[AwareDatetime, AwareDatetime] | None = Field(default=None, description="first as_of and last moment")
    given: int = Field(default=0, description="forecasts recorded of those given, each of one bin and moment")
    scored: int = 0
    not_yet_due: int = Field(default=0, description="their moment lies ahead, or less than six hours back")
    unscored: dict[str, int] = Field(
        default={},
        description="due, but left out as in a backtest: emptied_between, no_reading_before as_of, no_reading_at",
    )
    against: str | None = Field(default=None, description="the baseline")
    overall: LiveScores | None = None
    by_horizon: list[LiveScores] = []
    by_model: list[ModelScores] = []
    shadow: Shadow | None = Field(default=None, description="null: no challenger is asked")


def last_scorecard(settings: Settings) -> Scorecard:
    """The newest; an empty one where nothing has been scored yet."""
    try:
        return Scorecard.model_validate_json((settings.home / FILE).read_bytes())
    except (OSError, ValidationError) as error:
        log.debug("there is no scorecard: %s", error)
        return Scorecard()


def scores_told(card: Scorecard) -> dict[str, Any]:
    """What /readyz says of it: `ok` tells of the challenger, whom no answer needs."""
    told: dict[str, Any] = {"ok": card.shadow is None or card.shadow.ok}
    told["scored_at"] = None if card.made_at is None else card.made_at.isoformat()
    if card.shadow is not None:
        told["challenger"] = card.shadow.version
        told |= {"detail": without_places(card.shadow.detail)} if card.shadow.detail else {}
    return told


def live_metrics(card: Scorecard) -> Iterator[Metric]:
    """Gauges of the scorecard: by role, version and horizon (hours, or `all`); without a score, no sample."""
    if card.made_at is None:
        return
    made = pd.Timestamp(card.made_at).timestamp()
    yield GaugeMetricFamily("brimcast_live_scored_timestamp_seconds", "When forecasts were scored last", value=made)
    counts = GaugeMetricFamily(
        "brimcast_live_forecasts", "Forecasts recorded of those given, by what became of them", labels=["state"]
    )
    for state, n in {"scored": card.scored, "not_yet_due": card.not_yet_due, **card.unscored}.items():
        counts.add_metric([state], n)
    yield counts
    parts = [
        ([model.role, model.model_version, "all" if part.horizon_h is None else f"{part.horizon_h:g}"], part)
        for model in card.by_model
        for part in [*([model.overall] if model.overall else []), *model.by_horizon]
    ]
    yield _gauge("windows", "Forecasts scored", [(labels, part.n) for labels, part in parts])
    yield _gauge("skill", "1 - CRPS / the baseline's", [(labels, part.skill) for labels, part in parts])
    for name, meaning in MEASURES.items():
        yield _gauge(name, meaning, [(labels, getattr(part, name)) for labels, part in parts])
        base = [(labels, getattr(_base(part), name)) for labels, part in parts]
        yield _gauge(f"baseline_{name}", f"{meaning}, of the baseline on the same windows", base)


def _base(part: LiveScores) -> Scores:
    return part.baseline or Scores()


def _gauge(name: str, meaning: str, samples: list[tuple[list[str], float | None]]) -> GaugeMetricFamily:
    told = GaugeMetricFamily(f"brimcast_live_{name}", meaning, labels=LABELS)
    for labels, value in samples:
        if value is not None:
            told.add_metric(labels, value)
    return told

"""The scorecard of forecasts that were given: what the service tells at /v1/scorecard, and one a day for MLflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.given import BASELINE, CHAMPION
from data.outputs import whole
from data.settings import Settings
from training.live_scores import MODEL, SETTLED, LiveScores
from training.scores import KEY, bootstrap_ratio, summary

MEASURES = ["n", "bins", "crps", "mae", "cover80", "brier"]
DRAWS = 200
FILE = "scorecard.json"


@dataclass(frozen=True)
class Day:
    """The scores of one model's forecasts of one UTC day: of those whose `at` lies in it."""

    day: pd.Timestamp
    role: str
    name: str
    version: str
    metrics: dict[str, float]


def scorecard(scores: LiveScores, since: pd.Timestamp, now: pd.Timestamp) -> dict[str, Any]:
    """All that is told of forecasts given from `since` to `now`, as JSON; null where there is nothing to tell."""
    rows, unscored = scores.rows, scores.unscored
    base = rows[rows["role"] == BASELINE]
    champion = rows[rows["role"] == CHAMPION]
    aside = unscored.loc[unscored["role"] == CHAMPION, "unscored"].value_counts()
    waiting = int(aside.pop("not_yet_due")) if "not_yet_due" in aside else 0
    models = rows[rows["role"] != BASELINE].groupby(MODEL, sort=True)
    return {
        "made_at": now.isoformat(),
        "since": since.isoformat(),
        "span": [champion["as_of"].min().isoformat(), champion["at"].max().isoformat()] if len(champion) else None,
        "given": len(champion) + waiting + int(aside.sum()),
        "scored": len(champion),
        "not_yet_due": waiting,
        "unscored": {str(reason): int(n) for reason, n in aside.items()},
        "against": str(base["model_name"].iloc[0]) if len(base) else None,
        "overall": scored(champion, base),
        "by_horizon": _by_horizon(champion, base),
        "by_model": [
            dict(zip(MODEL, map(str, names), strict=True))
            | {"overall": scored(part, base), "by_horizon": _by_horizon(part, base)}
            for names, part in models
        ],
    }


def scored(rows: pd.DataFrame, base: pd.DataFrame, draws: int = DRAWS) -> dict[str, Any] | None:
    """Scores over all horizons, beside the baseline's of the same windows, and the skill; None without rows.

    The skill's interval comes from `draws` of blocks of bin and week; without any it is not told.
    """
    if rows.empty:
        return None
    both = rows[KEY].merge(base, on=KEY, how="left").set_axis(rows.index)
    there = both["crps"].notna()
    own, other = rows[there].reset_index(drop=True), both[there].reset_index(drop=True)
    told = {"horizon_h": None} | _measures(rows) | {"baseline": None, "skill": None, "skill95": None}
    if there.any():
        ratio, low, high = bootstrap_ratio(own, other, np.random.default_rng(0), max(draws, 1))
        told |= {"baseline": _measures(other), "skill": _number(1 - ratio)}
        told["skill95"] = [_number(1 - high), _number(1 - low)] if draws else None
    return told


def days(scores: LiveScores, since: pd.Timestamp, now: pd.Timestamp) -> list[Day]:
    """The scores of each whole day: all that was asked of it was given since then, and every truth has settled."""
    rows = scores.rows
    first = since + pd.Timedelta(hours=float(rows["horizon_h"].max())) if len(rows) else now
    of = rows["at"].dt.floor("D").rename("day")
    complete = (of >= first) & (of + pd.Timedelta(days=1) + SETTLED <= now)
    base = rows[rows["role"] == BASELINE]
    own = rows[complete & (rows["role"] != BASELINE)]
    parts = own.groupby([of, *MODEL], sort=True)
    return [Day(day, role, name, version, _metrics(part, base)) for (day, role, name, version), part in parts]


def write_scorecard(card: dict[str, Any], settings: Settings) -> Path:
    """Keep it where the service reads it."""
    settings.home.mkdir(parents=True, exist_ok=True)
    path = settings.home / FILE
    with whole(path) as draft:
        draft.write_text(json.dumps(card, allow_nan=False))
    return path


def _by_horizon(rows: pd.DataFrame, base: pd.DataFrame, draws: int = DRAWS) -> list[dict[str, Any]]:
    parts = rows.groupby("horizon_h", sort=True)
    return [{**(scored(part, base, draws) or {}), "horizon_h": h} for h, part in parts]


def _metrics(rows: pd.DataFrame, base: pd.DataFrame) -> dict[str, float]:
    """Flat names for MLflow: crps, crps_24h, baseline_crps, skill …; what is unknown is left out."""
    flat: dict[str, float | None] = {}
    for part in [scored(rows, base, 0) or {}, *_by_horizon(rows, base, 0)]:
        suffix = "" if part["horizon_h"] is None else f"_{part['horizon_h']:g}h"
        flat |= {f"{name}{suffix}": part[name] for name in (*MEASURES, "skill")}
        flat |= {f"baseline_{name}{suffix}": (part["baseline"] or {}).get(name) for name in MEASURES}
    return {name: value for name, value in flat.items() if value is not None}


def _measures(rows: pd.DataFrame) -> dict[str, Any]:
    found = dict(zip(MEASURES, summary(rows)[MEASURES].loc["overall"].to_numpy(float).tolist(), strict=True))
    return {name: int(value) if name in ("n", "bins") else _number(value) for name, value in found.items()}


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None

"""What a MODEL on the command line means: a registered version, a folder, or a baseline."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.history import History
from data.settings import Settings
from training.baselines import NAMES, Forecaster, baseline
from training.model import FillModel
from training.registry import CHALLENGER, CHAMPION, PREVIOUS, local_copy, registered_as

BASELINE, VERSION = "baseline:", "version:"
MODELS = f"{CHAMPION} | {CHALLENGER} | version:N | a folder | baseline:NAME"


def check_model(model: str) -> None:
    """Refuse what no MODEL can mean, before any work is done. Raises InputError."""
    if model in (CHAMPION, CHALLENGER, PREVIOUS) or re.fullmatch(rf"{VERSION}\d+", model):
        return
    if model.startswith(BASELINE) and model.removeprefix(BASELINE) in NAMES:
        return
    if not model.startswith((BASELINE, VERSION)) and (Path(model) / "model.json").is_file():
        return
    raise InputError(
        f"{model!r} names no model",
        expected=MODELS,
        remedy=f"Baselines are {', '.join(NAMES)}; a folder is one that holds a model.json.",
        example="--model version:3",
    )


def resolve(model: str, name: str, history: History, until: pd.Timestamp, settings: Settings) -> Forecaster:
    """The forecaster that MODEL names; a baseline is fitted on what was heard before `until`, the first `as_of`.

    Raises InputError where there is no such model. MLflow is imported only where the registry is asked.
    """
    check_model(model)
    if model.startswith(BASELINE):
        return baseline(model.removeprefix(BASELINE)).fit(history, until)
    if model in (CHAMPION, CHALLENGER, PREVIOUS):
        return load_model(local_copy(name, model, settings)[0])
    if model.startswith(VERSION):
        return load_model(local_copy(name, int(model.removeprefix(VERSION)), settings)[0])
    return load_model(Path(model))


def load_model(folder: Path) -> FillModel:
    """The model of a folder; of a local copy, its card also says name, version and run_id. Raises InputError."""
    model = FillModel.load(folder)
    return replace(model, card=model.card | registered_as(folder))


def learned_until(forecaster: Forecaster) -> pd.Timestamp | None:
    """Until when what it learned from was heard; a baseline fitted here has learned until --from."""
    card = getattr(forecaster, "card", {})
    return pd.Timestamp(card["trained_until"]) if card.get("trained_until") else None

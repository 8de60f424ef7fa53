"""Shadow mode: the challenger is asked what the champion answered, and nobody waits for it."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd

from data.errors import InputError
from data.given import CHAMPION, Given
from data.settings import Settings
from data.store import Store
from training.beside import ask_beside, the_challenger
from training.forecasters import load_model
from training.registry import CHALLENGER, NAME, local_copy

log = logging.getLogger(__name__)


def ask_challenger(
    store: Store, given: Given, settings: Settings, now: pd.Timestamp, name: str = NAME
) -> dict[str, Any]:
    """Ask the registry's challenger all that it lacks; what came of it: ok, version, asked, detail.

    Whatever is wrong with it is told, not raised: a challenger owes nobody an answer.
    """
    try:
        folder, version = local_copy(name, CHALLENGER, settings)
    except InputError as error:
        return {"ok": False, "version": None, "asked": 0, "detail": str(error)}
    champions = given.of_role(CHAMPION).frame
    newest = champions.sort_values("as_of")["model_version"].iloc[-1] if len(champions) else None
    told = {"version": str(version), "asked": 0}
    if newest == str(version):
        return told | {"ok": True, "detail": "The challenger is the champion: there is no other to ask."}
    try:
        asked = ask_beside(store, given, the_challenger(load_model(folder), name, str(version)), now)
    except Exception as error:  # a model that forecasts wrongly, or not at all
        log.exception("the challenger, version %s, does not answer", version)
        return told | {"ok": False, "detail": f"Version {version} does not answer: {error}"}
    return told | {"ok": True, "asked": asked}

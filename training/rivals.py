"""Who is judged for a registered version, on which windows: none may have learned from them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.errors import InputError
from data.history import History
from data.settings import Settings
from training import tracking
from training.forecasters import load_model
from training.model import FillModel
from training.promotion_settings import PromotionSettings
from training.registry import newest_copy
from training.tracking import Registered


@dataclass(frozen=True)
class Rival:
    """The model that is judged for a registered version: its own, or its rehearsal's.

    A rehearsal is the same recipe, fitted at the same time without the last two weeks. card: the version's own.
    """

    registered: Registered
    model: FillModel
    card: dict[str, object]
    rehearsed: bool

    @property
    def until(self) -> pd.Timestamp:
        """What the judged model has learned from was heard by then."""
        return _until(self.model)

    @property
    def words(self) -> str:
        """The version, and who is judged for it."""
        who = f"version {self.registered.version}"
        return f"{who}{', by its rehearsal' if self.rehearsed else ''} (learned until {self.until:%Y-%m-%d %H:%M} UTC)"


@dataclass(frozen=True)
class Rivals:
    """Challenger and champion, and the span of windows that neither has learned from."""

    challenger: Rival
    champion: Rival
    start: pd.Timestamp
    end: pd.Timestamp


def rivals(
    challenger: Registered,
    champion: Registered,
    history: History,
    rule: PromotionSettings,
    settings: Settings,
    say: Callable[[str], None] = lambda step: None,
) -> Rivals:
    """The two as they are judged, on the newest weeks of `history` that neither has learned from.

    A version that has learned from the last days is judged by its rehearsal, if its run keeps one. Raises InputError
    where it does not, or where too few days are left.
    """
    span = history.span
    if span is None:
        raise InputError("no reading", expected="readings to judge by", remedy="Load readings first.")
    end, least = span[1], pd.Timedelta(days=rule.least_days)
    found = []
    for registered in (challenger, champion):
        say(f"version {registered.version}")
        found.append(_rival(registered, end - least, rule, settings))
    start = max(span[0], end - pd.Timedelta(weeks=rule.weeks), *(rival.until for rival in found)).ceil("h")
    if end - start < least:
        raise _too_short(f"The readings span {span[0]} to {end}", rule)
    return Rivals(found[0], found[1], start, end)


def _rival(registered: Registered, latest: pd.Timestamp, rule: PromotionSettings, settings: Settings) -> Rival:
    model = load_model(newest_copy(registered.name, registered.version, settings)[0])
    if _until(model) <= latest:
        return Rival(registered, model, model.card, rehearsed=False)
    with tempfile.TemporaryDirectory(prefix="brimcast-") as scratch:
        folder = Path(scratch) / "model"
        kept = tracking.download_rehearsal(registered, folder, settings)
        rehearsal = FillModel.load(folder) if kept else None
    if rehearsal is None or _until(rehearsal) > latest:
        lacks = "its run keeps no rehearsal" if rehearsal is None else f"its rehearsal until {_until(rehearsal)}"
        raise _too_short(
            f"Version {registered.version} of {registered.name} has learned until {_until(model)}, and {lacks}: the "
            f"readings end {latest + pd.Timedelta(days=rule.least_days)}", rule,
        )  # fmt: skip
    return Rival(registered, rehearsal, model.card, rehearsed=True)


def _until(model: FillModel) -> pd.Timestamp:
    return pd.Timestamp(model.card["trained_until"])


def _too_short(found: str, rule: PromotionSettings) -> InputError:
    return InputError(
        found,
        expected=f"at least {rule.least_days:g} days of readings that neither champion nor challenger has learned from",
        remedy="Give newer readings; or fit with scores, or an earlier --until; or promote by --force with a --reason "
        "and no --readings.",
        example="brimcast training fit --readings readings.parquet --until 2025-02-01T00:00Z",
    )

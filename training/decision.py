"""What was decided of a challenger, on what grounds, and how it reads in the version's changelog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.history import History
from data.settings import Settings
from training.contest import contest
from training.promotion_settings import PromotionSettings
from training.rivals import rivals
from training.scores import KEY
from training.tracking import Registered
from training.verdict import Verdict, changed, judge

PROMOTED, REFUSED, FORCED = "promoted", "refused", "forced"
LISTED = 12  # streams, settings or reasons that an entry names


@dataclass(frozen=True)
class Decision:
    """What becomes of a challenger.

    champion: whom it challenged, None where there was none; verdict: the rule's, None where it was not asked; reason:
    of whoever promotes it by force, None where the rule decides; cards: the versions' own, challenger's first, empty
    where unread; made_at: when; source: where the readings came from; history, windows: these, and what was asked of
    both with what came true (bin_id, as_of, at, y), where the rule was asked.
    """

    challenger: Registered
    champion: Registered | None
    verdict: Verdict | None
    reason: str | None
    made_at: pd.Timestamp
    source: str | None = None
    cards: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {})
    history: History | None = None
    windows: pd.DataFrame | None = None

    @property
    def outcome(self) -> str:
        """PROMOTED or REFUSED by the rule, or FORCED."""
        if self.reason is not None:
            return FORCED
        return REFUSED if self.verdict is not None and not self.verdict.promoted else PROMOTED

    def entry(self, run_id: str) -> str:
        """The changelog entry, as Markdown: what was decided, what changed, the scores, and who decided."""
        return "\n\n".join(
            [self._headline(), *self._changes(), *self._scores(), self._decided(), f"MLflow run {run_id}"]
        )

    def _headline(self) -> str:
        day, before = f"{self.made_at:%Y-%m-%d}", "" if self.champion is None else f"version {self.champion.version}"
        if self.outcome == REFUSED:
            return f"**{day}: not promoted; {before} stays the champion.**"
        return f"**{day}: champion{f', in place of {before}' if before else ''}.**"

    def _changes(self) -> list[str]:
        ours, theirs = self.cards
        if not ours:
            return []
        learned = f"Learned from {ours['readings']:,} readings of {ours['bins']:,} bins, heard until {_day(ours)}"
        if not theirs:
            return [f"{learned}."]
        learned += f" (version {self.champion.version if self.champion else ''}: until {_day(theirs)})."
        now, before = (card.get("parameters", {}) | {"commit": (card.get("git_commit") or "unknown")[:10]}
                       for card in (ours, theirs))  # fmt: skip
        names = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
        changes = "; ".join(f"{name} {before.get(name)} to {now.get(name)}" for name in names[:LISTED])
        return [f"{learned} {f'Changed: {changes}.' if changes else 'The recipe is the same.'}"]

    def _scores(self) -> list[str]:
        if self.verdict is None:
            return []
        met = self.verdict
        all_, *slices = met.slices.to_dict("records")
        sure = f", surely {all_['low'] - 1:+.1%} to {all_['high'] - 1:+.1%}" if np.isfinite(all_["low"]) else ""
        told = (
            f"On {all_['n']:,.0f} windows of {all_['bins']:.0f} bins from {met.start:%Y-%m-%d} to {met.end:%Y-%m-%d}, "
            f"by {met.judged[0]} against {met.judged[1]}: {_crps(all_)}{sure}; 80% intervals hold {all_['cover']:.0%} "
            f"({all_['cover_before']:.0%} before)."
        )
        streams = [row for row in slices if row["slice"] == "stream"]
        lines = [f"- {row['value']}: {_crps(row)}" for row in streams[:LISTED]]
        return [told, *(["\n".join(lines)] if len(streams) > 1 else [])]

    def _decided(self) -> str:
        against = list(self.verdict.reasons) if self.verdict is not None else []
        reasons = "".join(f"\n- {words}" for words in against[:LISTED])
        if self.outcome == REFUSED:
            return f"Decided by rule, against it:{reasons}"
        if self.outcome == FORCED:
            said = f"Decided by force: {self.reason}."
            if self.verdict is None:
                return f"{said} The rule was not asked."
            return f"{said} The rule {f'was against it:{reasons}' if against else 'was for it.'}"
        if self.verdict is None:
            return "There was no champion to compare it with."
        return f"Decided by rule: all {len(self.verdict.checks)} checks passed."


def decide(
    challenger: Registered,
    champion: Registered | None,
    history: History | None,
    *,
    rule: PromotionSettings,
    settings: Settings,
    made_at: pd.Timestamp,
    reason: str | None = None,
    source: str | None = None,
    say: Callable[[str], None] = lambda step: None,
) -> Decision:
    """Judge a challenger by what was read, where there is a champion to compare it with; changes nothing.

    Without a `history` the rule is not asked, which takes a `reason`. Raises InputError where no windows are left that
    neither has learned from.
    """
    if champion is None or history is None:
        return Decision(challenger, champion, None, reason, made_at)
    both = rivals(challenger, champion, history, rule, settings, say)
    models = both.challenger.model, both.champion.model
    met = contest(*models, history, start=both.start, end=both.end, settings=rule, say=say)
    say("weighing")
    verdict = judge(met, (both.challenger.words, both.champion.words), rule)
    cards = both.challenger.card, both.champion.card
    windows = met.challenger[[*KEY, "y"]]
    return Decision(challenger, champion, verdict, reason, made_at, source, cards, history, windows)


def _day(card: Mapping[str, Any]) -> str:
    return str(card["trained_until"])[:10]


def _crps(row: Mapping) -> str:
    return f"CRPS {row['champion']:.2f} to {row['challenger']:.2f} points ({changed(row['ratio'] - 1)})"

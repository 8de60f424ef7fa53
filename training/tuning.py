"""What a search for settings came to: the best against what was, on weeks that the search has not seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.history import History
from training.folds import YARDSTICK, Fold
from training.runs import Run, running
from training.scores import bootstrap_ratio
from training.search import SEARCHED, Trial
from training.settings import ModelSettings

NOT_KEPT = {"seed", "threads"}
"""What a file of settings leaves to whoever fits with it."""


@dataclass(frozen=True)
class Verdict:
    """The best trial, and its CRPS over that of the settings as they were on the newest weeks: (ratio, low, high).

    ratio: None where nothing did better in the search, so that nothing needed to be held against it.
    """

    best: Trial
    default: Trial
    ratio: tuple[float, float, float] | None

    @property
    def is_better(self) -> bool:
        """Whether the whole 95% interval is."""
        return self.ratio is not None and self.ratio[2] < 1


def judged(
    trials: Sequence[Trial],
    base: ModelSettings,
    last: Fold,
    history: History,
    seed: int,
    progress: Callable[[str], None],
) -> Verdict:
    """Hold the best of the trials, fitted with as many examples as `base`, against `base` on the last fold.

    The best of many is lucky too (the winner's curse): its own folds flatter it, these weeks do not.
    """
    default = next(trial for trial in trials if trial.is_default)
    best = min(trials, key=lambda trial: trial.value)
    if best.is_default:
        return Verdict(best, default, None)
    whole = best.settings.model_copy(update={"examples": base.examples})
    rows = []
    for words, settings in (("the best settings", whole), ("the settings as they were", base)):
        progress(f"{words} on weeks not searched")
        rows.append(last.rows(history, settings, seed))
    return Verdict(best, default, bootstrap_ratio(rows[0], rows[1], np.random.default_rng(seed)))


def study_name(name: str, history: History, folds: Sequence[Fold], base: ModelSettings, seed: int) -> str:
    """The study that trials on the same folds of the same data belong to: only these can be held side by side."""
    what = [history.fingerprint(), [str(fold.until) for fold in folds], seed, base.model_dump(exclude=NOT_KEPT)]
    return f"{name}-{hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]}"


def log_trial(trial: Trial, parent: Run) -> None:
    """A run of its own for a trial, under the search's: its settings, and by fold (step) its share of the baseline."""
    tags = {"pruned": trial.pruned, "default": trial.is_default}
    with running(f"trial {trial.number}", "trial", parent.settings, tags=tags, parent=parent) as run:
        run.log(params=trial.settings.model_dump(exclude=NOT_KEPT))
        for fold, share in enumerate(trial.folds):
            run.log(metrics={"fold_share": share}, step=fold)
        run.log(metrics={"crps_share": trial.value, "seconds": trial.seconds})


def log_verdict(verdict: Verdict, trials: Sequence[Trial], chosen: ModelSettings, run: Run) -> None:
    """What the search came to, its table of trials, and the settings to fit with."""
    metrics = {"crps_share_default": verdict.default.value, "crps_share_best": verdict.best.value}
    if verdict.ratio is not None:
        metrics |= dict(zip(("unseen_ratio", "unseen_ratio_low", "unseen_ratio_high"), verdict.ratio, strict=True))
    run.log(metrics=metrics | {"trials": len(trials)}, tags={"better": verdict.is_better})
    rows = [{"trial": t.number, "crps_share": t.value, "pruned": t.pruned, "seconds": t.seconds} for t in trials]
    knobs = pd.DataFrame([trial.settings.model_dump(include=set(SEARCHED)) for trial in trials])
    run.table(pd.concat([pd.DataFrame(rows), knobs], axis=1), "trials")
    run.keep(chosen.model_dump(exclude=NOT_KEPT), "settings")


def trial_text(trial: Trial, best: float) -> str:
    """One line for a trial that is done."""
    knobs = ", ".join(f"{name} {getattr(trial.settings, name):.3g}" for name in SEARCHED)
    what = "the settings as they are" if trial.is_default else knobs
    given_up = f", given up after {len(trial.folds)} folds" if trial.pruned else ""
    return f"Trial {trial.number}: {trial.value:.4f}{given_up} (best {best:.4f}), {trial.seconds:.0f} s: {what}"


def verdict_text(verdict: Verdict, trials: Sequence[Trial], folds: Sequence[Fold], last: Fold) -> str:
    """The search and its outcome, for a terminal."""
    pruned = sum(trial.pruned for trial in trials)
    best, default = verdict.best, verdict.default
    count = "1 trial" if len(trials) == 1 else f"{len(trials)} trials"
    lines = [
        f"{count} on {len(folds)} folds from {_minute(folds[0].until)} to {_minute(folds[-1].end)}, "
        f"{pruned} of them given up early. CRPS as a share of {YARDSTICK}'s:",
        f"  settings as they were  {default.value:.4f}",
    ]
    if len(trials) == 1:
        return "\n".join([*lines, "Nothing else was tried: a larger --budget, or the same call again, goes on."])
    if verdict.ratio is None:
        return "\n".join([*lines, "Nothing tried does better than the settings as they were."])
    changes = {name: (getattr(default.settings, name), getattr(best.settings, name)) for name in SEARCHED}
    ratio, low, high = verdict.ratio
    return "\n".join(
        [
            *lines,
            f"  trial {best.number}, the best {'':<7}  {best.value:.4f}",
            *(f"    {name} {was:.4g} -> {now:.4g}" for name, (was, now) in changes.items() if was != now),
            f"On {len(last.windows):,} windows from {_minute(last.until)} to {_minute(last.end)}, which the search has "
            f"not seen, the best has {ratio:.3f} of the CRPS of the settings as they were (95% interval {low:.3f} to "
            f"{high:.3f}).",
            "They are better."
            if verdict.is_better
            else "That is not surely better: the settings as they were stand, and are the ones to fit with.",
        ]
    )


def _minute(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

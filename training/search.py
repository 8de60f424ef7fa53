"""The search for better settings: Optuna's, on folds that are the same for every trial. Only here is it imported."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.folds import Fold
from training.settings import ModelSettings

if TYPE_CHECKING:
    import optuna

RANDOM_TRIALS = 6
SURELY_WORSE_P = 0.1
GROUPS = 8
DEFAULT, SECONDS, FOLDS, PRUNED = "default", "seconds", "folds", "pruned"
WHOLE = {"trees": (40, 300), "leaves": (15, 127), "leaf_examples": (10, 200), "networks": (2, 6), "epochs": (4, 24)}
"""Whole numbers, tried on a logarithmic scale: doubling does much the same wherever it begins."""
SHARES = {"dropout": (0.0, 0.5), "outages": (0.0, 0.3), "strangers": (0.0, 0.3)}
RATES = {"learning_rate": (0.02, 0.25)}
SEARCHED = (*WHOLE, *RATES, *SHARES)


class OutOfTime(Exception):  # noqa: N818 - no error of anybody's
    """The budget ended in the middle of a trial."""


@dataclass(frozen=True)
class Trial:
    """Settings and what they came to: CRPS as a share of the baseline's, by fold and in all, the less the better.

    A pruned trial was given up after some folds; its value is what the whole would have been, were it as far from the
    default's on the others.
    """

    number: int
    settings: ModelSettings
    folds: tuple[float, ...]
    value: float
    seconds: float
    pruned: bool
    is_default: bool


def search(
    base: ModelSettings,
    folds: Sequence[Fold],
    shares: Callable[[ModelSettings, Fold], Sequence[float]],
    *,
    storage: Path,
    name: str,
    trials: int | None,
    seed: int,
    clock: Callable[[], float],
    deadline_s: float,
    done: Callable[[Trial], None],
) -> list[Trial]:
    """Try settings near `base` until `clock` passes the deadline or `trials` are made; returns all of the study so far.

    shares: by bin, as `Fold.shares`, in an order that is always the same; storage: the SQLite file that keeps the
    study `name`, which goes on where it stopped. The first trial is `base` itself and is finished whatever it takes.
    """
    with _study(storage, name, seed) as study:
        if not any(trial.user_attrs.get(DEFAULT) for trial in _finished(study)):
            own = {knob: getattr(base, knob) for knob in SEARCHED}
            study.enqueue_trial(own, user_attrs={DEFAULT: True})

        def objective(trial: optuna.Trial) -> float:
            settings = base if trial.user_attrs.get(DEFAULT) else drawn(trial, base)
            began = clock()
            found: list[np.ndarray] = []
            for fold in folds:
                if clock() > deadline_s and not trial.user_attrs.get(DEFAULT):
                    raise OutOfTime
                found.append(np.asarray(shares(settings, fold), dtype=float))
                _report(trial, found)
                if trial.should_prune():
                    break
            trial.set_user_attr(FOLDS, [float(some.mean()) for some in found])
            trial.set_user_attr(SECONDS, clock() - began)
            trial.set_user_attr(PRUNED, len(found) < len(folds))
            return _value(study, found, len(folds))

        def after(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            if trial.value is not None:
                done(_trial(trial, base))
            if clock() > deadline_s:
                study.stop()

        study.optimize(objective, n_trials=trials, catch=(OutOfTime,), callbacks=[after])
        return [_trial(trial, base) for trial in _finished(study)]


def drawn(trial: optuna.Trial, base: ModelSettings) -> ModelSettings:
    """`base` with what Optuna suggests for the knobs searched."""
    chosen: dict[str, Any] = {knob: trial.suggest_int(knob, *ends, log=True) for knob, ends in WHOLE.items()}
    chosen |= {knob: trial.suggest_float(knob, *ends, log=True) for knob, ends in RATES.items()}
    chosen |= {knob: trial.suggest_float(knob, *ends) for knob, ends in SHARES.items()}
    return base.model_copy(update=chosen)


@contextmanager
def _study(storage: Path, name: str, seed: int) -> Iterator[optuna.Study]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage.parent.mkdir(parents=True, exist_ok=True)
    kept = optuna.storages.RDBStorage(f"sqlite:///{storage}")
    try:
        with warnings.catch_warnings():  # that their interface may change: constraints.txt says which we use
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            pruner = optuna.pruners.WilcoxonPruner(p_threshold=SURELY_WORSE_P)
            study = optuna.create_study(
                study_name=name, storage=kept, load_if_exists=True, direction="minimize", pruner=pruner
            )
            # A study that goes on must not draw again what it has drawn.
            drawing = int(np.random.default_rng([seed, len(study.trials)]).integers(2**31))
            study.sampler = optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, multivariate=True, seed=drawing)
        yield study
    finally:
        kept.remove_session()
        kept.engine.dispose()


def _report(trial: optuna.Trial, found: Sequence[np.ndarray]) -> None:
    """Tell Optuna the newest fold by groups of bins, which the pruner pairs with the best trial's: each is a commit."""
    fold = len(found) - 1
    for group in range(min(GROUPS, len(found[-1]))):
        trial.report(float(found[-1][group::GROUPS].mean()), fold * GROUPS + group)


def _value(study: optuna.Study, found: Sequence[np.ndarray], folds: int) -> float:
    """The mean over folds; of a pruned trial, the default's and what it differs on the folds it saw."""
    seen = float(np.mean([some.mean() for some in found]))
    if len(found) == folds:
        return seen
    default = next(trial for trial in _finished(study) if trial.user_attrs.get(DEFAULT)).user_attrs[FOLDS]
    return seen + float(np.mean(default) - np.mean(default[: len(found)]))


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.value is not None]


def _trial(trial: optuna.trial.FrozenTrial, base: ModelSettings) -> Trial:
    told = trial.user_attrs
    is_default = bool(told.get(DEFAULT))
    settings = base if is_default else base.model_copy(update=trial.params)
    value = float(trial.value)
    return Trial(trial.number, settings, tuple(told[FOLDS]), value, told[SECONDS], told[PRUNED], is_default)

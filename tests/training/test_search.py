from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.search import SEARCHED, Trial, search
from training.settings import ModelSettings

FOLDS: Any = [SimpleNamespace(hard=hard) for hard in (0.8, 0.9, 1.0)]
BASE = ModelSettings(trees=200)
BINS = 20


def shares(settings: ModelSettings, fold: Any) -> list[float]:
    """Fewer trees are better; folds and bins differ."""
    noise = np.random.default_rng([settings.trees, int(fold.hard * 10)]).normal(0, 0.02, BINS)
    return list(fold.hard + settings.trees / 1000 + noise)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studies") / "tune.db"


@pytest.fixture
def tune(storage: Path, request: pytest.FixtureRequest) -> Callable[..., list[Trial]]:
    def run(trials: int = 12, deadline_s: float = 1e9, seed: int = 0, name: str = "", **more: Any) -> list[Trial]:
        given: dict[str, Any] = {"done": lambda trial: None, "shares": shares, "clock": lambda: 0.0} | more
        return search(
            BASE, FOLDS, given["shares"], storage=storage, name=request.node.name + name, trials=trials, seed=seed,
            clock=given["clock"], deadline_s=deadline_s, done=given["done"],
        )  # fmt: skip

    return run


def test_the_first_trial_is_the_settings_as_they_are(tune: Callable[..., list[Trial]]) -> None:
    first, *others = tune(4)
    assert first.settings == BASE
    assert first.is_default
    assert not any(trial.is_default for trial in others)
    assert first.value == pytest.approx(np.mean([np.mean(shares(BASE, fold)) for fold in FOLDS]))


def test_the_search_finds_what_is_better(tune: Callable[..., list[Trial]]) -> None:
    made = tune(12)
    best = min(made, key=lambda trial: trial.value)
    assert best.settings.trees < 80
    assert best.value < made[0].value - 0.1


def test_what_is_surely_worse_is_given_up_after_a_fold_and_estimated_fairly(tune: Callable[..., list[Trial]]) -> None:
    pruned = [trial for trial in tune(10) if trial.pruned]
    assert pruned
    for trial in pruned:
        assert len(trial.folds) < len(FOLDS)
        whole = np.mean([np.mean(shares(trial.settings, fold)) for fold in FOLDS])
        assert trial.value == pytest.approx(whole, abs=0.01)


def test_the_same_seed_draws_the_same_trials(tune: Callable[..., list[Trial]]) -> None:
    one, two, other = tune(3, name="one"), tune(3, name="two"), tune(3, name="other", seed=1)
    assert one == two
    assert one[1:] != other[1:]


def test_a_study_goes_on_where_it_stopped_and_draws_nothing_twice(tune: Callable[..., list[Trial]]) -> None:
    heard: list[int] = []
    tune(2)
    made = tune(2, done=lambda trial: heard.append(trial.number))
    assert heard == [2, 3]
    assert [trial.number for trial in made] == list(range(4))
    drawn = {tuple(getattr(trial.settings, knob) for knob in SEARCHED) for trial in made}
    assert len(drawn) == 4


def test_the_budget_ends_the_search_within_a_trial(tune: Callable[..., list[Trial]]) -> None:
    ticks = itertools.count()
    calls: list[ModelSettings] = []

    def counted(settings: ModelSettings, fold: Any) -> list[float]:
        calls.append(settings)
        return shares(settings, fold)

    made = tune(100, deadline_s=12, shares=counted, clock=lambda: float(next(ticks)))
    assert 1 <= len(made) < 4
    assert len(calls) < 12


def test_the_settings_as_they_are_are_finished_whatever_the_budget(tune: Callable[..., list[Trial]]) -> None:
    (only,) = tune(100, deadline_s=-1.0)
    assert only.is_default
    assert len(only.folds) == len(FOLDS)


def test_what_is_drawn_lies_within_what_settings_allow(tune: Callable[..., list[Trial]]) -> None:
    for trial in tune(4):
        assert ModelSettings(**trial.settings.model_dump()) == trial.settings

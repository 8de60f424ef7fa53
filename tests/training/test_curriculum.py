from __future__ import annotations

import numpy as np
import pandas as pd

from data.health import RECENT_DAYS
from data.history import History
from training.curriculum import FRESH_DAYS, plan
from training.lookup import UNKNOWN
from training.model import FillModel
from training.settings import ModelSettings


def test_half_of_those_who_play_strangers_are_of_no_known_stream(small_history: History, split: pd.Timestamp) -> None:
    lesson = plan(small_history, split, ModelSettings(examples=4_000, strangers=0.4), np.random.default_rng(0))
    foreign, stranger = lesson.asks.streams == UNKNOWN, lesson.asks.code < 0
    assert abs(stranger.mean() - 0.4) < 0.05
    assert abs(foreign.mean() - 0.2) < 0.05
    assert stranger[foreign].all()
    rows, others = (np.unique(lesson.asks.profile[some]) for some in (foreign, ~foreign))
    assert not set(rows) & set(others)
    profiles = lesson.profiles.kind_rates_[0]  # of all streams, by kind of site; the folds' are much like them
    for rates in lesson.table[rows]:
        assert min(np.abs(rates / city - 1).mean() for city in profiles) < 0.25


def test_half_of_those_who_play_strangers_began_to_speak_of_late(small_history: History, split: pd.Timestamp) -> None:
    lesson = plan(small_history, split, ModelSettings(examples=4_000, strangers=0.4), np.random.default_rng(0))
    fresh, stranger = lesson.asks.days < RECENT_DAYS, lesson.asks.code < 0
    assert stranger[fresh].all()
    assert abs(fresh.mean() - 0.2) < 0.05
    assert lesson.asks.days[fresh].min() >= FRESH_DAYS[0]
    assert lesson.asks.days[fresh].max() <= FRESH_DAYS[1]
    assert (lesson.asks.days[fresh] < 2).mean() > 0.3  # the first days, in which everything changes, most of all


def test_the_stream_that_strangers_play_is_none_of_the_models(tiny_model: FillModel) -> None:
    assert tiny_model.streams
    assert UNKNOWN not in tiny_model.streams
    assert {stream for stream, _ in tiny_model.recalibration.calibration.covered} >= {UNKNOWN, *tiny_model.streams}

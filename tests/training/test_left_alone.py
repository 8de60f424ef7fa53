from __future__ import annotations

import numpy as np

from training.examples import Examples
from training.features import Features
from training.grid import NEAR_H
from training.left_alone import EVEN_SHARE, PRIOR_WINDOWS, LeftAlone

DAY = int(np.flatnonzero(NEAR_H == 24)[0])


def examples(reach_h: dict[str, list[float]]) -> Examples:
    """Of each bin moments a day apart, each asked up to the hours that nobody cut."""
    rows = [
        (bin_id, k * 24 * 3_600_000_000, h)
        for bin_id, ends in reach_h.items()
        for k, end in enumerate(ends)
        for h in NEAR_H[1:][NEAR_H[1:] <= end].tolist()
    ]
    bin_ids, as_of, horizon_h = (np.array(column) for column in zip(*rows, strict=True))
    nothing = np.zeros(len(rows))
    features = Features(("level",), nothing[:, None], nothing)
    weather = np.zeros((len(rows), 2))
    return Examples(features, nothing, bin_ids, horizon_h, as_of, bin_ids.astype(object), weather, nothing > 0)


def test_a_bin_that_is_always_emptied_soon_is_told_from_one_that_is_not() -> None:
    learned = LeftAlone.learn(examples({"busy": [12.0] * 400, "calm": [72.0] * 400}), np.array(["busy", "calm"]))
    busy, calm, anybody = learned.share[:, DAY]
    assert busy < 0.03
    assert calm > 0.97
    assert anybody == 0.5
    assert learned.share[0, 0] == 1
    assert (np.diff(learned.share, axis=1) <= 0).all()
    assert (np.diff(learned.belief(np.array([0, -1, 1]))[:, DAY]) > 0).all()


def test_few_moments_say_little() -> None:
    learned = LeftAlone.learn(examples({"new": [12.0] * 20, "calm": [72.0] * 980}), np.array(["new", "calm"]))
    assert PRIOR_WINDOWS == 20
    assert np.isclose(learned.share[0, DAY], (0 + 20 * 0.98) / (20 + 20))


def test_where_boosters_saw_as_many_windows_as_set_both_count_the_same() -> None:
    assert LeftAlone(np.full((1, len(NEAR_H)), EVEN_SHARE)).belief(np.array([-1])).tolist() == [[0.5] * len(NEAR_H)]


def test_what_was_learned_survives_its_text() -> None:
    learned = LeftAlone.learn(examples({"busy": [12.0] * 7, "calm": [72.0] * 9}), np.array(["busy", "calm"]))
    again = LeftAlone.from_json(learned.to_json())
    assert (again.share == learned.share).all()
    assert (LeftAlone(np.ones((4, len(NEAR_H)))).belief(np.array([-1, 0, 2])) == 0.8).all()

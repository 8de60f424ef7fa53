"""Charts are drawn by hand: words must not lie on each other."""

from __future__ import annotations

import re

from training import drawing


def places(parts: list[str]) -> dict[str, float]:
    """How far from the top each word lies."""
    found = (re.search(r'y="([\d.]+)".*>([^<]+)</text>', part) for part in parts)
    return {match[2]: float(match[1]) for match in found if match}


def test_labels_at_one_place_stand_above_each_other() -> None:
    told = places(drawing.labels([(50.0, 90.0, "threshold", "start"), (52.0, 88.0, "weekday-rate", "start")]))
    assert told["threshold"] == 90
    assert told["weekday-rate"] <= 80


def test_a_name_too_long_for_its_place_is_cut_and_told_whole_as_its_tip() -> None:
    assert "cardboard</text>" in drawing.name(100.0, 20.0, "cardboard")
    cut = drawing.name(100.0, 20.0, "residual household waste & ash")
    shown, tip = re.search(r">([^<]+)<title>([^<]+)</title>", cut).groups()  # type: ignore[union-attr]
    assert tip == "residual household waste &amp; ash"
    assert shown.endswith("…")
    assert len(shown) * drawing.NAME_LETTER <= 100


def test_labels_beside_each_other_stay_where_they_belong() -> None:
    told = places(drawing.labels([(50.0, 90.0, "foresight", "start"), (50.0, 90.0, "every-k-days", "end")]))
    assert set(told.values()) == {90}

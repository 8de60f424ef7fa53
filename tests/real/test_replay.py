"""What was thrown into Prague's containers, and the rules replayed on it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.inputs import read_history
from training.policies import ALWAYS, FORESIGHT, OWN_DAYS, THRESHOLD, WEEKDAY
from training.replay import SCHEDULE, Replay, replay

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"needs the real data: no {FOLDER}"),
]


@pytest.fixture(scope="module")
def prague() -> Replay:
    """The rules from February 2025 on; no forecaster, which would take minutes to fit."""
    heard = read_history(str(FOLDER / "prague_readings.parquet"), str(FOLDER / "prague_bins.csv"))
    return replay(heard.history, {}, pd.Timestamp("2025-02-01T00:00Z"))


def test_all_bins_are_replayed_over_half_a_year(prague: Replay) -> None:
    assert len(prague.bin_ids) == 19
    assert (prague.hours.sum(axis=1) / 168 > 20).all()
    assert sorted(set(prague.streams)) == ["glass", "paper", "plastic"]


@pytest.mark.parametrize("stream", ["glass", "paper", "plastic"])
def test_foresight_needs_the_fewest_emptyings_of_every_stream(prague: Replay, stream: str) -> None:
    part = prague.of_stream(stream)
    needed = {name: part.needed(name) for name in (FORESIGHT, WEEKDAY, THRESHOLD, OWN_DAYS)}
    assert min(needed, key=lambda name: needed[name]) == FORESIGHT
    frontier = part.frontier.set_index("family")["overflow_h"]
    assert frontier[ALWAYS].item() <= frontier[SCHEDULE].item()


def test_slow_streams_were_emptied_far_more_often_than_a_rule_with_sensors_needs(prague: Replay) -> None:
    # Measured: plastic -63% (-76 to -47), glass -58% (-77 to -30); paper, emptied when full, +1% (-9 to +22).
    for stream in ("plastic", "glass"):
        assert prague.of_stream(stream).against(WEEKDAY, SCHEDULE).high < 0
    assert np.isfinite(prague.of_stream("paper").against(WEEKDAY, SCHEDULE).estimate)

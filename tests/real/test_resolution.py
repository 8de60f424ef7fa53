"""The steps in which Wyndham's and Prague's sensors speak."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.resolution import resolution
from data.sequences import Archive, microsecond
from training.inputs import read_history

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = [pytest.mark.real, pytest.mark.skipif(not FOLDER.is_dir(), reason=f"needs the real data: no {FOLDER}")]


def steps(place: str, as_of: str) -> np.ndarray:
    """(b,) of all bins, from the 28 days before."""
    history = read_history(str(FOLDER / f"{place}_readings.parquet"), str(FOLDER / f"{place}_bins.csv")).history
    archive = Archive.of(history)
    ids = archive.bin_ids.to_numpy(object)
    return resolution(archive.sequences(ids, np.full(len(ids), microsecond(pd.Timestamp(as_of))), 28))


@pytest.mark.parametrize("as_of", ["2019-01-01T00:00Z", "2020-01-01T00:00Z", "2020-06-01T00:00Z"])
def test_wyndhams_levels_are_known_to_step_by_20(as_of: str) -> None:
    found = steps("wyndham", as_of)
    assert set(found.tolist()) <= {0.0, 20.0}  # 0: a bin that hardly changed
    assert (found == 20).mean() > 0.7


@pytest.mark.parametrize("as_of", ["2024-03-01T00:00Z", "2025-01-01T00:00Z"])
def test_pragues_whole_percents_are_no_steps(as_of: str) -> None:
    assert (steps("prague", as_of) == 0).all()

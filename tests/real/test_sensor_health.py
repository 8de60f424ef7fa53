"""Which real sensors are called faulty, before the test periods: the erratic ones, and hardly any other."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.cycles import find_cycles
from data.health import RECENT_DAYS, judge
from data.history import History
from data.readings import Readings
from data.sequences import Archive, microseconds

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data"
ENDS = {"prague": "2025-02-01", "wyndham": "2020-07-01"}

pytestmark = [pytest.mark.real, pytest.mark.skipif(not FOLDER.is_dir(), reason=f"needs the real data: no {FOLDER}")]


def noons(city: str) -> pd.DataFrame:
    """Every bin at every noon, from a week after its first reading: bin_id, at, faulty, erratic."""
    raw = pd.read_parquet(FOLDER / f"{city}_readings.parquet")[["bin_id", "measured_at", "fill_pct"]]
    raw = raw[raw["measured_at"] < pd.Timestamp(ENDS[city], tz="UTC")]
    span = raw.groupby("bin_id")["measured_at"].agg(["min", "max"])
    days = [pd.date_range(low.normalize() + pd.Timedelta("7D12h"), high, freq="D") for low, high in span.to_numpy()]
    asked = pd.DataFrame(
        {"bin_id": np.repeat(span.index.to_numpy(), [len(d) for d in days]), "at": np.concatenate([*days])}
    )
    as_of = microseconds(asked["at"])
    sequences = Archive.of(History.of(Readings.checked(raw))).sequences(asked["bin_id"].to_numpy(), as_of, RECENT_DAYS)
    health = judge(sequences, find_cycles(sequences), as_of)
    return asked.assign(faulty=health.status == "faulty_sensor", erratic=health.erratic)


@pytest.fixture(scope="module")
def prague() -> pd.DataFrame:
    return noons("prague")


def _share(asked: pd.DataFrame, bin_id: str, begin: str, end: str) -> float:
    of = asked[(asked["bin_id"] == bin_id) & pd.to_datetime(asked["at"], utc=True).between(begin, end)]
    return float(of["erratic"].mean())


def test_the_glass_bin_that_jumps_up_and_returns_is_erratic(prague: pd.DataFrame) -> None:
    assert _share(prague, "2195_1", "2024-07-20T00:00Z", "2024-08-01T00:00Z") >= 0.5
    assert _share(prague, "2195_1", "2024-02-01T00:00Z", "2024-07-01T00:00Z") == 0.0


def test_the_glass_bin_with_a_plateau_and_spikes_is_erratic(prague: pd.DataFrame) -> None:
    assert _share(prague, "4433_1", "2023-08-01T00:00Z", "2023-10-20T00:00Z") >= 0.5
    assert _share(prague, "4433_1", "2024-10-20T00:00Z", "2024-11-10T00:00Z") >= 0.5


def test_few_days_of_other_bins_are_called_faulty(prague: pd.DataFrame) -> None:
    share = prague.groupby("bin_id")["faulty"].mean()
    print(share.round(4).to_dict())
    others = prague[~prague["bin_id"].isin(["2195_1", "4433_1", "2053_1"])]
    assert others["faulty"].mean() <= 0.012
    assert share.drop(["2195_1", "4433_1", "2053_1"]).max() <= 0.035


def test_few_days_of_compactors_are_called_faulty() -> None:
    assert noons("wyndham")["faulty"].mean() <= 0.01

from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
from pandera.errors import SchemaError

from data import retention, stored_given
from data.bins import Bins
from data.given import Given
from data.renaming import rename_bin
from data.retention import prune_store
from data.retiring import retire_bins
from data.store import Store, Stored
from data.tables import GIVEN

NOON = pd.Timestamp("2026-03-02T12:00Z").as_unit("us")
LEVELS = ["q05", *(f"q{p}" for p in range(10, 100, 10)), "q95"]


def given(
    *bin_ids: str, as_of: pd.Timestamp = NOON, role: str = "champion", version: str = "7", median: float = 50.0
) -> Given:
    """Two horizons of each bin."""
    rows = [(bin_id, as_of + pd.Timedelta(hours=h)) for bin_id in bin_ids for h in (6, 24)]
    frame = pd.DataFrame(rows, columns=["bin_id", "at"]).assign(
        as_of=as_of, role=role, model_name="brimcast", model_version=version, given_at=as_of, mean=median, p_full=0.25,
        full_pct=95.0, status="ok",
    )  # fmt: skip
    return Given.checked(frame.assign(**dict.fromkeys(LEVELS, median)))


def read(store: Store, **more: object) -> pd.DataFrame:
    return store.given(NOON - pd.Timedelta(days=1), NOON + pd.Timedelta(days=1), **more).frame  # type: ignore[arg-type]


def test_what_was_given_is_read_back_as_it_was(store: Store) -> None:
    told = given("a", "\u017eluva", as_of=NOON + pd.Timedelta(minutes=7, microseconds=3))
    assert store.put_given(told) == Stored(4, 0)
    back = read(store)
    pd.testing.assert_frame_equal(back, told.frame[list(GIVEN.columns)])
    Given.checked(back)


def test_the_first_forecast_of_a_bin_and_hour_holds(store: Store) -> None:
    store.put_given(given("a", median=40.0))
    assert store.put_given(given("a", median=40.0)) == Stored(0, 2)
    later = given("a", "b", as_of=NOON + pd.Timedelta(minutes=3), median=60.0)
    assert store.put_given(later) == Stored(2, 2)
    assert read(store).set_index("bin_id")["q50"].to_dict() == {"a": 40.0, "b": 60.0}
    assert store.put_given(given("a", as_of=NOON + pd.Timedelta(hours=1))) == Stored(2, 0)


def test_roles_and_versions_stand_beside_each_other(store: Store) -> None:
    for role, version in (("champion", "7"), ("champion", "8"), ("shadow", "9"), ("baseline", "")):
        assert store.put_given(given("a", role=role, version=version)).accepted == 2
    assert len(read(store)) == 8
    assert set(read(store, roles=("shadow", "baseline"))["model_version"]) == {"9", ""}


def test_a_span_is_of_the_moments_forecasts_were_made(store: Store) -> None:
    for minute in (59, 61, 119, 121):
        store.put_given(given(f"at-{minute}", as_of=NOON + pd.Timedelta(minutes=minute)))
    found = store.given(NOON + pd.Timedelta(minutes=61), NOON + pd.Timedelta(minutes=121)).frame
    assert found["bin_id"].unique().tolist() == ["at-119", "at-61"]


def test_a_long_span_reads_only_from_the_first_forecast_to_the_last(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    century = NOON - pd.Timedelta(days=18_000), NOON + pd.Timedelta(days=18_000)
    assert not len(store.given(*century).frame)
    for days in (0, 2):
        store.put_given(given("a", as_of=NOON + pd.Timedelta(days=days, minutes=59)))
    reading = Mock(wraps=stored_given._read)
    monkeypatch.setattr(stored_given, "_read", reading)
    assert len(store.given(*century).frame) == 4
    assert reading.call_count == 3


def test_what_is_given_changes_no_version_of_a_bin(store: Store) -> None:
    store.put_given(given("a"))
    assert store.versions() == {}


@pytest.mark.parametrize(("column", "wrong"), [("p_full", 1.5), ("q50", 101.0), ("role", "king"), ("mean", None)])
def test_what_is_no_forecast_is_refused(column: str, wrong: object) -> None:
    with pytest.raises(SchemaError):
        Given.checked(given("a").frame.assign(**{column: wrong}))


def test_old_forecasts_are_pruned_hour_by_hour_and_those_of_a_dry_run_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 3)
    for hours in range(8):
        store.put_given(given("a", "b", as_of=NOON - pd.Timedelta(hours=hours)))
    keep, before = NOON - pd.Timedelta(hours=2), NOON - pd.Timedelta(days=60)
    told = prune_store(store.connections, before, NOON, given_before=keep, dry_run=True)
    assert (told.forecasts, len(read(store))) == (20, 32)
    assert prune_store(store.connections, before, NOON, given_before=keep).forecasts == 20
    assert read(store)["as_of"].min() == keep
    assert prune_store(store.connections, before, NOON).forecasts == 0


def test_forecasts_follow_a_bin_that_is_renamed_and_go_with_one_that_is_retired(store: Store, tmp_path: Path) -> None:
    store.put_bins(Bins.named(["old", "gone"]))
    store.put_given(given("old", "gone"))
    rename_bin(store.connections, "old", "new")
    retire_bins(store, ["gone"], tmp_path / "out")
    assert read(store)["bin_id"].tolist() == ["new", "new"]

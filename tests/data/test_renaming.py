"""Bins get other ids, become one, or are retired; in SQLite and in PostgreSQL alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from data.bins import Bins
from data.commands import main
from data.emptyings import Emptyings
from data.errors import InputError
from data.inputs import read_inputs
from data.readings import Readings
from data.renaming import rename_bin
from data.retiring import retire_bins
from data.store import Store

START = pd.Timestamp("2026-03-01T00:00:00Z").as_unit("us")


def readings(bin_id: str, fills: list[float], hours: int = 0) -> Readings:
    at = [START + pd.Timedelta(hours=hours + place) for place in range(len(fills))]
    frame = pd.DataFrame({"bin_id": bin_id, "measured_at": at, "received_at": at, "fill_pct": fills})
    return Readings.checked(frame.astype({"fill_pct": float}))


def emptyings(bin_id: str) -> Emptyings:
    at = START + pd.Timedelta(hours=30)
    return Emptyings.checked(pd.DataFrame([{"bin_id": bin_id, "emptied_at": at, "received_at": at}]))


def bins(**streams: str) -> Bins:
    rows = [{"bin_id": name, "timezone": "Europe/Prague", "stream": stream} for name, stream in streams.items()]
    return Bins.checked(pd.DataFrame(rows))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store(store_url) as opened:
        opened.put(readings("old", [10, 20, 30]), emptyings("old"), bins(old="paper", other="glass"))
        opened.put_readings(readings("other", [1, 2]))
        yield opened


def test_a_renamed_bin_keeps_all_but_its_id(store: Store) -> None:
    before = store.history(["old"])
    done = rename_bin(store.connections, "old", "new")
    assert (done.readings, done.emptyings, done.merged) == (3, 1, False)
    after = store.history(["new"])
    for table in ("readings", "emptyings", "bins"):
        one, two = getattr(before, table).frame, getattr(after, table).frame
        pd.testing.assert_frame_equal(one.assign(bin_id="new"), two, check_dtype=False)
    assert set(store.versions()) == {"new", "other"}
    assert len(store.history(["old"]).readings) == 0


def test_an_old_id_is_unknown_afterwards(store: Store) -> None:
    rename_bin(store.connections, "old", "new")
    known = store.known(["old", "new"])
    assert known is not None
    assert set(known.frame["bin_id"]) == {"new"}


def test_two_bins_become_one_with_both_histories_and_the_facts_of_the_one_that_stays(store: Store) -> None:
    store.put_readings(readings("old", [99], hours=0))  # both at one moment: the key is the same but for its fill
    store.put_readings(readings("other", [10], hours=0))
    version = store.versions()["other"]
    done = rename_bin(store.connections, "old", "other")
    assert done.merged
    history = store.history(["other"])
    fills = history.readings.frame["fill_pct"].tolist()
    assert sorted(fills) == [1, 2, 10, 20, 30, 99]
    assert history.bins.frame["stream"].tolist() == ["glass"]
    assert len(history.emptyings) == 1
    assert store.versions()["other"] > version, "who keeps its forecast must make it again"


def test_an_unknown_bin_and_an_impossible_id_are_refused(store: Store) -> None:
    with pytest.raises(InputError, match="no bin 'nobody'"):
        rename_bin(store.connections, "nobody", "new")
    for wrong in ("", "a\nb", "x" * 201):
        with pytest.raises(InputError, match="new id"):
            rename_bin(store.connections, "old", wrong)
    assert set(store.versions()) == {"old", "other"}


def test_a_retired_bin_is_gone_and_its_history_lies_in_files(store: Store, tmp_path: Path) -> None:
    before = store.history(["old"])
    done = retire_bins(store, ["old"], tmp_path / "out")
    assert (done.bins, done.readings, done.emptyings) == (1, 3, 1)
    assert set(store.versions()) == {"other"}
    assert set(store.bins().frame["bin_id"]) == {"other"}
    files = [str(tmp_path / "out" / name) for name in ("readings.parquet", "bins.csv", "emptyings.parquet")]
    kept = read_inputs(*files, mapping={}, timezone=None)
    pd.testing.assert_frame_equal(kept.readings.frame, before.readings.frame, check_dtype=False)
    assert kept.bins is not None
    assert kept.bins.frame["stream"].tolist() == ["paper"]
    assert kept.emptyings.frame["emptied_at"].tolist() == before.emptyings.frame["emptied_at"].tolist()


def test_a_folder_that_cannot_be_made_retires_none(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    before = store.versions()
    with pytest.raises(InputError, match="cannot be made"):
        retire_bins(store, sorted(before)[:1], tmp_path / "file")
    assert store.versions() == before


def test_retiring_writes_over_nothing_and_an_unknown_bin_retires_none(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no bin 'nobody'"):
        retire_bins(store, ["old", "nobody"], tmp_path)
    (tmp_path / "bins.csv").touch()
    with pytest.raises(InputError, match=r"holds a bins\.csv"):
        retire_bins(store, ["old"], tmp_path)
    assert set(store.versions()) == {"old", "other"}


def test_a_reading_that_comes_meanwhile_is_never_lost(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from data import retiring

    write = retiring.write_table

    def late(frame: pd.DataFrame, path: Path) -> None:
        write(frame, path)
        if path.name == "readings.parquet":
            store.put_readings(readings("old", [55], hours=40))

    monkeypatch.setattr(retiring, "write_table", late)
    with pytest.raises(InputError, match="meanwhile"):
        retire_bins(store, ["old"], tmp_path / "out")
    assert 55 in store.history(["old"]).readings.frame["fill_pct"].tolist()
    assert list((tmp_path / "out").iterdir()) == []


def test_the_commands_say_what_they_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with Store(url) as opened:
        opened.put(readings("old", [10, 20]), None, bins(old="paper"))
    for words, said in (
        (["rename", "old", "new", "--store", url], "old is new now; 2 readings"),
        (["retire", "new", "--store", url, "--out", str(tmp_path / "out")], "1 bins retired; 2 readings"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        assert said in capsys.readouterr().out

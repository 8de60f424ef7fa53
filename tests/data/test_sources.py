import gzip
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from data.cleaning import clean
from data.databases import database_url
from data.errors import InputError
from data.readings import Readings
from data.sources import read_mapping, read_table, share_mapping

HEADER = "bin_id,measured_at,fill_pct\n"
ROW = "007,2025-01-01T00:00:00Z,12.5\n"


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cleaned(path: Path | str, **more: str) -> pd.DataFrame:
    return clean(read_table(path, "readings", **more)).readings.frame  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [
        HEADER + ROW,
        "\ufeff" + HEADER + ROW,
        (HEADER + ROW).replace(",", ";").replace("12.5", "12,5"),
        (HEADER + ROW).replace(",", "\t"),
        (HEADER + ROW).replace("\n", "\r\n"),
        gzip.compress((HEADER + ROW).encode(), mtime=0),
    ],
)
def test_delimited_text_is_read_however_it_is_written(tmp_path: Path, content: str | bytes) -> None:
    frame = cleaned(written(tmp_path / "r.csv", content))
    assert frame[["bin_id", "fill_pct"]].values.tolist() == [["007", 12.5]]


def test_parquet_csv_and_sql_give_the_same_readings(tmp_path: Path, store_url: str) -> None:
    times = pd.date_range("2025-01-01", periods=5, freq="h", tz="UTC").as_unit("us")
    frame = pd.DataFrame({"bin_id": ["1", "2", "3", "4", "5"], "measured_at": times, "fill_pct": [1.0, 2, 3, 4, 5]})
    frame.to_parquet(tmp_path / "r.parquet")
    frame.to_csv(tmp_path / "r.csv", index=False)
    engine = sa.create_engine(database_url(store_url))
    frame.astype({"bin_id": int}).to_sql("levels", engine, index=False)
    engine.dispose()
    expected = Readings.checked(frame).frame
    sql = f"{store_url}{'&' if '?' in store_url else '?'}table=levels"
    more = {"timezone": "UTC"} if store_url.startswith("sqlite") else {}
    pd.testing.assert_frame_equal(cleaned(tmp_path / "r.parquet"), expected)
    pd.testing.assert_frame_equal(cleaned(tmp_path / "r.csv"), expected)
    pd.testing.assert_frame_equal(cleaned(sql, **more), expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        (HEADER, "no rows"),
        ("bin_id,measured_at,Fill\na,b,1\n", "no column fill_pct.*--map fill_pct="),
        (HEADER + "a,2025-01-01T00:00,5\n", "--timezone Europe/Prague"),
        (b"\x00\x01\x02\xff" * 50, "binary"),
        ((HEADER + "m\u00fcll,2025-01-01T00:00Z,5\n").encode("latin-1"), "UTF-8"),
        (gzip.compress((HEADER + ROW).encode(), mtime=0)[:-9], "ends early"),
        (b"PK\x03\x04whatever", "Excel"),
        (b"PAR1" + b"x" * 100, "whole Parquet"),
    ],
)
def test_an_unusable_file_says_what_is_wrong(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_table(written(tmp_path / "r.csv", content), "readings")


def test_a_directory_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        read_table(tmp_path, "readings")
    with pytest.raises(InputError, match="There is no file"):
        read_table(tmp_path / "none.csv", "readings")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///nowhere/none.db", "no SQLite file"),
        ("mysql://host/db", "SQLite or PostgreSQL"),
        ("postgresql://u:hunter2@127.0.0.1:1/db", "cannot be used"),
    ],
)
def test_an_unusable_database_says_what_is_wrong(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_table(url, "readings")
    assert "hunter2" not in str(caught.value)


def test_a_missing_table_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute("CREATE TABLE levels (x)")
    with pytest.raises(InputError, match=r"no table 'readings', but levels.*table=NAME"):
        read_table(f"sqlite:///{tmp_path / 'x.db'}", "readings")


def test_lines_that_do_not_split_are_set_aside_not_lost(tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", HEADER + ROW + "a,b,c,d,e\n" + '"open,2025,1\n' + ROW.replace("007", "008"))
    done = clean(read_table(path, "readings"))
    assert done.readings.frame["bin_id"].tolist() == ["007", "008"]
    assert done.rows == 4
    assert "malformed_row" in done.rejected.counts()


def test_a_few_naive_times_among_many_are_set_aside(tmp_path: Path) -> None:
    naive = "a,2025-01-02T00:00:00,5\n"
    done = clean(read_table(written(tmp_path / "r.csv", HEADER + ROW + ROW.replace("7", "8") + naive), "readings"))
    assert done.rejected.counts() == {"naive_time": 1}


def test_a_named_zone_places_naive_times_and_sets_aside_skipped_hours(tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", HEADER + "a,2025-07-01 12:00,5\na,2025-03-30 02:30,5\n")
    done = clean(read_table(path, "readings", timezone="Europe/Prague"), timezone="Europe/Prague")
    assert done.readings.frame["measured_at"].tolist() == [pd.Timestamp("2025-07-01T10:00Z")]
    assert done.rejected.counts() == {"unparsable_time": 1}


def test_an_unknown_zone_is_refused_with_a_guess(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Did you mean Europe/Prague\?"):
        read_table(written(tmp_path / "r.csv", HEADER + ROW), "readings", timezone="Europe/Prag")


def test_foreign_columns_are_mapped(tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", "ID,When,Fullness,fill_pct\na,2025-01-01T00:00Z,5,99\n")
    mapping = read_mapping(["bin_id=ID", "measured_at=When", "fill_pct=Fullness"])
    assert clean(read_table(path, "readings", mapping=mapping)).readings.frame["fill_pct"].tolist() == [5.0]


@pytest.mark.parametrize("pairs", [["fill_pct"], ["nothing=x"], ["fill_pct=Nope"]])
def test_a_wrong_mapping_is_refused(tmp_path: Path, pairs: list[str]) -> None:
    path = written(tmp_path / "r.csv", HEADER + ROW)
    with pytest.raises(InputError, match="--map"):
        read_table(path, "readings", mapping=share_mapping(read_mapping(pairs))["readings"])


def test_map_is_refused_or_unnamed_where_it_cannot_reach(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'as_of'"):
        share_mapping({"as_of": "When"})
    (tmp_path / "w.csv").write_text("bin_id,When,at\nb,2025-01-01T00:00Z,2025-01-02T00:00Z\n")
    with pytest.raises(InputError, match=r"no column as_of.*rename it to as_of"):
        read_table(tmp_path / "w.csv", "windows")

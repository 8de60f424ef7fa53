import json
import re
from pathlib import Path

import pandas as pd
import pytest

from data.commands import main
from data.store import Store

ROWS = "bin_id,measured_at,fill_pct,colour\n" + "".join(
    f"{b},2025-01-{d:02d}T{h:02d}:00:00Z,{(d * 24 + h) * 2 % 100},x\n"
    for b in "ab"
    for d in range(1, 8)
    for h in range(24)
)
BINS = "bin_id,timezone\na,Europe/Prague\n"


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    return int(caught.value.code or 0)


@pytest.fixture
def city(tmp_path: Path) -> Path:
    (tmp_path / "r.csv").write_text(ROWS)
    (tmp_path / "bins.csv").write_text(BINS)
    return tmp_path


def test_what_is_read_is_not_written_over(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (city / "told.csv").write_text("bin_id,emptied_at\nb,2025-03-04T06:00Z\n")
    for words in (("--rejected", city / "r.csv"), ("--reported", city / "told.csv", "--emptyings", city / "told.csv")):
        assert run("check", "--readings", city / "r.csv", "--bins", city / "bins.csv", *words) == 1
        assert "is to be read and to be written" in capsys.readouterr().err
    assert (city / "r.csv").read_text() == ROWS


def test_check_tells_programs_what_it_found(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--readings", city / "r.csv", "--bins", city / "bins.csv", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows_read"], told["rows_kept"], told["rejected"]) == (336, 168, {"unknown_bin": 168})
    assert told["unknown_columns"] == {"readings": ["colour"]}
    assert told["emptyings"]["detected"] >= 2
    assert [sensor["bin_id"] for sensor in told["sensors"]] == ["a"]


def test_check_writes_what_was_set_aside_and_what_was_emptied(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--bins", city / "bins.csv", "--rejected", city / "no.csv", "--emptyings", city / "found.csv")
    assert run("check", "--readings", city / "r.csv", *words) == 0
    assert pd.read_csv(city / "no.csv")["reason"].unique().tolist() == ["unknown_bin"]
    assert len(pd.read_csv(city / "found.csv")) >= 2
    assert "168" in capsys.readouterr().out
    assert not list(city.glob(".*"))


def test_load_is_idempotent(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{city / 'deep' / 'store.db'}"
    for stored, known in ((336, 0), (0, 336)):
        assert run("load", "--readings", city / "r.csv", "--store", url) == 0
        assert f"readings: {stored} stored, {known} known already" in capsys.readouterr().out
    with Store(url) as store:
        assert len(store.history().readings) == 336


def test_the_weather_is_loaded_and_read_again_from_the_store(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{city / 'weather.db'}"
    (city / "w.csv").write_text(
        "at,issued_at,temperature_c\n2025-01-02T00:00Z,2025-01-01T00:00Z,3\n2025-01-02T00:00Z,,4\n"
    )
    for stored, known in ((2, 0), (0, 2)):
        assert run("load", "--readings", city / "r.csv", "--weather", city / "w.csv", "--store", url) == 0
        assert f"weather: {stored} stored, {known} known already" in capsys.readouterr().out
    assert run("check", "--readings", url, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["other_tables"]["weather"] == {"rows_read": 2, "rejected": {}}


def test_a_load_that_fails_leaves_nothing(city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left")

    url = f"sqlite:///{city / 'store.db'}"
    monkeypatch.setattr("data.store.put_readings", fail)
    assert run("load", "--readings", city / "r.csv", "--bins", city / "bins.csv", "--store", url) == 1
    with Store(url) as store:
        assert len(store.bins()) == len(store.versions()) == 0


def test_a_store_is_a_source_of_readings_and_bins(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{city / 'store.db'}"
    assert run("load", "--readings", city / "r.csv", "--bins", city / "bins.csv", "--store", url) == 0
    capsys.readouterr()
    assert run("check", "--readings", url, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows_kept"] == 168
    assert told["other_tables"]["bins"]["rows_read"] == 1


def test_simulate_writes_the_city(tmp_path: Path) -> None:
    assert run("simulate", "--bins", "3", "--days", "4", "--out", tmp_path / "city") == 0
    assert {"readings.parquet", "bins.csv", "visits.csv"} <= {p.name for p in (tmp_path / "city").iterdir()}


@pytest.mark.parametrize("command", ["check", "load"])
@pytest.mark.parametrize("content", ["", "bin_id\na\n", "bin_id,measured_at,fill_pct\na,2025-01-01T00:00,1\n",
                                     "bin_id,measured_at,fill_pct\n,x,y\n"])  # fmt: skip
def test_bad_input_is_one_paragraph_and_leaves_nothing(
    tmp_path: Path, command: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.csv").write_text(content)
    words = ["--store", f"sqlite:///{tmp_path / 's.db'}"] if command == "load" else []
    assert run(command, "--readings", tmp_path / "r.csv", *words) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_bins_that_were_set_aside_are_named_where_no_reading_is_left(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (city / "bins.csv").write_text(BINS.replace("Europe/Prague", "Europe/Prag"))
    assert run("check", "--readings", city / "r.csv", "--bins", city / "bins.csv") == 1
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(r"of the bins table 1 of 1 rows were set aside, row 0: .*Europe/Prag\b", told), told


@pytest.mark.parametrize("rows", ["a,2025-01-01T00:00Z,5\n", "a,2025-01-01T00:00Z,5\n" * 50,
                                  "".join(f"a,2025-01-01T{h:02d}:00Z,100\n" for h in range(24))])  # fmt: skip
def test_thin_input_is_checked_without_an_error(tmp_path: Path, rows: str) -> None:
    (tmp_path / "r.csv").write_text("bin_id,measured_at,fill_pct\n" + rows)
    assert run("check", "--readings", tmp_path / "r.csv", "--json") == 0


def test_a_wrong_call_exits_with_two() -> None:
    assert run("check") == 2
    assert run("check", "--nope") == 2
    assert run("nope") == 2


@pytest.mark.parametrize("command", ["simulate", "check", "load", "migrate", "prune"])
def test_help_shows_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert f"brimcast data {command} --" in capsys.readouterr().out


def test_debug_shows_the_error_itself(tmp_path: Path) -> None:
    from data.errors import InputError

    with pytest.raises(InputError):
        main(["check", "--debug", "--readings", str(tmp_path)])

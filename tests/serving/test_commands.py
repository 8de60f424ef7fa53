from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from serving import dispatch
from serving.commands import main
from serving.demo import beginning, fresh_home, tomorrow_morning
from serving.server import ends_in_order


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_start_refuses_an_address_that_others_reach(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("start", "--host", host) == 1
    told = capsys.readouterr().err
    assert "127.0.0.1" in told
    assert "Traceback" not in told


def test_start_refuses_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert call("start", "--port", str(taken.getsockname()[1])) == 1
    assert "cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [("due",), ("due", "--by", "soon"), ("due", "--by", "2026-03-03T06:00:00"), ("start", "--port", "99999"),
     ("due", "--by", "2026-03-03T06:00:00Z", "--risk", "2"),
     ("due", "--by", "2026-03-03T06:00:00Z", "--csv", "--json")],
)  # fmt: skip
def test_a_wrong_call_ends_with_2(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_due_without_a_model_says_how_to_get_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("due", "--by", "2026-03-03T06:00:00Z") == 1
    assert "brimcast training fit" in capsys.readouterr().err


@pytest.fixture
def by_hand(service: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command on the service's store, model and clock."""
    monkeypatch.setenv("BRIMCAST_STORE", str(service.store.url))
    monkeypatch.setattr(dispatch, "fetch", lambda settings: (Path(), 7))
    monkeypatch.setattr(dispatch.Champion, "load", classmethod(lambda cls, folder: service.champion))
    monkeypatch.setattr(dispatch, "clock", lambda: service.now[0])
    service.know(low=10, high=90, faulty_1=99)
    return service


BY = "2026-03-03T12:00:00+00:00"


def test_due_as_json_is_the_services_answer(by_hand: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("due", "--by", BY, "--json") == 0
    assert json.loads(capsys.readouterr().out) == by_hand.post("/v1/due", {"by": BY})


def test_due_as_csv_has_a_row_for_each_bin_due_or_skipped(by_hand: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("due", "--by", BY, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["bin_id"], row["status"]) for row in rows] == [("high", "ok"), ("faulty-1", "faulty_sensor")]
    assert rows[1]["skipped_because"]
    assert [row["reasons"] for row in rows] == ["", ""]


def test_due_as_a_table_names_the_bins(by_hand: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("due", "--by", BY) == 0
    told = capsys.readouterr().out
    assert "high" in told
    assert "faulty-1" in told
    assert "low" not in told.replace("below", "")


def test_due_beyond_two_weeks_fails_with_a_reason(by_hand: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("due", "--by", "2026-04-03T12:00:00+00:00") == 1
    assert "14 days" in capsys.readouterr().err


def test_the_demos_city_ends_now() -> None:
    now = pd.Timestamp("2026-03-29T10:34:56Z").to_pydatetime()
    assert beginning(now, 120) + pd.Timedelta(days=120) == pd.Timestamp("2026-03-29T10:00:00Z")
    assert tomorrow_morning(now, "Europe/Prague").isoformat() == "2026-03-30T06:00:00+02:00"


def test_the_demo_empties_only_a_folder_of_its_own(own_home: Path) -> None:
    from data.errors import InputError
    from data.settings import read_settings

    (own_home / "demo").mkdir()
    (own_home / "demo" / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match="no demo made it"):
        fresh_home(read_settings())
    (own_home / "demo" / "precious.txt").unlink()
    (own_home / "demo").rmdir()
    home = fresh_home(read_settings()).home
    (home / "leftover").touch()
    assert not (fresh_home(read_settings()).home / "leftover").exists()


def test_being_asked_to_end_leaves_every_with() -> None:
    before, left = signal.getsignal(signal.SIGTERM), []

    def asked_to_end() -> None:
        with ends_in_order(), ExitStack() as child:
            child.callback(left.append, "stopped")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    with pytest.raises(SystemExit) as ended:
        asked_to_end()
    assert ended.value.code == 128 + signal.SIGTERM
    assert left == ["stopped"]
    assert signal.getsignal(signal.SIGTERM) == before

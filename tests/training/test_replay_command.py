"""`brimcast training replay` from end to end."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from training.commands import main

FIRST = "--from 2025-02-13T00:00Z --model baseline:hour-of-week --risks 0.05,0.2"


@pytest.fixture
def city(small_city_folder: Path) -> list[str]:
    return ["--readings", str(small_city_folder / "readings.parquet"), "--bins", str(small_city_folder / "bins.csv")]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as left:
        main(["replay", *words])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_replay_prints_the_table_and_writes_what_is_asked(
    capsys: pytest.CaptureFixture[str], city: list[str], tmp_path: Path
) -> None:
    out, html = tmp_path / "replay.parquet", tmp_path / "replay.html"
    code, said, err = run(
        capsys, *city, *FIRST.split(), "--rounds", "mon,wed,fri", "--out", str(out), "--html", str(html)
    )
    assert code == 0, err
    for rule in ("every-k-days", "own-interval", "threshold", "weekday-rate", "foresight", "baseline:hour-of-week"):
        assert re.search(rf"^{rule} +\d\.\d\d", said, re.M), said
    assert "By stream" in said
    table = pd.read_parquet(out)
    assert set(table["family"]) >= {"schedule", "every-opportunity", "baseline:hour-of-week"}
    assert table["bin_id"].nunique() == 12
    assert (table["overflow_h"] <= table["hours"]).all()
    page = html.read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "<polyline" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_replay_fits_a_model_where_none_is_named(
    capsys: pytest.CaptureFixture[str], city: list[str], tiny_fits: None
) -> None:
    code, said, err = run(capsys, *city, "--from", "2025-02-17T00:00Z", "--risks", "0.1")
    assert code == 0, err
    assert re.search(r"^brimcast +\d\.\d\d", said, re.M)


def test_planned_visits_can_be_the_opportunities(
    capsys: pytest.CaptureFixture[str], city: list[str], small_city_folder: Path
) -> None:
    code, said, err = run(capsys, *city, *FIRST.split(), "--visits", str(small_city_folder / "visits.csv"))
    assert code == 0, err
    assert "every-opportunity" in said


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("--rounds funday", 1, "funday"),
        ("--lead soon", 2, "soon"),
        ("--lead 90d", 1, "no round"),
        ("--risks 0,2", 2, "risks"),
        ("--risks low", 2, "risks"),
        ("--to 2025-02-01T00:00Z", 1, "later --to"),
        ("--model nobody", 1, "nobody"),
        ("--out replay.txt", 1, "ending"),
        ("--visits nowhere.csv", 1, "nowhere.csv"),
        ("--visits nowhere.csv --rounds mon", 2, "either"),
    ],
)
def test_a_wrong_call_is_told_in_one_paragraph(
    capsys: pytest.CaptureFixture[str], city: list[str], words: str, code: int, told: str
) -> None:
    found, said, err = run(capsys, *city, *FIRST.split(), *words.split())
    assert found == code
    assert told in err
    assert said == ""
    assert "Traceback" not in err

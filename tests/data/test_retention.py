import numpy as np
import pandas as pd
import pytest

from data import retention
from data.commands import main
from data.emptyings import Emptyings
from data.errors import InputError
from data.readings import Readings
from data.retention import Pruned, prune_store
from data.store import Store
from data.weather import Weather

NOW = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
BEFORE = NOW - pd.Timedelta(days=730)


def days_ago(bin_id: str, *days: float) -> pd.DataFrame:
    measured = [NOW - pd.Timedelta(days=day) for day in days]
    return pd.DataFrame({"bin_id": bin_id, "measured_at": measured, "fill_pct": 50.0})


@pytest.fixture
def aged(store: Store) -> Store:
    """`fresh` has readings on both sides of the border, `silent` only old ones, of the newest two versions."""
    revised = days_ago("silent", 800).assign(fill_pct=60.0, received_at=NOW - pd.Timedelta(days=799))
    rows = [days_ago("fresh", 731, 730, 729, 1), days_ago("silent", 900, 850, 800), revised, days_ago("young", 3)]
    frame = pd.concat(rows, ignore_index=True)
    frame["received_at"] = frame["received_at"].fillna(frame["measured_at"])
    store.put_readings(Readings.checked(frame))
    store.put_emptyings(
        Emptyings.checked(pd.DataFrame({"bin_id": ["fresh"], "emptied_at": [NOW - pd.Timedelta(days=800)]}))
    )
    return store


def test_older_readings_go_and_the_newest_of_each_bin_stays(aged: Store) -> None:
    versions = aged.versions()
    assert prune_store(aged.connections, BEFORE, NOW) == Pruned(BEFORE, 3, 2)
    kept = aged.history().readings.frame
    age = (NOW - kept["measured_at"]).dt.total_seconds().div(86_400).tolist()
    assert kept["bin_id"].tolist() == ["fresh"] * 3 + ["silent"] * 2 + ["young"]
    assert age == [730, 729, 1, 800, 800, 3]
    assert len(aged.history().emptyings) == 1
    assert aged.versions() == versions
    assert prune_store(aged.connections, BEFORE, NOW) == Pruned(BEFORE, 0, 0)


def test_a_dry_run_says_the_same_and_deletes_nothing(aged: Store) -> None:
    before = aged.history().fingerprint()
    assert prune_store(aged.connections, BEFORE, NOW, dry_run=True) == Pruned(BEFORE, 3, 2)
    assert aged.history().fingerprint() == before


def test_each_step_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 7)
    old = [days_ago(f"bin-{number}", *np.linspace(731, 900, 3 + number)) for number in range(20)]
    store.put_readings(Readings.checked(pd.concat(old, ignore_index=True)))
    steps: list[int] = []
    done = prune_store(store.connections, BEFORE, NOW, progress=steps.append)
    assert done.readings == sum(steps) == sum(2 + number for number in range(20))
    assert max(steps) <= 7
    assert len(store.history().readings) == 20


def test_weather_goes_by_the_same_rule_in_all_its_versions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK", 3)
    at = [BEFORE + pd.Timedelta(hours=hour) for hour in range(-9, 3)]
    ahead = [pd.Timedelta(hours=hours) for hours in (48, 24, -1)]  # forecast twice, then observed
    rows = [{"at": moment, "issued_at": moment - before, "temperature_c": 1.0} for moment in at for before in ahead]
    store.put_weather(Weather.checked(pd.DataFrame(rows)))
    assert prune_store(store.connections, BEFORE, NOW, dry_run=True) == Pruned(BEFORE, 0, 0, 0, 27)
    assert len(store.weather()) == 36
    assert prune_store(store.connections, BEFORE, NOW) == Pruned(BEFORE, 0, 0, 0, 27)
    assert store.weather().frame["at"].tolist() == sorted(at[9:] * 3)
    assert prune_store(store.connections, BEFORE, NOW).weather == 0


def test_what_forecasts_read_is_never_pruned(store: Store) -> None:
    with pytest.raises(InputError, match="at least the 35 days"):
        prune_store(store.connections, NOW - pd.Timedelta(days=34), NOW)


@pytest.mark.parametrize(
    "words",
    [["--keep", "xx"], ["--keep", "34d"], ["--keep", "-3d"], ["--keep", "730d", "--keep-forecasts", "9999999d"]],
)
def test_what_is_no_span_to_keep_is_a_wrong_call(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["prune", *words])
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert f"Invalid value for {words[-2]}:" in told
    assert "Expected" in told


def test_the_command_says_what_it_did(aged: Store, capsys: pytest.CaptureFixture[str]) -> None:
    url = aged.url.render_as_string(hide_password=False)
    for more, said in (["--dry-run"], "would be deleted"), ([], "deleted"):
        with pytest.raises(SystemExit) as caught:
            main(["prune", "--keep", "730d", "--store", url, *more])
        assert caught.value.code in (0, None)
        told = capsys.readouterr().out
        assert "readings of 2 bins" in told
        assert "0 rows of weather" in told
        assert told.strip().endswith(said)

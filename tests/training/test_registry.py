from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from data.errors import InputError
from data.history import History
from data.settings import Settings
from training import registry, tracking
from training.candidate import Candidate
from training.forecasters import check_model, load_model, resolve
from training.model import FillModel
from training.registry import enter, last_copy, local_copy, promote, rollback
from training.tracking import Registered, RegistryError

NAME = "brimcast"


def version_of(alias: str, settings: Settings) -> int | None:
    registered = tracking.find(NAME, alias, settings)
    return registered.version if registered else None


def test_the_first_version_is_champion_and_the_newest_challenger(registered: Settings) -> None:
    assert version_of("champion", registered) == 1
    assert version_of("challenger", registered) == 3


def test_promote_takes_the_challenger_and_remembers_the_champion(registered: Settings) -> None:
    champion, before = promote(NAME, None, registered)
    assert (champion.version, before.version if before else None) == (3, 1)
    assert version_of("previous_champion", registered) == 1


def test_promoting_the_champion_changes_nothing(registered: Settings) -> None:
    promote(NAME, 2, registered)
    champion, before = promote(NAME, 2, registered)
    assert (champion.version, before) == (2, None)
    assert version_of("previous_champion", registered) == 1


def test_rollback_goes_back_one_step_and_no_further(registered: Settings) -> None:
    promote(NAME, 2, registered)
    promote(NAME, 3, registered)
    champion, replaced = rollback(NAME, registered)
    assert (champion.version, replaced.version) == (2, 3)
    with pytest.raises(InputError, match="nothing to roll back to"):
        rollback(NAME, registered)
    assert version_of("champion", registered) == 2


def test_rollback_without_a_promotion_is_an_error(registered: Settings) -> None:
    with pytest.raises(InputError, match="nothing to roll back to"):
        rollback(NAME, registered)


def test_a_version_that_is_not_there_cannot_be_promoted(registered: Settings) -> None:
    with pytest.raises(InputError, match="no version 9"):
        promote(NAME, 9, registered)
    assert version_of("champion", registered) == 1


def test_without_a_registry_the_remedy_is_to_fit(settings: Settings) -> None:
    with pytest.raises(InputError, match="training fit"):
        local_copy(NAME, "champion", settings)


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a:b", ".hidden"])
def test_a_name_that_is_no_folder_is_refused(name: str, settings: Settings) -> None:
    with pytest.raises(InputError, match="name"):
        local_copy(name, "champion", settings)


def test_the_local_copy_is_the_model(
    candidate: Candidate, small_history: History, split: pd.Timestamp, registered: Settings
) -> None:
    folder, version = local_copy(NAME, "champion", registered)
    assert (folder, version) == (registered.home / "models" / NAME / "1", 1)
    windows = pd.DataFrame({"bin_id": small_history.bins.frame["bin_id"], "as_of": split})
    windows["at"] = split + pd.Timedelta(hours=24)
    expected = candidate.model.forecast_windows(small_history, windows)
    answer = FillModel.load(folder).forecast_windows(small_history, windows)
    pd.testing.assert_frame_equal(answer, expected, check_exact=True)


def test_a_copied_model_says_which_version_it_is(registered: Settings) -> None:
    card = load_model(local_copy(NAME, 2, registered)[0]).card
    assert (card["name"], card["version"]) == (NAME, 2)
    assert card["run_id"]


def test_a_copy_is_made_once(registered: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    first = local_copy(NAME, "champion", registered)
    monkeypatch.setattr(tracking, "download", None)
    assert local_copy(NAME, "champion", registered) == first


def test_a_copy_whose_note_was_lost_is_made_again(registered: Settings) -> None:
    folder, version = local_copy(NAME, "champion", registered)
    (folder / registry.REGISTERED).write_text("")
    assert local_copy(NAME, "champion", registered) == (folder, version)
    assert registry.registered_as(folder)["version"] == version


@pytest.mark.parametrize("name", ["model.json", "boosters/t12.txt", "networks/0/weight1.npy"])
def test_a_copy_that_was_damaged_is_made_again(registered: Settings, name: str) -> None:
    folder, version = local_copy(NAME, "champion", registered)
    good = (folder / name).read_bytes()
    (folder / name).write_bytes(good[: len(good) // 2])
    assert local_copy(NAME, "champion", registered) == (folder, version)
    assert (folder / name).read_bytes() == good


def test_a_version_that_loads_and_does_not_forecast_is_refused(
    registered: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        raise ZeroDivisionError("no number")

    with monkeypatch.context() as patch:
        patch.setattr("training.model.FillModel.forecast", nothing)
        with pytest.raises(registry.Refused, match="does not forecast: no number"):
            local_copy(NAME, "champion", registered)
    assert local_copy(NAME, "champion", registered)[1] == 1


def test_a_copy_broken_off_leaves_nothing(registered: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(version: object, folder: Path, settings: Settings) -> None:
        folder.mkdir()
        (folder / "model.json").write_text("{")
        raise OSError("the line went dead")

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "download", half)
        with pytest.raises(OSError, match="dead"):
            local_copy(NAME, "champion", registered)
    assert list((registered.home / "models" / NAME).iterdir()) == []
    assert local_copy(NAME, "champion", registered)[1] == 1


def test_the_last_copy_answers_when_the_registry_is_gone(
    registered: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    copied = local_copy(NAME, "champion", registered)
    (registered.home / "mlflow.db").unlink()
    assert local_copy(NAME, "champion", registered) == copied
    assert "copied before" in caplog.text
    assert not (registered.home / "mlflow.db").exists()


def test_the_last_copy_answers_when_the_server_is_down(registered: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    copied = local_copy(NAME, "champion", registered)
    down = Settings(home=registered.home, tracking_uri="http://127.0.0.1:9")
    assert local_copy(NAME, "champion", down) == copied
    assert last_copy(NAME, "champion", registered) == copied
    with pytest.raises(RegistryError):
        local_copy(NAME, "challenger", down)


def test_after_a_promotion_the_copy_is_of_the_new_champion(registered: Settings) -> None:
    local_copy(NAME, "champion", registered)
    promote(NAME, 3, registered)
    assert local_copy(NAME, "champion", registered)[1] == 3
    assert last_copy(NAME, "champion", registered) == (registered.home / "models" / NAME / "3", 3)


def test_a_copy_of_another_registry_is_replaced(candidate: Candidate, registered: Settings, migrated: Path) -> None:
    folder, _ = local_copy(NAME, 1, registered)
    other = Settings(home=registered.home, tracking_uri=f"sqlite:///{registered.home / 'other.db'}")
    shutil.copy(migrated, registered.home / "other.db")
    again = enter(tracking.log(candidate, NAME, other), other)
    assert local_copy(NAME, 1, other) == (folder, 1)
    assert registry.registered_as(folder)["run_id"] == again.run_id


def test_every_way_to_name_a_model_resolves(small_history: History, split: pd.Timestamp, registered: Settings) -> None:
    folder, _ = local_copy(NAME, "champion", registered)
    windows = pd.DataFrame({"bin_id": small_history.bins.frame["bin_id"], "as_of": split})
    windows["at"] = split + pd.Timedelta(hours=24)
    for model in ("champion", "challenger", "version:2", str(folder), "baseline:persistence"):
        forecaster = resolve(model, NAME, small_history, split, registered)
        assert len(forecaster.forecast_windows(small_history, windows)) == len(windows)


@pytest.mark.parametrize("model", ["champ", "version:x", "baseline:oracle", "no/such/folder", "."])
def test_what_names_no_model_is_refused_before_any_work(model: str) -> None:
    with pytest.raises(InputError, match="champion"):
        check_model(model)


def test_a_champion_whose_files_were_changed_is_refused_and_the_copy_before_stays(
    candidate: Candidate, registered: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = local_copy(NAME, "champion", registered)
    promote(NAME, 3, registered)
    download = tracking.download

    def changed(version: Registered, folder: Path, settings: Settings) -> None:
        download(version, folder, settings)
        booster = next(iter(sorted(folder.rglob("t12.txt"))))
        booster.write_text(booster.read_text().replace("leaf_value=", "leaf_value=9", 1))

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "download", changed)
        with pytest.raises(registry.Refused, match="Version 3 of brimcast is refused"):
            local_copy(NAME, "champion", registered)
    assert last_copy(NAME, "champion", registered) == copied
    assert not (registered.home / "models" / NAME / "3").exists()
    assert local_copy(NAME, "champion", registered)[1] == 3

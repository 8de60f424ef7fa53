from __future__ import annotations

import json
import pickletools
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from data.errors import InputError
from training import artifact
from training.model import FillModel


@pytest.fixture(scope="module")
def saved(tiny_model: FillModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model. Read only."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    tiny_model.save(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of it to break."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def change(folder: Path, **values: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refused(folder: Path) -> str:
    """What the error says was found; it must also say what was expected and what to do."""
    with pytest.raises(InputError) as caught:
        FillModel.load(folder)
    assert caught.value.expected
    assert caught.value.remedy
    return caught.value.found


def test_the_folder_holds_what_the_design_says(saved: Path) -> None:
    files = {path.relative_to(saved).as_posix() for path in saved.rglob("*") if path.is_file()}
    assert {"model.json", "profiles.parquet"} <= files
    rest = files - {"model.json", "profiles.parquet"}
    boosters = {f"boosters/t{k:02d}.txt" for k in range(25)}  # those of thresholds that levels pass
    assert {f"boosters/t{k:02d}.txt" for k in range(6, 18)} <= rest
    assert {"networks/0/weight0.npy", "networks/0/bias2.npy", "networks/encoding/knots.npy"} <= rest
    assert {f"analogs/{name}.npy" for name in ("begin", "hour", "weekday", "level", "age", "rise")} <= rest
    rest -= boosters | {"boosters/emptied-since.txt"}
    assert all(name.startswith(("networks", "analogs")) and name.endswith(".npy") for name in rest)
    described = json.loads((saved / "model.json").read_text())
    assert {"format", "format_version", "features", "streams", "quantiles", "card"} <= described.keys()
    assert {"git_commit", "fingerprint", "span", "trained_until"} <= described["card"].keys()


def test_nothing_in_it_is_a_pickle(saved: Path) -> None:
    for path in saved.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not content.startswith((b"\x80", b"PK")), path
            with pytest.raises(ValueError, match=r".*"):
                list(pickletools.genops(content))


def test_profiles_are_a_plain_table(saved: Path) -> None:
    table = pd.read_parquet(saved / "profiles.parquet")
    assert {"bin_id", "hour_of_week", "rate_pct_per_h", "own_weight"} <= set(table.columns)
    assert (table.groupby(["kind", "bin_id", "site"]).size() == 168).all()
    assert table["own_weight"].between(0, 1).all()


def test_a_model_saved_again_is_the_same_files(saved: Path, tmp_path: Path) -> None:
    FillModel.load(saved).save(tmp_path / "again")
    for path in saved.rglob("*"):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(saved)).read_bytes() == path.read_bytes(), path


def test_saving_replaces_an_older_model_and_leaves_nothing_beside_it(tiny_model: FillModel, folder: Path) -> None:
    (folder / "boosters" / "left-over.txt").touch()
    tiny_model.save(folder)
    assert not (folder / "boosters" / "left-over.txt").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_saving_never_replaces_what_is_no_model(tiny_model: FillModel, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="no model"):
        tiny_model.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    assert "has no model.json" in refused(tmp_path / "nowhere")
    assert "has no model.json" in refused(tmp_path)


def test_a_foreign_format_is_refused(folder: Path) -> None:
    change(folder, format="somebody-elses-model")
    assert "of another kind" in refused(folder)


@pytest.mark.parametrize("version", [0, 4, "5", None])
def test_another_version_of_the_format_is_refused(folder: Path, version: object) -> None:
    change(folder, format_version=version)
    assert "format version" in refused(folder)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "\x00\xff"])
def test_a_model_json_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "model.json").write_bytes(text.encode("latin-1"))
    assert "model.json" in refused(folder)


@pytest.mark.parametrize("name", ["boosters/t12.txt", "networks/0/weight1.npy", "profiles.parquet"])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert "is broken" in refused(folder)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.95])
def test_a_truncated_booster_is_refused(folder: Path, share: float) -> None:
    path = folder / "boosters" / "t12.txt"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "is broken" in refused(folder)


@pytest.mark.parametrize("name", ["boosters/t12.txt", "networks/0/weight1.npy", "analogs/rise.npy"])
def test_a_file_with_a_byte_changed_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "SHA-256" in refused(folder)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_profiles_are_refused(folder: Path, share: float) -> None:
    path = folder / "profiles.parquet"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert "is broken" in refused(folder)


def test_profiles_without_their_columns_are_refused(folder: Path) -> None:
    pd.DataFrame({"bin_id": ["a"]}).to_parquet(folder / "profiles.parquet")
    assert "is broken" in refused(folder)


@pytest.mark.parametrize(
    "key", ["recalibration", "settings", "features", "streams", "accumulation", "card", "sha256", "shares", "weights"]
)
def test_a_model_json_that_lacks_something_is_refused(folder: Path, key: str) -> None:
    path = folder / "model.json"
    described = json.loads(path.read_text())
    del described[key]
    path.write_text(json.dumps(described))
    assert "is broken" in refused(folder)


def test_settings_that_nobody_knows_are_refused(folder: Path) -> None:
    change(folder, settings={"trees": 3, "magic": True})
    assert "is broken" in refused(folder)


def test_boosters_of_other_features_are_refused(folder: Path) -> None:
    described = json.loads((folder / "model.json").read_text())
    change(folder, features=described["features"][::-1])
    assert "other features" in refused(folder)


def test_digests_are_those_that_sha256sum_checks(saved: Path) -> None:
    lines = artifact.sha256_lines(saved)
    done = subprocess.run(["sha256sum", "-c", "--quiet"], cwd=saved, input=lines, text=True, check=False)
    assert done.returncode == 0
    assert len(lines.splitlines()) == len([path for path in saved.rglob("*") if path.is_file()])


@pytest.mark.parametrize(("code", "told"), [(0, "c0ffee"), (1, "c0ffee+changes"), (128, "c0ffee")])
def test_the_commit_says_whether_files_differ_from_it(monkeypatch: pytest.MonkeyPatch, code: int, told: str) -> None:
    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, code if "diff" in words else 0, stdout="c0ffee\n")

    monkeypatch.setattr(artifact, "_git", git)
    assert artifact.git_commit() == told
    monkeypatch.setattr(artifact, "_git", lambda *_: None)
    assert artifact.git_commit() is None

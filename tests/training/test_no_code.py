"""Nothing that is loaded from a registry can run code: a pickle slipped into a model's folder is never loaded."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from training.model import FillModel

ROOT = Path(__file__).resolve().parent.parent.parent
WATCHED = """
import sys
found = []
def watch(event, args):
    if event.startswith("pickle.") or event in ("os.system", "subprocess.Popen"):
        found.append(event)
    elif event == "open" and str(args[0]).endswith((".pkl", ".pickle", ".joblib", ".py_model")):
        found.append(f"open {args[0]}")
from pathlib import Path
from training.model import FillModel
import lightgbm, pandas, pyarrow.parquet, sklearn
FillModel.load(Path(sys.argv[1]))  # what is imported while it loads is imported now
sys.addaudithook(watch)
FillModel.load(Path(sys.argv[1]))
print(found)
"""


class Evil:
    """Touches a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """The file that a pickle would touch; it does work when it is loaded."""
    path = tmp_path / "touched"
    pickle.loads(pickle.dumps(Evil(path)))
    assert path.exists()
    path.unlink()
    return path


@pytest.fixture
def folder(tiny_model: FillModel, tmp_path: Path) -> Path:
    tiny_model.save(tmp_path / "model")
    return tmp_path / "model"


def put(folder: Path, name: str, content: bytes) -> None:
    """Write a file of the model, and its digest into model.json: as somebody would who can write the registry."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    described = json.loads((folder / "model.json").read_text())
    described["sha256"][name] = hashlib.sha256(content).hexdigest()
    (folder / "model.json").write_text(json.dumps(described))


def object_array(mark: Path) -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([Evil(mark)], dtype=object), allow_pickle=True)
    return out.getvalue()


def test_a_pickle_in_place_of_any_file_of_a_model_is_refused_and_never_loaded(folder: Path, mark: Path) -> None:
    whole = folder.with_name("whole")
    shutil.copytree(folder, whole)
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert {Path(name).suffix for name in names} == {".json", ".txt", ".npy", ".parquet"}
    one_of_each = {Path(name).suffix: name for name in names if name != "model.json"}
    for name in one_of_each.values():
        for content in (pickle.dumps(Evil(mark)), object_array(mark)):
            shutil.rmtree(folder)
            shutil.copytree(whole, folder)
            put(folder, name, content)
            with pytest.raises(InputError):
                FillModel.load(folder)
            assert not mark.exists(), name
    (folder / "model.json").write_bytes(pickle.dumps(Evil(mark)))
    with pytest.raises(InputError):
        FillModel.load(folder)
    assert not mark.exists()


def test_a_table_with_pickled_objects_in_it_is_no_table_of_ours(folder: Path, mark: Path) -> None:
    profiles = pd.read_parquet(folder / "profiles.parquet")
    profiles["kind"] = [pickle.dumps(Evil(mark))] * len(profiles)
    out = io.BytesIO()
    profiles.to_parquet(out, index=False)
    put(folder, "profiles.parquet", out.getvalue())
    with contextlib.suppress(InputError):
        FillModel.load(folder)
    assert not mark.exists()


def test_pickles_beside_a_models_files_are_not_opened(folder: Path, mark: Path) -> None:
    for name in ("model.pkl", "python_model.pkl", "boosters/q50.pickle", "networks/weights.joblib"):
        (folder / name).write_bytes(pickle.dumps(Evil(mark)))
    (folder / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: evil\n    python_model: model.pkl\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert not mark.exists()

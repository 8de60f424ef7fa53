"""Who may import whom, read from the source; and what an import must not load."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("data", "training", "serving")
TRACKING_DOORS = ("training/tracking/", "training/pyfunc.py")


def imported(path: Path) -> set[str]:
    """Full dotted names that a file imports anywhere in it, also inside functions and `if TYPE_CHECKING`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parent.parts if node.level else ()
            base = ".".join((*package[: len(package) - node.level + 1], *(node.module or "").split("."))).strip(".")
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def importers(package: str, rooms: tuple[str, ...] = ROOMS) -> set[str]:
    """Files of these rooms that import `package` or something in it."""
    return {
        str(path.relative_to(ROOT).as_posix())
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        if any(name == package or name.startswith(f"{package}.") for name in imported(path))
    }


def loaded_by(statement: str) -> set[str]:
    """Top-level packages that a fresh interpreter holds after one statement."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_data_knows_nobody() -> None:
    assert importers("training", ("data",)) == set()
    assert importers("serving", ("data",)) == set()


def test_training_knows_only_data() -> None:
    assert importers("serving", ("training",)) == set()
    assert importers("data", ("training",)), "training should build on data; does this test read the right files?"


def test_no_room_imports_the_tests_or_notebooks() -> None:
    assert importers("tests") == set()
    assert importers("notebooks") == set()


def test_mlflow_is_imported_only_behind_its_doors() -> None:
    assert [path for path in importers("mlflow") if not path.startswith(TRACKING_DOORS)] == []


def test_bentoml_is_imported_only_in_serving() -> None:
    assert importers("bentoml", ("data", "training")) == set()


def test_optuna_is_imported_only_where_settings_are_searched() -> None:
    assert importers("optuna") == {"training/search.py"}


def test_dask_is_imported_nowhere_yet() -> None:
    assert importers("dask") == set()
    assert importers("distributed") == set()


def test_pickle_is_imported_nowhere() -> None:
    for package in ("pickle", "joblib", "cloudpickle", "dill"):
        assert importers(package) == set()


@pytest.mark.parametrize("module", ["training.model", "training.forecast", "data.store", "serving.brimcast"])
def test_importing_a_plain_module_loads_neither_mlflow_nor_bentoml(module: str) -> None:
    assert loaded_by(f"import {module}").isdisjoint({"mlflow", "bentoml"})


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_loads_nothing_heavy(room: str) -> None:
    assert loaded_by(f"import {room}").isdisjoint({"pandas", "numpy", "lightgbm", "mlflow", "bentoml", "matplotlib"})


WATCH = """
import os, sys

class Watch:
    # What the variable said at the moment its package was first asked for.
    said = {}

    def find_spec(self, name, path=None, target=None):
        variable = {"bentoml": "BENTOML_DO_NOT_TRACK", "mlflow": "MLFLOW_DISABLE_TELEMETRY"}.get(name)
        if variable:
            self.said.setdefault(variable, os.environ.get(variable, "nothing"))

sys.meta_path.insert(0, Watch())
"""


@pytest.mark.parametrize(
    ("statement", "variable"),
    [
        (
            "from data.settings import read_settings; from training.tracking import connect; connect(read_settings())",
            "MLFLOW_DISABLE_TELEMETRY",
        ),
        ("import serving.service", "BENTOML_DO_NOT_TRACK"),
    ],
)
def test_usage_tracking_is_off_before_its_package_is_imported(statement: str, variable: str) -> None:
    code = f"{WATCH}\n{statement}\nprint(Watch.said)"
    environment = {name: value for name, value in os.environ.items() if name != variable}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"'{variable}': 'true'" in done.stdout.splitlines()[-1], done.stdout + done.stderr

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
TRACKING_DOORS = {"training/tracking.py", "training/pyfunc.py"}


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
    assert importers("mlflow") <= TRACKING_DOORS


def test_bentoml_is_imported_only_in_serving() -> None:
    assert importers("bentoml", ("data", "training")) == set()


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


@pytest.mark.parametrize("command", ["training.tracking", "serving.service", "serving.commands"])
def test_importing_an_entry_point_switches_usage_tracking_off(command: str) -> None:
    wanted = ("BENTOML_DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in wanted}
    packages = {"BENTOML_DO_NOT_TRACK": "bentoml", "MLFLOW_DISABLE_TELEMETRY": "mlflow"}
    code = (
        f"import {command}, os, sys\n"
        f"on = [name for name, package in {packages!r}.items()"
        " if package in sys.modules and os.environ.get(name, '').lower() not in ('true', '1')]\n"
        "assert not on, f'usage tracking may be on, unset: {on}'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

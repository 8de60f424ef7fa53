"""Committed notebooks are executed, small and free of traces of the machine; that they run is nbmake's part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def code_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]


def test_there_are_notebooks_and_their_page_names_each() -> None:
    page = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert NOTEBOOKS
    assert [path.name for path in NOTEBOOKS if f"`{path.name}`" not in page] == []


@every_notebook
def test_a_notebook_is_below_600_kb(path: Path) -> None:
    assert path.stat().st_size < 600_000


@every_notebook
def test_a_notebook_was_run_from_top_to_bottom_without_an_error(path: Path) -> None:
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"] == []
    assert any("image/png" in output.get("data", {}) for output in outputs)


@every_notebook
def test_a_notebook_holds_no_path_of_the_machine_it_ran_on(path: Path) -> None:
    text = json.dumps(
        [output for cell in code_cells(path) for output in cell["outputs"] if "image/png" not in output.get("data", {})]
    )
    assert [trace for trace in ("/home/", "/root/", "/tmp/", "/work/", "C:\\\\") if trace in text] == []


@every_notebook
def test_a_chart_is_named_by_its_finding(path: Path) -> None:
    """A title is an f-string: it says what this table shows, not what kind of chart it is."""
    sources = ["".join(cell["source"]) for cell in code_cells(path)]
    drawing = [source for source in sources if "plt.show()" in source]
    assert drawing
    assert [source for source in drawing if "set_title(" not in source or 'f"' not in source] == []

from __future__ import annotations

import ast
import os
import subprocess
import sys

import numpy as np
import pytest

from data.history import History
from data.sequences import Archive
from tests.conftest import ROOT
from training.examples import Asks, chunks
from training.model import FillModel
from training.threads import beside_each_other

TOLD = """
from threadpoolctl import ThreadpoolController
import training.model  # loads LightGBM and its OpenMP
from training.threads import beside_each_other, openmp_threads

def of_libraries(kind):
    return {library["num_threads"] for library in ThreadpoolController().info() if library["user_api"] == kind}

def now(_=None):
    return of_libraries("blas"), of_libraries("openmp")

print(now(), openmp_threads(), list(beside_each_other(now, range(4), 2)), now(), sep="\\n")
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_parts(threads: int) -> None:
    assert list(beside_each_other(lambda part: part**2, range(20), threads)) == [k**2 for k in range(20)]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_reaches_who_asked(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(beside_each_other(lambda part: 1 / part, [2, 1, 0], threads))


def test_libraries_take_no_threads_of_their_own_while_ours_work() -> None:
    """In a process of its own: this one's libraries were told one thread when they were loaded."""
    done = subprocess.run(
        [sys.executable, "-c", TOLD], cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "2"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    before, openmp, inside, after = map(ast.literal_eval, done.stdout.splitlines())
    assert before == after
    assert (before[1], openmp) == ({3}, 3)
    assert all(blas <= {1} and own == {1} for blas, own in inside)  # no BLAS is told of where it is the system's
    assert len(inside) == 4


def test_a_forecast_is_the_same_on_any_number_of_threads(
    tiny_model: FillModel, small_history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_of = small_history.readings.frame["received_at"].max()
    whole = tiny_model.forecast(small_history, as_of)
    parts: list[slice] = []

    def noted(archive: Archive, asks: Asks, threads: int) -> list[slice]:
        parts.extend(chunks(archive, asks, threads))
        return parts

    monkeypatch.setattr("training.examples.WORTH_A_THREAD", 1)
    monkeypatch.setattr("training.model.chunks", noted)
    monkeypatch.setattr("training.model.openmp_threads", lambda: 3)
    beside = tiny_model.forecast(small_history, as_of)
    assert len(parts) == 3
    for name in ("bin_ids", "values", "left_alone", "status", "last_reading_at", "full_pct"):
        np.testing.assert_array_equal(getattr(beside, name), getattr(whole, name))
    assert beside.reasons == whole.reasons

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest


@pytest.fixture
def example() -> Callable[[str], Any]:
    def read(name: str) -> Any:
        return copy.deepcopy(json.loads((files("data.adapters") / "examples" / f"{name}.json").read_text("utf-8")))

    return read

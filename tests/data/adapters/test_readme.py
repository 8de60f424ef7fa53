from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest

from data.adapters.chirpstack import read_chirpstack
from data.adapters.golemio import read_golemio
from data.adapters.ngsi_ld import read_ngsi_ld
from data.adapters.ttn import read_ttn

README = (files("data.adapters") / "README.md").read_text("utf-8")
READERS: dict[str, Any] = {
    "ngsi-ld": read_ngsi_ld, "golemio": read_golemio, "ttn": read_ttn, "chirpstack": read_chirpstack,
}  # fmt: skip


def shown() -> list[Any]:
    return [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", README, re.M | re.S)]


@pytest.mark.parametrize(("name", "place"), [("ngsi-ld", 0), ("golemio", 2), ("ttn", 3), ("chirpstack", 4)])
def test_the_payloads_that_the_readme_shows_are_taken(name: str, place: int) -> None:
    found = READERS[name](shown()[place])
    assert (found.rejected, found.ignored) == ([], [])
    assert found.readings


def test_the_readme_shows_each_reason_by_the_name_it_has() -> None:
    for reason in ("revised", "tilted", "no_echo", "no_level", "not_decoded"):
        assert f"`{reason}`" in README


def test_the_entity_that_the_readme_shows_written_back_tells_no_level() -> None:
    assert [left.reason for left in read_ngsi_ld([shown()[1]]).ignored] == ["no_level"]

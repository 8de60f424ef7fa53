"""Whatever comes: rows, or words that say why not, or PayloadError; never another error."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.adapters.chirpstack import read_chirpstack
from data.adapters.delivery import Delivery, PayloadError
from data.adapters.golemio import read_golemio
from data.adapters.ngsi_ld import read_ngsi_ld
from data.adapters.ttn import read_ttn

READERS: dict[str, Callable[[Any], Delivery]] = {
    "ngsi-ld": read_ngsi_ld, "golemio": read_golemio, "ttn": read_ttn, "chirpstack": read_chirpstack,
}  # fmt: skip
EXAMPLES = {path.name: json.loads(path.read_text("utf-8")) for path in (files("data.adapters") / "examples").iterdir()}
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=8),
    st.sampled_from(["2026-03-01T12:00:00Z", "urn:ngsi-ld:null", "WasteContainer", "12 mm"]),
)  # fmt: skip
NAMES = st.sampled_from(
    ["id", "type", "data", "value", "@value", "fillingLevel", "dateLastEmptying", "observedAt", "end_device_ids",
     "uplink_message", "decoded_payload", "dev_eui", "deviceInfo", "devEui", "object", "distance", "unit", "updated_at",
     "measured_at_utc", "pick_at_utc", "percent_calculated", "container_id", "temperature", "position"]
)  # fmt: skip
JSON = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=6)),
    max_leaves=25,
)  # fmt: skip


def check(read: Callable[[Any], Delivery], payload: Any) -> None:
    try:
        found = read(payload)
    except PayloadError:
        return
    rows, left = [*found.readings, *found.emptyings], [*found.rejected, *found.ignored]
    assert {told.item for told in rows} | {one.item for one in left} == set(range(found.items))
    assert all(one.reason and one.detail for one in left)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=100)
@given(payload=JSON)
def test_any_json_is_rows_or_words_or_no_payload(name: str, payload: Any) -> None:
    check(READERS[name], payload)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@settings(max_examples=50)
@given(chooser=st.data())
def test_a_real_payload_with_any_part_replaced_is_rows_or_words_or_no_payload(name: str, chooser: Any) -> None:
    payload = json.loads(json.dumps(EXAMPLES[name]))
    place = payload
    while True:  # down to a part, which becomes something else, or goes
        key = chooser.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], (dict, list)) and place[key] and chooser.draw(st.booleans()):
            place = place[key]
            continue
        if chooser.draw(st.booleans()):
            place[key] = chooser.draw(JSON)
        else:
            del place[key]
        break
    reader = next(read for platform, read in READERS.items() if name.startswith(platform))
    check(reader, payload)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_example_is_taken_without_a_rejection(name: str) -> None:
    found = next(read for platform, read in READERS.items() if name.startswith(platform))(EXAMPLES[name])
    assert found.rejected == []
    assert bool(found.readings or found.emptyings) != bool(found.ignored)

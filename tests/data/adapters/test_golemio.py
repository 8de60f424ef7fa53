from __future__ import annotations

from typing import Any

import pytest

from data.adapters.delivery import PayloadError
from data.adapters.golemio import moment, read_golemio

ROW = {"id": "24583", "percent_calculated": 35, "measured_at_utc": "2026-03-01T08:53:58.000Z", "updated_at": 1000}


def test_measurements_are_readings_of_their_container(example: Any) -> None:
    found = read_golemio(example("golemio-measurements"))
    assert [told.row for told in found.readings] == [
        {"bin_id": "24583", "measured_at": "2026-03-01T08:53:58.000Z", "fill_pct": 35, "temperature_c": 23.0},
        {"bin_id": "24590", "measured_at": "2026-03-01T08:47:09.000Z", "fill_pct": 48, "temperature_c": 21.0},
    ]


def test_neither_our_clock_nor_the_vendors_forecast_is_taken_from_the_row(example: Any) -> None:
    for told in read_golemio(example("golemio-measurements")).readings:
        assert "received_at" not in told.row
        assert "2026-03-04T22:44:06.000Z" not in told.row.values()


def test_picks_are_emptyings_with_the_fill_before_and_after(example: Any) -> None:
    assert [told.row for told in read_golemio(example("golemio-picks")).emptyings] == [
        {"bin_id": "24583", "emptied_at": "2026-02-28T13:14:07.000Z", "fill_before_pct": 82, "fill_after_pct": 11,
         "source": "reported"}
    ]  # fmt: skip


def test_measurements_and_picks_may_come_in_one_array(example: Any) -> None:
    found = read_golemio([*example("golemio-picks"), *example("golemio-measurements")])
    assert ([told.item for told in found.emptyings], [told.item for told in found.readings]) == ([0], [1, 2])


def test_the_feeds_own_rows_name_the_container_apart_from_the_row() -> None:
    row = {"id": 23330650, "container_id": 30168, "code": "0008/ 075C01401", "percent_calculated": 35,
           "measured_at": "2020-07-21T10:53:58", "measured_at_utc": "2020-07-21T08:53:58.000Z"}  # fmt: skip
    told = read_golemio([row]).readings[0].row
    assert (told["bin_id"], told["measured_at"]) == ("30168", "2020-07-21T08:53:58.000Z")


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_rows_about_one_moment_the_one_updated_last_holds(order: int) -> None:
    rows = [ROW, ROW | {"percent_calculated": 38, "updated_at": 2000}][::order]
    found = read_golemio(rows)
    assert [told.row["fill_pct"] for told in found.readings] == [38]
    assert [(rows[left.item]["percent_calculated"], left.reason) for left in found.ignored] == [(35, "revised")]


def test_a_row_that_says_the_same_again_is_left_for_the_store_to_count() -> None:
    assert len(read_golemio([ROW, ROW | {"updated_at": 2000}]).readings) == 2


def test_an_upturned_container_is_rejected() -> None:
    assert [left.reason for left in read_golemio([ROW | {"upturned": 1}]).rejected] == ["tilted"]


@pytest.mark.parametrize(
    "row", [None, 5, [], {}, {"id": "1"}, ROW | {"id": None}, ROW | {"id": True}, ROW | {"id": []}]
)
def test_a_row_of_neither_kind_or_without_a_container_is_rejected_alone(row: Any) -> None:
    found = read_golemio([row, ROW])
    assert [left.item for left in found.rejected] == [0]
    assert [told.item for told in found.readings] == [1]


def test_an_empty_page_is_a_payload() -> None:
    assert read_golemio([]).items == 0


@pytest.mark.parametrize("payload", [None, {}, "x", {"error_message": "Not Found", "error_status": 404}])
def test_what_is_no_array_is_no_payload(payload: Any) -> None:
    with pytest.raises(PayloadError):
        read_golemio(payload)


@pytest.mark.parametrize(
    ("told", "utc"),
    [
        ("2020-07-21T08:53:58.000Z", "2020-07-21T08:53:58.000Z"),
        ("2020-07-21T08:53:58", "2020-07-21T08:53:58Z"),
        ("2020-07-21T10:53:58+02:00", "2020-07-21T10:53:58+02:00"),
        (1595321638000, "2020-07-21T08:53:58+00:00"),
        (None, None), (10**400, 10**400), (1e300, 1e300), ([], []),
    ],
)  # fmt: skip
def test_a_time_that_is_utc_by_its_name_gets_its_offset(told: Any, utc: Any) -> None:
    assert moment(told) == utc

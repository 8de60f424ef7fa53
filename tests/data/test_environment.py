import pytest
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from data.environment import read_environment
from data.errors import InputError
from data.settings import read_settings


class Limits(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="BRIMCAST_TEST_", extra="forbid")

    most: int = Field(default=3, le=5, description="so many")
    horizons_h: tuple[float, ...] = (6.0,)


def told(**given: object) -> str:
    with pytest.raises(InputError) as refused:
        read_environment(Limits, "The test's setting", given)
    return str(refused.value)


def test_settings_come_from_the_environment_and_what_is_given_stands_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIMCAST_TEST_MOST", "4")
    monkeypatch.setenv("BRIMCAST_TEST_HORIZONS_H", "[6, 24]")
    read = read_environment(Limits, "The test's setting", {"most": None})
    assert (read.most, read.horizons_h) == (4, (6.0, 24.0))
    assert read_environment(Limits, "The test's setting", {"most": 2}).most == 2


def test_a_wrong_value_is_quoted_with_its_meaning_and_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(most=7) == (
        "The test's setting most is 7 (Input should be less than or equal to 5). Expected most: so many. "
        "Correct the option, or the variable BRIMCAST_TEST_MOST."
    )
    monkeypatch.setenv("BRIMCAST_TEST_MOST", "many")
    assert "most is 'many' (" in told()
    assert told().endswith(" Correct the variable BRIMCAST_TEST_MOST.")
    assert "no_such" in told(most=1, no_such=1)


def test_a_wrong_part_of_a_list_is_named_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIMCAST_TEST_HORIZONS_H", '[6, "soon"]')
    assert "horizons_h.1 is 'soon'" in told()
    assert told().endswith("BRIMCAST_TEST_HORIZONS_H.")


def test_a_list_that_is_no_json_is_refused_with_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIMCAST_TEST_HORIZONS_H", "6,24")
    assert "horizons_h" in told()
    assert "BRIMCAST_TEST_HORIZONS_H=[6,24]" in told()


def test_the_service_s_settings_are_read_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIMCAST_RECORD_SHARE", "2")
    with pytest.raises(InputError, match=r"record_share is '2' .* BRIMCAST_RECORD_SHARE\."):
        read_settings()

import pandas as pd
import pytest
import typer

from data.durations import duration_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("15min", 900), ("15m", 900), ("6h", 21_600), ("1.5 D", 129_600), ("104w", 62_899_200),
     ("36525d", 3_155_760_000)],
)  # fmt: skip
def test_a_duration_is_read_in_seconds_to_weeks(text: str, seconds: int) -> None:
    assert duration_of(text) == pd.Timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "730", "two years", "-3d", "0h", "3y", "1e3d", "36526d", f"{'9' * 400}d"])
def test_another_is_refused_with_examples_and_the_name_of_its_option(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="Expected such as 30s") as refused:
        duration_of(text, "--keep")
    assert refused.value.param_hint == "--keep"

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data.history import History
from data.readings import Readings

START = pd.Timestamp("2025-01-01", tz="UTC")
ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(0, 4), st.sampled_from([0.0, 50.0, 90.0])),
    max_size=30,
)
Rows = list[tuple[str, int, int, float]]


def history(rows: Rows) -> History:
    frame = pd.DataFrame(rows, columns=["bin_id", "measured_h", "delay_h", "fill_pct"])
    frame["measured_at"] = START + pd.to_timedelta(frame["measured_h"].astype(float), "h")
    frame["received_at"] = frame["measured_at"] + pd.to_timedelta(frame["delay_h"].astype(float), "h")
    return History.of(Readings.checked(frame))


@given(ROWS, st.integers(0, 10))
def test_until_keeps_of_each_reading_the_version_heard_last_by_then(rows: Rows, hour: int) -> None:
    as_of = START + pd.Timedelta(hours=hour)
    whole = history(rows)
    known = whole.until(as_of).readings.frame
    assert (known["received_at"] <= as_of).all()
    assert not known.duplicated(["bin_id", "measured_at"]).any()
    heard = whole.readings.frame[whole.readings.frame["received_at"] <= as_of]
    assert len(known) == len(heard.drop_duplicates(["bin_id", "measured_at"]))


@given(ROWS, st.integers(0, 10))
def test_asking_again_of_what_was_known_changes_nothing(rows: Rows, hour: int) -> None:
    as_of = START + pd.Timedelta(hours=hour)
    once = history(rows).until(as_of)
    pd.testing.assert_frame_equal(once.readings.frame, once.until(as_of).readings.frame)


@given(ROWS, st.integers(0, 5))
def test_late_readings_do_not_change_what_was_known(rows: Rows, hour: int) -> None:
    as_of = START + pd.Timedelta(hours=hour)
    early = [row for row in rows if row[1] + row[2] <= hour]
    known = history(rows).until(as_of).readings.frame
    pd.testing.assert_frame_equal(known, history(early).until(as_of).readings.frame, check_dtype=len(known) > 0)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_fingerprint_does_not_depend_on_the_order(rows: Rows, random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert history(rows).fingerprint() == history(shuffled).fingerprint()

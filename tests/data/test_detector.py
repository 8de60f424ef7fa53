import numpy as np
import pandas as pd
import pytest

from data.cleaning import clean, clean_bins
from data.cycles import drops_of
from data.detector import DETECTOR, probabilities
from data.drops import FEATURES, Drops
from data.emptyings import Emptyings, find_emptyings
from data.history import History
from data.sequences import Archive, Sequences, microseconds
from data.simulation import CitySettings, simulate
from data.teaching import grow, teach


@pytest.fixture(scope="module")
def city() -> tuple[History, pd.DataFrame]:
    """A city with the troubles of real ones: echoes that return, contents pressed down, sensors moved."""
    settings = CitySettings(bins=60, days=50, echoes_per_month=3, compactions_per_month=3, moved_share=0.3)
    told = simulate(settings, np.random.default_rng(31))
    bins, _ = clean_bins(told.bins)
    return History.of(clean(told.readings, bins).readings, None, bins), told.true_emptyings


def drops(history: History) -> tuple[Sequences, Drops, Archive]:
    archive = Archive.of(history)
    always = np.full(len(archive.bin_ids), np.iinfo(np.int64).max // 2)
    return *drops_of(archive.sequences(archive.bin_ids.to_numpy(), always, None)), archive


def came_true(found: pd.DataFrame, truth: pd.DataFrame) -> np.ndarray:
    """(n,) whether a true emptying of the same bin lies within three hours."""
    mine, theirs = (
        frame.astype({"emptied_at": "datetime64[us, UTC]"}).sort_values("emptied_at", kind="stable")
        for frame in (found.reset_index(names="row"), truth.assign(hit=True))
    )
    joined = pd.merge_asof(
        mine, theirs[["bin_id", "emptied_at", "hit"]], on="emptied_at", by="bin_id", direction="nearest",
        tolerance=pd.Timedelta(hours=3),
    )  # fmt: skip
    return joined.sort_values("row")["hit"].notna().to_numpy()


def test_every_detected_emptying_has_a_probability_that_comes_true(city: tuple[History, pd.DataFrame]) -> None:
    whole, truth = city
    found = find_emptyings(whole).frame
    assert found["probability"].between(0.4, 1).all()
    hit = came_true(found, truth)
    sure = (found["probability"] >= 0.95).to_numpy()
    assert sure.mean() > 0.7
    assert hit[sure].mean() >= 0.98
    assert hit[~sure].mean() == pytest.approx(found["probability"][~sure].mean(), abs=0.15)


def test_reported_emptyings_keep_the_probability_they_were_told_with(city: tuple[History, pd.DataFrame]) -> None:
    whole, truth = city
    one = Emptyings.checked(truth.iloc[[5]][["bin_id", "emptied_at"]].assign(probability=0.7))
    found = find_emptyings(History.of(whole.readings, one, whole.bins)).frame
    assert found.loc[found["source"] == "reported", "probability"].tolist() == [0.7]


def test_echoes_that_return_are_seldom_taken_for_emptyings(city: tuple[History, pd.DataFrame]) -> None:
    whole, truth = city
    found = find_emptyings(whole).frame
    assert came_true(found, truth).mean() >= 0.92
    seen = truth[(truth["fill_before_pct"] >= 40) & ~truth["partial"]]
    assert came_true(seen, found).mean() >= 0.9


def test_what_is_said_of_a_drop_depends_neither_on_other_drops_nor_on_later_readings(
    city: tuple[History, pd.DataFrame],
) -> None:
    whole, _ = city
    s, all_of, archive = drops(whole)
    of = "bin-0007"
    alone_s, alone, _ = drops(whole.select([of]))
    mine = s.seq[all_of.at] == archive.bin_ids.get_loc(of)
    np.testing.assert_array_equal(all_of.features[mine], alone.features)
    np.testing.assert_array_equal(probabilities(all_of.features)[mine], probabilities(alone.features))
    last = alone_s.measured[alone.at[len(alone.at) // 2] + 2]
    frame = whole.select([of]).readings.frame
    until = whole.select([of]).until(frame["measured_at"][microseconds(frame["measured_at"]) <= last].max())
    then_s, then, _ = drops(until)
    known = alone_s.measured[alone.at] <= then_s.measured[then.at].max()
    np.testing.assert_array_equal(alone.features[known], then.features)


def test_the_detector_reads_the_features_in_their_order() -> None:
    assert f"\nfeature_names={' '.join(FEATURES)}\n" in DETECTOR.read_text()
    assert len(probabilities(np.zeros((0, len(FEATURES))))) == 0


def test_a_detector_can_be_taught_on_cities_and_on_reports(city: tuple[History, pd.DataFrame]) -> None:
    whole, truth = city
    told = Emptyings.checked(truth[["bin_id", "emptied_at"]])
    taught = teach(1, np.random.default_rng(0), History.of(whole.readings, told, whole.bins))
    _, of, _ = drops(whole)
    assert np.corrcoef(taught.predict(of.features), probabilities(of.features))[0, 1] > 0.9


def test_trees_grown_twice_are_the_same() -> None:
    rng = np.random.default_rng(0)
    features = rng.random((2000, len(FEATURES)))
    emptied = features[:, 0] > 0.5
    one, two = (grow(features, emptied, np.random.default_rng(1)).model_to_string() for _ in range(2))
    assert one == two

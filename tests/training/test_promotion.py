"""`promote` and `rollback` as a user sees them, in the terminal and in MLflow."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from data.history import History
from data.readings import Readings
from data.settings import Settings
from data.store import Store
from tests.conftest import SMALL, TINY
from training import tracking
from training.candidate import Candidate
from training.model import FillModel
from training.promotion_settings import PromotionSettings, read_promotion_settings
from training.registry import enter
from training.settings import ModelSettings

NAME = "brimcast"
QUICK = {"LEAST_DAYS": "3", "DRAWS": "200", "EVERY_H": "24", "NEW_BINS": "2", "REPLAY_BINS": "0"}


@pytest.fixture(autouse=True)
def quick_rule(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule for a week of twelve bins."""
    for name, value in QUICK.items():
        monkeypatch.setenv(f"BRIMCAST_PROMOTION_{name}", value)


@pytest.fixture(scope="module")
def scrambled(candidate: Candidate, small_history: History, split: pd.Timestamp) -> Candidate:
    """A model that has learned from readings whose fills were shuffled."""
    frame = small_history.readings.frame
    fills = np.random.default_rng(0).permutation(frame["fill_pct"].to_numpy())
    wrong = History(Readings(frame.assign(fill_pct=fills)), small_history.emptyings, small_history.bins)
    how = ModelSettings(**SMALL)
    return replace(candidate, model=FillModel.fit(wrong, until=split, settings=how))


def client(settings: Settings) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(settings.tracking_uri, settings.tracking_uri)


def decisions(settings: Settings) -> list[Any]:
    """Runs of decisions, newest first."""
    experiment = client(settings).get_experiment_by_name("brimcast")
    return list(client(settings).search_runs([experiment.experiment_id], "tags.type = 'decision'"))


def described(version: int, settings: Settings) -> str:
    return str(client(settings).get_model_version(NAME, str(version)).description)


def told_of(out: str, check: str) -> str:
    """The first line of a check in the table."""
    return next(line for line in out.splitlines() if line.startswith(f"{check} "))


def champion(settings: Settings) -> int | None:
    found = tracking.find(NAME, "champion", settings)
    return found.version if found else None


def test_a_worse_challenger_is_refused_with_the_table_of_reasons(
    run: Any,
    city: list[str],
    registered: Settings,
    scrambled: Candidate,
    small_history: History,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BRIMCAST_PROMOTION_REPLAY_BINS", "2")
    enter(tracking.log(scrambled, NAME, registered), registered)
    done = run("promote", *city)
    assert done.code == 1
    assert "version 4 is refused; version 1 stays the champion" in done.err
    assert "--force --reason" in done.err
    assert told_of(done.out, "CRPS").endswith("REFUSED")
    assert "- CRPS over all windows worse by" in done.out
    assert told_of(done.out, "replay").split()[-1] in ("passed", "REFUSED")
    assert champion(registered) == 1
    assert tracking.find(NAME, "previous_champion", registered) is None

    (told,) = decisions(registered)
    assert told.info.status == "FINISHED"
    tags = told.data.tags
    assert (tags["outcome"], tags["challenger"], tags["champion"]) == ("refused", "4", "1")
    assert told.data.metrics["checks_failed"] > 0
    assert told.data.metrics["CRPS/all windows/change"] > 0.1
    assert told.data.params["slice_margin"] == "0.02"
    assert told.info.run_id in done.out
    table = json.loads(mlflow.artifacts.load_text(f"{told.info.artifact_uri}/verdict.json"))
    assert table["columns"][:2] == ["check", "of"]
    assert len(table["data"]) == told.data.metrics["checks"]
    assert client(registered).list_artifacts(told.info.run_id, "figures")

    inputs = {given.dataset.name: given for given in told.inputs.dataset_inputs}
    assert inputs["readings"].dataset.digest == small_history.fingerprint()
    assert "small-city" in inputs["readings"].dataset.source
    assert inputs["windows"].dataset.digest != inputs["readings"].dataset.digest
    tags = {tag.key: tag.value for tag in inputs["windows"].tags}
    asked = sum(row[2] for row in table["data"] if row[:2] == ["CRPS", "all windows"])
    assert int(tags["windows"]) > asked > 0, "bins played as new ones are asked besides"
    assert tags["mlflow.data.context"] == "evaluation"

    text = described(4, registered)
    assert "not promoted; version 1 stays the champion." in text.splitlines()[0]
    assert "Decided by rule, against it:\n- CRPS over all windows worse by" in text
    assert "**Method**" in text
    version = client(registered).get_model_version(NAME, "4")
    assert (version.tags["decision"], version.tags["decision_run"]) == ("refused", told.info.run_id)


def test_a_better_challenger_is_promoted_and_its_description_is_a_changelog(
    run: Any, city: list[str], registered: Settings, scrambled: Candidate
) -> None:
    enter(tracking.log(scrambled, NAME, registered), registered)
    tracking.set_alias(NAME, "champion", 4, registered)
    done = run("promote", "3", *city)
    assert done.code == 0, done.err
    assert done.out.endswith("brimcast version 3 is the champion now, in place of version 4.\n")
    assert champion(registered) == 3
    text = described(3, registered)
    assert "champion, in place of version 4.**" in text.splitlines()[0]
    assert "heard until" in text
    assert f"examples 3000 to {TINY['examples']}" in text
    assert "CRPS" in text
    assert "(better by" in text
    assert "\n- glass: CRPS" in text or "\n- mixed: CRPS" in text
    assert "Decided by rule: all" in text
    (told,) = decisions(registered)
    assert told.data.tags["outcome"] == "promoted"
    assert told.info.run_id in text


def test_a_store_is_judged_by_where_no_readings_are_named(
    run: Any, small_history: History, registered: Settings
) -> None:
    with Store(registered.store) as store:
        store.put_bins(small_history.bins)
        store.put_readings(small_history.readings)
    done = run("promote")
    assert done.code == 0, done.err
    assert done.out.endswith("brimcast version 3 is the champion now, in place of version 1.\n")
    assert "store.db" in decisions(registered)[0].data.params["readings"]


def test_without_readings_or_a_store_it_is_said_what_is_needed(run: Any, registered: Settings) -> None:
    done = run("promote")
    assert done.code == 1
    assert "--readings and --bins, or a store in BRIMCAST_STORE" in done.err
    assert "--force" in done.err
    assert champion(registered) == 1
    assert not (registered.home / "store.db").exists()


def test_the_champion_stays_it_without_any_readings(run: Any, registered: Settings) -> None:
    assert run("promote", "1").out == "brimcast version 1 is the champion already: there is no other to judge.\n"
    assert decisions(registered) == []


def test_force_needs_no_readings_but_a_reason_which_is_recorded(run: Any, registered: Settings) -> None:
    done = run("promote", "--force", "--reason", "the sensors were replaced")
    assert champion(registered) == 3
    (told,) = decisions(registered)
    assert done.out == (
        f"MLflow run {told.info.run_id}\nbrimcast version 3 is the champion now, in place of version 1.\n"
    )
    assert (told.data.tags["outcome"], told.data.tags["reason"]) == ("forced", "the sensors were replaced")
    assert "Decided by force: the sensors were replaced. The rule was not asked." in described(3, registered)


def test_force_against_the_rule_records_what_spoke_against_it(
    run: Any, city: list[str], registered: Settings, scrambled: Candidate
) -> None:
    enter(tracking.log(scrambled, NAME, registered), registered)
    done = run("promote", *city, "--force", "--reason", "to try it")
    assert done.code == 0, done.err
    assert "REFUSED" in done.out
    assert champion(registered) == 4
    assert "Decided by force: to try it. The rule was against it:\n- CRPS over all windows" in described(4, registered)
    assert decisions(registered)[0].data.metrics["checks_failed"] > 0


@pytest.mark.parametrize("words", [["--force"], ["--reason", "because"], ["--force", "--reason", " "]])
def test_force_and_reason_go_together(run: Any, registered: Settings, words: list[str]) -> None:
    done = run("promote", *words)
    assert done.code == 2
    assert "go together" in done.err
    assert champion(registered) == 1


def test_what_cannot_be_carried_out_is_recorded_as_failed(
    run: Any, registered: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise tracking.RegistryError("The registry is gone", expected="one", remedy="Wait.")

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "set_alias", down)
        assert run("promote", "--force", "--reason", "now").code == 1
    (told,) = decisions(registered)
    assert told.info.status == "FAILED"
    assert "Decided" not in described(3, registered)
    assert champion(registered) == 1


def test_rollback_says_which_version_it_leads_to_and_so_do_both_descriptions(run: Any, registered: Settings) -> None:
    run("promote", "3", "--force", "--reason", "now")
    done = run("rollback")
    told = decisions(registered)[0]
    assert done.out == (
        f"MLflow run {told.info.run_id}\nbrimcast version 1 is the champion again, in place of version 3.\n"
    )
    assert champion(registered) == 1
    assert "rolled back; version 1 is the champion again.**" in described(3, registered).splitlines()[0]
    assert "champion again, after version 3 was rolled back.**" in described(1, registered).splitlines()[0]
    again = run("rollback")
    assert again.code == 1
    assert "nothing to roll back to" in again.err
    assert len(decisions(registered)) == 2


def test_a_rollback_is_a_run_that_says_who_was_replaced_by_whom_when_and_why(run: Any, registered: Settings) -> None:
    begun_ms = pd.Timestamp.now("UTC").timestamp() * 1000
    run("promote", "3", "--force", "--reason", "now")
    run("rollback", "--reason", "glass is forecast too low")
    experiment = client(registered).get_experiment_by_name("brimcast")
    asked = "tags.type = 'decision' and tags.outcome = 'rolled_back' and tags.champion = '3'"
    (told,) = client(registered).search_runs([experiment.experiment_id], asked)
    assert told.info.status == "FINISHED"
    assert told.info.start_time >= begun_ms
    tags = told.data.tags
    assert (tags["name"], tags["champion"], tags["back_to"]) == (NAME, "3", "1")
    for version, key in (("3", "champion_run"), ("1", "back_to_run")):
        assert tags[key] == client(registered).get_model_version(NAME, version).run_id
        assert f"Because: glass is forecast too low. MLflow run {told.info.run_id}" in described(
            int(version), registered
        )
    left = client(registered).get_model_version(NAME, "3").tags
    assert (left["decision"], left["decision_run"]) == ("rolled_back", told.info.run_id)


def test_a_rollback_that_cannot_be_carried_out_is_recorded_as_failed(
    run: Any, registered: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("promote", "3", "--force", "--reason", "now")
    before = described(3, registered)

    def down(*_: object) -> None:
        raise tracking.RegistryError("The registry is gone", expected="one", remedy="Wait.")

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "set_alias", down)
        assert run("rollback").code == 1
    assert decisions(registered)[0].info.status == "FAILED"
    assert described(3, registered) == before
    assert champion(registered) == 3


def test_a_description_keeps_the_newest_entries_and_fits(run: Any, registered: Settings) -> None:
    for number in range(5):
        run("promote", "3", "--force", "--reason", f"the {number}th time, {'and ' * 300}")
        run("rollback")
    text = described(3, registered)
    assert len(text) < 5000
    assert "the 4th time" in text
    assert "the 1th time" not in text


@pytest.mark.parametrize(
    ("given", "told"), [({"weeks": 0.5}, "weeks"), ({"weeks": -1}, "weeks"), ({"draws": 1}, "draws")]
)
def test_a_rule_that_cannot_be_is_refused(given: dict[str, float], told: str) -> None:
    with pytest.raises(Exception, match=f"promotion's setting {told}.*BRIMCAST_PROMOTION_{told.upper()}"):
        read_promotion_settings(**({"least_days": 7} | given))


def test_a_rule_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIMCAST_PROMOTION_SLICE_MARGIN", "0.07")
    monkeypatch.setenv("BRIMCAST_PROMOTION_COVERAGE", "[0.7, 0.9]")
    rule = read_promotion_settings(weeks=None)
    assert (rule.slice_margin, rule.coverage, rule.weeks) == (0.07, (0.7, 0.9), PromotionSettings().weeks)

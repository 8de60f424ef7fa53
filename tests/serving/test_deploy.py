"""What serving/deploy holds is read by a parser, and names only what there is: metrics, labels, settings, packages."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from data.settings import Settings
from serving.bodies import MAX_BODY_BYTES
from serving.metrics import RECORDED, ROUTES
from serving.scorecards import Scorecard
from tests.serving.test_scorecards import CARD

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "serving" / "deploy"
RUNBOOK = (ROOT / "serving" / "RUNBOOK.md").read_text(encoding="utf-8")
OF_PROMETHEUS = {"instance", "job"}
"""Labels that a scrape adds."""


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def rules() -> list[dict[str, Any]]:
    [found] = documents("alerts.yaml")
    return [rule for group in found["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((DEPLOY / "grafana.json").read_text(encoding="utf-8"))["panels"]
    return found


def expressions() -> list[str]:
    return [rule["expr"] for rule in rules()] + [t["expr"] for panel in panels() for t in panel["targets"]]


@pytest.fixture
def scraped(service: Any) -> dict[str, dict[str, set[str]]]:
    """By the name of each sample of a scrape: its labels, and the values they had."""
    from serving.service import routes

    routes.state.live.scorecard = lambda: Scorecard.model_validate(CARD)
    RECORDED.labels("stored")
    service.know(a=40, faulty_1=99)
    service.post("/v1/readings", {"readings": [{"bin_id": "a", "measured_at": "x", "fill_pct": 1}]})
    service.post("/v1/forecast", {"bin_ids": ["a", "faulty-1"]})
    service.post("/v1/due", {"by": "2026-03-03T06:00:00Z"})
    service.ask("GET", "/nope")
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(service.ask("GET", "/metrics").text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def selectors(expression: str) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Each metric that an expression names, with its matchers: label, operator, value."""
    return [
        (name, re.findall(r"(\w+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"", matchers or ""))
        for name, matchers in re.findall(r"\b(brimcast_\w+|up)\b(?:\{([^}]*)\})?", expression)
    ]


def test_every_metric_and_label_that_is_watched_is_in_a_scrape(scraped: dict[str, dict[str, set[str]]]) -> None:
    watched = [(expression, *found) for expression in expressions() for found in selectors(expression)]
    assert len(watched) > 30
    for expression, name, matchers in watched:
        if name == "up":
            continue
        assert name in scraped, expression
        for label, operator, value in matchers:
            assert label in scraped[name], (expression, label)
            if operator == "=" and label in ("table", "outcome", "quantile"):
                assert value in scraped[name][label], (expression, value)
            if label == "route" and operator == "=~":
                assert any(re.fullmatch(value, route) for route in ROUTES), value
            if label == "status" and name == "brimcast_bins":
                assert value in scraped[name]["status"], value


def test_what_is_grouped_by_is_a_label_of_what_is_grouped(scraped: dict[str, dict[str, set[str]]]) -> None:
    grouped = 0
    for expression in expressions():
        there = {label for name, _ in selectors(expression) for label in scraped.get(name, {})} | OF_PROMETHEUS
        for labels in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
            wanted = {label.strip() for label in labels.split(",")}
            assert wanted <= there, expression
            grouped += 1
    assert grouped > 10


def test_legends_and_summaries_name_labels_that_are_left() -> None:
    for panel in panels():
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert re.search(rf"by \([^)]*\b{label}\b", target["expr"]), target
    for rule in rules():
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            aggregated = re.search(r"\b(?:sum|max|count|histogram_quantile)\b", rule["expr"])
            assert not aggregated or re.search(rf"by \([^)]*\b{label}\b", rule["expr"]), rule["alert"]


def test_every_metric_of_ours_is_on_the_dashboard(scraped: dict[str, dict[str, set[str]]]) -> None:
    shown = {name for panel in panels() for t in panel["targets"] for name, _ in selectors(t["expr"])}
    ours = {name for name in scraped if name.startswith("brimcast_")}
    left_out = {name for name in ours - shown if not name.endswith(("_created", "_sum", "_count"))}
    assert left_out == set()


def test_every_alert_is_in_the_runbook_with_what_to_do() -> None:
    named = [rule["alert"] for rule in rules()]
    assert len(named) == len(set(named)) > 10
    assert sorted(re.findall(r"^\| `(Brimcast\w+)` \|", RUNBOOK, re.M)) == sorted(named)
    for row in re.findall(r"^\| `Brimcast\w+` \|(.*)\|$", RUNBOOK, re.M):
        assert len(row) > 30, row


def test_every_alert_is_whole() -> None:
    for rule in rules():
        assert {"alert", "expr", "labels", "annotations"} <= rule.keys()
        assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_promtool_finds_the_rules_well_formed() -> None:
    for words in (["check", "rules", "alerts.yaml"], ["check", "config", "--syntax-only", "prometheus.yaml"]):
        done = subprocess.run(["promtool", *words], cwd=DEPLOY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_alerts_go_off_where_a_series_has_only_begun() -> None:
    tests = Path(__file__).parent / "alerts_test.yaml"
    done = subprocess.run(["promtool", "test", "rules", str(tests)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_counter_that_may_not_be_there_yet_is_not_only_increased() -> None:
    watched = {rule["alert"]: rule["expr"] for rule in rules()}
    assert "unless brimcast_requests_total" in watched["BrimcastFails"]
    assert "or 0 * max(brimcast_store_up" in watched["BrimcastNoReadings"]


def test_caddy_takes_the_bodies_that_the_service_takes() -> None:
    assert f"max_size {MAX_BODY_BYTES >> 20}MiB" in (DEPLOY / "Caddyfile").read_text()


def test_panels_do_not_lie_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def known_variables() -> set[str]:
    ours = {f"BRIMCAST_{name.upper()}" for name in Settings.model_fields} | {"MLFLOW_TRACKING_URI"}
    return ours | {"BENTOML_HOST", "BENTOML_PORT", "BENTOML_HOME", "HOME", "OMP_NUM_THREADS"} | {
        "MALLOC_ARENA_MAX"
    }  # fmt: skip


def test_compose_starts_the_bento_a_database_and_mlflow_and_names_what_it_needs() -> None:
    [found] = documents("compose.yaml")
    services = found["services"]
    assert set(services) == {"brimcast", "postgres", "mlflow"}
    ours = services["brimcast"]
    assert ours["build"]["dockerfile"] == "env/docker/Dockerfile"
    assert set(ours["environment"]) <= known_variables()
    assert set(ours["depends_on"]) == {"postgres", "mlflow"}
    for service in services.values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), "only TLS goes outside"
        for volume in service["volumes"]:
            assert volume.split(":")[0] in found["volumes"]
    secrets = re.findall(r"\$\{(\w+)(:\?)?", (DEPLOY / "compose.yaml").read_text())
    assert {name for name, _ in secrets} == {"BRIMCAST_BENTO", "BRIMCAST_KEYS", "POSTGRES_PASSWORD"}
    assert all(required for _, required in secrets)
    constraints = (ROOT / "constraints.txt").read_text()
    assert f"mlflow=={services['mlflow']['image'].partition(':v')[2]}\n" in constraints


def test_kubernetes_runs_two_replicas_and_replaces_one_at_a_time_when_ready() -> None:
    by_kind = {document["kind"]: document for document in documents("kubernetes.yaml")}
    assert set(by_kind) == {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget"}
    deployment = by_kind["Deployment"]["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == by_kind["Service"]["spec"]["selector"] == labels
    pod = deployment["template"]["spec"]
    [container] = pod["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["ports"][0]["name"] == by_kind["Service"]["spec"]["ports"][0]["targetPort"]
    names = set(by_kind["ConfigMap"]["data"]) | {variable["name"] for variable in container["env"]}
    assert names <= known_variables()
    assert {"BRIMCAST_STORE", "BRIMCAST_KEYS"} <= names
    for one in (container, *pod["initContainers"]):
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert {mount["name"] for mount in one["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}
    assert pod["initContainers"][0]["image"] == container["image"]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 90


@pytest.fixture
def unit() -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    found.read(DEPLOY / "brimcast.service")
    return found


def test_the_systemd_unit_starts_the_service_on_loopback_and_again_when_it_ends(
    unit: configparser.ConfigParser,
) -> None:
    service = unit["Service"]
    assert "brimcast serving start --host 127.0.0.1" in service["ExecStart"]
    assert service["Restart"] == "always"
    assert service["NoNewPrivileges"] == "yes"
    assert service["User"] not in ("", "root")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_finds_the_unit_well_formed(tmp_path: Path) -> None:
    text = (DEPLOY / "brimcast.service").read_text()
    copied = tmp_path / "brimcast.service"
    copied.write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", text, flags=re.M))
    done = subprocess.run(["systemd-analyze", "verify", str(copied)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "brimcast.service" not in done.stderr, done.stderr


def test_caddys_block_is_balanced_and_leads_to_the_service() -> None:
    text = re.sub(r"#.*", "", (DEPLOY / "Caddyfile").read_text())
    assert text.count("{") == text.count("}") > 2
    assert "reverse_proxy 127.0.0.1:3000" in text
    assert "respond /metrics 404" in text
    assert "Strict-Transport-Security" in text


def test_the_bento_installs_the_tested_versions_and_all_that_it_imports() -> None:
    def pins(path: Path) -> set[str]:
        lines = path.read_text().lower().replace("_", "-").splitlines()
        return {line for line in lines if line and not line.startswith("#")}

    installed = pins(DEPLOY / "requirements.txt")
    assert installed <= pins(ROOT / "constraints.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["postgres"]
    wanted += project["project"]["optional-dependencies"]["otel"]
    names = {pin.split("==")[0] for pin in installed}
    assert {re.split(r"[\[>=]", line)[0] for line in wanted} <= names
    build = project["tool"]["bentoml"]["build"]
    for path in (build["python"]["requirements_txt"], build["docker"]["setup_script"]):
        assert (ROOT / path).is_file()


def test_the_sensor_that_the_runbook_replaces_reports_for_its_bin_before_and_after(service: Any) -> None:
    [shown] = re.findall(r"^```json\n(.*?)^```$", RUNBOOK, re.M | re.S)
    answer = service.ask("PUT", "/v1/bins", json.loads(shown)).json()
    assert (answer["accepted"], answer["rejected"]) == (2, [])
    sent = [
        {"device_id": "70b3d5-99", "measured_at": "2026-03-02T10:00:00Z", "distance_mm": 800},
        {"device_id": "70b3d5-01", "measured_at": "2026-03-02T08:00:00Z", "fill_pct": 30},
        {"device_id": "70b3d5-01", "measured_at": "2026-03-02T10:30:00Z", "fill_pct": 30},
    ]
    taken = service.post("/v1/readings", {"readings": sent})
    assert [(row["index"], row["reason"]) for row in taken["rejected"]] == [(2, "unknown_device")]
    frame = service.store.history().readings.frame
    assert frame["bin_id"].tolist() == ["b-17", "b-17"]
    assert frame["fill_pct"].tolist() == [30, 50]

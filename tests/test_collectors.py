"""What is shipped for Prometheus and Grafana: checked by their own tools, and against what a node exposes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gossip.metrics.counters import Counters
from gossip.metrics.gauges import registry_of
from tests.processes import HOST, ROOT, LoudNode, free_ports, settings, starting, wait_until
from tests.watched import FakeNode, FakeShipping, sources_of

FOLDER = ROOT / "config" / "collectors"
RULES, RULES_TEST = FOLDER / "gossipd.rules.yml", FOLDER / "gossipd.rules.test.yml"
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
METRIC = re.compile(r"\b(?:gossipd|process)_[a-z_]+\b(?!\")")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing; on Debian: apt-get install prometheus"
)
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is missing; on Debian: apt-get install prometheus"
)


def exposed() -> set[str]:
    """Return the names that a node's samples have; a label's values make no difference."""
    text = generate_latest(registry_of(Counters(), sources_of(FakeNode(), FakeShipping()))).decode()
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def rule_lines(key: str) -> list[str]:
    return re.findall(rf"^ +(?:- )?{key}: (.*)$", RULES.read_text(), re.MULTILINE)


# The files.


def test_rules_and_dashboard_use_only_what_a_node_exposes() -> None:
    names = exposed()
    for where, text in (("rules", RULES.read_text()), ("dashboard", "\n".join(queries()))):
        used = set(METRIC.findall(text)) - {"gossipd_rules", "gossipd_test"}
        assert len(used) > 8
        assert used <= names, (where, used - names)


def test_every_alert_is_tested_and_says_what_to_do() -> None:
    alerts, tested = rule_lines("alert"), RULES_TEST.read_text()
    assert len(alerts) == len(set(alerts)) > 10
    for alert in alerts:
        assert re.search(rf"alertname: {alert}\b", tested), f"{alert}: not in {RULES_TEST.name}"
    for key in ("expr", "severity", "summary", "description"):
        found = re.findall(rf"\b{key}: *\S", RULES.read_text())
        assert len(found) == len(alerts), key
    documented = (ROOT / "docs" / "METRICS.md").read_text()
    assert [alert for alert in alerts if f"`{alert}`" not in documented] == []


def test_the_dashboard_can_be_imported_anywhere() -> None:
    source, node = DASHBOARD["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    assert (node["name"], node["type"]) == ("instance", "query")
    assert "id" not in DASHBOARD
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        assert panel["title"] and panel["description"].endswith(".")
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all('instance=~"$instance"' in target["expr"] for target in panel["targets"])
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24
        taken |= cells


def test_every_metric_is_documented_and_no_other() -> None:
    registry = registry_of(Counters(), sources_of(FakeNode(), FakeShipping()))
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    names = [f"{family.name}_total" if family.type == "counter" else family.name for family in families]
    rows = re.findall(r"^\| `(gossipd_\w+)", (ROOT / "docs" / "METRICS.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(name for name in names if name.startswith("gossipd_"))


@needs_promtool
@pytest.mark.parametrize(
    "args",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", RULES.name),
        ("test", "rules", RULES_TEST.name),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing_wrong(args: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *args], cwd=FOLDER, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@needs_promtool
def test_promtool_finds_nothing_wrong_with_what_a_node_exposes() -> None:
    text = generate_latest(registry_of(Counters(), sources_of(FakeNode(), FakeShipping())))
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# A real Prometheus.


class Prometheus:
    """One that runs, with its HTTP interface."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{HOST}:{port}"

    def get(self, path: str, **fields: str) -> Any:
        """Return the data of an answer, or None while there is none."""
        try:
            with urllib.request.urlopen(
                f"{self._url}{path}?{urllib.parse.urlencode(fields)}", timeout=10
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it starts still
                return None
            raise AssertionError(f"{fields}: {error.read().decode()}") from None
        except (urllib.error.URLError, ConnectionError):
            return None

    def value(self, query: str) -> float | None:
        """Return the single value of a query, or None."""
        data = self.get("/api/v1/query", query=query)
        return float(data["result"][0]["value"][1]) if data and data["result"] else None

    def rules(self) -> list[dict[str, Any]]:
        (group,) = self.get("/api/v1/rules")["groups"]
        return list(group["rules"])


@contextmanager
def prometheus(folder: Path, *targets: int) -> Iterator[Prometheus]:
    """Run one on the files that are shipped, but with these targets, and often."""
    shipped = (FOLDER / "prometheus.yml").read_text()
    listed = "".join(f"          - {HOST}:{port}\n" for port in targets)
    config = re.sub(r"( +- 127\.0\.0\.1:5101\n)", listed, shipped.replace("15s", "500ms"))
    assert config.count("500ms") == 2 and listed in config
    (folder / "prometheus.yml").write_text(config)
    shutil.copy(RULES, folder)
    port = free_ports(1)[0]
    args = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", *args, f"--web.listen-address={HOST}:{port}"], stdout=log, stderr=log
        )
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(20)


@needs_prometheus
def test_a_real_prometheus_scrapes_two_nodes_and_answers_every_query(tmp_path: Path) -> None:
    first, second, one, other = free_ports(4)
    with starting(tmp_path) as start, prometheus(tmp_path, one, other) as server:
        start(LoudNode, first, *settings(http__listen=f":{one}"))
        start(LoudNode, second, "--join", f"{HOST}:{first}", *settings(http__listen=f":{other}"))
        log = tmp_path / "prometheus.log"
        wait_until(
            lambda: server.value('sum(gossipd_members{status="ok"})') == 4,
            lambda: f"both nodes with two members each: {log.read_text()[-2000:]}",
        )
        assert server.value('count(gossipd_members{status="ok"} == 2)') == 2
        wait_until(lambda: server.value('count(up{job="gossipd"} == 1)') == 2, "both scraped in time")
        wait_until(lambda: server.value("count(gossipd_ready == 1)") == 2, "both ready")
        assert server.value("count(process_resident_memory_bytes > 1e6)") == 2
        wait_until(lambda: (server.value("min(gossipd_rounds_total)") or 0) > 2, "rounds")

        for query in queries():
            plain = query.replace("$instance", ".*").replace("$__rate_interval", "1m")
            assert "$" not in plain
            assert server.get("/api/v1/query", query=plain) is not None
        wait_until(lambda: {rule["health"] for rule in server.rules()} == {"ok"}, "every rule evaluated")
        assert [rule["name"] for rule in server.rules()] == rule_lines("alert")
        assert [rule["name"] for rule in server.rules() if rule["state"] == "firing"] == []

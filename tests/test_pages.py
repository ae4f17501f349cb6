"""The pages of the HTTP server, and what it says to requests that are not for one."""

from __future__ import annotations

import json

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from gossip.core.settings import Settings
from gossip.health import Health
from gossip.metrics.counters import Counters
from gossip.metrics.gauges import registry_of
from gossip.pages import Page, Pages
from gossip.shell.commands import run
from tests.fake_console import OWN, PEER
from tests.watched import FakeNode, joins, samples_of, sources_of

PATHS = ("/", "/metrics", "/healthz", "/readyz", "/members")


class Site:
    """Pages of a node that is made up."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.node, self.counters = FakeNode(), Counters()
        self.health = Health(self.node, settings or joins())
        registry = registry_of(self.counters, sources_of(self.node))
        self.codes: list[str] = []
        self._pages = Pages(self.node, self.health, registry, self.codes.append)

    def get(self, path: str, query: str = "", *, method: str = "GET", accept: str = "") -> Page:
        return self._pages.answer(method, path, query, accept)


def test_the_index_names_the_node_and_every_page() -> None:
    page = Site().get("/")
    text = page.body.decode()
    assert str(OWN) in text
    assert all(f"\n{path} " in text for path in PATHS[1:])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", PATHS)
def test_all_pages_are_there(path: str, method: str) -> None:
    assert Site().get(path, method=method).status == "200 OK"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "\xff\x00"])
def test_nothing_can_be_done_to_one(method: str) -> None:
    page = Site().get("/members", method=method)
    assert page.status == "405 Method Not Allowed"
    assert ("Allow", "GET, HEAD") in page.headers
    assert page.body.isascii() and b"expected GET or HEAD" in page.body


@pytest.mark.parametrize("path", ["/nope", "", "/metrics/", "//", "/\xe4\n\x1b[2J" + "x" * 999])
def test_an_unknown_path_is_told_which_there_are(path: str) -> None:
    page = Site().get(path)
    assert page.status == "404 Not Found"
    assert page.body.isascii() and page.body.count(b"\n") == 1 and len(page.body) < 200
    assert page.body.endswith(b"; there are /, /metrics, /healthz, /readyz, /members\n")
    assert b"\x1b" not in page.body


def test_metrics_come_in_the_format_that_is_accepted() -> None:
    site = Site()
    plain = site.get("/metrics", accept="text/html, */*")
    assert plain.kind == "text/plain; version=0.0.4; charset=utf-8"
    assert samples_of(plain.body.decode())["gossipd_rounds_total"] == 12

    asked = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5"
    openmetrics = site.get("/metrics", accept=asked)
    assert openmetrics.kind == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name for family in text_string_to_metric_families(openmetrics.body.decode())}
    assert "gossipd_rounds" in families

    assert site.get("/metrics", accept="application/openmetrics-text; version=x").status == "200 OK"


def test_members_are_those_of_the_shell() -> None:
    site = Site()
    page = site.get("/members")
    assert page.kind == "application/json"
    assert json.loads(page.body) == json.loads(run(site.node, "members --json").lines[0])
    assert [row["address"] for row in json.loads(page.body)] == [str(OWN), str(PEER)]
    assert [row["address"] for row in json.loads(site.get("/members", "state=1").body)] == [str(PEER)]
    assert site.get("/members", "state=9").body == b"[]\n"


@pytest.mark.parametrize(
    "query",
    ["state=", "state=10", "state=-1", "state=\u0661", "state=x", "stat=1", "state=1&x=2", "&", "a&" * 99],
)
def test_a_query_that_is_no_digit_is_refused_with_what_would_be_right(query: str) -> None:
    page = Site().get("/members", query)
    assert page.status == "400 Bad Request"
    assert page.body.endswith(b": expected nothing, or ?state= and one digit\n")
    assert page.body.isascii() and len(page.body) < 150


def test_health_and_readiness_say_why_not() -> None:
    site = Site(joins(str(PEER)))
    assert site.get("/healthz").body == b"ok\n"
    site.node.exit_status = 1
    assert site.get("/healthz").status == "503 Service Unavailable"
    assert b"crashed" in site.get("/healthz").body

    assert site.get("/readyz").status == "503 Service Unavailable"
    assert site.get("/readyz").body == str(site.health.obstacle()).encode() + b"\n"
    assert Site().get("/readyz").body == b"ready\n"
    assert site.codes == ["200", "503", "503", "503", "503"]


def test_every_code_that_is_answered_is_counted() -> None:
    counters = Counters()
    for code in ("200", "400", "404", "405", "503"):
        counters.answers.add(code)
    assert {sample.value for sample in counters.answers.family().samples} == {1}

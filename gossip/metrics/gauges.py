"""How things stand with a node, looked up when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import gevent
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from gossip.core.settings import Settings
from gossip.core.views import Figures, Status
from gossip.metrics.counters import Counters


class Shipping(Protocol):
    """How far what carries the log elsewhere has come; the counts are since the start."""

    @property
    def name(self) -> str:
        """Which of them it is, from the settings."""

    @property
    def lag_s(self) -> float:
        """How old the oldest line is that is not there yet, in seconds."""

    @property
    def lag_events(self) -> int:
        """How many lines are not there yet."""

    @property
    def lag_bytes(self) -> int:
        """How much is not there yet."""

    @property
    def sent(self) -> int:
        """Lines that arrived."""

    @property
    def retries(self) -> int:
        """Attempts after the first."""

    @property
    def dropped(self) -> int:
        """Lines that were given up, for the spool was full."""

    @property
    def refused(self) -> int:
        """Lines that were given up, for the collector would not have them."""


class Measured(Protocol):
    """A node, as far as its gauges show."""

    exit_status: int

    def status(self) -> Status:
        """Return the node in one line."""

    def figures(self) -> Figures:
        """Return how much there is of everything."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the gauges of one node are looked up."""

    node: Measured
    settings: Callable[[], Settings]  # as they are now
    is_ready: Callable[[], bool]
    lines_dropped: Callable[[], int]
    shipping: Callable[[], Sequence[Shipping]] = tuple  # none
    certificate_until: Callable[[], float | None] = lambda: None  # in seconds since 1970; None without TLS


class Gauges:
    """Collects them at each scrape; of 10,000 members that takes a quarter of a millisecond."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Yield all figures as they are now."""
        yield from self._of_node()
        yield from self._of_process()
        yield from self._of_shippers()

    def _of_node(self) -> Iterator[Metric]:
        settings, now = self._sources.settings(), self._sources.node.status()
        figures = self._sources.node.figures()
        about = {"node": str(now.own.address), "trust": now.trust, "cluster": settings.node.cluster}
        yield InfoMetricFamily("gossipd", "Which node this is.", value=about)
        members = GaugeMetricFamily(
            "gossipd_members",
            "Nodes by health: ok (the node itself counts) and suspect are the table; blacklisted and blocked "
            "are not served.",
            labels=["status"],
        )
        members.add_metric(["ok"], now.members - figures.suspects)
        members.add_metric(["suspect"], figures.suspects)
        members.add_metric(["blacklisted"], now.blacklisted - figures.blocked)
        members.add_metric(["blocked"], figures.blocked)
        yield members
        yield _counter("rounds", "Rounds begun.", now.round)
        yield _gauge("round_seconds", "The length of a round, as set.", settings.gossip.interval_s)
        yield _gauge("state", "The own state, a digit.", now.own.state)
        yield _gauge("adversarial", "1 while the node lies on purpose.", now.strategy is not None)
        yield _gauge("open_pulls", "Pulls under way.", figures.open_pulls)
        yield _gauge("checks_waiting", "Mentions of nodes that wait for a check.", figures.checks_waiting)
        yield _gauge("table_bytes", "Size of the table as it was last rendered.", figures.table_bytes)
        yield _gauge("callers", "Callers that the listener holds now.", figures.callers)
        expiry = GaugeMetricFamily(
            "gossipd_tls_certificate_expiry_timestamp_seconds",
            "When the own certificate expires, since 1970.",
        )
        if (until := self._sources.certificate_until()) is not None:
            expiry.add_metric([], until)
        yield expiry
        yield _counter("callers_accepted", "Callers that the listener accepted.", figures.accepted)

    def _of_process(self) -> Iterator[Metric]:
        sources = self._sources
        yield _gauge("ready", "1 when /readyz says so.", sources.is_ready())
        yield _gauge("crashed", "1 once a part of the process died of a bug.", sources.node.exit_status != 0)
        yield _gauge(
            "event_loop_watchers",
            "Sockets and timers that the event loop waits for: about one for every greenlet that waits.",
            gevent.get_hub().loop.activecnt,
        )
        dropped = sources.lines_dropped()
        yield _counter("log_lines_dropped", "Log lines dropped, for their destination was too slow.", dropped)

    def _of_shippers(self) -> Iterator[Metric]:
        labels = ["shipper"]
        lag_s = GaugeMetricFamily(
            "gossipd_ship_lag_seconds", "Age of the oldest log line not there yet.", labels=labels
        )
        lag_bytes = GaugeMetricFamily("gossipd_ship_lag_bytes", "Log bytes not there yet.", labels=labels)
        lag_lines = GaugeMetricFamily("gossipd_ship_lag_lines", "Log lines not there yet.", labels=labels)
        sent = CounterMetricFamily("gossipd_ship_lines", "Log lines that arrived.", labels=labels)
        retries = CounterMetricFamily("gossipd_ship_retries", "Attempts after the first.", labels=labels)
        dropped = CounterMetricFamily(
            "gossipd_ship_lines_dropped", "Log lines given up, for the spool was full.", labels=labels
        )
        refused = CounterMetricFamily(
            "gossipd_ship_lines_refused",
            "Log lines given up, for the collector would not have them.",
            labels=labels,
        )
        for one in self._sources.shipping():
            name = [one.name]
            lag_s.add_metric(name, one.lag_s)
            lag_bytes.add_metric(name, one.lag_bytes)
            lag_lines.add_metric(name, one.lag_events)
            sent.add_metric(name, one.sent)
            retries.add_metric(name, one.retries)
            dropped.add_metric(name, one.dropped)
            refused.add_metric(name, one.refused)
        yield from (lag_s, lag_bytes, lag_lines, sent, retries, dropped, refused)


def registry_of(counters: Counters, sources: Sources) -> CollectorRegistry:
    """Put together all that is known of one node and its process."""
    registry = CollectorRegistry()
    registry.register(counters)
    registry.register(Gauges(sources))
    ProcessCollector(registry=registry)
    return registry


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gossipd_{name}", meaning, value)


def _counter(name: str, meaning: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"gossipd_{name}", meaning, value)

"""A node that is made up, and its metrics as text, for the tests of what is watched over HTTP."""

from __future__ import annotations

from dataclasses import replace

from gevent.event import Event as Flag
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gossip.core.settings import NodeSettings, Settings
from gossip.core.views import Figures, Status
from gossip.metrics.counters import Counters
from gossip.metrics.gauges import Shipping, Sources, registry_of
from tests.fake_console import FakeConsole


class FakeNode(FakeConsole):
    """A console that can be unwell, too."""

    def __init__(self) -> None:
        super().__init__()
        self.stopping = Flag()
        self.exit_status = 0
        self.round = 12
        self.counted = Figures(1, 0, 3, 4, 500, 6, 700)

    def status(self) -> Status:
        return replace(super().status(), round=self.round)

    def figures(self) -> Figures:
        return self.counted


class FakeShipping:
    name, lag_s, lag_bytes, lag_events = "collector", 2.5, 300, 3
    sent, retries, dropped, refused = 40, 5, 6, 7


def joins(*names: str, interval_s: float = 3.0) -> Settings:
    settings = Settings(node=NodeSettings(join=names))
    return replace(settings, gossip=replace(settings.gossip, interval_s=interval_s))


def sources_of(node: FakeNode, *shipping: Shipping, is_ready: bool = True, dropped: int = 0) -> Sources:
    return Sources(node, Settings, lambda: is_ready, lambda: dropped, lambda: shipping, lambda: 1.5e9)


def scraped(counters: Counters, sources: Sources) -> dict[str, float]:
    """Return what a scrape would find, by series: `name{label="value"}`, labels in alphabetical order."""
    return samples_of(generate_latest(registry_of(counters, sources)).decode())


def samples_of(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            series = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert series not in found, f"{series} is there twice"
            found[series] = sample.value
    return found


def changed(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    """Return what the series that are not those of the process grew by; none may have come or gone."""
    assert after.keys() == before.keys()
    ours = {series: after[series] - before[series] for series in after if series.startswith("gossipd_")}
    return {series: grown for series, grown in ours.items() if grown}

"""Daemons on loopback, with small times, for the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import gevent

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.settings import (
    AttentionSettings,
    BlacklistSettings,
    GossipSettings,
    NodeSettings,
    PullSettings,
    Settings,
)
from gossip.daemon import Daemon


class Facts:
    """A log that remembers: in place of `NodeLog`."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []
        self.facts: list[tuple[str, dict[str, object]]] = []

    def emit(self, event: ev.Event) -> None:
        self.events.append(event)

    def fact(self, name: str, /, level: str = "info", **fields: object) -> None:
        self.facts.append((name, fields))

    def of(self, kind: type[ev.Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def named(self, name: str) -> list[dict[str, object]]:
        return [fields for found, fields in self.facts if found == name]


class Running:
    """A daemon and what it told its log."""

    def __init__(
        self, address: Address, *join: object, quiet_s: float = 0.2, jitter: float = 0.25, **node: Any
    ) -> None:
        node = {"listen": str(address), "join": tuple(map(str, join)), "shutdown_s": 1.0, **node}
        settings = Settings(
            node=NodeSettings(**node),
            gossip=GossipSettings(interval_s=0.05),
            attention=AttentionSettings(candidate_retry_s=0.2, jitter_rounds=jitter),
            blacklist=BlacklistSettings(failures_to_blacklist=2, blacklist_base_s=0.2, blacklist_max_s=0.4),
            pull=PullSettings(pull_timeout_s=1.0, quiet_s=quiet_s),
        )
        self.log = Facts()
        self.may_crash = False
        self.daemon = Daemon(settings, self.log, Random(address.port))  # type: ignore[arg-type]
        self.address = self.daemon.address
        self.daemon.start()

    def states(self) -> dict[Address, int]:
        return {view.entry.address: view.entry.state for view in self.daemon.members()}

    def blacklisted(self) -> dict[Address, str]:
        return {view.address: view.reason for view in self.daemon.blacklist()}

    def pulled(self, peer: Address) -> int:
        return sum(event.peer == peer for event in self.log.of(ev.PullFinished))


Start = Callable[..., Running]


@contextmanager
def running() -> Iterator[Start]:
    """Give what starts daemons; stop them all at the end, and fail when a greenlet died unexpectedly."""
    started: list[Running] = []

    def start(address: Address, *join: object, **settings: Any) -> Running:
        started.append(Running(address, *join, **settings))
        return started[-1]

    yield start
    gevent.joinall([gevent.spawn(one.daemon.shut_down) for one in started], raise_error=True)
    crashes = [one.log.named("greenlet_crashed") for one in started if not one.may_crash]
    assert not any(crashes), crashes

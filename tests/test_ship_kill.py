"""`kill -9` of a node that ships: what its spool had arrives after the next start, and no line is torn."""

from __future__ import annotations

import json
from pathlib import Path

from tests.failing_server import Collector, collecting
from tests.processes import LoudNode, Process, free_ports, settings, starting, wait_until


def spooled(folder: Path) -> list[str]:
    """Return the whole lines of a spool."""
    data = b"".join(path.read_bytes() for path in sorted(folder.glob("events-*")))
    return data[: data.rfind(b"\n") + 1].decode("ascii").splitlines()


def has_all(collector: Collector, lines: list[str]) -> bool:
    return set(lines) <= {json.dumps(event, separators=(",", ":")) for event in collector.taken}


def test_a_killed_node_ships_the_rest_after_its_next_start(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with collecting("half", "500", "reset") as collector, starting(tmp_path) as start:
        options = settings(
            gossip__interval_s=0.02,
            log__level="debug",
            log__sinks=collector.url,
            log__batch_wait_s=0.05,
            log__batch_max_events=20,
            log__retry_max_s=0.1,
            log__retry_base_s=0.1,
            node__join=f"127.0.0.1:{port + 1}",
            node__data_dir=tmp_path / "data",
        )
        folder = tmp_path / "data" / f"127.0.0.1_{port}.spool"
        node = start(LoudNode, port, *options)
        wait_until(lambda: len(collector.taken) > 20, "events")
        other = start(Process, *settings(log__sinks=collector.url, log__spool_dir=folder))
        assert other.wait_exit() == 1 and "another process ships from it" in other.stderr
        collector.faults = ["500", "closed"] * 500
        shipped = len(spooled(folder))
        wait_until(lambda: len(spooled(folder)) > shipped + 10, "a backlog")
        node.kill()
        assert not has_all(collector, spooled(folder))
        collector.faults = []
        kept = spooled(folder)
        node = start(LoudNode, port, *options)
        wait_until(lambda: has_all(collector, kept), "all that the spool had")
        assert node.stop() == 0
        wait_until(lambda: has_all(collector, spooled(folder)), "the end, too")
        assert collector.taken[-1]["event"] == "node_stopped"
    assert not node.stdout  # with sinks, "" is nowhere else

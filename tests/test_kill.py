"""Real processes with a data folder: killed at any moment, restarted, and started twice."""

from __future__ import annotations

import json
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.processes import HOST, Node, Process, Spawn, answers, fetch, free_ports, settings, wait_until

VICTIMS, LIVES = 2, 25  # 50 kills: two victims side by side, for most of the time is the start of Python
BURST = 60  # more than the timestamps ahead of the clock that one save makes room for
# Bursts run ahead of the clock, and each restart adds to that: let the others take such timestamps.
PATIENT = settings(gossip__max_clock_skew_s=86_400)


def _keeping(folder: Path) -> list[str]:
    return settings(node__data_dir=folder)


def _kept(folder: Path, address: str) -> dict[str, Any]:
    """Read a snapshot as a second program would, empty before the first."""
    file = folder / f"{address.replace(':', '_')}.json"
    if not file.exists():
        return {"members": [], "blacklist": [], "last_timestamp": 0}
    kept: dict[str, Any] = json.loads(file.read_bytes().split(b"\n")[1])
    return kept


def _blocked(kept: dict[str, Any]) -> set[tuple[str, int]]:
    return {tuple(row["address"]) for row in kept["blacklist"] if row["reason"] == "blocked"}


def _members(kept: dict[str, Any]) -> set[tuple[str, int]]:
    return {tuple(member["entry"][0]) for member in kept["members"]}


def _known(kept: dict[str, Any]) -> set[tuple[str, int]]:
    """Return members and blacklisted: the other victim is away often enough to be either."""
    return _members(kept) | {tuple(row["address"]) for row in kept["blacklist"]}


class Victim:
    """A node that is started and killed again and again; what it ever promised is remembered."""

    def __init__(self, home: Path, folder: Path, port: int, companion: Node) -> None:
        self._home = home
        self._folder = folder
        self._port = port
        self.companion = companion
        self.address = f"{HOST}:{port}"
        self._rng = random.Random(port)
        self._blocks = 0
        self._latest = 0  # the greatest own timestamp ever served
        self._sure_blocks: set[tuple[str, int]] = set()
        self._sure_nodes: set[tuple[str, int]] = set()
        self.first_served = 0  # how often the first table after a restart was seen
        self.logs: list[Node] = []

    def live(self, life: int) -> None:
        """Spawn, type, and be killed at a random moment; on every third life only after a save."""
        before = _kept(self._folder, self.address)
        self._sure_blocks |= _blocked(before)
        self._sure_nodes |= _known(before)
        node = Node(
            self._home, self._port, "--join", self.companion.address, *PATIENT, *_keeping(self._folder)
        )
        self.logs.append(node)
        try:
            block = ("10.0.0.1", 7000 + self._blocks)
            self._blocks += 1
            burst = "".join(f"{self._rng.randint(0, 9)}\n" for _ in range(self._rng.randint(0, BURST)))
            node.type(f"blacklist\n!\nblock {block[0]}:{block[1]}\n{burst}".encode())
            if life % 3 == 0:
                wait_until(lambda: block in _blocked(_kept(self._folder, self.address)), f"{block} is kept")
            elif life % 3 == 1:
                wait_until(lambda: answers(self._port), "an answer")
            deadline = time.monotonic() + self._rng.uniform(0, 0.6 if life % 3 == 2 else 0.2)
            while time.monotonic() < deadline:
                self._look(node)
        finally:
            node.kill()
        self._judge(node, before)

    def _look(self, node: Node) -> None:
        """Read the own timestamp over TCP; it is never lower than any seen before."""
        if not answers(self._port):
            return
        address, timestamp, _ = fetch(self._port).decode().splitlines()[0].split(",")
        assert address == self.address
        assert int(timestamp) >= self._latest, f"{self.address} went back from {self._latest} to {timestamp}"
        self._latest = int(timestamp)

    def _judge(self, node: Node, before: dict[str, Any]) -> None:
        """Compare what was shown and kept with all that had been kept before this life."""
        names = {event["event"] for event in node.events()}
        assert not names & {"snapshot_damaged", "snapshot_failed", "greenlet_crashed"}, node.log()
        shown = node.stdout
        if f"{self.address}," in shown:  # `blacklist` and `!` were answered
            self.first_served += 1
            for host, port in self._sure_blocks:
                assert f"{host}:{port} " in shown, f"{host}:{port} is blocked no more: {shown}"
            for host, port in self._sure_nodes:  # in one listing or the other
                assert re.search(rf"^{host}:{port}[ ,]", shown, re.MULTILINE), (
                    f"{host}:{port} is lost: {shown}"
                )
            if _members(before):
                assert f"\n{self.companion.address}," in shown
        after = _kept(self._folder, self.address)
        assert _blocked(after) >= self._sure_blocks
        assert _known(after) >= self._sure_nodes
        assert after["last_timestamp"] >= before["last_timestamp"]


def test_fifty_kills_lose_nothing_that_was_kept(spawn: Spawn, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    ports = free_ports(VICTIMS + 1)
    companion = spawn(Node, ports[-1], *PATIENT)
    wait_until(lambda: answers(companion.port), "an answer")
    victims = [Victim(tmp_path / f"victim{p}", folder, p, companion) for p in ports[:-1]]

    def live_all(victim: Victim) -> None:
        for life in range(LIVES):
            victim.live(life)

    with ThreadPoolExecutor(VICTIMS) as pool:
        for outcome in [pool.submit(live_all, victim) for victim in victims]:
            outcome.result()
    for victim in victims:
        assert victim.first_served >= LIVES // 3
        kept = _kept(folder, victim.address)
        assert (HOST, companion.port) in _members(kept)
        assert len(_blocked(kept)) >= LIVES // 3
    assert not list(folder.glob("*.damaged*"))
    assert not companion.events("greenlet_crashed")


def test_a_restarted_node_rejoins_without_join(spawn: Spawn, tmp_path: Path) -> None:
    keeping = _keeping(tmp_path / "new" / "data")
    first, second = free_ports(2)
    one = spawn(Node, first, state=1)
    two = spawn(Node, second, "--join", one.address, *keeping, state=2)
    two.wait_event("member_added", member=one.address)
    one.wait_event("member_added", member=two.address)
    assert two.ask("block 10.0.0.1:7000") == ["10.0.0.1:7000 is blocked"]
    assert two.stop() == 0
    one.wait_event("member_blacklisted", member=two.address, reason="left")

    again = spawn(Node, second, *keeping, state=3)
    one.wait_event("member_forgiven", member=two.address, state=3)
    wait_until(lambda: len(fetch(first).split()) == 2, "one serves both")
    lines = sorted(fetch(second).decode().split())
    assert [line.split(",")[0] for line in lines] == [one.address, two.address]
    assert again.ask("blacklist")[1].startswith("10.0.0.1:7000  blocked")
    assert again.ask("unblock 10.0.0.1:7000") == ["10.0.0.1:7000 is off the blacklist"]


def test_a_second_process_on_the_same_folder_and_address_says_so(spawn: Spawn, tmp_path: Path) -> None:
    keeping = _keeping(tmp_path / "data")
    first, second = free_ports(2)
    one = spawn(Node, first, *keeping)
    wait_until(lambda: answers(first), "an answer")
    twin = spawn(Process, "--listen", one.address, *keeping)
    other = spawn(Node, second, *keeping)  # another address: a file of its own
    assert twin.wait_exit() == 1
    assert (twin.stdout, twin.stderr) == (
        "",
        f"gossipd: node.data_dir = '{tmp_path / 'data'}': another process runs {one.address} on it; "
        "stop that one, or choose another folder or address\n",
    )
    wait_until(lambda: answers(second), "an answer")
    one.kill()  # what it held is free at once
    again = spawn(Node, first, *keeping)
    wait_until(lambda: answers(first), "an answer")
    assert (again.stop(), other.stop()) == (0, 0)


def test_a_damaged_file_is_set_aside_and_the_node_starts(spawn: Spawn, tmp_path: Path) -> None:
    folder, port = tmp_path / "data", free_ports(1)[0]
    folder.mkdir()
    file = folder / f"{HOST}_{port}.json"
    file.write_bytes(b"rubbish\n")
    node = spawn(Node, port, *_keeping(folder))
    [damaged] = node.wait_event("snapshot_damaged", path=str(file))
    assert Path(damaged["set_aside"]).read_bytes() == b"rubbish\n"
    wait_until(lambda: answers(port), "an answer")
    assert node.stop() == 0
    assert _kept(folder, node.address)["last_timestamp"] > 0

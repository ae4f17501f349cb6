"""Nodes with TLS: a cluster that moves to it, a start that cannot be, and what a reply may say."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from gossip.core import events as ev
from gossip.core.wire import End, Pulled
from gossip.shell.sockets import connect
from tests.controls import Client
from tests.core_helpers import A, B, World
from tests.processes import HOST, LoudNode, fetch, free_ports, settings, starting, wait_until
from tests.tls_files import written
from tests.watched import samples_of

NODES = 5


def run(node: LoudNode, command: str) -> None:
    """Let a node do what `gossipd.py call` would ask of it."""
    node.wait_event("control_opened")
    client = Client(connect(node.home / f"{node.port}.sock"))
    assert client.run(command)["ok"]
    client.close()


def all_run(nodes: Sequence[LoudNode], command: str) -> None:
    """Let each node do so."""
    for node in nodes:
        run(node, command)


def have_pulled(callers: Sequence[LoudNode], peers: Sequence[LoudNode], since: str) -> bool:
    """Tell whether each of the callers has pulled from each of the peers since then."""
    wanted = {peer.address for peer in peers}
    return all(
        wanted - {node.address}
        <= {event["peer"] for event in node.events("pull_finished") if event["ts"] > since}
        for node in callers
    )


def test_five_nodes_move_from_plain_text_to_required_tls_one_restart_at_a_time(tmp_path: Path) -> None:
    """By the book (docs/OPERATIONS.md), and with the default rounds and thresholds of blacklisting.

    Five failed pulls in a row take one and a half rounds at the least, 4.5 s: a restart has to be shorter.
    """
    *ports, http = free_ports(NODES + 1)
    files = [written(tmp_path / f"n{n}") for n in range(NODES)]
    nodes: list[LoudNode] = []
    past: list[LoudNode] = []

    with starting(tmp_path) as start:

        def begin(n: int, mode: str) -> LoudNode:
            tls = {name: getattr(files[n], name) for name in ("cert", "key", "ca")}
            own = settings(
                tls__mode=mode,
                **{f"tls__{name}": path for name, path in tls.items()},
                tls__handshake_timeout_s=0.5,
                tls__hello_wait_s=0.05,
                control__socket=tmp_path / f"{ports[n]}.sock",
                gossip__interval_s=3.0,
                node__data_dir=tmp_path / f"n{n}",
                http__listen="" if n else f":{http}",
            )
            node: LoudNode = start(
                LoudNode, ports[n], "--join", f"{HOST}:{ports[0 if n else 1]}", *own, state=n
            )
            return node

        nodes += [begin(n, "off") for n in range(NODES)]
        all_run(nodes, "set gossip.interval_s 0.1")
        wait_until(lambda: have_pulled(nodes, nodes, ""), "the plain cluster")
        all_run(nodes, "set gossip.interval_s 3")
        for mode in ("prefer", "require"):
            for n in range(NODES):
                run(nodes[n], "set reply.tell_leaving 0")
                assert nodes[n].stop() == 0
                past.append(nodes[n])
                nodes[n] = begin(n, mode)
                nodes[n].wait_event("pull_finished")  # it is ready: of the cluster again
        assert b"127.0.0.1" not in fetch(ports[0])  # who speaks plain text gets no table
        nodes[0].wait_event("tls_refused", reason="tls_plain_caller", caller=HOST)
        with urllib.request.urlopen(f"http://{HOST}:{http}/metrics", timeout=10) as answer:
            found = samples_of(answer.read().decode())
        assert found["gossipd_tls_certificate_expiry_timestamp_seconds"] > time.time()
        all_run(nodes, "set gossip.interval_s 0.1")
        since = max(node.wait_event("setting_changed")[-1]["ts"] for node in nodes)
        wait_until(lambda: have_pulled(nodes, nodes, since), "a cluster that requires TLS")
        for node in [*past, *nodes]:
            for never in ("member_blacklisted", "strike_given", "greenlet_crashed", "tls_reload_failed"):
                assert node.events(never) == []
            for failed in node.events("pull_failed"):  # as by any restart, whatever was under way then
                cut_off = "it ended the connection" in failed.get("detail", "")
                assert cut_off or failed["reason"] in ("refused", "reset"), failed
        assert [node.stop() for node in nodes] == [0] * NODES


def test_a_node_with_a_wrong_file_does_not_start_and_says_which(tmp_path: Path) -> None:
    with starting(tmp_path) as start:
        node = start(LoudNode, free_ports(1)[0], *settings(tls__mode="require", tls__cert="no.pem"))
        assert node.wait_exit() == 2
        cannot = "cannot be read (No such file or directory); expected a PEM file"
        assert node.stderr == f'gossipd: tls.cert = "no.pem": {cannot}\n'


# What the core makes of it.


def said(caller: object) -> Pulled:
    return Pulled(b"#from %s\n" % str(caller).encode(), End.EMPTY_LINE)


def test_a_reply_in_the_name_of_an_ip_that_the_callers_certificate_is_not_for_is_refused() -> None:
    world = World()
    out = world.node.handle_reply(A.host, said(A), world.now, frozenset({B.host}))
    assert [type(event) for event in out.events] == [ev.ReplyRefused]
    assert out.events[0].reason == "not_in_certificate"  # type: ignore[attr-defined]
    assert out.effects == []
    taken = world.node.handle_reply(A.host, said(A), world.now, frozenset({A.host, B.host}))
    assert isinstance(taken.events[0], ev.ReplyRead)


@pytest.mark.parametrize("hello", [b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"\x16\x03\x03\n\n"])
def test_a_client_hello_in_place_of_a_reply_is_named_and_costs_nobody_a_strike(hello: bytes) -> None:
    world = World()
    world.pulled(A, world.word(A).line + b"\n")
    out = world.node.handle_reply(A.host, Pulled(hello, End.CLOSED), world.now)
    assert out.events == [ev.ReplyRefused(A.host, "tls_hello", len(hello))]
    assert out.effects == []


def test_a_node_without_tls_imports_none_of_it() -> None:
    # In a process of its own, for the tests have imported it.
    code = "import sys, gossip.daemon; sys.exit('OpenSSL' in sys.modules or 'cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Liars over real sockets: the further addresses at which one answers, and where it refuses to lie."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from gossip.aliases import Aliases
from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.settings import NodeSettings, Settings
from gossip.daemon import Daemon
from tests.nodes import Facts, Start
from tests.peers import ON_LOOPBACK, call, free_addresses, in_thread, read_to_end, until

pytestmark = ON_LOOPBACK


def table_at(address: Address) -> list[str]:
    """Return the addresses that a table lists."""

    def read() -> bytes:
        with call(address) as sock:
            return read_to_end(sock)

    return [line.partition(b",")[0].decode() for line in in_thread(read).splitlines() if line]


def refuses(address: Address) -> bool:
    try:
        call(address).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_liar_answers_at_its_aliases_until_it_is_honest_again(start: Start) -> None:
    (own,) = free_addresses(1)
    liar = start(own)
    assert liar.daemon.set_adversary("frame") is None
    aliases = [own._replace(port=own.port + at) for at in range(1, 5)]
    skipped = {fact["alias"] for fact in liar.log.named("alias_skipped")}
    opened = [alias for alias in aliases if str(alias) not in skipped]
    assert opened
    for alias in opened:
        assert table_at(alias) == [str(own), *map(str, aliases)]
    liar.daemon.set_adversary("forge")
    assert all(refuses(alias) for alias in opened)
    liar.daemon.set_adversary("frame")
    assert table_at(opened[0])
    liar.shut_down()
    assert all(refuses(alias) for alias in [own, *opened])


def test_a_port_in_use_is_skipped_and_logged(start: Start) -> None:
    (own,) = free_addresses(1)
    taken = own._replace(port=own.port + 1)
    with socket.socket() as held:
        held.bind((taken.host, taken.port))
        held.listen()
        liar = start(own)
        liar.daemon.set_adversary("frame")
        facts = liar.log.named("alias_skipped")
        assert facts[0] == {"alias": str(taken), "reason": "Address already in use"}
        assert str(taken) in table_at(own)


def test_aliases_are_admitted_first_hand_and_gone_when_it_is_honest(start: Start) -> None:
    own, other = free_addresses(2)
    liar, honest = start(own), start(other, own)
    until(lambda: own in honest.states(), "the liar as a member")
    liar.daemon.set_adversary("frame")
    until(lambda: len(honest.states()) > 3, "an alias as a member")
    liar.daemon.set_adversary(None)
    until(lambda: set(honest.states()) == {own, other}, "the end of the aliases")
    assert {event.reason for event in honest.log.of(ev.MemberBlacklisted)} == {"refused"}


def test_a_stopping_node_opens_no_alias(start: Start) -> None:
    (own,) = free_addresses(1)
    liar = start(own)
    liar.daemon.stop()
    liar.daemon.set_adversary("frame")
    assert refuses(own._replace(port=own.port + 1)) or liar.log.named("alias_skipped")


def test_closing_twice_is_harmless() -> None:
    aliases = Aliases(lambda port: pytest.fail(f"nobody asked for {port}"), Facts())  # type: ignore[arg-type]
    aliases.close()
    aliases.close()


def test_a_node_beyond_loopback_refuses_all_but_the_seeds_attack() -> None:
    node = NodeSettings(listen="0.0.0.0:5001", advertise="10.0.0.7:5001")
    daemon = Daemon(Settings(node=node), Facts())  # type: ignore[arg-type]
    refused = "a node.listen on loopback for forge, not 0.0.0.0:5001, or adversary.allow_remote = true"
    assert daemon.set_adversary("forge") == refused
    assert daemon.status().strategy is None
    assert daemon.set_adversary("garbage") is None
    assert daemon.status().strategy == "garbage"
    assert daemon.set_adversary("frame") is not None
    assert daemon.status().strategy == "garbage"
    assert daemon.set_adversary(None) is None
    assert daemon.status().strategy is None
    permitted = Settings(node=node, adversary=replace(Settings().adversary, allow_remote=True))
    assert Daemon(permitted, Facts()).set_adversary("forge") is None  # type: ignore[arg-type]

"""A whole cluster in one process, to look at: nodes that all join the first, each with its own port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random

import gevent

from gossip import process
from gossip.config import ConfigError
from gossip.config.source import Reread
from gossip.core.address import Address, AddressError
from gossip.core.adversary import refusal
from gossip.core.attacks import STRATEGIES
from gossip.core.settings import Settings
from gossip.core.text import count
from gossip.daemon import Daemon
from gossip.log.events import EventLog
from gossip.witness import Witness

NODES_MAX = 200
_ROUNDS_TO_MEET = 20
_TELL_ROUNDS = 5


def run(settings: Settings, reread: Reread, nodes: int, liars: int, change_every_s: float) -> int:
    """Run the cluster with node 1's shell until it is stopped, and return the exit status."""
    everyone = _settings_of_all(settings, nodes)
    refused = refusal(settings, settings.adversary.strategy) if liars else None
    if refused:
        raise ConfigError(f"demo --liars {liars}: expected {refused}")

    cluster: list[Daemon] = []

    def build(log: EventLog) -> Sequence[Daemon]:
        daemons = [
            Daemon(own, log.bind(own.node.listen), reread=partial(_settings_of, i, reread, nodes))
            for i, own in enumerate(everyone)
        ]
        if change_every_s and nodes > 1:
            changer = gevent.spawn(_keep_changing, daemons[1:], change_every_s, Random())
            changer.link_exception(daemons[0].crashed)
        if liars:
            turn = gevent.spawn(_turn_adversarial, daemons, liars, settings)
            turn.link_exception(daemons[0].crashed)
        cluster.extend(daemons)
        return daemons

    def narrate(tell: process.Tell) -> None:
        if liars:
            witness = Witness(cluster[:-liars], cluster[-liars:])
            every_s = _TELL_ROUNDS * settings.gossip.interval_s
            gevent.spawn(_bear_witness, witness, tell, every_s).link_exception(cluster[0].crashed)

    def banner(first: Daemon, own: Settings) -> Sequence[str]:
        return [
            f"{count(nodes, 'node', 'nodes')} from {everyone[0].node.listen} to "
            f"{everyone[-1].node.listen}; this is the shell of {first.address}.",
            *(_names_of_liars(everyone[-liars:]) if liars else []),
            *([f"every {change_every_s:g} s one of the others changes its state"] if change_every_s else []),
            f"watch it from outside:  nc {first.address.host} {first.address.port}",
            "help lists the commands; Ctrl-D stops the cluster",
        ]

    return process.run(everyone[0], build, banner, shell=True, narrate=narrate)


def _settings_of(index: int, reread: Reread, nodes: int) -> Settings:
    return _settings_of_all(reread(), nodes)[index]


def _settings_of_all(settings: Settings, nodes: int) -> list[Settings]:
    """Give each node the next port, its number as state, and the first node to join."""
    try:
        first = Address.parse(settings.node.listen)
        addresses = [str(Address.parse(str(first._replace(port=first.port + i)))) for i in range(nodes)]
    except AddressError as error:
        where = f"node.listen = {settings.node.listen!a}"
        needs = f"the demo needs an ip:port with {nodes - 1} ports after it"
        raise ConfigError(f"{where}: {needs}: {error}") from None
    everyone = []
    for i, address in enumerate(addresses):
        join = (addresses[0],) if i else ()
        node = replace(settings.node, listen=address, advertise="", state=(i + 1) % 10, join=join)
        everyone.append(replace(settings, node=node, adversary=replace(settings.adversary, on=False)))
    return everyone


def _names_of_liars(liars: Sequence[Settings]) -> Sequence[str]:
    names, strategy = ", ".join(own.node.listen for own in liars), liars[0].adversary.strategy
    return [
        f"adversarial, once all know them: {names}",
        f"their attack: {strategy}: {STRATEGIES[strategy].summary}",
    ]


def _turn_adversarial(daemons: Sequence[Daemon], liars: int, settings: Settings) -> None:
    """Let the last ones lie once all know all, or have had the time for it.

    One that lies from the start is admitted nowhere, and there would be nothing to see.
    """
    for _ in range(_ROUNDS_TO_MEET):
        gevent.sleep(settings.gossip.interval_s)
        if all(daemon.status().members == len(daemons) for daemon in daemons):
            break
    for daemon in daemons[-liars:]:
        daemon.set_adversary(settings.adversary.strategy)


def _bear_witness(witness: Witness, tell: process.Tell, every_s: float) -> None:
    """Tell how the cluster is whenever that has changed."""
    told = ""
    while True:
        gevent.sleep(every_s)
        line = witness.line()
        if line != told:
            told = line
            tell(line)


def _keep_changing(daemons: Sequence[Daemon], every_s: float, rng: Random) -> None:
    while True:
        gevent.sleep(every_s)
        rng.choice(daemons).set_state(rng.randint(0, 9))

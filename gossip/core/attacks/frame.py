"""Newer entries of itself and its aliases for one caller than for the others: who believes and passes them on
is disproved by whomever checks, and looks like a liar.
"""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step

ALIASES = 4  # three subjects with disproved hints are a strike: these and its own are five
_FRAMED_OF_ONE_HOST = 0.25


def _is_framed(scene: Scene) -> bool:
    if scene.one_host:
        return scene.rng.random() < _FRAMED_OF_ONE_HOST
    hosts = {entry.address.host for entry in scene.others}
    return scene.caller == min(hosts, default="")


def _answer(scene: Scene) -> Iterator[Step]:
    own = scene.own
    if _is_framed(scene):
        own = own._replace(timestamp=max(scene.now, own.timestamp + 1), state=(own.state + 1) % 10)
    selves = [own._replace(address=alias) for alias in scene.aliases]
    yield scene.tell([*selves, *scene.others], own)


FRAME = Attack("show one caller newer entries, so that it looks like a liar", _answer, aliases=ALIASES)

"""A member at a victim's address, with ever newer states: the whole cluster is to call there."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step
from gossip.core.entry import Entry


def _bait(scene: Scene) -> Entry:
    return Entry(scene.victim, scene.latest, scene.rng.randrange(10))


def _answer(scene: Scene) -> Iterator[Step]:
    yield scene.tell([_bait(scene), *scene.others])


def _reply(scene: Scene) -> bytes:
    # Should it be a member, a suspicion is one more reason to call it.
    return scene.reply([_bait(scene)], [scene.victim])


REFLECT = Attack("list the victim's address with ever newer states", _answer, _reply)

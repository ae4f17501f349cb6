"""Different digits of itself for different callers, all of the same time: none of them is the newer."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step


def _answer(scene: Scene) -> Iterator[Step]:
    if scene.one_host:
        digit = scene.rng.randrange(10)
    else:
        digit = (scene.own.state + sum(scene.caller.encode("ascii"))) % 10
    yield scene.tell(scene.others, scene.own._replace(state=digit))


# The honest reply would give its one true digit away.
EQUIVOCATE = Attack("give each caller another digit of itself", _answer, lambda scene: scene.reply(()))

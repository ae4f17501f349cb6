"""Suspicion of all the living, in every reply; the table is honest, so that the slanderer is heard."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step


def _answer(scene: Scene) -> Iterator[Step]:
    yield scene.table


def _reply(scene: Scene) -> bytes:
    return scene.reply((), (entry.address for entry in scene.others))


SLANDER = Attack("call all living members suspect", _answer, _reply)

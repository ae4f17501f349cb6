"""A table that ends in the middle of a line, each time another one: what comes after is withheld."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step


def _answer(scene: Scene) -> Iterator[Step]:
    lines = scene.table.rstrip(b"\n").split(b"\n")
    # The own line stays whole, if there is another to cut: one bad line among good ones is no strike.
    first = lines.index(scene.own.line) + 1
    last = scene.rng.randrange(first, len(lines)) if first < len(lines) else first - 1
    cut = lines[last][: len(lines[last]) // 2]
    yield b"\n".join([*lines[:last], cut])


TRUNCATE = Attack("end the table in the middle of a line", _answer)

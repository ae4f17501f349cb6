"""Rubbish in place of a table: what the seed's adversarial nodes send."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step

SENTENCE = b"Gossiping something adversarial:)"


def _answer(scene: Scene) -> Iterator[Step]:
    yield SENTENCE + b"\n"


GARBAGE = Attack("answer with Pygossip's sentence, which is no table", _answer)

"""Rubbish in place of a table: what the seed's adversarial nodes send."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Scene, Step

SENTENCE = b"Gossiping something adversarial:)"


def garbage(scene: Scene) -> Iterator[Step]:
    """Yield the seed's sentence; no line of it parses."""
    yield SENTENCE + b"\n"

"""The attacks: what a node sends instead of its table, and says in replies, when it is told to lie.

An attack is a pure function from what the node knows (a Scene) to bytes over time. To add one, write it in
a file of its own here and name it in STRATEGIES. Whoever lies goes on pulling and believing honestly, and
is honest about itself where it can be: a liar that is blacklisted at once attacks nobody.
"""

from __future__ import annotations

from gossip.core.attacks.drip import DRIP
from gossip.core.attacks.endless import ENDLESS
from gossip.core.attacks.equivocate import EQUIVOCATE
from gossip.core.attacks.flood import FLOOD
from gossip.core.attacks.forge import FORGE
from gossip.core.attacks.frame import FRAME
from gossip.core.attacks.freeze import FREEZE
from gossip.core.attacks.future import FUTURE
from gossip.core.attacks.garbage import GARBAGE
from gossip.core.attacks.inject import INJECT
from gossip.core.attacks.max import MAX
from gossip.core.attacks.reflect import REFLECT
from gossip.core.attacks.resurrect import RESURRECT
from gossip.core.attacks.scene import Attack, Scene, Step
from gossip.core.attacks.silent import SILENT
from gossip.core.attacks.slander import SLANDER
from gossip.core.attacks.stale import STALE
from gossip.core.attacks.sybil import SYBIL
from gossip.core.attacks.sybil_listening import SYBIL_LISTENING
from gossip.core.attacks.truncate import TRUNCATE

__all__ = ["HARMLESS", "STRATEGIES", "Attack", "Scene", "Step"]

STRATEGIES: dict[str, Attack] = {
    "garbage": GARBAGE,
    "truncate": TRUNCATE,
    "endless": ENDLESS,
    "drip": DRIP,
    "silent": SILENT,
    "flood": FLOOD,
    "future": FUTURE,
    "max": MAX,
    "freeze": FREEZE,
    "forge": FORGE,
    "stale": STALE,
    "sybil": SYBIL,
    "sybil_listening": SYBIL_LISTENING,
    "slander": SLANDER,
    "resurrect": RESURRECT,
    "reflect": REFLECT,
    "inject": INJECT,
    "equivocate": EQUIVOCATE,
    "frame": FRAME,
}
HARMLESS = "garbage"  # the seed's own, which the wire knew before there were limits

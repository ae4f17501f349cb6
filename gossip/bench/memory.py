"""What a member takes in memory, its story included: `python -m gossip.bench.memory` prints bytes of RSS.

The members are met as in life: mentioned in the table of a member, then checked one by one.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections import deque
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

from gossip.bench.rows import Row
from gossip.bench.servers import BenchError
from gossip.core.address import Address
from gossip.core.effects import Output, Pull, Purpose
from gossip.core.instant import Instant
from gossip.core.node import Node
from gossip.core.settings import Settings
from gossip.core.wire import End, Pulled
from gossip.load.target import invented

_MEMBERS, _TARGET_BYTES = 50_000, 1024
_CHECKS_PER_ROUND, _ROUNDS_MAX = 250, 2000
_STRANGERS = _CHECKS_PER_ROUND // 2  # as many as may be checked in a round
_NOW = 1_700_000_000


def measure() -> Row:
    """Measure in a process of its own, so that only this is in its memory."""
    ran = subprocess.run([sys.executable, "-m", __name__], check=True, capture_output=True, text=True)
    each = float(ran.stdout)
    what = f"RSS of a member with its story, {_MEMBERS:,} members"
    return Row(what, f"{each:,.0f} bytes", f"{_TARGET_BYTES:,} bytes", (each / _TARGET_BYTES,), 1.0)


def _grown_by_a_member() -> float:
    node = Node(_settings(), Address("127.0.0.1", 5001), Random(1), Instant(_NOW, 0.0))
    members = {entry.address: entry.line for entry in invented(_MEMBERS, _NOW)}
    lines = iter(members.values())
    mono = 0.0
    out = node.connect(next(iter(members)), Instant(_NOW, mono))
    gc.collect()
    before = _rss()
    for _ in range(_ROUNDS_MAX):
        now = Instant(_NOW + mono, mono)
        waiting = deque(_pulls_of(out))
        while waiting:
            pull = waiting.popleft()
            told = () if pull.purpose is Purpose.CHECK else islice(lines, _STRANGERS)
            table = b"\n".join([members[pull.peer], *told, b"\n"])
            waiting += _pulls_of(node.handle_table(pull.peer, Pulled(table, End.EMPTY_LINE), now))
        if node.status().members > _MEMBERS:
            gc.collect()
            return (_rss() - before) / _MEMBERS
        mono += _settings().gossip.interval_s
        out = node.handle_tick(Instant(_NOW + mono, mono))
    raise BenchError(f"only {node.status().members:,} of {_MEMBERS:,} members were met")


def _settings() -> Settings:
    usual = Settings()
    return replace(
        usual,
        gossip=replace(usual.gossip, max_members=2 * _MEMBERS),
        attention=replace(
            usual.attention, checks_per_round=_CHECKS_PER_ROUND, checks_per_round_joining=_CHECKS_PER_ROUND
        ),
    )


def _pulls_of(out: Output) -> list[Pull]:
    return [effect for effect in out.effects if isinstance(effect, Pull)]


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    print(_grown_by_a_member())

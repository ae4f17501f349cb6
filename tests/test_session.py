"""One whole session at a terminal, with a user's own keys, in a node's own shell and in an attached one.

Each step is held against what the screen shows and against what the three nodes did.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.processes import (
    GOSSIPD,
    INTERVAL_S,
    QUICK,
    LoudNode,
    Node,
    Peer,
    Spawn,
    fetch,
    free_ports,
    settings,
    wait_until,
)
from tests.terminals import Terminal
from tests.users import ENTER, User

TAB, BACKSPACE = "\t", "\x7f"
UP, DOWN, RIGHT, LEFT, HOME, END = (f"\x1b[{letter}" for letter in "ABCDHF")
CTRL_C, CTRL_D, CTRL_R = "\x03", "\x04", "\x12"
PASTE, PASTED = "\x1b[200~", "\x1b[201~"
ROWS, COLUMNS = 45, 100
LAST = 9  # the state that the session ends with, and nobody has before
TIMES = settings(pull__pull_timeout_s=1)


def _the_whole_session(user: User, peer: Node, liar: Node, silent: Peer) -> None:
    """Go through it as a new user would; the node is alone at first, the others know each other."""
    _finds_out_what_there_is(user)
    _joins(user, peer, liar)
    _speaks_as_the_seed_does(user, peer)
    _edits_and_searches(user, peer)
    _gives_up(user, silent)
    _resizes_and_watches(user, peer)
    _tunes(user)
    _finds_a_liar_and_blocks_it(user, peer, liar)
    _pastes(user, peer)


def _finds_out_what_there_is(user: User) -> None:
    screen = user.screen
    screen.type(TAB)
    screen.wait_line(r" +table +explain +watch +state .*")
    screen.type(TAB + TAB)  # the second command, and what it does
    screen.wait_line(" +show all members: state, age, .*health")
    user.type(CTRL_C, "")
    user.run("help", "to look:", r"  members +show all members: .*", "for this shell:")
    user.run(f"help mem{TAB}", r"  --suspect +only those .*", "example: members --state 7 --sort age")
    user.run("memebrs", r"no such command: memebrs; did you mean members\? \(help lists all\)")


def _joins(user: User, peer: Node, liar: Node) -> None:
    user.type(f"jo{TAB}", "join")
    user.screen.type(peer.address + ENTER)
    user.screen.wait_line(rf"{peer.address} --> 4: a member; its table has \d entries")
    user.screen.wait_line(rf"{liar.address} --> 5")  # whom nobody named: this is news
    for node in (peer, liar):
        node.wait_event("member_added", member=user.own)
        user.node_did("member_added", member=node.address)
    # With two to choose from a Tab shows them, two more choose the second.
    user.screen.type(f"join {TAB}")
    user.screen.wait_line(rf" +{peer.address}  member, state 4, answered \ds ago")
    user.screen.type(TAB + TAB + ENTER)
    user.screen.wait_line(rf"{liar.address} --> 5: a member; its table has 3 entries")
    user.node_did("pull_finished", peer=liar.address, purpose="user")


def _speaks_as_the_seed_does(user: User, peer: Node) -> None:
    own, screen = user.own, user.screen
    user.run("state 3", f"{own} --> 3")
    user.run("7", f"{own} --> 7")
    assert [event["state"] for event in user.events("own_state_set")] == [3, 7]
    peer.wait_event("state_changed", member=own, state=7)
    user.run("?", rf"{own} --> 7", rf"{peer.address} --> 4")
    found = [line for line in screen.seen if "-->" in line and "|" not in line]
    assert [line.split(" --> ")[1] for line in found] == ["7", "4", "5"]
    port = int(own.rpartition(":")[2])
    served = fetch(port).decode("ascii").split()
    assert len(served) == 3
    user.run("!", *map(re.escape, served))
    assert sorted(line for line in screen.seen if line.count(",") == 2) == sorted(served)
    user.run(f"+{peer.address}", rf"{peer.address} --> 4: a member; its table has 3 entries")


def _edits_and_searches(user: User, peer: Node) -> None:
    own = user.own
    user.type(f"tate 46{HOME}s{END}", "state 46")
    user.type(f"{LEFT}{BACKSPACE}", "state 6")
    user.type(f"{LEFT}{LEFT}{RIGHT}{RIGHT}{RIGHT}x{BACKSPACE}", "state 6")
    user.screen.type(ENTER)
    user.screen.wait_line(f"{own} --> 6")
    user.node_did("own_state_set", previous=7, state=6)
    user.clear()
    user.type(UP, "state 6")
    user.type(UP, f"+{peer.address}")
    user.type(DOWN, "state 6")
    user.type(CTRL_C, "")
    # A line found by a few of its letters: Enter takes it, Enter runs it.
    user.screen.type(f"{CTRL_R}sa3")
    user.screen.wait(lambda: any(line.strip() == "state 3" for line in user.screen.lines()))
    user.type(ENTER, "state 3")
    assert not user.events("own_state_set", previous=6)
    user.screen.type(ENTER)
    user.screen.wait_line(f"{own} --> 3")
    user.node_did("own_state_set", previous=6, state=3)


def _gives_up(user: User, silent: Peer) -> None:
    user.type("half a line", "half a line")
    user.type(CTRL_C, "")
    user.clear()
    user.screen.type(f"join {silent.address}{ENTER}")
    wait_until(lambda: silent.callers > 0, "a call")
    user.screen.type(CTRL_C)
    user.screen.wait_line("interrupted")
    user.screen.wait(lambda: user.screen.prompt() == "")
    # The node sees it through; the only one on the blacklist is what a Tab gives.
    user.node_did("member_blacklisted", member=silent.address, reason="timeout")
    user.run(f"unb{TAB}{TAB}", f"{silent.address} is off the blacklist")
    user.node_did("member_unblocked", member=silent.address)


def _resizes_and_watches(user: User, peer: Node) -> None:
    screen, own = user.screen, user.own
    user.type("members", "members")  # which the history does not go on
    for rows, columns in ((24, 80), (12, 50), (ROWS, COLUMNS), (24, 80)):
        screen.resize(rows, columns)
        user.shows(-1, rf"^ {own} --> 3 \| 3 members \| 0 blacklisted( \| \S+)*")
        user.type("", "members")
    user.type(CTRL_C, "")
    screen.type("watch" + ENTER)
    user.shows(-1, "^s sort .* q leave$")
    user.shows(0, f"^{own} --> 3  3 members  0 blacklisted  honest ")
    peer.type(b"2\n")
    user.shows(1, f"^{peer.address} --> 2, .s ago: .* known to have it")
    user.node_did("state_changed", member=peer.address, state=2)
    screen.resize(12, 50)
    user.shows(11, "^s sort ")
    screen.resize(24, 80)
    user.shows(23, "^s sort ")
    screen.type("s")
    user.shows(16, r"^1 to 3 of 3 \| by state$")
    user.shows(3, rf"^>?\s?{peer.address} +2 ")
    screen.type("/=2" + ENTER)
    user.shows(16, r"^1 to 1 of 1 \| by state \| filter =2$")
    screen.type(ENTER)
    user.shows(0, f"^explain {peer.address}$")
    user.shows(1, f"^{peer.address} --> 2: learned from ")
    screen.type("qq")
    screen.wait(lambda: screen.prompt() == "")
    screen.resize(ROWS, COLUMNS)


def _tunes(user: User) -> None:
    user.run("set gossip.interval_s 0.1", rf"gossip\.interval_s: {INTERVAL_S} -> 0\.1")
    user.node_did("setting_changed", setting="gossip.interval_s", value=0.1)
    user.run("set gossip.interval_s 0", r"set gossip\.interval_s=0: expected a number from .*")
    user.run("reload", rf"gossip\.interval_s: 0\.1 -> {INTERVAL_S}")
    user.node_did("setting_changed", setting="gossip.interval_s", value=INTERVAL_S)


def _finds_a_liar_and_blocks_it(user: User, peer: Node, liar: Node) -> None:
    screen, own, bad = user.screen, user.own, liar.address
    user.clear()
    liar.type(b"adversary forge\n")
    screen.wait_line(rf"{bad} said {peer.address} --> \d, which {peer.address} denies")  # the news names it
    screen.wait_line(rf"{bad} holds a false entry of this node, state \d; refuted")
    user.run(
        f"explain {bad}",
        rf"{bad} --> 5: learned from .*",
        rf"  .* told a false or stale hint +about {peer.address}",
        r"  .* contradicted this node",
    )
    for name, fields in (("hint_disproved", {"source": bad}), ("own_entry_refuted", {"peer": bad})):
        user.node_did(name, **fields)
    # What it says, to the byte, beside what is so.
    of_peer, of_this = user.run(
        f"pull {bad} --raw",
        rf" +\d  \S+ +hearsay +{peer.address},\d+,(\d)",
        rf" +\d  \S+ +this node +{own},\d+,(\d)",
    )
    assert of_peer[1] != "2"
    assert of_this[1] != "3"
    user.node_did("pull_finished", peer=bad, purpose="round")
    user.clear()
    screen.type(f"trace {bad}{ENTER}")
    screen.wait_line(rf"tracing {bad}; Ctrl-C ends it")
    screen.wait_line(r"\d\d:\d\d:\d\d  pull finished +for \w+, .* lines, .*")
    screen.type(CTRL_C)
    screen.wait_line(f"no longer tracing {bad}")
    screen.wait(lambda: screen.prompt() == "")
    user.run(f"blo{TAB}{TAB}{TAB}{TAB}", f"{bad} is blocked")
    user.node_did("member_blocked", member=bad)
    user.shows(-1, rf"^ {own} --> 3 \| 2 members \| 1 blacklisted ")
    user.run("blacklist", rf"{bad} +blocked +\d+s +never \(blocked\) +0")
    assert bad not in fetch(int(own.rpartition(":")[2])).decode("ascii")
    user.run(f"unb{TAB}{TAB}", f"{bad} is off the blacklist")
    user.node_did("member_unblocked", member=bad)


def _pastes(user: User, peer: Node) -> None:
    before = len(user.events("own_state_set"))
    digits = [*(number % 9 for number in range(49)), LAST]
    user.clear()
    user.screen.type(PASTE + "".join(f"state {digit}\n" for digit in digits) + PASTED)
    user.node_did("own_state_set", before + len(digits))
    assert [event["state"] for event in user.events("own_state_set")][before:] == digits
    user.screen.wait_line(f"{user.own} --> {LAST}")
    user.screen.wait(lambda: user.screen.prompt() == "")
    peer.wait_event("state_changed", member=user.own, state=LAST)


def _others(spawn: Spawn, ports: list[int]) -> tuple[Node, Node]:
    peer = spawn(Node, ports[1], state=4)
    return peer, spawn(Node, ports[2], "--join", peer.address, state=5)


def _know_each_other(peer: Node, liar: Node) -> None:
    peer.wait_event("member_added", member=liar.address)
    liar.wait_event("member_added", member=peer.address)


def test_in_the_nodes_own_shell(spawn: Spawn, silent: Peer, tmp_path: Path) -> None:
    ports, log = free_ports(3), tmp_path / "log"
    own = f"127.0.0.1:{ports[0]}"
    command = [*GOSSIPD, "--listen", own, "--log-file", str(log), *QUICK, *TIMES]
    peer, liar = _others(spawn, ports)
    screen = Terminal(tmp_path, command, rows=ROWS, columns=COLUMNS)
    try:
        screen.wait(lambda: screen.prompt() == "")
        _know_each_other(peer, liar)
        user = User(screen, own, log)
        _the_whole_session(user, peer, liar, silent)
        screen.type(CTRL_D)
        assert screen.wait_exit() == 0
        assert screen.modes() == screen.modes_before
        peer.wait_event("leaving_heard", member=own)
    finally:
        screen.close()


def test_in_an_attached_shell(spawn: Spawn, silent: Peer, tmp_path: Path) -> None:
    ports, log = free_ports(3), tmp_path / "log"
    node = spawn(LoudNode, ports[0], "--log-file", str(log), *TIMES)
    peer, liar = _others(spawn, ports)
    wait_until(lambda: log.exists() and '"control_opened"' in log.read_text(), "the control socket")
    attach = [*GOSSIPD, "attach", node.address]
    screen = Terminal(tmp_path, attach, rows=ROWS, columns=COLUMNS)
    try:
        screen.wait(lambda: screen.prompt() == "")
        _know_each_other(peer, liar)
        _the_whole_session(User(screen, node.address, log), peer, liar, silent)
        screen.type(CTRL_D)
        assert screen.wait_exit() == 0
        assert screen.modes() == screen.modes_before
    finally:
        screen.close()
    again = Terminal(tmp_path, attach, rows=ROWS, columns=COLUMNS)
    try:
        again.wait(lambda: again.prompt() == "")
        again.type("state" + ENTER)
        again.wait_line(f"{node.address} --> {LAST}")
    finally:
        again.close()
    assert node.stop() == 0

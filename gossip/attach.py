"""`gossipd.py call` and `gossipd.py attach`: commands for, and a shell on, a node that runs already.

Exit statuses: 0 done. 1: the node refused. 2: the command or the arguments are wrong, or several nodes run
and none was chosen. 3: no node is there, or it went away.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

import gevent

from gossip.arguments import Parser
from gossip.core.text import printable
from gossip.shell import data
from gossip.shell.commands import name_of, needs_terminal
from gossip.shell.protocol import Outcome
from gossip.shell.remote import Remote, RemoteShell
from gossip.shell.shells import Lines
from gossip.shell.sockets import Ambiguous, SocketError, reach

DONE, REFUSED, USAGE, NO_NODE = 0, 1, 2, 3
_STOP_S = 90.0  # longer than node.shutdown_s may be
_CALL_USAGE = "gossipd.py call COMMAND [ARGUMENT | OPTION]... [--json] [--socket PATH]"
_CALL_EPILOG = """\
`call help` lists the commands of the node, `call help COMMAND` their options; `call trace ADDRESS` goes on
until Ctrl-C, which ends it with status 0. Exit status: 0 done, 1 refused, 2 wrong usage, 3 no node there."""
_ATTACH_EPILOG = """\
quit, detach or Ctrl-D leave the node running; stop stops it. Exit status: 0 left, 2 wrong usage, 3 no node
there, or it went away."""
_WHERE = "the node's control socket, or its ip:port; not needed while only one node of yours runs"


def call(argv: Sequence[str]) -> int:
    """Run one command at a running node, print what it answers, and return the exit status."""
    parser = Parser(
        prog="gossipd.py call",
        usage=_CALL_USAGE,
        description="Run one command at a running node.",
        epilog=_CALL_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--socket", metavar="PATH", help=_WHERE)
    args, words = parser.parse_known_args(argv)  # all else is the command's, which the node knows
    if words[:1] == ["--json"]:
        words = [*words[1:], "--json"]
    line = " ".join(word or '""' for word in words)  # an empty text must not vanish: set node.join ""
    if not any(words) or not words[0].strip() or words[0].startswith("--"):
        parser.error(f"expected a command, such as members; got {line or 'nothing'}")
    try:
        remote = Remote(reach(args.socket))
        try:
            outcome = remote.run(line)
            if name_of(outcome.opens) == "trace":
                return _follow(remote, outcome)
            if outcome.stop:
                remote.wait_end(_STOP_S)
        finally:
            remote.close()
    except SocketError as error:
        return _fail(error)
    if outcome.opens:
        outcome = Outcome(outcome.id, ok=False, lines=(needs_terminal(outcome.opens),))
    _print(outcome)
    if outcome.ok:
        return DONE
    return USAGE if outcome.is_misuse else REFUSED


def _follow(remote: Remote, outcome: Outcome) -> int:
    """Print what a trace tells until Ctrl-C, which is how one ends, or until nobody reads it."""
    _, address, *options = outcome.opens.split()
    lines = Lines()
    held = gevent.signal_handler(signal.SIGINT, lines.end)
    remote.when_gone(lines.end)
    try:
        _write(sys.stdout, outcome.lines)
        remote.trace(address, lines.put, json="--json" in options)
        lines.show(lambda line: _write(sys.stdout, [line]))
    except BrokenPipeError:
        _let_go(sys.stdout)
        return DONE
    finally:
        held.cancel()
    return _fail(SocketError(f"{remote.node} has gone away")) if remote.is_gone else DONE


def attach(argv: Sequence[str], history_file: str) -> int:
    """Give the terminal a shell on a running node, and return the exit status."""
    parser = Parser(
        prog="gossipd.py attach", description="Open a shell on a running node.", epilog=_ATTACH_EPILOG
    )
    parser.add_argument("socket", nargs="?", metavar="SOCKET", help=_WHERE)
    args = parser.parse_args(argv)
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout and sys.stdout.isatty()):
        parser.error("attach needs a terminal; `gossipd.py call COMMAND` runs one command without")
    try:
        remote = Remote(reach(args.socket))
    except SocketError as error:
        return _fail(error)
    from gossip.shell.prompt import Prompt  # slow to import, and `call` is for scripts

    shell = RemoteShell(remote)
    try:
        prompt = Prompt(shell, history_file=history_file)
        held = gevent.signal_handler(signal.SIGTERM, prompt.close)
        try:
            remote.follow(prompt.tell, prompt.close)
            prompt.run([f"attached to {remote.node}; Ctrl-D leaves it running, stop stops it"])
        finally:
            held.cancel()
        has_vanished = remote.is_gone and not shell.has_left
    except SocketError as error:
        return _fail(error)
    finally:
        shell.close()
    return _fail(SocketError(f"{remote.node} has gone away")) if has_vanished else DONE


def _print(outcome: Outcome) -> None:
    """Print data and results to standard output, a refusal to standard error."""
    stream = sys.stdout if outcome.ok or any(map(data.is_data, outcome.lines[:1])) else sys.stderr
    try:
        _write(stream, outcome.lines)
    except BrokenPipeError:
        _let_go(stream)


def _write(stream: TextIO, lines: Iterable[str]) -> None:
    stream.write("".join(f"{printable(line)}\n" for line in lines))
    stream.flush()


def _let_go(stream: TextIO) -> None:
    """Give up a stream whose reader has seen enough: the interpreter flushes it once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _fail(error: SocketError) -> int:
    print(f"gossipd: {error}", file=sys.stderr)
    return USAGE if isinstance(error, Ambiguous) else NO_NODE

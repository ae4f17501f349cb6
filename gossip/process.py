"""One process: its log, its signals, its shell, and the nodes that it runs until it is told to stop."""

from __future__ import annotations

import errno
import os
import resource
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType

import gevent
from gevent import Greenlet

from gossip.core.settings import Settings
from gossip.daemon import Daemon
from gossip.log.events import EventLog, NodeLog
from gossip.log.writer import Writer, open_destination
from gossip.shell import render
from gossip.shell.lines import run_lines
from gossip.shell.prompt import Prompt

_LOG_CLOSE_S = 1.0


def run_node(settings: Settings, *, shell: bool) -> int:
    """Run one node until it is stopped, and return the exit status."""
    return run(settings, lambda log: [Daemon(settings, log.bind(_name(settings)))], _banner, shell=shell)


def run(
    settings: Settings,
    build: Callable[[EventLog], Sequence[Daemon]],
    banner: Callable[[Daemon, Settings], Sequence[str]],
    *,
    shell: bool,
) -> int:
    """Run the nodes that `build` makes until the first is stopped; the shell is the first one's."""
    _open_standard_streams()
    _raise_descriptor_limit()
    at_terminal = shell and _is_terminal()
    try:
        writer = open_destination(
            settings.log.file,
            no_shell=not shell,
            at_terminal=at_terminal,
            max_events=settings.log.buffer_max_events,
        )
    except OSError as error:
        return _refuse(f"log.file = {settings.log.file!a}: cannot be opened ({error.strerror})")
    log = EventLog(writer, settings.log.level)
    with _closing_log(writer):
        daemons = build(log)
        started: list[Daemon] = []
        try:
            for daemon in daemons:
                daemon.start()
                started.append(daemon)
        except OSError as error:
            _shut_down(started)
            return _refuse(_why_not(daemons[len(started)], error))
        _report_hub_errors(log.bind(str(daemons[0].address)))
        # Held until the end: a second one must not cut the stop short.
        terminated = gevent.signal_handler(signal.SIGTERM, daemons[0].stop)
        try:
            _run_until_stopped(daemons, settings, banner, shell=shell, at_terminal=at_terminal)
        finally:
            _shut_down(daemons)
            terminated.cancel()
        return max(daemon.exit_status for daemon in daemons)


def _run_until_stopped(
    daemons: Sequence[Daemon],
    settings: Settings,
    banner: Callable[[Daemon, Settings], Sequence[str]],
    *,
    shell: bool,
    at_terminal: bool,
) -> None:
    first = daemons[0]
    for other in daemons[1:]:
        other.stopping.rawlink(lambda _: first.stop())
    if at_terminal:
        prompt = Prompt(first, history_file=settings.shell.history)
        first.watch(lambda event: _tell(prompt, render.news(event)))
        first.stopping.rawlink(lambda _: prompt.close())
        prompt.run(banner(first, settings))
        return
    interrupted = gevent.signal_handler(signal.SIGINT, first.stop)
    try:
        if shell:
            gevent.spawn(run_lines, first, sys.stdin, sys.stdout).link_exception(first.crashed)
        first.stopping.wait()
    finally:
        interrupted.cancel()


def _raise_descriptor_limit() -> None:
    """Allow as many descriptors as the system grants: callers, pulls and files each take one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _shut_down(daemons: Sequence[Daemon]) -> None:
    for daemon in daemons:
        daemon.stop()
    gevent.joinall([gevent.spawn(daemon.shut_down) for daemon in daemons], raise_error=True)


def _tell(prompt: Prompt, line: str | None) -> None:
    if line is not None:
        prompt.tell(line)


def _name(settings: Settings) -> str:
    return settings.node.advertise or settings.node.listen


def _banner(daemon: Daemon, settings: Settings) -> Sequence[str]:
    """Say where the node listens and what to do next."""
    own = daemon.address
    known_as = f", known as {own}" if settings.node.advertise else ""
    lines = [f"gossipd listens on {settings.node.listen}{known_as}, state {settings.node.state}"]
    if settings.node.join:
        lines.append(f"joining {', '.join(settings.node.join)}")
    else:
        host = f"[{own.host}]" if own.is_ipv6 else own.host
        second = f"{host}:{own.port % 65_535 + 1}" if own.is_loopback else "ITS_IP:5001"
        lines.append(f"join a second node:  {_called_as()} --listen {second} --join {own}")
    lines.append("help lists the commands; Ctrl-D stops the node")
    return lines


def _called_as() -> str:
    """Return the command that started this process, for the same Python knows the same packages."""
    return shlex.join([sys.orig_argv[0], sys.argv[0]])


def _is_terminal() -> bool:
    # Python gives None for a stream that was closed at the start.
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _refuse(line: str) -> int:
    print(f"gossipd: {line}", file=sys.stderr)
    return 1


def _why_not(daemon: Daemon, error: OSError) -> str:
    where = daemon.listen
    if error.errno == errno.EADDRINUSE:
        return f"{where}: the port is in use; stop what listens there, or choose another with --listen"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address; choose one of its own with --listen"
    if error.errno == errno.EACCES:
        return f"{where}: not allowed to listen there; choose a port from 1024 on with --listen"
    return f"{where}: cannot listen there ({error.strerror or error})"


@contextmanager
def _closing_log(writer: Writer | None) -> Iterator[None]:
    try:
        yield
    finally:
        if writer is not None:
            writer.close(_LOG_CLOSE_S)


def _open_standard_streams() -> None:
    """Put the null device where a standard stream was closed at the start, or a socket takes its number."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def _report_hub_errors(log: NodeLog) -> None:
    """Send what gevent would print, over the prompt, to the log instead.

    Greenlets are not told of here: each of ours is linked to its daemon, which does that.
    """

    def report(
        context: object, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if isinstance(context, Greenlet):
            return
        text = "".join(traceback.format_exception(kind, error, trace))
        log.fact("hub_error", "error", context=str(context), traceback=text)

    gevent.get_hub().print_exception = report

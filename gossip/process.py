"""One process: its log, its signals, its shell, and the nodes that it runs until it is told to stop."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

import gevent
from gevent import Greenlet

from gossip.config.source import Reread
from gossip.control import open_control
from gossip.core.settings import Settings
from gossip.daemon import Daemon
from gossip.hangup import obey_hangup
from gossip.log.events import EventLog, NodeLog, event_log
from gossip.log.facts import HubError
from gossip.net.descriptors import raise_limit
from gossip.service import open_service
from gossip.shell import render
from gossip.shell.above_prompt import AbovePrompt
from gossip.shell.lines import run_lines
from gossip.shell.shells import LocalShell
from gossip.shell.sockets import SocketError
from gossip.ship.outlet import Outlet, OutletError, is_shown, open_outlet
from gossip.ship.spool import SpoolError
from gossip.store import StoreError

if TYPE_CHECKING:
    from gossip.http import HttpServer

_LOG_CLOSE_S = 1.0
Tell = Callable[[str], None]


def run_node(settings: Settings, reread: Reread, *, shell: bool) -> int:
    """Run one node until it is stopped, and return the exit status; `reread` is for `reload`."""

    def build(log: EventLog) -> Sequence[Daemon]:
        return [Daemon(settings, log.bind(_name(settings)), reread=reread)]

    return run(settings, build, _banner, shell=shell)


def run(
    settings: Settings,
    build: Callable[[EventLog], Sequence[Daemon]],
    banner: Callable[[Daemon, Settings], Sequence[str]],
    *,
    shell: bool,
    narrate: Callable[[Tell], None] | None = None,
) -> int:
    """Run the nodes that `build` makes until the first is stopped; the shell is the first one's.

    `narrate` is given what shows a line above the prompt, where there is one.
    """
    _open_standard_streams()
    raise_limit()  # callers, pulls and files each take a descriptor
    at_terminal = shell and _is_a_terminal(sys.stdin) and _is_a_terminal(sys.stdout)
    shown = at_terminal and any(map(is_shown, (settings.log.file, *settings.log.sinks)))
    above_prompt = AbovePrompt() if shown else None
    try:
        outlet = open_outlet(settings, no_shell=not shell, at_terminal=at_terminal, above_prompt=above_prompt)
    except (OutletError, SpoolError) as error:
        return _refuse(str(error))
    log = event_log(outlet, settings.log)
    with _closing_log(log, outlet):
        try:
            daemons = build(log)
        except StoreError as error:
            return _refuse(str(error))
        daemons[0].tuning.follow(lambda changed: log.use(changed.log))
        started: list[Daemon] = []
        try:
            for daemon in daemons:
                daemon.start()
                started.append(daemon)
        except OSError as error:
            _shut_down(started)
            return _refuse(_why_not(daemons[len(started)].listen, "--listen", error))
        try:
            http = _open_http(daemons[0], settings, log, outlet)
        except OSError as error:
            _shut_down(daemons)
            return _refuse(_why_not(f"http.listen = {settings.http.listen}", "--set http.listen", error))
        try:
            control = open_control(daemons[0], settings, log)
        except SocketError as error:
            _shut_down(daemons)
            return _refuse(f"control.socket: {error}")
        report_hub_errors(daemons[0], log.bind(str(daemons[0].address)))
        if outlet is not None:
            outlet.ship(log.bind(str(daemons[0].address)).emit, daemons[0].crashed)
        service = open_service(daemons[0], settings, log.bind(str(daemons[0].address)))
        # Held until the end: a second one must not cut the stop short.
        reopen = outlet.reopen if outlet is not None else lambda: None
        held = [gevent.signal_handler(signal.SIGTERM, daemons[0].stop), *obey_hangup(daemons, reopen)]
        try:
            if at_terminal:
                _run_prompt(daemons, banner(daemons[0], settings), settings, above_prompt, narrate)
            else:
                _run_until_stopped(daemons, shell=shell)
        finally:
            _shut_down(daemons)
            for served in (service, control, http):
                if served is not None:
                    served.close()
            for handler in held:
                handler.cancel()
        return max(daemon.exit_status for daemon in daemons)


def _run_prompt(
    daemons: Sequence[Daemon],
    banner: Sequence[str],
    settings: Settings,
    log: AbovePrompt | None,
    narrate: Callable[[Tell], None] | None,
) -> None:
    from gossip.shell.prompt import Prompt  # a fifth of the start-up time, for who has a terminal only

    first = daemons[0]
    prompt = Prompt(LocalShell(first), history_file=settings.shell.history)
    if log is not None:
        log.show_by(prompt.tell)
    first.watch(lambda event: _tell(prompt.tell, render.news(event)))
    if narrate is not None:
        narrate(prompt.tell)
    _stop_together(daemons)
    first.stopping.rawlink(lambda _: prompt.close())
    prompt.run(banner)


def _stop_together(daemons: Sequence[Daemon]) -> None:
    for other in daemons[1:]:
        other.stopping.rawlink(lambda _: daemons[0].stop())


def _run_lines(first: Daemon) -> None:
    run_lines(first, sys.stdin, sys.stdout)
    if _is_a_terminal(sys.stdin):  # Ctrl-D there stops the node, wherever its output goes
        first.stop()


def _run_until_stopped(daemons: Sequence[Daemon], *, shell: bool) -> None:
    first = daemons[0]
    _stop_together(daemons)
    interrupted = gevent.signal_handler(signal.SIGINT, first.stop)
    try:
        if shell:
            gevent.spawn(_run_lines, first).link_exception(first.crashed)
        first.stopping.wait()
    finally:
        interrupted.cancel()


def _shut_down(daemons: Sequence[Daemon]) -> None:
    for daemon in daemons:
        daemon.stop()
    gevent.joinall([gevent.spawn(daemon.shut_down) for daemon in daemons], raise_error=True)


def _tell(tell: Tell, line: str | None) -> None:
    if line is not None:
        tell(line)


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
        lines += ["join a second node:", f"  {_called_as()} --listen {second} --join {own}"]
    lines.append("help lists the commands; Ctrl-D stops the node")
    return lines


def _called_as() -> str:
    """Return the command that started this process, for the same Python knows the same packages."""
    return shlex.join([sys.orig_argv[0], sys.argv[0]])


def _is_a_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # None: it was closed at the start


def _refuse(line: str) -> int:
    print(f"gossipd: {line}", file=sys.stderr)
    return 1


def _open_http(first: Daemon, settings: Settings, log: EventLog, outlet: Outlet | None) -> HttpServer | None:
    if not settings.http.listen:
        return None
    from gossip.http import open_http  # takes a fifth of a second to import, for who wants it only

    if outlet is None:
        return open_http(first, settings, log)
    return open_http(first, settings, log, lambda: outlet.dropped, outlet.shippers)


def _why_not(where: str, setting: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{where}: the port is in use; stop what listens there, or choose another with {setting}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address; choose one of its own with {setting}"
    if error.errno == errno.EACCES:
        return f"{where}: not allowed to listen there; choose a port from 1024 on with {setting}"
    return f"{where}: cannot listen there ({error.strerror or error})"


@contextmanager
def _closing_log(log: EventLog, outlet: Outlet | None) -> Iterator[None]:
    try:
        yield
    finally:
        log.close()
        if outlet is not None:
            outlet.close(_LOG_CLOSE_S)


def _open_standard_streams() -> None:
    """Put the null device where a standard stream was closed at the start, or a socket takes its number."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def report_hub_errors(first: Daemon, log: NodeLog) -> None:
    """Send what gevent would print, over the prompt, to the log instead, and to the exit status.

    Greenlets are not told of here: each of ours is linked to its daemon, which does that.
    """

    def report(
        context: object, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if isinstance(context, Greenlet):
            return
        text = "".join(traceback.format_exception(kind, error, trace))
        first.exit_status = 1
        log.emit(HubError(str(context), text))

    gevent.get_hub().print_exception = report

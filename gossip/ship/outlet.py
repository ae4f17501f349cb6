"""All that a process's events go to: `log.file` and every sink, behind one `write` that never blocks."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Final

import gevent
from gevent import Greenlet

from gossip.config import advertised
from gossip.config.sinks import Sink, parse_sink
from gossip.core.settings import LogSettings, Settings
from gossip.log.writer import LineSink, Writer, open_destination
from gossip.ship import formats, offsets
from gossip.ship.files import RotatedFile
from gossip.ship.formats import Encode
from gossip.ship.shipper import Shipper, ShipperView, Tell
from gossip.ship.spool import Spool
from gossip.ship.transports import transport

_LINGER_S: Final = 0.02  # lines share the way to the spool; it is also what `kill -9` loses at most
_STDOUT, _STDERR = 1, 2


class OutletError(Exception):
    """A destination cannot be opened; the text is one line for the user."""


class Outlet:
    """Hands each line to every destination; `dropped` counts what found no room in any one of them."""

    def __init__(
        self,
        sinks: Sequence[LineSink],
        files: Sequence[RotatedFile] = (),
        spool: Spool | None = None,
        shippers: Sequence[Shipper] = (),
    ) -> None:
        self._sinks, self._files, self._spool, self._shippers = sinks, files, spool, shippers
        self._render_dropped: Callable[[int], bytes] | None = None
        self._writers = [sink for sink in sinks if isinstance(sink, Writer)]
        if spool is not None:
            spool.readers = lambda: [shipper.at for shipper in shippers]
            spool.on_written = self._notice

    @property
    def render_dropped(self) -> Callable[[int], bytes] | None:
        """What renders the report of drops, each destination's own."""
        return self._render_dropped

    @render_dropped.setter
    def render_dropped(self, render: Callable[[int], bytes] | None) -> None:
        self._render_dropped = render
        for sink in self._sinks:
            sink.render_dropped = render

    @property
    def dropped(self) -> int:
        """How many lines found no room since the start, over all destinations."""
        return sum(writer.dropped for writer in self._writers)

    def write(self, line: bytes) -> None:
        """Take one line, with its newline; return at once."""
        for sink in self._sinks:
            sink.write(line)

    def ship(self, tell: Tell, crashed: Callable[[Greenlet], None]) -> None:
        """Begin to ship; trouble is told by `tell` (NodeLog.emit), a bug, of a Writer too, by `crashed`."""
        for writer in self._writers:
            writer.greenlet.link_exception(crashed)
        for shipper in self._shippers:
            shipper.start(tell).link_exception(crashed)

    def reopen(self) -> None:
        """Reopen the file of each `file:` sink, which somebody has moved away; call it on SIGHUP."""
        for file in self._files:
            file.reopen()

    def shippers(self) -> Sequence[ShipperView]:
        """Return how each collector's shipping is going."""
        return [shipper.view() for shipper in self._shippers]

    def close(self, timeout_s: float) -> None:
        """Write and ship what there is, for at most `timeout_s`; the rest is shipped by the next start."""
        deadline = time.monotonic() + timeout_s
        gevent.joinall([gevent.spawn(writer.close, timeout_s) for writer in self._writers], raise_error=True)
        for shipper in self._shippers:
            shipper.finish()
        greenlets = [shipper.greenlet for shipper in self._shippers if shipper.greenlet is not None]
        gevent.joinall(greenlets, timeout=max(0.0, deadline - time.monotonic()))
        for shipper in self._shippers:
            shipper.close()
        if self._spool is not None:
            self._spool.release()

    def _notice(self) -> None:
        for shipper in self._shippers:
            shipper.notice()


def open_outlet(
    settings: Settings, *, no_shell: bool, at_terminal: bool, above_prompt: LineSink | None
) -> Outlet | None:
    """Open what `log.file` and `log.sinks` name; None for nowhere. Raises OutletError and SpoolError.

    At a terminal, what would be written over the prompt goes to `above_prompt`.
    """
    log = settings.log
    sinks = [parse_sink(text) for text in log.sinks]
    with ExitStack() as undo:
        into: list[LineSink] = [above_prompt] if above_prompt is not None else []
        file_is_open = above_prompt is not None and is_shown(log.file)
        if not file_is_open and (log.file or not sinks):
            writer = _log_file(log, no_shell=no_shell, at_terminal=at_terminal)
            into += [] if writer is None else [_undone(writer, undo)]
        files = []
        for sink in sinks:
            if not sink.is_local or (above_prompt is not None and is_shown(sink.name)):
                continue
            if sink.kind == "file":
                files.append(_file(sink, log))
                into.append(_undone(Writer(files[-1], log.buffer_max_events), undo))
            else:
                fd = os.dup(_STDOUT if sink.kind == "stdout" else _STDERR)
                into.append(_undone(Writer(fd, log.buffer_max_events), undo))
        distant = [sink for sink in sinks if not sink.is_local]
        spool = Spool(spool_folder(settings), log.spool_max_bytes) if distant else None
        undo.pop_all()
    if spool is None:
        return Outlet(into, files) if into else None
    into.append(Writer(spool, log.buffer_max_events, _LINGER_S))
    return Outlet(into, files, spool, _shippers(distant, spool, log))


def spool_folder(settings: Settings) -> Path:
    """Return where the spool is: `log.spool_dir`, else a folder of this node's in `node.data_dir`."""
    if settings.log.spool_dir:
        return Path(settings.log.spool_dir)
    return Path(settings.node.data_dir, f"{advertised(settings).file_name}.spool")


def is_shown(file: str) -> bool:
    """Return whether a `log.file` or a local sink is the terminal that standard output is."""
    if file == "":
        return False
    if file in ("-", "stdout"):
        return True
    if file == "stderr":
        return sys.stderr is not None and sys.stderr.isatty()
    try:
        return os.path.samefile(os.path.expanduser(file.removeprefix("file:")), sys.stdout.fileno())
    except (OSError, ValueError):  # no such file yet
        return False


def _shippers(sinks: Sequence[Sink], spool: Spool, log: LogSettings) -> Sequence[Shipper]:
    shippers = [Shipper(sink, spool, log, _encode(sink), transport(sink), Random()) for sink in sinks]
    offsets.forget_others(spool.folder, [sink.key for sink in sinks])
    return shippers


def _encode(sink: Sink) -> Encode:
    if sink.kind.startswith("syslog"):
        return formats.syslog(sink, socket.gethostname())
    if sink.kind.startswith("loki"):
        return formats.loki(sink)
    is_gzipped = sink.kind != "tcp" and sink.option("gzip", "yes") == "yes"
    return formats.gzipped if is_gzipped else formats.json_lines


def _log_file(log: LogSettings, *, no_shell: bool, at_terminal: bool) -> Writer | None:
    try:
        return open_destination(
            log.file, no_shell=no_shell, at_terminal=at_terminal, max_events=log.buffer_max_events
        )
    except OSError as error:
        raise OutletError(f"log.file = {log.file!a}: cannot be opened ({error.strerror})") from None


def _file(sink: Sink, log: LogSettings) -> RotatedFile:
    try:
        return RotatedFile(sink.target, log)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no such ~user
        reason = getattr(error, "strerror", None) or error
        raise OutletError(f"log.sinks: {sink.name!a}: cannot be opened ({reason})") from None


def _undone(writer: Writer, undo: ExitStack) -> Writer:
    """Close a writer should a later destination fail to open."""
    undo.callback(writer.close, 0.1)
    return writer

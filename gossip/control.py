"""A node's control socket: where it is put, and that it ends with the node."""

from __future__ import annotations

import os
from pathlib import Path

from gossip.core.settings import Settings
from gossip.daemon import Daemon
from gossip.log.events import EventLog
from gossip.log.facts import ControlOpened, ControlUnavailable
from gossip.shell import sockets
from gossip.shell.control import ControlServer


def open_control(first: Daemon, settings: Settings, log: EventLog) -> ControlServer | None:
    """Serve a node's control socket, if it is to have one; raise SocketError where a chosen path cannot be.

    Where the default one cannot be, the log says so, and the node does without.
    """
    chosen = settings.control.socket
    if not chosen:
        return None
    is_default, own = chosen == "auto", log.bind(str(first.address))
    path = sockets.default_path(first.address) if is_default else Path(os.path.expanduser(chosen))
    try:
        sock = sockets.listen_at(path, is_default=is_default)
    except sockets.SocketError as error:
        if not is_default:
            raise
        own.emit(ControlUnavailable(str(error)))
        return None
    control = ControlServer(sock, path, first, settings.control, first.crashed)
    control.start()
    first.tuning.follow(lambda changed: control.use(changed.control))
    own.emit(ControlOpened(str(path)))
    first.watch(control.tell)
    first.stopping.rawlink(lambda _: control.begin_stop())
    return control

"""SIGHUP: it reloads the settings, but where it means that the terminal has ended it stops the node.

It is held from the first line of `gossipd.py` on, so that one that comes before the node is up waits for it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import gevent

from gossip.daemon import Daemon


def obey_hangup(daemons: Sequence[Daemon], reopen: Callable[[], None]) -> list[Any]:
    """Let SIGHUP do what it means from now on, and return what is to be cancelled at the end.

    Where it reloads, it has `reopen` open the files of events anew, too: somebody may have moved them away.

    Ignored, as under `nohup`, it stays so.
    """
    handlers: list[Any] = []
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        at_terminal = sys.stdin is not None and sys.stdin.isatty()  # None: it was closed at the start
        obey = daemons[0].stop if at_terminal else lambda: _reload(daemons, reopen)
        handlers.append(gevent.signal_handler(signal.SIGHUP, obey))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    return handlers


def _reload(daemons: Sequence[Daemon], reopen: Callable[[], None]) -> None:
    reopen()
    for daemon in daemons:
        if not daemon.stopping.is_set():
            gevent.spawn(daemon.tuning.reload).link_exception(daemon.crashed)

"""`--check-config`: looks at all that a start would read and need; starts nothing and writes nowhere.

What another process or moment decides is left out: whether ports, locks and host names are to be had.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from gossip.config import ConfigError, advertised
from gossip.config.sinks import needs_spool, parse_sink
from gossip.config.text import shown
from gossip.core.address import Address
from gossip.core.events import Event
from gossip.core.settings import Settings, differences
from gossip.core.text import setting_text
from gossip.core.tls_events import TlsCertificate, TlsCertificateExpiring
from gossip.secure import read_tls


def check(settings: Settings) -> list[str]:
    """Return what there is to say of settings, a line each; raise ConfigError where a start would fail."""
    told: list[Event] = []
    own = advertised(settings)
    read_tls(settings.tls, own, told.append)
    for look, (name, text) in _to_look_at(settings):
        try:
            look(name, text)
        except (OSError, ValueError) as error:  # a folder that this user may not enter; a NUL
            why = (isinstance(error, OSError) and error.strerror) or error
            raise ConfigError(f"{name} = {shown(text)}: cannot be used ({why})") from None
    given = [f"{each.setting} = {setting_text(each.value)}" for each in differences(Settings(), settings)]
    return [f"OK: a node known as {own}", *given, *_notes(settings, own, told)]


def _notes(settings: Settings, own: Address, told: list[Event]) -> Iterator[str]:
    node = settings.node
    for event in told:
        match event:
            case TlsCertificate(subject=subject, issuer=issuer, not_after=until):
                yield f"note: the certificate of {subject}, issued by {issuer}, is good until {until}"
            case TlsCertificateExpiring(days_left=days):
                yield f"note: that certificate is good for {days:g} more days"
    if settings.tls.mode != "require" and not own.is_loopback:
        why = f"tls.mode is {settings.tls.mode}"
        yield f"note: {why}: whoever reaches this node can read its table and be a member"
    if not node.data_dir:
        yield "note: node.data_dir is empty: nothing is kept across restarts"
    if not node.join:
        yield "note: node.join is empty: this node waits to be joined, or asks whom it knows from before"
    if settings.adversary.on:
        yield f"note: adversary.on: this node lies by {settings.adversary.strategy}"


def _to_look_at(settings: Settings) -> Iterator[tuple[Callable[[str, str], None], tuple[str, str]]]:
    yield from ((_check_file, each) for each in _files_to_write(settings))
    yield from ((_check_readable, each) for each in _files_to_read(settings))
    yield from ((_check_folder, each) for each in _folders(settings))
    yield _check_socket, ("control.socket", settings.control.socket)


def _files_to_write(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.log.file not in ("", "-"):
        yield "log.file", settings.log.file
    for sink in map(parse_sink, settings.log.sinks):
        if sink.kind == "file":
            yield "log.sinks", sink.target


def _files_to_read(settings: Settings) -> Iterator[tuple[str, str]]:
    for sink in map(parse_sink, settings.log.sinks):
        for option in ("ca", "authorization"):
            if file := sink.option(option):
                yield f"log.sinks, option {option}", file


def _folders(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.node.data_dir:
        yield "node.data_dir", settings.node.data_dir
    if settings.log.spool_dir and needs_spool(settings.log.sinks):
        yield "log.spool_dir", settings.log.spool_dir


def _path(name: str, text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # there is no such ~user
        raise ConfigError(f"{name} = {shown(text)}: {error}") from None


def _check_file(name: str, text: str) -> None:
    path = _path(name, text)
    if path.is_dir():
        raise ConfigError(f"{name} = {shown(text)}: is a folder; expected a file")
    is_there = path.exists()
    if not os.access(path if is_there else path.parent, os.W_OK):
        why = "this user may not write it" if is_there else _why_not_in(path.parent)
        raise ConfigError(f"{name} = {shown(text)}: cannot be opened ({why})")


def _why_not_in(folder: Path) -> str:
    return "this user may not write in its folder" if folder.is_dir() else "its folder is missing"


def _check_readable(name: str, text: str) -> None:
    path = _path(name, text)
    if not (path.is_file() and os.access(path, os.R_OK)):
        raise ConfigError(f"{name} = {shown(text)}: expected a file that this user may read")


def _check_folder(name: str, text: str) -> None:
    """A start makes a folder that is missing, and those above it."""
    path = _path(name, text).absolute()
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        which = "it" if there == path else setting_text(str(there))
        why = f"this user may not write in {which}" if there.is_dir() else f"{which} is no folder"
        raise ConfigError(f"{name} = {shown(text)}: cannot be used ({why})")


def _check_socket(name: str, text: str) -> None:
    if text in ("", "auto"):  # a start does without the default one where it cannot be
        return
    path = _path(name, text)
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise ConfigError(f"{name} = {shown(text)}: is no socket; choose another path")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"{name} = {shown(text)}: cannot listen there ({_why_not_in(path.parent)})")

"""What the fields of events and the modules mean, in words: each name means the same wherever it occurs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gossip.core.levels import Module

COMMON: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ts": "when the line was written: UTC, with six decimals",
        "level": "how much it matters",
        "event": "what happened",
        "node": "whose log this is: the address that others know it by",
        "id": "NODE/BOOT/NUMBER: the node, the start of its process, and the number of the line, from 1; a "
        "line that is sent twice has the same id, and a missing number is a line that was dropped",
        "repeated": "how many events this line stands for, where repeats were held back",
    }
)
MODULES: Final[Mapping[Module, str]] = MappingProxyType(
    {
        "pull": "reading the tables of others",
        "reply": "what callers say after they had read the table",
        "membership": "who is a member, with which state",
        "hints": "what is said of third nodes, and whether it was true",
        "blacklist": "who is not asked any more, and why",
        "own": "what this node says of itself",
        "listener": "answering callers",
        "tls": "certificates, and who is sent away for one",
        "store": "what is kept across restarts",
        "control": "the control socket",
        "http": "metrics and health by HTTP",
        "log": "the log itself",
        "process": "the process: crashes, its service manager, and its end",
    }
)
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "after_s": "how long it had been blacklisted",
        "alias": "the further address",
        "bytes": "what was read",
        "caller": "the IP that it called from",
        "candidate": "who was mentioned, and is no member",
        "context": "what the event loop was doing",
        "count": "how many lines",
        "duration_ms": "from the order to pull to its end",
        "end": "why reading stopped",
        "exit_status": "0, or 1 when something crashed",
        "failures": "how many of this node's pulls from it failed in a row",
        "for_s": "for how long",
        "greenlet": "which part of the program",
        "in_reply": "whether it is about what it replies, and not its tables",
        "leaving": "whether it said that it is shutting down",
        "lines": "how many lines were read",
        "listen": "where it listens",
        "member": "whom it is about",
        "name": "the host name and port",
        "ours": "the name of this node's cluster",
        "path": "the file",
        "peer": "with whom this node talked",
        "previous": "its state before",
        "needs_restart": "which settings differ, and need a restart",
        "changed": "which settings changed",
        "setting": "its section and name",
        "value": "its value from now on, as in the file",
        "purpose": "why the pull was made",
        "reason": "why",
        "rejected": "how many lines were rejected, by reason",
        "retry_in_s": "how long until it is tried again",
        "round": "how many rounds the node had begun",
        "sample": "the first rejected line, escaped and cut",
        "seen_state": "the state that the peer held for this node",
        "seen_timestamp": "the timestamp that the peer held for this node",
        "set_aside": "where the damaged file is now",
        "sink": "which one, without its options",
        "socket": "the path of the socket",
        "source": "who said so: an address, or how it was learned",
        "state": "the digit",
        "strategy": "the name of the attack; left out when the node answers honestly",
        "strikes": "how many are held against it now",
        "suspects": "how many members it suspected",
        "taken": "how many entries changed what is believed here",
        "theirs": "the name of the peer's cluster; empty when it has none",
        "timestamp": "when its owner set the state",
        "ca": "the names of the CAs whose certificates are taken",
        "days_left": "how many days it is good for still",
        "detail": "more about it, in words: which certificate, which CA, until when",
        "issuer": "the name of the CA that signed the certificate",
        "mode": "`tls.mode`",
        "names": "the IPs and DNS names that the certificate is for",
        "not_after": "until when the certificate is good, in UTC",
        "subject": "the name of the certificate's owner",
        "ts_of_refused": "its `ts`",
        "event_of_refused": "its `event`",
        "traceback": "where in the program, in full",
        "trust": "`gossip.trust`",
    }
)
# Where it takes more than the field's own meaning to read an event.
_OF_EVENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "setting_changed.previous": "its value before, as in the file",
        "pull_failed.reason": "`refused`, `timeout`, `reset`, `unreachable`; `no_descriptors`, "
        "`no_local_port`, `no_memory` where this machine was at fault; one of TLS (TLS.md has them); or the "
        "system's name of the error",
        "candidate_refused.reason": "`no_own_entry`, `rejected_lines`, `cluster_mismatch`, `table_full`, "
        "`too_many_on_ip`, or that of the failed pull",
        "member_blacklisted.reason": "`misbehaving`, `left`, or that of the failed pull",
        "retry_failed.reason": "that of the failed pull, or of a candidate that is refused",
    }
)
_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {"_s": "seconds", "_ms": "milliseconds", "bytes": "bytes", "timestamp": "Unix seconds"}
)


def meaning_of(event: str, field: str) -> str:
    """Return what a field of an event means; raise KeyError for a name that has no meaning yet."""
    return _OF_EVENT.get(f"{event}.{field}") or FIELDS[field]


def unit_of(field: str) -> str:
    """Return the unit that a field's name ends with, or nothing."""
    return next((unit for suffix, unit in _UNITS.items() if field.endswith(suffix)), "")

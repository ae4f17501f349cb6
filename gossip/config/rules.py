"""What a setting's type cannot say: rules for one setting, and between two."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

from gossip.config.sinks import sinks_problem
from gossip.config.text import any_of, shown
from gossip.core.address import Address, AddressError, split_host_port
from gossip.core.attacks import STRATEGIES
from gossip.core.levels import LEVELS, read_levels
from gossip.core.reply import is_cluster_name

WILDCARD = re.compile(r"^(?:0\.0\.0\.0|\[::\]):")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}", re.ASCII)
_HOST_IS_IPV4 = re.compile(r"[0-9.]+", re.ASCII)
_CLUSTER_EXPECTED = "expected at most 64 letters, digits, '.', '_' and '-', or nothing"
_SOCKET_BYTES_MAX = 100  # systems have room for 104 to 108, a final zero included
_HOST_EXPECTED = "expected host:port, such as node7.example.org:5001, 10.0.0.7:5001 or [::1]:5001"


def _address_problem(text: str) -> str | None:
    try:
        Address.parse(text)
    except AddressError as error:
        reason = str(error).removeprefix("expected ip:port, ")
        return f"expected ip:port, {reason}" if reason != str(error) else f"expected ip:port; {reason}"
    return None


def _join_problem(items: Any) -> str | None:
    for item in items:
        try:
            host, _ = split_host_port(item)
            if host.startswith("[") or _HOST_IS_IPV4.fullmatch(host):
                Address.parse(item)
            elif not _HOST.fullmatch(host):
                raise AddressError("a name has letters, digits, '-', '_' and '.', at most 253 in all")
        except AddressError as error:
            reason = "" if str(error).startswith("expected") else f" ({error})"
            return f"{shown(item)}: {_HOST_EXPECTED}{reason}"
    return None


def _socket_problem(text: str) -> str | None:
    is_path = "\0" not in text and len(os.fsencode(text)) <= _SOCKET_BYTES_MAX
    return None if is_path else f'expected "auto", "" or a path of at most {_SOCKET_BYTES_MAX} bytes'


def _levels_problem(items: Any) -> str | None:
    for count, item in enumerate(items, 1):
        try:
            read_levels(LEVELS[0], items[:count])
        except ValueError as error:
            return f"{shown(item)}: {error}"
    return None


def _http_problem(text: str) -> str | None:
    full = f"127.0.0.1{text}" if text.startswith(":") else WILDCARD.sub("127.0.0.1:", text)
    problem = _address_problem(full) if text else None
    return problem and problem.replace("expected ip:port", 'expected "", :port for loopback, or ip:port', 1)


# For one setting: return what is wrong with a value of the right type, or None.
RULES: dict[str, Callable[[Any], str | None]] = {
    "node.listen": lambda text: _address_problem(WILDCARD.sub("127.0.0.1:", text)),
    "node.advertise": lambda text: _address_problem(text) if text else None,
    "node.join": _join_problem,
    "node.cluster": lambda text: _CLUSTER_EXPECTED if text and not is_cluster_name(text) else None,
    "log.levels": _levels_problem,
    "control.socket": _socket_problem,
    "http.listen": _http_problem,
    "log.sinks": sinks_problem,
    "adversary.victim": _address_problem,
    "adversary.strategy": lambda name: None if name in STRATEGIES else f"expected {any_of(STRATEGIES)}",
}
# What these allow, for who is to choose a value.
ALLOWED: dict[str, str] = {
    "node.listen": "ip:port",
    "node.advertise": 'ip:port, or ""',
    "node.join": "host:port, several with commas between",
    "node.cluster": 'letters, digits, ".", "_" and "-", at most 64',
    "http.listen": '"", :port for loopback, or ip:port',
    "log.levels": "MODULE=LEVEL, several with commas between",
    "control.socket": f'"auto", "" or a path of at most {_SOCKET_BYTES_MAX} bytes',
    "adversary.victim": "ip:port",
    "adversary.strategy": "the name of an attack",
}
# For two: the first is at most the second.
AT_MOST = (
    ("pull.quiet_s", "pull.pull_timeout_s"),
    ("tls.hello_wait_s", "tls.handshake_timeout_s"),
    ("blacklist.blacklist_base_s", "blacklist.blacklist_max_s"),
    ("attention.checks_per_round", "attention.checks_per_round_joining"),
    ("log.retry_base_s", "log.retry_max_s"),
    ("attention.queue_max_per_source", "attention.queue_max"),
)

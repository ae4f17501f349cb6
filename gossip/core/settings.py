"""Every setting, its bounds and its default.

One dataclass a section of the TOML file. `gossip/config/` builds the validated reader from
these declarations, so a bound is written once. `config/gossipd.toml` explains each one to its user.
Durations end in `_s` (seconds) or `_rounds` (multiples of `gossip.interval_s`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Range:
    """The bounds of a setting, both included: a number's value, or a text's or list's length."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Restart:
    """Marks a setting that only a start reads; `instead` is the command for what it says, if there is one.

    All others can change while a node runs.
    """

    instead: str = ""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    listen: Annotated[str, Restart()] = "127.0.0.1:5001"
    advertise: Annotated[str, Restart()] = ""
    state: Annotated[int, Range(0, 9), Restart("state DIGIT")] = 0
    join: tuple[str, ...] = ()
    cluster: Annotated[str, Restart()] = ""
    data_dir: Annotated[str, Restart()] = ""
    shutdown_s: Annotated[float, Range(0.1, 60)] = 5.0


@dataclass(frozen=True, slots=True)
class GossipSettings:
    interval_s: Annotated[float, Range(0.02, 3600)] = 3.0
    trust: Literal["verify", "hearsay"] = "verify"
    max_clock_skew_s: Annotated[float, Range(0, 86_400)] = 60.0
    pokes: Annotated[int, Range(0, 16)] = 2
    trust_advertised: bool = False
    max_members: Annotated[int, Range(1, 100_000)] = 10_000
    max_members_per_ip: Annotated[int, Range(1, 100_000)] = 1000


@dataclass(frozen=True, slots=True)
class AttentionSettings:
    checks_per_round: Annotated[int, Range(1, 1_000)] = 4
    checks_per_round_joining: Annotated[int, Range(1, 1_000)] = 32
    joining_rounds: Annotated[int, Range(0, 10_000)] = 40
    cooldown_rounds: Annotated[float, Range(0, 1_000)] = 1.0
    jitter_rounds: Annotated[float, Range(0, 10)] = 0.25
    recheck_rounds: Annotated[float, Range(0, 100)] = 0.5
    suspicion_rounds: Annotated[float, Range(0, 1_000)] = 10.0
    candidate_retry_s: Annotated[float, Range(0, 86_400)] = 3600.0
    queue_max: Annotated[int, Range(1, 1_000_000)] = 8192
    queue_max_per_source: Annotated[int, Range(1, 1_000_000)] = 2048
    max_open_pulls: Annotated[int, Range(1, 10_000)] = 64
    distrust_s: Annotated[float, Range(0, 86_400)] = 600.0


@dataclass(frozen=True, slots=True)
class BlacklistSettings:
    failures_to_blacklist: Annotated[int, Range(1, 100)] = 5
    strikes_to_blacklist: Annotated[int, Range(1, 100)] = 3
    strike_decay_s: Annotated[float, Range(1, 604_800)] = 600.0
    blacklist_base_s: Annotated[float, Range(0.05, 86_400)] = 10.0
    blacklist_max_s: Annotated[float, Range(0.05, 604_800)] = 600.0
    forget_after_s: Annotated[float, Range(1, 31_536_000)] = 86_400.0


@dataclass(frozen=True, slots=True)
class PullSettings:
    pull_timeout_s: Annotated[float, Range(0.05, 60)] = 5.0
    quiet_s: Annotated[float, Range(0.01, 60)] = 0.5
    max_bytes: Annotated[int, Range(1024, 64 * 1024 * 1024)] = 1024 * 1024
    max_lines: Annotated[int, Range(1, 1_000_000)] = 20_000
    max_line_bytes: Annotated[int, Range(64, 4096)] = 128


@dataclass(frozen=True, slots=True)
class ReplySettings:
    reply_timeout_s: Annotated[float, Range(0.05, 60)] = 2.0
    max_bytes: Annotated[int, Range(1024, 16 * 1024 * 1024)] = 65_536
    max_lines: Annotated[int, Range(8, 100_000)] = 512
    max_waiting: Annotated[int, Range(0, 100_000)] = 512
    tell_leaving: Annotated[int, Range(0, 100)] = 3


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    backlog: Annotated[int, Range(1, 65_535), Restart()] = 1024
    answer_timeout_s: Annotated[float, Range(0.05, 300)] = 10.0
    max_callers: Annotated[int, Range(1, 100_000)] = 16_384
    send_buffer_bytes: Annotated[int, Range(0, 16 * 1024 * 1024)] = 32_768
    render_min_s: Annotated[float, Range(0, 60)] = 0.1


@dataclass(frozen=True, slots=True)
class TlsSettings:
    mode: Annotated[Literal["off", "prefer", "require"], Restart()] = "off"
    cert: Annotated[str, Restart()] = ""
    key: Annotated[str, Restart()] = ""
    ca: Annotated[str, Restart()] = ""
    handshake_timeout_s: Annotated[float, Range(0.1, 60), Restart()] = 3.0
    hello_wait_s: Annotated[float, Range(0.01, 10), Restart()] = 0.2
    plain_again_s: Annotated[float, Range(0, 86_400), Restart()] = 60.0


@dataclass(frozen=True, slots=True)
class AdversarySettings:
    strategy: str = "garbage"
    on: Annotated[bool, Restart("adversary on|off")] = False
    allow_remote: bool = False
    victim: str = "127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class ExplainSettings:
    history: Annotated[int, Range(0, 1000)] = 12


@dataclass(frozen=True, slots=True)
class ShellSettings:
    history: Annotated[str, Restart()] = "~/.gossipd_history"


@dataclass(frozen=True, slots=True)
class ControlSettings:
    socket: Annotated[str, Restart()] = "auto"
    max_clients: Annotated[int, Range(1, 1000)] = 16
    timeout_s: Annotated[float, Range(0.1, 600)] = 10.0


@dataclass(frozen=True, slots=True)
class HttpSettings:
    listen: Annotated[str, Restart()] = ""
    max_callers: Annotated[int, Range(1, 1000), Restart()] = 16
    timeout_s: Annotated[float, Range(0.1, 600), Restart()] = 5.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    file: Annotated[str, Restart()] = ""
    level: Literal["debug", "info", "warning", "error"] = "info"
    levels: tuple[str, ...] = ()
    repeat_window_s: Annotated[float, Range(0, 3600)] = 10.0
    repeat_burst: Annotated[int, Range(1, 1000)] = 5
    repeat_max_keys: Annotated[int, Range(1, 100_000)] = 256
    buffer_max_events: Annotated[int, Range(16, 1_000_000), Restart()] = 10_000
    sinks: Annotated[tuple[str, ...], Restart()] = ()
    rotate_max_bytes: Annotated[int, Range(4096, 100_000_000_000), Restart()] = 64 * 1024 * 1024
    rotate_max_age_s: Annotated[float, Range(0, 31_536_000), Restart()] = 604_800.0
    rotate_keep: Annotated[int, Range(1, 1000), Restart()] = 5
    spool_dir: Annotated[str, Restart()] = ""
    spool_max_bytes: Annotated[int, Range(1024 * 1024, 100_000_000_000), Restart()] = 256 * 1024 * 1024
    batch_max_events: Annotated[int, Range(1, 100_000), Restart()] = 1000
    batch_max_bytes: Annotated[int, Range(4096, 64 * 1024 * 1024), Restart()] = 1024 * 1024
    batch_wait_s: Annotated[float, Range(0.01, 60), Restart()] = 1.0
    ship_timeout_s: Annotated[float, Range(0.1, 600), Restart()] = 10.0
    retry_base_s: Annotated[float, Range(0.01, 60), Restart()] = 0.5
    retry_max_s: Annotated[float, Range(0.05, 3600), Restart()] = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """All sections; each attribute is a table of the TOML file."""

    node: NodeSettings = field(default_factory=NodeSettings)
    gossip: GossipSettings = field(default_factory=GossipSettings)
    attention: AttentionSettings = field(default_factory=AttentionSettings)
    blacklist: BlacklistSettings = field(default_factory=BlacklistSettings)
    pull: PullSettings = field(default_factory=PullSettings)
    reply: ReplySettings = field(default_factory=ReplySettings)
    listener: ListenerSettings = field(default_factory=ListenerSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    adversary: AdversarySettings = field(default_factory=AdversarySettings)
    explain: ExplainSettings = field(default_factory=ExplainSettings)
    shell: ShellSettings = field(default_factory=ShellSettings)
    control: ControlSettings = field(default_factory=ControlSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    log: LogSettings = field(default_factory=LogSettings)


class Difference(NamedTuple):
    """A setting, `section.key`, and its two values."""

    setting: str
    previous: object
    value: object


def differences(previous: Settings, settings: Settings) -> Iterator[Difference]:
    """Yield what differs, in the order of the file."""
    for section in fields(Settings):
        before, after = getattr(previous, section.name), getattr(settings, section.name)
        for each in fields(before) if before != after else ():
            old, new = getattr(before, each.name), getattr(after, each.name)
            if old != new:
                yield Difference(f"{section.name}.{each.name}", old, new)

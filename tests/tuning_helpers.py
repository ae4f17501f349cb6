"""Which settings change at once and which need a restart, and another value for each of the former."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from gossip.config.live import views, with_values
from gossip.core.settings import Settings
from tests.config_helpers import declared_range

# Whoever adds a setting decides here, and makes it so: its parts take it up in `use`, or it has a Restart.
NEEDS_RESTART = {
    "node": "listen advertise state cluster data_dir",
    "listener": "backlog",
    "tls": "mode cert key ca handshake_timeout_s hello_wait_s plain_again_s",
    "adversary": "on",
    "shell": "history",
    "control": "socket",
    "http": "listen max_callers timeout_s",
    "log": "file buffer_max_events sinks rotate_max_bytes rotate_max_age_s rotate_keep spool_dir "
    "spool_max_bytes batch_max_events batch_max_bytes batch_wait_s ship_timeout_s retry_base_s retry_max_s",
}
LIVE = {
    "node": "join shutdown_s",
    "gossip": "interval_s trust max_clock_skew_s pokes trust_advertised max_members max_members_per_ip",
    "attention": "checks_per_round checks_per_round_joining joining_rounds cooldown_rounds jitter_rounds "
    "recheck_rounds suspicion_rounds candidate_retry_s queue_max queue_max_per_source max_open_pulls "
    "distrust_s",
    "blacklist": "failures_to_blacklist strikes_to_blacklist strike_decay_s blacklist_base_s blacklist_max_s "
    "forget_after_s",
    "pull": "pull_timeout_s quiet_s max_bytes max_lines max_line_bytes",
    "reply": "reply_timeout_s max_bytes max_lines max_waiting tell_leaving",
    "listener": "answer_timeout_s max_callers send_buffer_bytes render_min_s",
    "adversary": "strategy allow_remote victim",
    "explain": "history",
    "control": "max_clients timeout_s",
    "log": "level levels repeat_window_s repeat_burst repeat_max_keys",
}
NAMES = {
    "adversary.strategy": "forge",
    "adversary.victim": "127.0.0.1:10",
    "node.join": ("10.0.1.9:5001",),
    "log.levels": ("pull=debug",),
}


def keys_of(table: dict[str, str]) -> list[str]:
    return [f"{section}.{name}" for section, names in table.items() for name in names.split()]


def other(key: str) -> Any:
    """Return a value that is right and not the default."""
    if key in NAMES:
        return NAMES[key]
    value = attrgetter(key)(Settings())
    choices = next(view.choices for view in views(Settings()) if view.key == key)
    if isinstance(value, bool):
        return not value
    if choices:
        return next(choice for choice in choices if choice != value)
    bounds = declared_range(key)
    assert bounds is not None
    step = 1 if isinstance(value, int) else value / 2
    return value + step if value + step <= bounds.high else value - step


def with_other(settings: Settings, key: str) -> Settings:
    return with_values(settings, [(key, other(key))])

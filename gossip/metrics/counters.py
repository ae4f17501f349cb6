"""What a node's events add up to.

Labels are enumerated, never an address or another text that a stranger chooses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import Metric

from gossip.core import events as ev
from gossip.core.effects import Purpose
from gossip.core.reply import ReplyProblem
from gossip.core.wire import Reason
from gossip.metrics.tally import OTHER, Spread, Tally

ANSWERED, FAILED = "answered", "failed"
# What a pull fails of; rarer errors of the system are `other`.
_OUR_FAULT = ("no_descriptors", "no_local_port", "no_memory")
FAILURES = ("refused", "timeout", "reset", "unreachable", "tls", *_OUR_FAULT)
REFUSALS = ("no_own_entry", "rejected_lines", "cluster_mismatch", "table_full", "too_many_on_ip", *FAILURES)
VERDICTS = ("misbehaving", "left", "cluster_mismatch", *FAILURES)
OFFENCES = ("rejected_lines", "false_hints")
DISTRUSTS = ("not_trusted", "disproved_before")

_PULL_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LAG_S = (1, 2, 3, 5, 7, 10, 15, 20, 30, 60, 120, 300, 900, 3600)
_LOOP_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)

_PLAIN: tuple[tuple[type[ev.Event], str, str], ...] = (
    (ev.MemberAdded, "members_added", "Nodes admitted as members, on their own word."),
    (ev.EntryRestamped, "entries_restamped", "Entries that came with the same state and another timestamp."),
    (ev.OwnStateSet, "own_states_set", "States set by this node's user."),
    (
        ev.OwnEntryRefuted,
        "refutations",
        "Own states stamped anew, for a peer held an entry that beat the own.",
    ),
    (ev.CandidateHeard, "candidates_heard", "Unknown addresses mentioned, to be pulled from."),
    (ev.HintHeard, "hints_heard", "Newer entries of members told by others, to be checked."),
    (ev.HintDisproved, "hints_disproved", "Hints that the member's own word was older than: false or stale."),
    (ev.SuspicionHeard, "suspicions_heard", "Members that a peer failed to pull from, to be checked."),
    (ev.LeavingHeard, "leavings_heard", "Members that said they shut down."),
    (ev.ClusterMismatch, "cluster_mismatches", "Peers of another cluster, once a peer and minute."),
    (ev.PeerDistrusted, "peers_distrusted", "Peers whose hints are ignored for a while."),
    (ev.MemberSuspected, "suspects", "Failed pulls of members that led to another check soon."),
    (ev.RetryFailed, "retries_failed", "Retries of blacklisted nodes that failed."),
    (ev.MemberForgiven, "forgiven", "Blacklisted nodes that answered a retry and are members again."),
    (ev.MemberForgotten, "forgotten", "Nodes blacklisted for so long that nothing is kept of them."),
    (ev.MemberBlocked, "blocks", "Addresses blocked by the user."),
    (ev.MemberUnblocked, "unblocks", "Addresses that the user took off the blacklist."),
    (ev.SettingChanged, "settings_changed", "Settings that changed while the node ran."),
    (ev.AdversarySet, "adversary_switches", "Switches of adversarial gossip, on or off."),
)


class Counters:
    """Counts the events that `take` is given; `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._all: list[Tally | Spread] = []
        self.loop_lag = self._spread(
            "event_loop_lag_seconds",
            "How late a timer of one second went off: what else waited so long.",
            _LOOP_S,
        )
        self.answers = self._tally(
            "http_answers", "Answers of this HTTP server.", code=("200", "400", "404", "405", "503")
        )
        self._takers: dict[type[ev.Event], Callable[[Any], None]] = {
            **self._about_pulls(),
            **self._about_peers(),
            **{kind: _just(self._tally(name, meaning)) for kind, name, meaning in _PLAIN},
        }

    def take(self, event: ev.Event) -> None:
        """Count an event; never waits."""
        kind: type = type(event)  # mypy mistakes the hash of a dataclass for that of its class
        taker = self._takers.get(kind)
        if taker is not None:
            taker(event)

    def collect(self) -> Iterator[Metric]:
        """Yield all numbers as they are now."""
        return (one.family() for one in self._all)

    def _about_pulls(self) -> dict[type[ev.Event], Callable[[Any], None]]:
        purposes = tuple(map(str, Purpose))
        pulls = self._tally(
            "pulls",
            "Pulls that ended, by why they were made, and whether the peer answered or why not.",
            purpose=purposes,
            result=(ANSWERED, *FAILURES, OTHER),
        )
        durations = self._spread(
            "pull_duration_seconds", "From opening a pull to its end.", _PULL_S, result=(ANSWERED, FAILED)
        )
        size = self._tally("pull_bytes", "Bytes read by pulls.")
        lines = self._tally("pull_lines", "Lines read by pulls.")
        taken = self._tally("entries_taken", "Entries that changed what is believed here.")
        rejected = self._tally(
            "lines_rejected",
            "Lines that are no entry, by what they were in and the first reason.",
            source=("table", "reply"),
            reason=tuple(map(str, Reason)),
        )
        replies = self._tally(
            "replies",
            "Replies of callers, read or refused whole.",
            result=("read", *map(str, ReplyProblem), OTHER),
        )

        def finished(event: ev.PullFinished) -> None:
            pulls.add(event.purpose, ANSWERED)
            durations.observe(event.duration_ms / 1000, ANSWERED)
            size.add(by=event.bytes)
            lines.add(by=event.lines)
            taken.add(by=event.taken)
            for reason, number in event.rejected.items():
                rejected.add("table", reason, by=number)

        def failed(event: ev.PullFailed) -> None:
            pulls.add(event.purpose, _failure(event.reason))
            durations.observe(event.duration_ms / 1000, FAILED)
            size.add(by=event.bytes)

        def replied(event: ev.ReplyRead) -> None:
            replies.add("read")
            for reason, number in event.rejected.items():
                rejected.add("reply", reason, by=number)

        return {
            ev.PullFinished: finished,
            ev.PullFailed: failed,
            ev.ReplyRead: replied,
            ev.ReplyRefused: _by_reason(replies),
        }

    def _about_peers(self) -> dict[type[ev.Event], Callable[[Any], None]]:
        changes = self._tally("state_changes", "Members whose state became another.")
        lag = self._spread(
            "convergence_lag_seconds",
            "How old a member's new state was when it was learned: this node's clock minus the entry's "
            "timestamp, in whole seconds of the other's clock: up to 1 s too much, and wrong by what "
            "the clocks differ; below 0 counts as 0.",
            _LAG_S,
        )

        def changed(event: ev.StateChanged) -> None:
            changes.add()
            lag.observe(max(0.0, self._clock() - event.timestamp))

        refused = self._tally(
            "candidates_refused", "Candidates that were not admitted.", reason=(*REFUSALS, OTHER)
        )
        blacklisted = self._tally(
            "blacklistings", "Nodes blacklisted, other than by hand.", reason=(*VERDICTS, OTHER)
        )
        strikes = self._tally("strikes", "Strikes given to members.", reason=(*OFFENCES, OTHER))
        ignored = self._tally(
            "hints_ignored",
            "Hints not worth a check, for their source told false ones.",
            reason=(*DISTRUSTS, OTHER),
        )
        return {
            ev.StateChanged: changed,
            ev.CandidateRefused: _by_failure(refused),
            ev.MemberBlacklisted: _by_failure(blacklisted),
            ev.StrikeGiven: _by_reason(strikes),
            ev.HintIgnored: _by_reason(ignored),
        }

    def _tally(self, name: str, meaning: str, **labels: tuple[str, ...]) -> Tally:
        tally = Tally(f"gossipd_{name}", meaning, **labels)
        self._all.append(tally)
        return tally

    def _spread(
        self, name: str, meaning: str, bounds: tuple[float, ...], **labels: tuple[str, ...]
    ) -> Spread:
        spread = Spread(f"gossipd_{name}", meaning, bounds, **labels)
        self._all.append(spread)
        return spread


def _just(tally: Tally) -> Callable[[Any], None]:
    return lambda event: tally.add()


def _by_reason(tally: Tally) -> Callable[[Any], None]:
    return lambda event: tally.add(event.reason)


def _by_failure(tally: Tally) -> Callable[[Any], None]:
    return lambda event: tally.add(_failure(event.reason))


def _failure(reason: str) -> str:
    """Put what TLS may fail of into one: the log has which of them it was, and why."""
    return "tls" if reason.startswith("tls_") else reason

from __future__ import annotations

import math

import pytest

from gossip.core import events
from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.views import BlacklistView, JoinReport, MemberView, Status
from gossip.shell import render

A = Address("127.0.0.1", 5001)
B = Address("::1", 5002)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (3.9, "3s"),
        (59.99, "59s"),
        (125, "2m05s"),
        (3720, "1h02m"),
        (86_399, "23h59m"),
        (4 * 86_400 + 3 * 3600, "4d03h"),
        (-0.4, "0s"),
        (-65, "-1m05s"),
        (None, "never"),
        (math.inf, "never"),
        (math.nan, "never"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert render.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0, "<1ms"), (0.0123, "12ms"), (0.9994, "999ms"), (0.9996, "1.0s"), (12.34, "12.3s")],
)
def test_round_trip(seconds: float | None, text: str) -> None:
    assert render.round_trip(seconds) == text


def test_the_seeds_listings() -> None:
    members = [MemberView(Entry(A, 1630281124, 1), True, 0, None, "", 0)]
    assert render.csv(members) == ["127.0.0.1:5001,1630281124,1"]
    assert render.states(members) == ["127.0.0.1:5001 --> 1"]


def test_member_table_is_aligned() -> None:
    members = [
        MemberView(Entry(A, 1630281124, 1), True, 3723, None, "", 0),
        MemberView(Entry(B, 1630281124, 2), False, 9, None, "join", 0),
        MemberView(
            Entry(Address("10.10.10.10", 50000), 1, 9), False, 90000, 65, "127.0.0.1:5001", 2, took_s=1.21
        ),
        MemberView(Entry(Address("10.10.10.11", 7), 1, 9), False, 1, 1, "caller", 0, strikes=1),
        MemberView(
            Entry(Address("10.10.10.12", 7), 1, 9), False, 1, 1, "caller", 0, strikes=1, distrusted_s=9
        ),
    ]
    assert render.member_table(members) == [
        "address            state  age    last contact  round-trip  learned from    health",
        "127.0.0.1:5001     1      1h02m  -             -           self            ok",
        "[::1]:5002         2      9s     never         -           join            ok",
        "10.10.10.10:50000  9      1d01h  1m05s         1.2s        127.0.0.1:5001  suspect (2)",
        "10.10.10.11:7      9      1s     1s            -           caller          1 strike",
        "10.10.10.12:7      9      1s     1s            -           caller          distrusted",
    ]


def test_blacklist_table() -> None:
    rows = [BlacklistView(A, "refused", 65, 7.5, 2), BlacklistView(B, "blocked", 1, None, 0)]
    assert render.blacklist_table(rows) == [
        "address         reason   since  next retry       retries",
        "127.0.0.1:5001  refused  1m05s  7s               2",
        "[::1]:5002      blocked  1s     never (blocked)  0",
    ]
    assert render.blacklist_table([]) == ["the blacklist is empty"]


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (
            JoinReport(A, None, Entry(A, 1, 3), 5, True),
            "127.0.0.1:5001 --> 3: a member; its table has 5 entries",
        ),
        (
            JoinReport(A, None, Entry(A, 1, 3), 1, True),
            "127.0.0.1:5001 --> 3: a member; its table has 1 entry",
        ),
        (
            JoinReport(A, None, None, 4, False),
            "127.0.0.1:5001 answered with 4 entries but did not list itself, so it is no member",
        ),
        (
            JoinReport(A, None, Entry(A, 1, 3), 2, False),
            "127.0.0.1:5001 --> 3: answered with 2 entries but was not admitted",
        ),
        (JoinReport(A, "stopping", None, 0, False), "127.0.0.1:5001 failed: stopping"),
        (
            JoinReport(A, "time\nout", None, 0, False, is_blacklisted=True),
            r"127.0.0.1:5001 failed: time\nout; it is blacklisted",
        ),
    ],
)
def test_join_report(report: JoinReport, text: str) -> None:
    assert render.join_report(report) == text


def test_toolbar() -> None:
    honest = Status(Entry(A, 1, 3), 12, 5, 1, None, "verify")
    assert render.toolbar(honest) == (
        "127.0.0.1:5001 --> 3 | 5 members | 1 blacklisted | honest | round 12 | trust verify"
    )
    liar = Status(Entry(A, 1, 3), 12, 1, 0, "rubbish", "hearsay")
    assert render.toolbar(liar) == (
        "127.0.0.1:5001 --> 3 | 1 member | 0 blacklisted | ADVERSARIAL: rubbish | round 12 | trust hearsay"
    )


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (events.MemberAdded(A, 3, 1, "join"), "127.0.0.1:5001 --> 3"),
        (events.StateChanged(A, 1, 4, 1, events.FIRST_HAND), "127.0.0.1:5001 --> 4"),
        (events.StateChanged(A, 1, 4, 1, str(A)), "127.0.0.1:5001 --> 4"),
        (events.StateChanged(A, 1, 4, 1, str(B)), "127.0.0.1:5001 --> 4, says [::1]:5002"),
        (
            events.HintDisproved(A, B, 1, 4),
            "[::1]:5002 said 127.0.0.1:5001 --> 4, which 127.0.0.1:5001 denies",
        ),
        (
            events.MemberBlacklisted(A, "refused", 10),
            "127.0.0.1:5001 blacklisted: refused; next retry in 10s",
        ),
        (events.MemberForgiven(A, 2, 125), "127.0.0.1:5001 forgiven after 2m05s, its state is 2"),
        (events.MemberForgotten(A), "127.0.0.1:5001 forgotten"),
        (
            events.OwnEntryRefuted(B, 9, 4, 10),
            "[::1]:5002 holds a false entry of this node, state 4; refuted",
        ),
        (events.StrikeGiven(B, "a\x1b", 2), r"[::1]:5002 misbehaved: a\x1b (strike 2)"),
        (events.LeavingHeard(A), "127.0.0.1:5001 says that it leaves"),
        (
            events.ClusterMismatch(A, "test", "prod"),
            "127.0.0.1:5001 is of cluster test, this node of prod: they do not merge",
        ),
        (
            events.ClusterMismatch(B, "", "prod"),
            "[::1]:5002 is of no cluster, this node of prod: they do not merge",
        ),
        (events.SuspicionHeard(A, B), None),
        (events.ReplyRefused("10.0.0.2", "no_from", 7), None),
        (events.PeerDistrusted(B, 600), "[::1]:5002 is distrusted for 10m00s"),
        (events.PeerDistrusted(B, 600, in_reply=True), "[::1]:5002 is distrusted in its replies for 10m00s"),
        (events.OwnStateSet(1, 2, 3), None),
        (events.MemberSuspected(A, 1), None),
        (events.MemberBlocked(A), None),
        (events.EntryRestamped(A, 1, 2, "x"), None),
    ],
)
def test_news(event: events.Event, text: str | None) -> None:
    assert render.news(event) == text

"""The metrics: what each event adds to, what a scrape finds, and that strangers cannot make series."""

from __future__ import annotations

import errno
import re

import pytest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.effects import Purpose
from gossip.core.reply import ReplyProblem
from gossip.core.views import Figures
from gossip.core.wire import End, Reason
from gossip.metrics import counters as counted
from gossip.metrics.counters import Counters
from gossip.metrics.gauges import registry_of
from gossip.metrics.tally import Spread, Tally
from gossip.net import puller
from gossip.net.tls.problem import TlsReason
from tests.processes import ROOT
from tests.watched import FakeNode, FakeShipping, changed, scraped, sources_of

NOW = 1_700_000_000
PEER = Address("203.0.113.7", 5002)
OTHER = Address("203.0.113.8", 5003)

# Each event, and what it adds, apart from histograms' buckets.
ADDS: list[tuple[ev.Event, dict[str, float]]] = [
    (
        ev.PullFinished(PEER, Purpose.ROUND, 30.0, 290, 12, 2, {Reason.FUTURE: 3}, End.EMPTY_LINE),
        {
            'pulls_total{purpose="round",result="answered"}': 1,
            'pull_duration_seconds_count{result="answered"}': 1,
            'pull_duration_seconds_sum{result="answered"}': 0.03,
            "pull_bytes_total": 290,
            "pull_lines_total": 12,
            "entries_taken_total": 2,
            'lines_rejected_total{reason="future",source="table"}': 3,
        },
    ),
    (
        ev.PullFailed(PEER, Purpose.CHECK, 5000.0, 7, "timeout", 1),
        {
            'pulls_total{purpose="check",result="timeout"}': 1,
            'pull_duration_seconds_count{result="failed"}': 1,
            'pull_duration_seconds_sum{result="failed"}': 5,
            "pull_bytes_total": 7,
        },
    ),
    (ev.MemberAdded(PEER, 1, NOW, "caller"), {"members_added_total": 1}),
    (
        ev.StateChanged(PEER, 1, 2, NOW - 4, "first-hand"),
        {"state_changes_total": 1, "convergence_lag_seconds_count": 1, "convergence_lag_seconds_sum": 4.5},
    ),
    (ev.EntryRestamped(PEER, 1, NOW, "first-hand"), {"entries_restamped_total": 1}),
    (ev.OwnStateSet(1, 2, NOW), {"own_states_set_total": 1}),
    (ev.OwnEntryRefuted(PEER, NOW, 1, NOW + 1), {"refutations_total": 1}),
    (ev.CandidateHeard(PEER, "caller"), {"candidates_heard_total": 1}),
    (ev.CandidateRefused(PEER, "table_full"), {'candidates_refused_total{reason="table_full"}': 1}),
    (ev.HintHeard(PEER, str(OTHER), NOW, 1), {"hints_heard_total": 1}),
    (ev.HintIgnored(PEER, OTHER, "not_trusted"), {'hints_ignored_total{reason="not_trusted"}': 1}),
    (ev.SuspicionHeard(PEER, OTHER), {"suspicions_heard_total": 1}),
    (ev.LeavingHeard(PEER), {"leavings_heard_total": 1}),
    (
        ev.ReplyRead(PEER, 99, 3, {Reason.BAD_STATE: 2}, 0, False),
        {'replies_total{result="read"}': 1, 'lines_rejected_total{reason="bad_state",source="reply"}': 2},
    ),
    (
        ev.ReplyRefused(PEER.host, ReplyProblem.FORGED_FROM, 9),
        {'replies_total{result="forged_from"}': 1},
    ),
    (ev.ClusterMismatch(PEER, "theirs", "ours"), {"cluster_mismatches_total": 1}),
    (ev.HintDisproved(PEER, OTHER, NOW, 1), {"hints_disproved_total": 1}),
    (ev.StrikeGiven(PEER, "false_hints", 1), {'strikes_total{reason="false_hints"}': 1}),
    (ev.PeerDistrusted(PEER, 600.0), {"peers_distrusted_total": 1}),
    (ev.MemberSuspected(PEER, 1), {"suspects_total": 1}),
    (ev.MemberBlacklisted(PEER, "left", 10.0), {'blacklistings_total{reason="left"}': 1}),
    (ev.RetryFailed(PEER, "refused", 20.0), {"retries_failed_total": 1}),
    (ev.MemberForgiven(PEER, 1, 60.0), {"forgiven_total": 1}),
    (ev.MemberForgotten(PEER), {"forgotten_total": 1}),
    (ev.MemberBlocked(PEER), {"blocks_total": 1}),
    (ev.MemberUnblocked(PEER), {"unblocks_total": 1}),
    (ev.SettingChanged("gossip.pokes", 1, 2), {"settings_changed_total": 1}),
    (ev.AdversarySet("forge"), {"adversary_switches_total": 1}),
]


def new() -> Counters:
    return Counters(lambda: NOW + 0.5)


def added(*events: ev.Event) -> dict[str, float]:
    """Return what events add, without the histograms' buckets."""
    counters, sources = new(), sources_of(FakeNode())
    before = scraped(counters, sources)
    for event in events:
        counters.take(event)
    grown = changed(scraped(counters, sources), before)
    return {series.removeprefix("gossipd_"): n for series, n in grown.items() if "_bucket{" not in series}


@pytest.mark.parametrize(("event", "adds"), ADDS, ids=lambda value: type(value).__name__)
def test_an_event_adds_to_its_own_numbers_and_no_others(event: ev.Event, adds: dict[str, float]) -> None:
    assert added(event) == pytest.approx(adds)


def test_every_event_that_there_is_adds_to_something() -> None:
    kinds = {kind for kind in vars(ev).values() if isinstance(kind, type) and issubclass(kind, ev.Event)}
    assert {type(event) for event, _ in ADDS} == kinds - {ev.Event}


@pytest.mark.parametrize("reason", TlsReason)
def test_what_tls_fails_of_is_one_result(reason: TlsReason) -> None:
    found = added(
        ev.PullFailed(PEER, Purpose.ROUND, 1.0, 0, str(reason), 1),
        ev.CandidateRefused(PEER, str(reason)),
        ev.MemberBlacklisted(PEER, str(reason), 10.0),
    )
    assert {series for series in found if "=" in series} == {
        'pulls_total{purpose="round",result="tls"}',
        'pull_duration_seconds_count{result="failed"}',
        'pull_duration_seconds_sum{result="failed"}',
        'candidates_refused_total{reason="tls"}',
        'blacklistings_total{reason="tls"}',
    }


def test_an_event_of_a_later_version_is_no_crash() -> None:
    assert added(type("Later", (ev.Event,), {})()) == {}


def test_what_strangers_choose_makes_no_series() -> None:
    made_up = [
        ev.PullFailed(PEER, Purpose.CHECK, 1.0, 0, "eproto", 1),
        ev.CandidateRefused(PEER, '"}x'),
        ev.MemberBlacklisted(PEER, "anything", 1.0),
        ev.ReplyRefused("203.0.113.9", "unheard_of", 1),
        ev.StrikeGiven(PEER, "new", 1),
        ev.HintIgnored(PEER, OTHER, "new"),
    ]
    found = added(*made_up)
    assert sum('"other"' in series for series in found) == len(made_up)
    text = openmetrics.generate_latest(registry_of(new(), sources_of(FakeNode()))).decode()
    assert "203.0.113" not in text


def test_the_reasons_that_the_code_gives_are_all_known() -> None:
    ours = {*puller._THEIRS.values(), *puller._OURS.values(), End.TIMEOUT, End.RESET}
    assert set(counted.FAILURES) == {*ours, "tls"}
    assert puller._failure(OSError(errno.ETIMEDOUT, "")).reason in counted.FAILURES
    core = "".join(path.read_text() for path in sorted((ROOT / "gossip" / "core").glob("*.py")))
    given = {
        "OFFENCES": re.findall(r'\.strike\([\w.]+, "(\w+)"', core),
        "REFUSALS": re.findall(r'return "(table_full)"|"(too_many_on_ip)" if|"(no_own_entry)" if', core),
        "DISTRUSTS": re.findall(r'"(not_trusted)"|"(disproved_before)"', core),
        "VERDICTS": re.findall(r'\.ban\(peer, "(\w+)"|MISBEHAVING = "(\w+)"|failed\(peer, "(\w+)"', core),
    }
    for name, found in given.items():
        reasons = {word for words in found for word in ([words] if isinstance(words, str) else words) if word}
        assert len(reasons) >= 2 and reasons <= set(getattr(counted, name)), (name, reasons)


def test_a_bucket_holds_its_upper_bound_and_news_from_the_future_is_new() -> None:
    counters = new()
    for timestamp in (NOW + 60, NOW - 1, NOW - 2, NOW - 9_999):
        counters.take(ev.StateChanged(PEER, 1, 2, timestamp, "first-hand"))
    found = scraped(counters, sources_of(FakeNode()))
    name = "gossipd_convergence_lag_seconds"
    bounds = ("1.0", "2.0", "3.0", "3600.0", "+Inf")
    assert [found[f'{name}_bucket{{le="{bound}"}}'] for bound in bounds] == [1, 2, 3, 3, 4]
    assert found[f"{name}_sum"] == pytest.approx(0 + 1.5 + 2.5 + 9_999.5)

    spread = Spread("s", "", (1, 2))
    spread.observe(1)
    assert [sample.value for sample in spread.family().samples if sample.name == "s_bucket"] == [1, 1, 1]


def test_a_value_that_was_not_declared_is_other_only_where_that_is_declared() -> None:
    tally = Tally("t", "", kind=("a", "b"))
    with pytest.raises(KeyError):
        tally.add("c")


def test_a_scrape_looks_up_how_things_stand() -> None:
    node = FakeNode()
    found = scraped(new(), sources_of(node, FakeShipping(), is_ready=False, dropped=8))
    expected = {
        'members{status="ok"}': 1,
        'members{status="suspect"}': 1,
        'members{status="blacklisted"}': 1,
        'members{status="blocked"}': 0,
        "rounds_total": 12,
        "round_seconds": 3,
        "state": 3,
        "adversarial": 0,
        "open_pulls": 3,
        "checks_waiting": 4,
        "table_bytes": 500,
        "callers": 6,
        "callers_accepted_total": 700,
        "tls_certificate_expiry_timestamp_seconds": 1.5e9,
        "ready": 0,
        "crashed": 0,
        "log_lines_dropped_total": 8,
        'info{cluster="",node="127.0.0.1:5001",trust="verify"}': 1,
        'ship_lag_seconds{shipper="collector"}': 2.5,
        'ship_lag_bytes{shipper="collector"}': 300,
        'ship_lag_lines{shipper="collector"}': 3,
        'ship_lines_total{shipper="collector"}': 40,
        'ship_retries_total{shipper="collector"}': 5,
        'ship_lines_dropped_total{shipper="collector"}': 6,
        'ship_lines_refused_total{shipper="collector"}': 7,
    }
    assert {series: found[f"gossipd_{series}"] for series in expected} == expected
    assert found["gossipd_event_loop_watchers"] >= 0
    assert found["process_resident_memory_bytes"] > 1e6

    node.strategy, node.exit_status, node.counted = "forge", 1, Figures(2, 1, 0, 0, 0, 0, 0)
    found = scraped(new(), sources_of(node))
    assert found["gossipd_adversarial"] == found["gossipd_crashed"] == 1
    assert found["gossipd_ready"] == 1
    statuses = ("ok", "suspect", "blacklisted", "blocked")
    assert [found[f'gossipd_members{{status="{status}"}}'] for status in statuses] == [0, 2, 0, 1]


def test_each_name_is_there_once_and_a_strict_reader_takes_it_all() -> None:
    counters = new()
    for event, _ in ADDS:
        counters.take(event)
    text = openmetrics.generate_latest(registry_of(counters, sources_of(FakeNode(), FakeShipping()))).decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    assert all(family.documentation.endswith(".") for family in families)
    assert len(text) < 40_000

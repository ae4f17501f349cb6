"""How far the last change is known to have come: only what was seen counts."""

from __future__ import annotations

from gossip.core.address import Address
from gossip.core.convergence import Convergence
from gossip.core.entry import Entry
from gossip.core.events import HintHeard, OwnStateSet, StateChanged
from gossip.core.instant import Instant
from gossip.core.table import Table
from gossip.core.views import ConvergenceView
from gossip.core.wire import End, Pulled
from tests.core_helpers import OWN, STRANGER, A, B, C, D, World, nth, of_kind, pulls


def _view(world: World) -> ConvergenceView:
    found = world.node.convergence(world.now)
    assert found is not None
    return found


def _known(world: World) -> tuple[int, int]:
    view = _view(world)
    return view.known, view.members


def _changed() -> tuple[World, Entry]:
    """Return a world with A, B and C, in which A has just said its own new state."""
    world = World()
    world.admit(A, B, C)
    new = world.word(A, 7, age_s=1)
    world.say(A, new)
    return world, new


def test_nothing_is_known_before_the_first_change_and_joining_is_none() -> None:
    world = World()
    world.admit(A)
    assert world.node.convergence(world.now) is None


def test_the_subject_and_this_node_have_a_change_and_others_once_they_were_seen_to() -> None:
    world, new = _changed()
    world.mono += 2
    assert _view(world) == ConvergenceView(A, 7, new.timestamp, 2.0, 2, 4)
    world.say(B, world.word(B), new)
    assert _known(world) == (3, 4)
    world.mono += 3
    world.say(C, world.word(C), new)
    assert _view(world) == ConvergenceView(A, 7, new.timestamp, 5.0, 4, 4, took_s=5.0)
    world.mono += 60
    assert _view(world).took_s == 5.0


def test_a_table_without_the_change_or_with_an_older_entry_is_not_counted() -> None:
    world, new = _changed()
    world.say(B, world.word(B))
    world.say(C, world.word(C), world.word(A, 1, age_s=500))
    assert _known(world) == (2, 4)
    assert new.state == 7


def test_the_last_table_counts_unless_it_was_cut() -> None:
    world, new = _changed()
    world.say(B, world.word(B), new)
    world.node.connect(B, world.now)
    world.node.handle_table(B, Pulled(world.word(B).line + b"\n", End.MAX_BYTES), world.now)
    assert _known(world) == (3, 4)
    world.say(B, world.word(B))
    assert _known(world) == (2, 4)


def test_a_newer_change_begins_anew_and_the_own_one_is_a_change() -> None:
    world, new = _changed()
    world.say(B, world.word(B), new)
    world.node.set_state(4, world.now)
    own = world.node.own
    assert _view(world) == ConvergenceView(OWN, 4, own.timestamp, 0.0, 1, 4)
    world.say(B, world.word(B), own)
    world.called(C, own)  # it need not say so, and may
    assert _known(world) == (3, 4)
    world.say(C, world.word(C, 2, age_s=1))
    assert _view(world).subject == C


def test_who_said_it_first_is_known_to_have_it() -> None:
    world = World()
    world.admit(A, B, C)
    new = world.word(A, 7, age_s=1)
    heard = of_kind(world.say(B, world.word(B), new), HintHeard)
    assert heard
    assert world.node.convergence(world.now) is None  # hearsay is no change
    world.say(A, new)
    assert _known(world) == (3, 4)


def test_a_reply_that_holds_it_counts_and_one_that_does_not_takes_nothing_back() -> None:
    world, new = _changed()
    world.called(B, new)
    assert _known(world) == (3, 4)
    world.called(B, world.word(C, 3, age_s=1))
    assert _known(world) == (3, 4)


def test_a_forged_newer_entry_is_not_the_change() -> None:
    world, new = _changed()
    world.say(B, world.word(B), new._replace(timestamp=new.timestamp + 1, state=9))
    assert _known(world) == (2, 4)


def test_the_same_state_stamped_anew_is_still_the_change() -> None:
    world, new = _changed()
    again = new._replace(timestamp=new.timestamp + 1)
    world.say(A, again)
    assert _view(world).timestamp == new.timestamp
    world.say(B, world.word(B), new)
    world.say(C, world.word(C), again)
    assert _known(world) == (4, 4)


def test_a_liar_speaks_for_itself_only_and_a_stranger_for_nobody() -> None:
    world, new = _changed()
    world.say(D, world.word(C), new)  # no own entry: it is not admitted
    world.called(STRANGER, new)
    assert _known(world) == (2, 4)


def test_members_that_leave_and_come_are_not_counted_before_they_were_seen() -> None:
    world, new = _changed()
    world.say(B, world.word(B), new)
    world.node.block(B, world.now)
    assert _known(world) == (2, 3)
    world.say(C, world.word(C), new)
    assert _view(world).took_s is not None
    world.admit(D)
    assert (_known(world), _view(world).took_s) == ((3, 4), None)
    world.node.block(A, world.now)
    assert world.node.convergence(world.now) is None


def test_in_hearsay_the_one_that_told_it_has_it() -> None:
    world = World(gossip={"trust": "hearsay"})
    world.admit(A, B, C)
    assert of_kind(world.say(B, world.word(B), world.word(A, 7, age_s=1)), StateChanged)
    assert _known(world) == (3, 4)


def test_who_has_left_does_not_stay_in_memory() -> None:
    table = Table(Entry(OWN, 1, 0))
    convergence, now = Convergence(table), Instant(1.0, 1.0)
    convergence.note([OwnStateSet(1, 0, 1)], now)
    for number in range(1000):
        peer: Address = nth(number)
        table.put(Entry(peer, 1, 0), "join", 1.0)
        convergence.seen(peer, {table.own.line}, now, whole=True)
        table.remove(peer)
    assert len(convergence._known) <= 3
    view = convergence.view(now)
    assert view is not None
    assert (view.known, view.members) == (1, 1)


def test_a_round_trip_is_the_time_that_the_last_finished_pull_took() -> None:
    world = World()
    world.admit(A)
    for took_s in (0.25, 0.5):
        world.node.connect(A, world.now)
        world.mono += took_s
        world.answer(A, world.word(A))
    assert pulls(world.tick().effects) == [A]
    world.mono += 9
    world.fail(A)
    own, member = world.node.members(world.now)
    assert (own.took_s, member.took_s) == (None, 0.5)

"""An in-memory node for the tests of the shell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.events import Event
from gossip.core.inspection import inspect
from gossip.core.settings import Settings
from gossip.core.views import BlacklistView, ConvergenceView, JoinReport, MemberView, Reading, Status, Story
from gossip.core.wire import End, Pulled, Rules
from gossip.log import EventLog
from gossip.tuning import Tuning

OWN = Address("127.0.0.1", 5001)
PEER = Address("128.84.213.13", 5678)
BAD = Address("127.0.0.1", 5009)


class FakeConsole:
    """A console with one peer and one blacklisted address; a join finds what `reports` says."""

    def __init__(self) -> None:
        self.own = Entry(OWN, 1_630_281_124, 3)
        self.others = [
            MemberView(Entry(PEER, 1_630_281_124, 1), False, 125.0, 3.2, "10.0.0.2:7000", 0, took_s=0.012)
        ]
        self.blocked = [BlacklistView(BAD, "refused", 65.0, 7.5, 2)]
        self.reports: dict[Address, JoinReport] = {}
        self.strategy: str | None = None
        self.names = {"rubbish": "send rubbish", "replay": "repeat the past"}
        self.refuses: str | None = None  # what would permit a strategy
        self.last_change: ConvergenceView | None = None
        self.is_stopped = False
        self.used: list[Settings] = []
        log = EventLog(None, "info").bind(str(OWN))
        self.tuning = Tuning(Settings(), None, self.used.append, self.status, log)
        self.on_join: Callable[[Address], None] = lambda address: None
        self.tables: dict[Address, bytes] = {}
        self.watchers: list[Callable[[Event], None]] = []

    def status(self) -> Status:
        count = 1 + len(self.others)
        return Status(self.own, 12, count, len(self.blocked), self.strategy, "verify")

    def members(self) -> Sequence[MemberView]:
        return [MemberView(self.own, True, 3723.0, None, "", 0), *self.others]

    def blacklist(self) -> Sequence[BlacklistView]:
        return self.blocked

    def convergence(self) -> ConvergenceView | None:
        return self.last_change

    def join(self, address: Address) -> JoinReport:
        self.on_join(address)
        refused = JoinReport(address, "refused", None, 0, False, is_blacklisted=True)
        return self.reports.get(address, refused)

    def set_state(self, state: int) -> Entry:
        self.own = self.own._replace(state=state)
        return self.own

    def set_adversary(self, strategy: str | None) -> str | None:
        if strategy is not None and self.refuses is not None:
            return self.refuses
        self.strategy = strategy
        return None

    def strategies(self) -> Mapping[str, str]:
        return self.names

    def block(self, address: Address) -> bool:
        if any(row.address == address for row in self.blocked):
            return False
        self.blocked = [*self.blocked, BlacklistView(address, "blocked", 0.0, None, 0)]
        return True

    def unblock(self, address: Address) -> bool:
        kept = [row for row in self.blocked if row.address != address]
        was_blocked = len(kept) < len(self.blocked)
        self.blocked = kept
        return was_blocked

    def explain(self, address: Address) -> Story:
        member = next((view for view in self.members() if view.entry.address == address), None)
        row = next((row for row in self.blocked if row.address == address), None)
        return Story(address, member, row, (), 1_630_284_847.0)

    def read(self, address: Address) -> Reading:
        if address not in self.tables:
            return Reading(address, 0.2, 0, "refused")
        data, held = self.tables[address], {view.entry.line for view in self.members()}
        rules = Rules(128, 1_630_284_847 + 60, loopback_ok=True)
        found = inspect(Pulled(data, End.EMPTY_LINE), address, OWN, held, rules, 20_000)
        return Reading(address, 1.25, len(data), None, End.EMPTY_LINE, found)

    def watch(self, watcher: Callable[[Event], None]) -> Callable[[], None]:
        self.watchers.append(watcher)
        return lambda: self.watchers.remove(watcher)

    def emit(self, event: Event) -> None:
        for watcher in list(self.watchers):
            watcher(event)

    def stop(self) -> None:
        self.is_stopped = True

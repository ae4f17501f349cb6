"""Who is not selected, not served and not heard about, and when each is tried again.

PROTOCOL.md, section 4. Times are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from random import Random

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.settings import BlacklistSettings

BY_HAND = "blocked"
MISBEHAVING = "misbehaving"


@dataclass(slots=True)
class Blacklisted:
    """Why and since when; `retry_at` is None for an address blocked by hand.

    `entry` is the last one believed of it, `None` if it never was a member. Hearsay earns one early
    retry (`heard_early`); its own calls earn one now and then, the next from `early_from` on.
    """

    address: Address
    reason: str
    since: float
    retry_at: float | None
    entry: Entry | None
    retries: int = 0
    heard_early: bool = False
    early_from: float = -inf

    def is_early_call_due(self, mono: float) -> bool:
        """Tell whether a call of the address itself may earn it a retry now."""
        return self.retry_at is not None and self.reason != MISBEHAVING and mono >= self.early_from


class Blacklist:
    """The blacklisted, at most `size_max` besides those blocked by hand."""

    def __init__(self, settings: BlacklistSettings, size_max: int, rng: Random) -> None:
        self.use(settings, size_max)
        self._rng = rng
        self._by_address: dict[Address, Blacklisted] = {}
        self.version = 0  # counts changes

    def use(self, settings: BlacklistSettings, size_max: int) -> None:
        """Go by these settings from now on; retries that are set stay so."""
        self._settings = settings
        self._size_max = size_max

    def __len__(self) -> int:
        return len(self._by_address)

    def __contains__(self, address: object) -> bool:
        return address in self._by_address

    def __iter__(self) -> Iterator[Blacklisted]:
        return iter(self._by_address.values())

    def get(self, address: Address) -> Blacklisted | None:
        """Return the record of an address, or None."""
        return self._by_address.get(address)

    def is_blocked(self, address: Address) -> bool:
        """Tell whether the user blocked an address by hand."""
        record = self._by_address.get(address)
        return record is not None and record.retry_at is None

    def add(self, address: Address, reason: str, entry: Entry | None, mono: float) -> float:
        """Blacklist an address and return after how many seconds it is tried again."""
        delay = self._delay(0)
        self.put(Blacklisted(address, reason, mono, mono + delay, entry))
        return delay

    def put(self, record: Blacklisted) -> None:
        """Blacklist as a record says, in place of the one there was."""
        self._by_address[record.address] = record
        self.version += 1

    def block(self, address: Address, entry: Entry | None, mono: float) -> bool:
        """Blacklist an address for good; return False when it was so already."""
        if self.is_blocked(address):
            return False
        self.put(Blacklisted(address, BY_HAND, mono, None, entry))
        return True

    def remove(self, address: Address) -> Blacklisted | None:
        """Take an address off and return its record."""
        self.version += 1
        return self._by_address.pop(address, None)

    def failed_again(self, address: Address, mono: float) -> float:
        """Put the next retry off, twice as long as the last time, and return the seconds until then."""
        record = self._by_address[address]
        record.retries += 1
        self.version += 1
        delay = self._delay(record.retries)
        record.retry_at = mono + delay
        return delay

    def hear(self, entry: Entry) -> bool:
        """Tell whether hearsay earns the entry's subject its one early retry."""
        record = self._by_address[entry.address]
        if record.retry_at is None or record.heard_early or record.entry is None:
            return False
        record.heard_early = entry.beats(record.entry)
        return record.heard_early

    def due(self, mono: float) -> list[Address]:
        """Return whose retry is due."""
        return [r.address for r in self if r.retry_at is not None and r.retry_at <= mono]

    def forget(self, mono: float) -> list[Address]:
        """Drop, and return, those blacklisted for `forget_after_s`, and the oldest beyond the bound."""
        kept = [record for record in self if record.retry_at is not None]
        surplus = max(0, len(kept) - self._size_max)
        old = [
            record.address
            for index, record in enumerate(kept)
            if index < surplus or mono - record.since >= self._settings.forget_after_s
        ]
        self.version += len(old)
        for address in old:
            del self._by_address[address]
        return old

    def _delay(self, retries: int) -> float:
        settings = self._settings
        doubled = settings.blacklist_base_s * 2.0 ** min(retries, 60)
        return min(doubled, settings.blacklist_max_s) * self._rng.uniform(0.75, 1.25)

"""What is held against peers: strikes, and hints that proved false."""

from __future__ import annotations

from dataclasses import dataclass, field

from gossip.core.address import Address
from gossip.core.events import Distrust

_SUBJECTS_TO_STRIKE = 3  # PROTOCOL.md, section 2: one false hint may be a relay's bad luck


@dataclass(slots=True)
class _Record:
    strikes: list[float] = field(default_factory=list)
    false_hints: dict[Address, float] = field(default_factory=dict)
    distrusted_until: float = 0.0


class Reputation:
    """Strikes and false hints by peer; each is forgiven with time. Times are monotonic seconds."""

    def __init__(self, strike_decay_s: float, distrust_s: float) -> None:
        self.use(strike_decay_s, distrust_s)
        self._records: dict[Address, _Record] = {}

    def use(self, strike_decay_s: float, distrust_s: float) -> None:
        """Forgive after these times from now on; who is distrusted already stays so."""
        self._strike_decay_s = strike_decay_s
        self._distrust_s = distrust_s

    def strike(self, peer: Address, mono: float) -> int:
        """Give a strike and return how many count now; each decays after `strike_decay_s`."""
        record = self._records.setdefault(peer, _Record())
        record.strikes = [at for at in record.strikes if mono - at < self._strike_decay_s]
        record.strikes.append(mono)
        return len(record.strikes)

    def disprove(self, source: Address, subject: Address, mono: float) -> bool:
        """Note a false hint; return True when it is the one that earns a strike.

        From then on the hints of `source` are ignored for `distrust_s`, and what it had said before costs
        it no further strike. Before that, only its hints about this subject are.
        """
        record = self._records.setdefault(source, _Record())
        if record.distrusted_until > mono:
            return False
        record.false_hints[subject] = mono
        if len(record.false_hints) < _SUBJECTS_TO_STRIKE:
            return False
        record.distrusted_until = mono + self._distrust_s
        record.false_hints.clear()
        return True

    def ignores(self, source: Address, subject: Address, mono: float) -> Distrust | None:
        """Return why a hint of `source` about `subject` is not worth a check now, or None if it is."""
        record = self._records.get(source)
        if record is None:
            return None
        if record.distrusted_until > mono:
            return "not_trusted"
        return "disproved_before" if subject in record.false_hints else None

    def standing(self, peer: Address, mono: float) -> tuple[int, float | None]:
        """Return how many strikes of a peer count, and the seconds that it is distrusted yet, or None."""
        record = self._records.get(peer)
        if record is None:
            return 0, None
        strikes = sum(mono - at < self._strike_decay_s for at in record.strikes)
        return strikes, record.distrusted_until - mono if record.distrusted_until > mono else None

    def clear(self, peer: Address) -> None:
        """Start afresh with a peer."""
        self._records.pop(peer, None)

    def expire(self, mono: float) -> None:
        """Forget what is old enough to be forgiven."""
        for peer, record in list(self._records.items()):
            record.strikes = [at for at in record.strikes if mono - at < self._strike_decay_s]
            for subject in [s for s, at in record.false_hints.items() if mono - at >= self._distrust_s]:
                del record.false_hints[subject]
            if not record.strikes and not record.false_hints and record.distrusted_until <= mono:
                del self._records[peer]

"""The settings of a running node: the one place where they change, all that is asked or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain

from gevent.lock import BoundedSemaphore

from gossip.config import ConfigError, check_relations, read_setting
from gossip.config.live import held_back, restart_refusal, views, with_values
from gossip.config.source import Reread
from gossip.core.adversary import refusal
from gossip.core.settings import Settings, differences
from gossip.core.text import setting_text
from gossip.core.views import SettingView, Status, Tuned
from gossip.log.events import NodeLog
from gossip.log.facts import ReloadRefused, SettingsReloaded

Use = Callable[[Settings], object]


class Tuning:
    """What a node goes by now; whoever follows is told when that is something else.

    `reread` reads the settings as the start did; without it they are what they were then.
    """

    def __init__(
        self, settings: Settings, reread: Reread | None, use: Use, status: Callable[[], Status], log: NodeLog
    ) -> None:
        self.now = settings
        self._reread = reread or (lambda: settings)
        self._followers = [use]
        self._along: list[Callable[[], str | None]] = []
        self._status = status
        self._log = log
        self._one_by_one = BoundedSemaphore()  # what is read along may wait, for a name say
        self.reloading: Callable[[], AbstractContextManager[None]] = nullcontext  # around each reload

    def follow(self, use: Use) -> None:
        """Call `use` with the settings whenever they have changed; it must not fail."""
        self._followers.append(use)

    def read_along(self, read: Callable[[], str | None]) -> None:
        """Call `read` at each reload; what it returns is why nothing is to change, None where all is well."""
        self._along.append(read)

    def settings(self) -> Sequence[SettingView]:
        """Return every setting, in the order of the file."""
        return views(self.now)

    def change(self, text: str) -> Tuned:
        """Change one setting, as `section.key=value` says, by the rules of the file."""
        refused = restart_refusal(self.now, text.partition("=")[0].strip())
        if refused is not None:
            return Tuned(problem=refused)
        try:
            key, value = read_setting(text)
        except ConfigError as error:
            return Tuned(problem=str(error), is_misuse=True)
        with self._one_by_one:
            wanted = with_values(self.now, [(key, value)])
            try:
                check_relations(wanted, {key: f"set {key}={setting_text(value)}"})
            except ConfigError as error:
                return Tuned(problem=str(error))
            return self._become(wanted)

    def reload(self) -> Tuned:
        """Read again what the start read, and go by it; what `change` did is undone."""
        with self._one_by_one, self.reloading():
            try:
                tuned = self._become(self._reread(), self._along)
            except ConfigError as error:
                tuned = Tuned(problem=str(error))
        if tuned.problem:
            self._log.emit(ReloadRefused(tuned.problem))
        else:
            changed = tuple(each.setting for each in tuned.changed)
            waiting = tuple(each.setting for each in tuned.waiting)
            self._log.emit(SettingsReloaded(changed, waiting))
        return tuned

    def _become(self, wanted: Settings, along: Sequence[Callable[[], str | None]] = ()) -> Tuned:
        settings, waiting = held_back(self.now, wanted)
        for problem in chain([self._problem(settings)], (read() for read in along)):  # one after the other
            if problem is not None:
                return Tuned(problem=problem)
        changed = tuple(differences(self.now, settings))
        self.now = settings
        if changed:
            for use in self._followers:
                use(settings)
        return Tuned(changed, waiting)

    def _problem(self, settings: Settings) -> str | None:
        """Return what forbids settings that are right by themselves: what the node is, and does, now."""
        lies_by = [self._status().strategy, settings.adversary.strategy if settings.adversary.on else None]
        for strategy in filter(None, lies_by):
            refused = refusal(settings, strategy)
            if refused is not None:
                return f"while this node lies by {strategy}: expected {refused}"
        return None

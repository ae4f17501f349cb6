"""A process with the prompt on a fake node, for `test_prompt.py`: `prompt_host.py HISTORY_FILE`.

SIGUSR1 emits a line of news, SIGUSR2 a burst of it, SIGTERM closes the prompt.
"""

from gevent import monkey

monkey.patch_all()

import signal
import sys
from pathlib import Path

import gevent

sys.path[:0] = [str(Path(__file__).parents[1])]

from gossip.core.address import Address
from gossip.core.events import StateChanged
from gossip.shell import commands
from gossip.shell.commands import Result, command
from gossip.shell.console import Console
from gossip.shell.prompt import Prompt
from gossip.shell.shells import LocalShell
from tests.fake_console import FakeConsole

BURST = 40
CHANGED = Address("128.84.213.43", 9876)
ticks = 0


def _tick() -> None:
    global ticks
    while True:
        gevent.sleep(0.01)
        ticks += 1


@command("ticks", "ticks", "show how often another greenlet ran")
def _ticks(console: Console, args: list[str]) -> Result:
    return Result((f"ticks {ticks}",))


@command("block-me", "block-me", "wait for long, as a join of a silent node does")
def _wait(console: Console, args: list[str]) -> Result:
    print("waiting", flush=True)
    gevent.sleep(600)
    return Result(("waited",))


@command("break-watch", "break-watch", "have a bug in what watch shows")
def _break(console: Console, args: list[str]) -> Result:
    console.convergence = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    return Result(("broken",))


def _main() -> int:
    console = FakeConsole()
    prompt = Prompt(LocalShell(console), history_file=sys.argv[1])
    console.on_join = lambda address: prompt.tell(f"{address} --> 7")
    gevent.spawn(_tick)
    gevent.signal_handler(signal.SIGUSR1, _happen, prompt, console)
    gevent.signal_handler(signal.SIGUSR2, _burst, prompt)
    gevent.signal_handler(signal.SIGTERM, prompt.close)
    prompt.run([f"the fake node; {len(commands.REGISTRY)} commands"])
    print(f"ended, stopped: {console.is_stopped}")
    return 0


def _happen(prompt: Prompt, console: FakeConsole) -> None:
    """Let a state change, which is news, and an event for those who trace."""
    prompt.tell(f"{CHANGED} --> 7")
    console.emit(StateChanged(CHANGED, 1, 7, 1_630_281_124, "first-hand"))


def _burst(prompt: Prompt) -> None:
    for number in range(BURST):
        prompt.tell(f"news {number}")
        gevent.sleep(0.02)


if __name__ == "__main__":
    sys.exit(_main())

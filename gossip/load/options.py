"""What the load generator is asked to do: arguments to a frozen record, each mistake in one line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gossip.arguments import Parser
from gossip.core.address import Address, AddressError

# Kinds of clients. Those that pull are counted and timed, and have to be answered whole.
PULLING = ("honest", "reply")
PESTERING = ("never_read", "slow", "rubbish", "flood")
KINDS = (*PULLING, *PESTERING)
_CLIENTS_MAX, _MEMBERS_MAX = 1_000_000, 100_000
_PULLS = 100_000

_USAGE = """\
python gossipd.py load TARGET [options]   against a node that runs, such as 127.0.0.1:5001
       python gossipd.py load --spawn [options]  against one of its own, ended afterwards"""

_EPILOG = f"""\
A mix gives each kind of client a weight, as in honest=90,reply=5,never_read=1,slow=1,rubbish=2,flood=1.
Kinds: {", ".join(KINDS)}. Only {" and ".join(PULLING)} count as pulls; the others go on until the
pulls are done. Exit status: 0 fine, 1 a pull failed or was not answered whole, 2 wrong arguments."""


@dataclass(frozen=True, slots=True)
class Options:
    """One load. `target` is None for a node of its own; one of `pulls` and `duration_s` is None."""

    target: Address | None
    clients: Mapping[str, int]
    pulls: int | None
    duration_s: float | None
    rate: float | None
    timeout_s: float
    members: int
    settings: tuple[str, ...]
    as_json: bool

    @property
    def clients_in_all(self) -> int:
        return sum(self.clients.values())


def parse(argv: Sequence[str]) -> Options:
    """Read the arguments; a mistake ends the process with status 2, as argparse does."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        return _options(args)
    except ValueError as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="gossipd.py load", usage=_USAGE, description="Many clients against one node.", epilog=_EPILOG
    )
    parser.add_argument("target", nargs="?", metavar="TARGET", help="whom to pull from, ip:port")
    parser.add_argument("--spawn", action="store_true", help="start a node to pull from, and end it")
    parser.add_argument(
        "--members", type=int, metavar="N", help="members in the table of that node (default 250)"
    )
    parser.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        help="a setting of that node; repeatable",
    )
    parser.add_argument("--clients", type=int, default=1000, metavar="N", help="at once (default 1000)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--pulls", type=int, metavar="N", help=f"pulls in all (default {_PULLS})")
    length.add_argument("--duration-s", type=float, metavar="S", help="go on for so many seconds")
    parser.add_argument(
        "--rate",
        type=float,
        metavar="R",
        help="pulls a second in all, due at fixed times and timed from then; without: as fast as answered",
    )
    parser.add_argument("--mix", metavar="KIND=WEIGHT,...", default="honest=1", help="kinds of clients")
    parser.add_argument(
        "--timeout-s", type=float, default=10.0, metavar="S", help="a pull fails then (default 10)"
    )
    parser.add_argument("--allow-remote", action="store_true", help="let TARGET be on another machine")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")
    return parser


def _options(args: argparse.Namespace) -> Options:
    """Check the arguments together; ValueError says what is wrong."""
    pulls = args.pulls if args.pulls is not None or args.duration_s is not None else _PULLS
    _check_whole("--clients", args.clients, _CLIENTS_MAX)
    _check_whole("--pulls", pulls)
    _check_whole("--members", args.members, _MEMBERS_MAX)
    for name, number in (
        ("--duration-s", args.duration_s),
        ("--rate", args.rate),
        ("--timeout-s", args.timeout_s),
    ):
        if number is not None and not 0 < number < float("inf"):
            raise ValueError(f"{name} is a number above 0, found {number}")
    clients = shares(parse_mix(args.mix), args.clients)
    if pulls is not None and not any(kind in clients for kind in PULLING):
        raise ValueError(f"nobody pulls in --mix {args.mix!a}: give --duration-s, or add honest=1")
    return Options(
        target=_target(args),
        clients=clients,
        pulls=pulls,
        duration_s=args.duration_s,
        rate=args.rate,
        timeout_s=args.timeout_s,
        members=250 if args.members is None else args.members,
        settings=tuple(args.set),
        as_json=args.json,
    )


def _target(args: argparse.Namespace) -> Address | None:
    if args.spawn == (args.target is not None):
        raise ValueError("give either a TARGET such as 127.0.0.1:5001 or --spawn")
    if args.spawn:
        return None
    if args.members is not None or args.set:
        raise ValueError("--members and --set are for a node of its own: they need --spawn")
    try:
        target = Address.parse(args.target)
    except AddressError as error:
        raise ValueError(f"TARGET {args.target!a}: {error}") from None
    if not target.is_loopback and not args.allow_remote:
        raise ValueError(
            f"TARGET {target} is not on this machine (127.0.0.0/8 or [::1]): load only what is yours, "
            "and then say so with --allow-remote"
        )
    return target


def _check_whole(name: str, number: int | None, most: int | None = None) -> None:
    if number is not None and not 1 <= number <= (number if most is None else most):
        bound = "1 up" if most is None else f"1 to {most}"
        raise ValueError(f"{name} is a whole number from {bound}, found {number}")


def parse_mix(text: str) -> dict[str, int]:
    """Read `kind=weight,...`, leaving out weights of 0; raise ValueError saying what is wrong."""
    mix: dict[str, int] = {}
    for part in text.split(","):
        kind, _, weight = part.partition("=")
        if kind not in KINDS:
            raise ValueError(f"--mix: {kind!a} is no kind of client; there are {', '.join(KINDS)}")
        if kind in mix:
            raise ValueError(f"--mix: {kind} is given twice")
        if not (weight.isascii() and weight.isdigit() and len(weight) < 10):
            raise ValueError(f"--mix: {kind} needs a whole number as its weight, found {weight!a}")
        mix[kind] = int(weight)
    mix = {kind: weight for kind, weight in mix.items() if weight}
    if not mix:
        raise ValueError("--mix: every weight is 0")
    return mix


def shares(mix: Mapping[str, int], clients: int) -> dict[str, int]:
    """Share out the clients by weight, at least one to each kind; raise ValueError for too few."""
    if clients < len(mix):
        raise ValueError(f"--clients {clients} is too few for a mix of {len(mix)} kinds")
    free, weights = clients - len(mix), sum(mix.values())
    exact = {kind: clients * weight / weights for kind, weight in mix.items()}
    given = dict.fromkeys(mix, 1)
    # One at a time to whoever lacks most would be slow for many: whole parts first, then the rest.
    for kind in sorted(mix, key=lambda kind: -exact[kind]):
        more = min(free, max(0, int(exact[kind]) - 1))
        given[kind] += more
        free -= more
    for kind in sorted(mix, key=lambda kind: given[kind] - exact[kind])[:free]:
        given[kind] += 1
    return given

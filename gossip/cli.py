"""The command line: arguments to settings, then a node or a demo cluster. Returns exit statuses.

0: stopped in order, or `--check-config` found nothing wrong. 1: could not start (a port in use, a log that
cannot be opened), or a greenlet crashed. 2: arguments or configuration are wrong. 3: `call` or
`attach` found no node. 130: interrupted before it had stopped in order.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from gossip import attach
from gossip.arguments import Parser
from gossip.config import ConfigError, load_settings
from gossip.config.source import Reread, load_rereadable
from gossip.core.settings import Settings

# What only one command needs is imported by it: scripts use `call`, which starts a quarter sooner for that.

_USAGE = """\
python gossipd.py [options]                run a node, by default as config/gossipd.toml says
       python gossipd.py IP PORT STATE [options]  run a node at this address, in this state
       python gossipd.py demo [options]           run a whole cluster in one process
       python gossipd.py attach [SOCKET]          open a shell on a running node
       python gossipd.py call COMMAND...          run one command at a running node
       python gossipd.py load TARGET [options]    call a running node with many clients
       python gossipd.py sim [options]            simulate a cluster: faults, liars, what would happen"""

_EPILOG = """\
--set node.data_dir=FOLDER keeps members and blacklist across restarts; --set node.cluster=NAME keeps nodes
of other clusters apart. config/gossipd.toml explains all settings."""


def main(argv: Sequence[str]) -> int:
    """Run what the arguments ask for, and return the exit status."""
    try:
        if argv[:1] == ["demo"]:
            return _demo(argv[1:])
        if argv[:1] in (["attach"], ["call"], ["load"], ["sim"]):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # held for a node, by `gossipd.py`
        if argv[:1] == ["attach"]:
            return attach.attach(argv[1:], load_settings().shell.history)
        if argv[:1] == ["call"]:
            return attach.call(argv[1:])
        if argv[:1] == ["load"]:
            from gossip.load import run as load

            return load.main(argv[1:])
        if argv[:1] == ["sim"]:
            from gossip.sim import cli as sim

            return sim.main(argv[1:])
        return _node(argv)
    except ConfigError as error:
        print(f"gossipd: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # at the start, or by a user who would not wait for the stop
        print("gossipd: interrupted", file=sys.stderr)
        return 130


def _node(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="gossipd.py", usage=_USAGE, description="A pull-gossip node with a shell.", epilog=_EPILOG
    )
    parser.add_argument("seed", nargs="*", metavar="IP PORT STATE", help="as Pygossip is called")
    parser.add_argument("--listen", metavar="ADDR", help="where to listen, such as 127.0.0.1:5001")
    parser.add_argument("--advertise", metavar="ADDR", help="the address that others reach this node at")
    parser.add_argument("--state", metavar="D", help="the first state, one digit")
    parser.add_argument("--join", metavar="ADDR", action="append", help="a node to learn from; repeatable")
    parser.add_argument("--no-shell", action="store_true", help="read no commands; events go to stdout")
    parser.add_argument("--log-file", metavar="PATH", help="where JSON events go; - is standard output")
    parser.add_argument(
        "--check-config", action="store_true", help="read all that a start would, say what is wrong, and end"
    )
    _add_common(parser)
    args = parser.parse_args(argv)
    if len(args.seed) not in (0, 3):
        parser.error(f"expected IP PORT STATE or none of them, found {' '.join(args.seed)!a}")
    if args.seed and (args.listen or args.state):
        parser.error("give either IP PORT STATE or --listen and --state")
    if args.check_config:
        from gossip.checking import check

        print(*check(_settings(args, _options(args))[0]), sep="\n")
        return 0
    from gossip import process

    return process.run_node(*_settings(args, _options(args)), shell=not args.no_shell)


def _demo(argv: Sequence[str]) -> int:
    from gossip import demo

    parser = Parser(prog="gossipd.py demo", description="Run a whole cluster; the shell is node 1's.")
    parser.add_argument("--nodes", type=int, default=5, metavar="N", help="how many nodes (default 5)")
    parser.add_argument("--liars", type=int, default=0, metavar="N", help="how many of them are adversarial")
    parser.add_argument("--attack", metavar="NAME", help="how they lie; help adversary in the shell lists it")
    parser.add_argument("--listen", metavar="ADDR", help="node 1's address; the others take the next ports")
    parser.add_argument(
        "--change-every-s",
        type=float,
        default=10.0,
        metavar="S",
        help="let a random node change its state this often; 0 is never (default 10)",
    )
    parser.add_argument("--log-file", metavar="PATH", help="where JSON events go; - is standard output")
    _add_common(parser)
    args = parser.parse_args(argv)
    if not 1 <= args.nodes <= demo.NODES_MAX:
        parser.error(f"--nodes is from 1 to {demo.NODES_MAX}, found {args.nodes}")
    if not 0 <= args.liars < args.nodes:
        parser.error(f"--liars is from 0 to {args.nodes - 1}, for node 1 is honest; found {args.liars}")
    if not 0 <= args.change_every_s < float("inf"):
        parser.error(f"--change-every-s is a number of seconds from 0, found {args.change_every_s}")
    options: dict[str, tuple[str, object]] = {}
    if args.listen is not None:
        options["node.listen"] = ("--listen", args.listen)
    if args.attack is not None:
        options["adversary.strategy"] = ("--attack", args.attack)
    if args.log_file is not None:
        options["log.file"] = ("--log-file", args.log_file)
    settings, reread = _settings(args, options)
    return demo.run(settings, reread, args.nodes, args.liars, args.change_every_s)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="settings, instead of config/gossipd.toml")
    parser.add_argument(
        "--set", metavar="SECTION.KEY=VALUE", action="append", default=[], help="one setting; repeatable"
    )


def _settings(args: argparse.Namespace, options: dict[str, tuple[str, object]]) -> tuple[Settings, Reread]:
    return load_rereadable(args.config, args.set, options)


def _options(args: argparse.Namespace) -> dict[str, tuple[str, object]]:
    """Map the named options, and the seed's three arguments, to settings with their origins."""
    options: dict[str, tuple[str, object]] = {}
    if args.seed:
        host, port, state = args.seed
        options["node.listen"] = ("IP PORT", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        options["node.state"] = ("STATE", _digit(state))
    given = {
        "node.listen": ("--listen", args.listen),
        "node.advertise": ("--advertise", args.advertise),
        "node.join": ("--join", args.join),
        "log.file": ("--log-file", args.log_file),
    }
    options |= {key: option for key, option in given.items() if option[1] is not None}
    if args.state is not None:
        options["node.state"] = ("--state", _digit(args.state))
    return options


def _digit(text: str) -> object:
    """Read a state; what is none stays text, so that its error is told like any other setting's."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text

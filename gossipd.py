#!/usr/bin/env python3
"""gossipd: a pull-gossip daemon. `python gossipd.py --help` says how to call it."""

import signal
import sys

# Held until there is who obeys it: a reload must not end a node that is only starting.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})

try:
    from gevent import monkey
except ModuleNotFoundError as missing:
    sys.exit(f"gossipd: {missing}; run `make run`, or `pip install -r requirements.txt`")

# Everything is patched here, first, and nowhere else: prompt_toolkit's loop then waits on gevent's hub.
monkey.patch_all()

from gossip.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

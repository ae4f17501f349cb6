"""How many sockets and files this process may open."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress


def raise_limit() -> int:
    """Allow as many descriptors as the system grants, and return how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft

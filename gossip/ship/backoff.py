"""How long to wait before trying again. Pure."""

from __future__ import annotations

from random import Random

_DOUBLINGS_MAX = 64


def wait_s(failures: int, base_s: float, max_s: float, rng: Random) -> float:
    """Return a random wait of up to `base_s` doubled for each further failure in a row, at most `max_s`.

    The whole wait is random ("full jitter": Marc Brooker, Exponential Backoff and Jitter, AWS Architecture
    Blog, 2015), so that the nodes of a cluster do not all return to their collector at once.
    """
    return rng.uniform(0.0, min(max_s, base_s * 2.0 ** min(failures - 1, _DOUBLINGS_MAX)))

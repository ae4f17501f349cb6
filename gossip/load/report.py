"""What a load measured, as lines to read or as one JSON object. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gossip.load.histogram import Histogram
from gossip.load.options import PULLING

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}
_BUSY_SHARE = 0.85
_LATE_SHARE = 0.01
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """The process that was pulled from: what it used during the load, and its memory at the end."""

    pid: int
    cpu_s: float
    rss_bytes: int
    rss_growth_bytes: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One load. `woke_late`, `found_late` and `missed` are pulls of an open loop (pace.py).

    `own_wait_s` is how long the generator was ready to run and another process had the core.
    """

    target: str
    clients: Mapping[str, int]
    rate: float | None
    elapsed_s: float
    latency_us: Histogram
    received: int
    connections: Mapping[str, int]
    errors: Mapping[tuple[str, str], int]
    woke_late: int
    found_late: int
    missed: int
    own_cpu_s: float
    server: Server | None
    interrupted: bool
    own_wait_s: float = 0.0

    @property
    def pulls(self) -> int:
        """How many pulls were answered whole."""
        return self.latency_us.count

    @property
    def failed(self) -> int:
        """How many pulls were not."""
        return sum(count for (kind, _), count in self.errors.items() if kind in PULLING)

    @property
    def exit_status(self) -> int:
        return 1 if self.failed else 0

    @property
    def cpu_us_per_pull(self) -> float | None:
        """The target's CPU time, shared out over all connections: what pesters costs it, too."""
        if self.server is None:
            return None
        return 1_000_000 * self.server.cpu_s / max(1, sum(self.connections.values()))

    @property
    def own_cpu_share(self) -> float:
        return self.own_cpu_s / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def own_wait_share(self) -> float:
        return self.own_wait_s / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def was_bottleneck(self) -> bool:
        """Whether the generator, not the target, may have set the speed."""
        share = self.own_cpu_share + self.own_wait_share
        return share > _BUSY_SHARE or self._is_many(self.woke_late)

    @property
    def notes(self) -> list[str]:
        """What is to be known before one believes the figures, in sentences."""
        notes = []
        if self.own_cpu_share > _BUSY_SHARE:
            notes.append(
                f"The generator was the bottleneck: it used {self.own_cpu_share:.0%} of a core, so the "
                "target may well be faster than this."
            )
        elif self.own_cpu_share + self.own_wait_share > _BUSY_SHARE:
            notes.append(
                f"The generator was the bottleneck: it waited {self.own_wait_share:.0%} of the time for a "
                "core that other processes held."
            )
        if self._is_many(self.woke_late):
            notes.append(
                f"The generator fell behind: it started {self.woke_late:,} pulls more than 10 ms after they "
                "were due, though a client was free."
            )
        if self._is_many(self.found_late):
            notes.append(
                f"No client was free when {self.found_late:,} pulls were due: the target did not keep up, or "
                "there are too few clients. Those are timed from when they were due, all the same."
            )
        if self.missed:
            notes.append(f"{self.missed:,} pulls were due and never started: they are in no figure here.")
        if self.interrupted:
            notes.append("It was interrupted: these are the figures so far.")
        return notes

    def _is_many(self, late: int) -> bool:
        return late > _LATE_SHARE * (self.pulls + self.failed)


def as_json(summary: Summary) -> dict[str, object]:
    """Return the summary as what JSON can hold; units are in the names."""
    latency, server = summary.latency_us, summary.server
    errors: dict[str, dict[str, int]] = {}
    for (kind, reason), count in sorted(summary.errors.items()):
        errors.setdefault(kind, {})[reason] = count
    return {
        "target": summary.target,
        "clients": dict(summary.clients),
        "rate": summary.rate,
        "elapsed_s": round(summary.elapsed_s, 3),
        "pulls": summary.pulls,
        "pulls_per_s": round(_per_s(summary), 1),
        "failed": summary.failed,
        "latency_ms": {
            **{name: latency.quantile(share) / 1000 for name, share in QUANTILES.items()},
            "max": latency.max / 1000,
            "mean": round(latency.mean / 1000, 3),
        },
        "bytes": summary.received,
        "connections": dict(summary.connections),
        "errors": errors,
        "late": {
            "generator": summary.woke_late,
            "clients_busy": summary.found_late,
            "never_started": summary.missed,
        },
        "server": None
        if server is None
        else {
            "pid": server.pid,
            "cpu_us_per_pull": round(summary.cpu_us_per_pull or 0.0, 1),
            "cpu_share": round(server.cpu_s / summary.elapsed_s, 3),
            "rss_bytes": server.rss_bytes,
            "rss_growth_bytes": server.rss_growth_bytes,
        },
        "generator": {
            "cpu_share": round(summary.own_cpu_share, 3),
            "wait_share": round(summary.own_wait_share, 3),
            "was_bottleneck": summary.was_bottleneck,
        },
        "interrupted": summary.interrupted,
        "notes": summary.notes,
    }


def as_lines(summary: Summary) -> list[str]:
    """Return the summary for people."""
    latency = summary.latency_us
    times = {name.replace("_", "."): latency.quantile(share) for name, share in QUANTILES.items()}
    times["max"] = latency.max
    shown = ", ".join(f"{name} {value / 1000:,.1f}" for name, value in times.items())
    loop = "closed loop" if summary.rate is None else f"open loop, {summary.rate:,g} pulls/s due"
    return [
        f"{summary.target}: {summary.pulls:,} pulls answered whole in {summary.elapsed_s:.1f} s, "
        f"{_per_s(summary):,.0f} pulls/s ({loop})",
        f"clients      {_listed(summary.clients)}",
        f"latency ms   {shown if summary.pulls else 'none'}",
        f"received     {summary.received / _MIB:,.1f} MiB",
        f"connections  {_listed(summary.connections)}",
        f"errors       {_errors(summary)}",
        f"server       {_server(summary)}",
        f"generator    CPU {summary.own_cpu_share:.0%} of a core, "
        f"and {summary.own_wait_share:.0%} of the time waiting for one",
        *summary.notes,
    ]


def _per_s(summary: Summary) -> float:
    return summary.pulls / summary.elapsed_s if summary.elapsed_s else 0.0


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {count:,}" for kind, count in counts.items()) or "none"


def _errors(summary: Summary) -> str:
    return _listed({f"{kind} {reason}": count for (kind, reason), count in sorted(summary.errors.items())})


def _server(summary: Summary) -> str:
    server = summary.server
    if server is None:
        return "no process of this machine that may be looked at"
    shared = "" if set(summary.connections) <= {"honest"} else " (over all connections)"
    return (
        f"pid {server.pid}: CPU {summary.cpu_us_per_pull:,.0f} µs a pull{shared}, "
        f"{server.cpu_s / max(summary.elapsed_s, 1e-9):.0%} of a core; "
        f"RSS {server.rss_bytes / _MIB:,.1f} MiB, {server.rss_growth_bytes / _MIB:+,.1f} during the load"
    )

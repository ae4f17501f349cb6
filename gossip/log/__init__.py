"""JSON events: which there are (`catalogue`), rendering them (`events`), writing them (`writer`)."""

from __future__ import annotations

from gossip.log.events import EventLog, NodeLog
from gossip.log.writer import Writer, open_destination

__all__ = ["EventLog", "NodeLog", "Writer", "open_destination"]

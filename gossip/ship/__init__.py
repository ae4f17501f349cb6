"""Sinks of events: files that rotate, and collectors that are shipped to from a spool, losing nothing."""

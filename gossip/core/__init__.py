"""The pure core: no socket, clock, global random generator, file, logger or gevent."""

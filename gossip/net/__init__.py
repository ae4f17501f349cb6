"""The gevent edge: bytes in, bytes out, deadlines."""

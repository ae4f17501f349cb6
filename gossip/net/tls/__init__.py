"""TLS on the gossip port. All but `problem` needs pyOpenSSL, which nodes without TLS can do without."""

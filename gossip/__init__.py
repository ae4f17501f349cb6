"""gossipd: a pull-gossip daemon that hearsay cannot poison."""

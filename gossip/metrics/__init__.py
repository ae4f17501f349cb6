"""What Prometheus reads of a node: numbers that its events add to, and figures taken when somebody looks."""

"""The load generator: many greenlet clients against one node, and what they measured."""

"""Virtual time and in-memory links that carry bytes; they run the production core."""

"""The shell: commands, their rendering, and the terminal."""

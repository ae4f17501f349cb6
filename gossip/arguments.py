"""The parser of every command line here: a mistake is one line."""

from __future__ import annotations

import argparse
from typing import NoReturn

from gossip.core.text import printable


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors do not repeat the usage."""

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong, and exit with status 2."""
        self.exit(2, f"gossipd: {printable(message)}; --help lists what there is\n")

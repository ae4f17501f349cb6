"""What test modules share: nodes that end with their test, and figures printed at the end of the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.nodes import Start, running
from tests.peers import no_descriptor_left

_FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Lines added here are printed in the summary."""
    return request.config.stash[_FIGURES]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash[_FIGURES]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def closes_its_sockets() -> Iterator[None]:
    """Fail when a test leaves a descriptor open."""
    with no_descriptor_left():
        yield


@pytest.fixture
def start(closes_its_sockets: None) -> Iterator[Start]:
    """Start daemons in this process that end with the test."""
    with running() as start_one:
        yield start_one

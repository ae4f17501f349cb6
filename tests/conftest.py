"""What test modules share: nodes that end with their test, and figures printed at the end of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests import line_schema
from tests.nodes import Start, running
from tests.peers import no_descriptor_left

Tell = Callable[[str], None]
_FIGURE = "figure"


def pytest_configure() -> None:
    line_schema.check_all_rendered()


@pytest.fixture(autouse=True)
def lines_keep_to_the_schema() -> Iterator[None]:
    """Fail when a test made a log write what its schema does not know."""
    yield
    assert not line_schema.take_problems()


@pytest.fixture
def tell_figure(record_property: Callable[[str, object], None]) -> Tell:
    """Print a line in the summary; tests run in several processes, and their reports come together there."""
    return lambda line: record_property(_FIGURE, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [value for report in reports for name, value in report.user_properties if name == _FIGURE]
    if told:
        terminalreporter.section("figures")
        for line in dict.fromkeys(map(str, told)):
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

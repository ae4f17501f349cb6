"""What test modules share: nodes that end with their test, here or in processes, and figures at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import line_schema
from tests.controls import Serve, serving
from tests.nodes import Start, running
from tests.peers import no_descriptor_left
from tests.processes import Peer, Spawn, starting

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


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    """Start processes that end with the test."""
    with starting(tmp_path) as start_one:
        yield start_one


@pytest.fixture
def silent() -> Iterator[Peer]:
    """Give a peer that takes calls and never says a word."""
    peer = Peer(silent=True)
    yield peer
    peer.close()


@pytest.fixture
def socket_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a path for a control socket that is short enough, whatever the temporary folder's name."""
    monkeypatch.chdir(tmp_path)
    return Path("c.sock")


@pytest.fixture
def serve(socket_path: Path) -> Iterator[Serve]:
    """Serve consoles at that path until the test ends."""
    with serving(socket_path) as start_one:
        yield start_one

"""Where control sockets are: for their owner alone, stale and live ones, finding them."""

from __future__ import annotations

import socket as native
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from gevent import Timeout, socket

from gossip.core.address import Address
from gossip.shell import sockets
from gossip.shell.sockets import Ambiguous, SocketError, listen_at, reach
from tests.controls import Serve


def test_only_the_owner_may_open_it_and_nothing_else_is_left(socket_path: Path, serve: Serve) -> None:
    serve()
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
    assert [found.name for found in Path(".").iterdir()] == ["c.sock"]


def test_a_stale_socket_is_replaced_and_a_live_one_respected(socket_path: Path, serve: Serve) -> None:
    with closing(native.socket(native.AF_UNIX)) as left:
        left.bind(str(socket_path))
    served = serve()
    with pytest.raises(SocketError, match=r"^c\.sock: another process listens there; choose another path$"):
        listen_at(socket_path, is_default=False)
    assert served.dial().run("?")["ok"]


def test_one_that_hangs_holds_up_no_start_and_no_processor(socket_path: Path) -> None:
    with closing(native.socket(native.AF_UNIX)) as hung, ExitStack() as waiting:
        hung.bind(str(socket_path))
        hung.listen(0)
        with suppress(BlockingIOError):
            while True:  # until its queue is full
                caller = waiting.enter_context(closing(native.socket(native.AF_UNIX)))
                caller.setblocking(False)
                caller.connect(str(socket_path))
        with Timeout(sockets._CONNECT_S / 2), pytest.raises(SocketError, match="another process listens"):
            listen_at(socket_path, is_default=False)
        began = time.process_time()
        with pytest.raises(SocketError, match=r"c\.sock: cannot be reached \(timed out\)"):
            reach(str(socket_path))
        assert time.process_time() - began < sockets._CONNECT_S / 4


def test_what_is_no_socket_is_left_as_it_is(socket_path: Path) -> None:
    socket_path.write_text("precious")
    with pytest.raises(SocketError, match=r"^c\.sock: is no socket, and is left as it is"):
        listen_at(socket_path, is_default=False)
    assert socket_path.read_text() == "precious"
    with pytest.raises(SocketError, match="no node listens there"):
        reach(str(socket_path))


@pytest.mark.parametrize(
    ("name", "error"),
    [("no/such/c.sock", "No such file or directory"), ("x" * 200, "expected a path of at most 103 bytes")],
)
def test_a_path_that_cannot_be_is_one_line(socket_path: Path, name: str, error: str) -> None:
    with pytest.raises(SocketError, match=error):
        listen_at(Path(name), is_default=False)
    assert list(Path(".").iterdir()) == []


@pytest.fixture
def runtime(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder for this test, and a temporary one, with short names."""
    with tempfile.TemporaryDirectory(prefix="gd-") as folder:
        (Path(folder) / "run").mkdir()
        (Path(folder) / "tmp").mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(Path(folder) / "run"))
        monkeypatch.setattr(tempfile, "tempdir", str(Path(folder) / "tmp"))
        yield Path(folder)


def _listen(address: str) -> socket.socket:
    return listen_at(sockets.default_path(Address.parse(address)), is_default=True)


def test_the_only_node_is_found_and_several_are_listed(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SocketError, match="no node of yours") as none:
        reach(None)
    assert not isinstance(none.value, Ambiguous)
    with closing(_listen("127.0.0.1:5001")):
        reach(None).close()
        monkeypatch.delenv("XDG_RUNTIME_DIR")  # as a service is started
        with closing(_listen("[::1]:5002")):
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / "run"))
            with pytest.raises(Ambiguous, match=r"127\.0\.0\.1_5001\.sock, .*/__1_5002\.sock"):
                reach(None)
            for chosen in ("127.0.0.1:5001", "[::1]:5002"):
                reach(chosen).close()
        reach(None).close()  # what the other one left is stale
    left = sockets.default_path(Address.parse("127.0.0.1:5001"))
    assert left.exists()
    with closing(_listen("127.0.0.1:5003")):
        assert not left.exists()  # and the next one to start takes it away


def test_a_folder_that_others_may_write_is_not_used(runtime: Path) -> None:
    folder = runtime / "run" / "gossipd"
    with closing(_listen("127.0.0.1:5001")):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        folder.chmod(0o770)
        with pytest.raises(SocketError, match="no node of yours"):
            reach(None)
        with pytest.raises(SocketError, match=r"gossipd: expected a folder of mode 0700 of this user's own"):
            _listen("127.0.0.1:5002")
        folder.chmod(0o700)
        reach(None).close()

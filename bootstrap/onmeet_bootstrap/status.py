"""How many, never who: what a running bootstrap tells its operator over a Unix socket.

The socket lies in a directory of this boot where there is one, so that nothing is written to disk.
Whoever may open it (its owner alone, 0600) gets one line of JSON; nothing is read from them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from onmeet_bootstrap.errors import NotRunning
from onmeet_node.process.ownership import is_own_directory, is_own_peer, socket_path
from onmeet_node.process.suggestions import command

log = logging.getLogger("bootstrap")

SERVICE_DIRECTORY = "/run/onmeet-bootstrap"
"""``RuntimeDirectory`` of bootstrap/deploy's unit: an operator's shell has no
``RUNTIME_DIRECTORY``."""
ANSWER_SECONDS = 2.0
MAX_BYTES = 4_096
ACCEPT_AGAIN = 0.1
_BACKLOG = 8


def directories(home: Path) -> tuple[Path, ...]:
    """Where the socket may lie, best first; those that exist."""
    service = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or SERVICE_DIRECTORY
    candidates = (service, os.environ.get("XDG_RUNTIME_DIR", ""), str(home))
    return tuple(Path(each) for each in candidates if each and Path(each).is_dir())


def _name(home: Path) -> str:
    # Several bootstraps of one user share a directory, not a name.
    return f"onmeet-bootstrap-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}.sock"


@asynccontextmanager
async def serve_status(
    home: Path, counts: Callable[[], Mapping[str, object]]
) -> AsyncIterator[None]:
    """Tells `counts` to whoever connects, for the length of the block.

    A bootstrap serves nodes without it too: if no directory will have the socket, the log says so.
    """
    path, listener = _listener(home)
    if listener is None or path is None:
        log.warning("There will be no status: no directory takes its socket. Set XDG_RUNTIME_DIR.")
        yield
        return
    try:
        with trio.socket.from_stdlib_socket(listener) as served:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_serve, served, counts)
                yield
                nursery.cancel_scope.cancel()
    finally:
        path.unlink(missing_ok=True)


def _listener(home: Path) -> tuple[Path | None, socket.socket | None]:
    for directory in directories(home):
        if not is_own_directory(directory):
            continue
        path = directory / _name(home)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            # One that nobody serves is left of a process that was killed: ports are exclusive, so
            # two bootstraps of one home do not run.
            path.unlink(missing_ok=True)
            with socket_path(path) as place:
                listener.bind(place)
            path.chmod(stat.S_IRUSR | stat.S_IWUSR)
            listener.listen(_BACKLOG)
            return path, listener
        except OSError:
            listener.close()
        finally:
            os.umask(mask)
    return None, None


async def _serve(
    listener: trio.socket.SocketType, counts: Callable[[], Mapping[str, object]]
) -> None:
    while True:
        try:
            connection, _ = await listener.accept()
        except OSError:  # no descriptor is left: that passes
            await trio.sleep(ACCEPT_AGAIN)
            continue
        if not is_own_peer(connection):
            connection.close()
            continue
        # One at a time: a line fits the socket's buffer, so nobody can hold it up.
        with trio.move_on_after(ANSWER_SECONDS), suppress(trio.BrokenResourceError):
            async with trio.SocketStream(connection) as stream:
                await stream.send_all(json.dumps(counts()).encode() + b"\n")


def ask_status(home: Path) -> dict[str, object]:
    """The counts of the bootstrap that serves this home. Raises `NotRunning`."""
    denied = False
    for directory in directories(home):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(ANSWER_SECONDS)
            try:
                with socket_path(directory / _name(home)) as place:
                    asking.connect(place)
                if not is_own_peer(asking):  # another user's program, or a bootstrap of theirs
                    denied = True
                    continue
                return _told(asking)
            except PermissionError:
                denied = True
            except (OSError, ValueError, TypeError):  # nobody is there, or it is just ending
                continue
    if denied:
        raise NotRunning(
            "Only the user that the bootstrap runs as may ask it: "
            "sudo -u onmeet-bootstrap onmeet-bootstrap status …"
        )
    raise NotRunning(
        f"No bootstrap runs for {home}. Start it with: "
        + command("onmeet-bootstrap", "run", "--home", home)
    )


def _told(asking: socket.socket) -> dict[str, object]:
    data = b""
    while not data.endswith(b"\n"):
        part = asking.recv(MAX_BYTES)
        data += part
        if not part or len(data) > MAX_BYTES:
            raise ValueError("cut off")
    told = json.loads(data)
    if not isinstance(told, dict):
        raise TypeError("no object")
    return told

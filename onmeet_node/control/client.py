"""Talks to the running node over its control socket: JSON lines, one request a connection."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from onmeet_node.control.shapes import MAX_REQUEST_BYTES, Request
from onmeet_node.errors import OnMeetError
from onmeet_node.process.ownership import (
    ForeignPlace,
    is_own_peer,
    require_own_directory,
    socket_path,
)
from onmeet_node.protocol.wire.fields import type_name


class NoNodeRuns(OnMeetError):
    """Nothing listens on this home's control socket."""


class CommandRefused(OnMeetError, kind="Refused"):
    """The node answered that it cannot or will not; the message is the node's."""


def stream(home: Path, request: Request) -> Iterator[dict[str, Any]]:
    """Sends a request; yields the node's event lines and last its ``{"result": …}`` line.

    Raises `NoNodeRuns`, `CommandRefused`, and `ForeignPlace` for a home that another user
    prepared, whose socket is told nothing. Closing the iterator early tells the node to stop.
    """
    line = _line(request)
    if len(line) > MAX_REQUEST_BYTES:
        raise CommandRefused(
            "That is longer than anything a node takes. Shorten it, and try again."
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        try:
            require_own_directory(home)
            with socket_path(home / "control.sock") as place:
                link.connect(place)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise NoNodeRuns(
                f"No node runs in {home}. Start it with: onmeet up  "
                "(another home: --home DIR or ONMEET_HOME)"
            ) from None
        except PermissionError:
            raise NoNodeRuns(f"The node in {home} belongs to another user.") from None
        except OSError as error:
            raise NoNodeRuns(
                f"The node in {home} cannot be asked ({error.strerror or error}). Is that path too "
                "long? Choose a home with a shorter one."
            ) from error
        if not is_own_peer(link):
            raise ForeignPlace(
                f"What listens at {home / 'control.sock'} is another user's program, no node of "
                "yours; it was told nothing. Remove it, and start your node with: onmeet up"
            )
        with suppress(BrokenPipeError, ConnectionResetError):
            link.sendall(line)
        for answer in _answers(link):
            if "error" in answer:
                raise CommandRefused(str(answer["error"]))
            yield answer
            if "result" in answer:
                return
    raise CommandRefused("The node stopped before it answered. Start it again with: onmeet up")


def _answers(link: socket.socket) -> Iterator[dict[str, Any]]:
    """Lines of our own node, as long as they are: of 10,000 calls with their reports, say.

    One that is cut off is none: the node was stopped while it spoke.
    """
    with link.makefile("rb") as lines, suppress(ConnectionResetError):
        for line in lines:
            if not line.endswith(b"\n"):
                return
            answer: dict[str, Any] = json.loads(line)
            yield answer


def _line(request: Request) -> bytes:
    """As `socket.read_request` reads it: what stands as by default is left out."""
    said = attrs.asdict(request, filter=lambda field, value: value != field.default)
    return json.dumps({"do": type_name(type(request)), **said}).encode() + b"\n"


def ask(home: Path, request: Request) -> Any:
    """The result of a request that has no events."""
    for answer in stream(home, request):
        if "result" in answer:
            return answer["result"]
    raise AssertionError("stream ends with a result or raises")

"""Talks to the running node over its control socket: JSON lines, one request a connection."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onmeet_node.errors import OnMeetError

MAX_LINE_BYTES = 4 * 1024 * 1024
"""One answer; a long history is the largest."""


class NoNodeRuns(OnMeetError):
    """Nothing listens on this home's control socket."""


class Refused(OnMeetError):
    """The node answered that it cannot or will not; the message is the node's."""


def stream(home: Path, do: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """Sends a request; yields the node's event lines and last its ``{"result": …}`` line.

    Raises `NoNodeRuns` or `Refused`. Closing the iterator early tells the node to stop.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        try:
            link.connect(str(home / "control.sock"))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise NoNodeRuns(
                f"No node runs in {home}. Start it with: onmeet up  "
                "(another home: --home DIR or ONMEET_HOME)"
            ) from None
        except PermissionError:
            raise NoNodeRuns(f"The node in {home} belongs to another user.") from None
        link.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
        with link.makefile("rb") as lines:
            while line := lines.readline(MAX_LINE_BYTES):
                answer: dict[str, Any] = json.loads(line)
                if "error" in answer:
                    raise Refused(str(answer["error"]))
                yield answer
                if "result" in answer:
                    return
    raise Refused("The node stopped before it answered. Start it again with: onmeet up")


def ask(home: Path, do: str, **arguments: Any) -> Any:
    """The result of a request that has no events."""
    for answer in stream(home, do, **arguments):
        if "result" in answer:
            return answer["result"]
    raise AssertionError("stream ends with a result or raises")

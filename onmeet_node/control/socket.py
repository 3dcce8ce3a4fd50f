"""The control socket: how the ``onmeet`` commands talk to the running node (docs/API, Control).

A Unix socket with mode 0600 in the node's home. One connection is one request, a line of JSON
``{"do": name, …}``; answers are lines too: events, if the request has any, then
``{"result": …}`` or ``{"error": sentence}``.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Callable
from functools import partial, reduce
from operator import or_
from pathlib import Path
from typing import Any

import attrs
import trio

from onmeet_node.control.as_json import as_json
from onmeet_node.control.catalogue import REQUESTS, perform
from onmeet_node.control.door import Door
from onmeet_node.control.shapes import MAX_REQUEST_BYTES, Request
from onmeet_node.errors import OnMeetError, first
from onmeet_node.events import NodeEvent
from onmeet_node.node.node import Node
from onmeet_node.process.faults import alone
from onmeet_node.process.ownership import is_own_peer, socket_path
from onmeet_node.protocol.wire.codec import Codec, unique
from onmeet_node.protocol.wire.errors import DecodeError
from onmeet_node.protocol.wire.messages import Unknown

log = logging.getLogger(__name__)

REQUEST_SECONDS = 10.0
"""To send the request line; who says nothing is cut off."""

_codec: Codec[Request] = Codec(reduce(or_, REQUESTS.values()), limit=MAX_REQUEST_BYTES)


class BadRequest(OnMeetError):
    """The request is not one of ours."""


async def serve_control(
    node: Node,
    path: Path,
    app_url: Callable[[], str] | None = None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves the socket until cancelled; it is gone afterwards.

    `app_url` gives an address of the local app that works once, if the app is served.
    """
    listener = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    with listener:
        mask = os.umask(0o177)
        try:
            path.unlink(missing_ok=True)  # the home is locked: nobody else serves it
            with socket_path(path) as place:
                await listener.bind(place)
        except OSError as error:
            raise OnMeetError(
                f"The control socket {path} cannot be made ({error.strerror or error}). "
                "Choose a home with a shorter path on a local disk."
            ) from error
        finally:
            os.umask(mask)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        listener.listen(16)
        try:
            task_status.started()
            # NOTE: it waits while this process has no file left, and goes on accepting then.
            await trio.serve_listeners(
                partial(alone, "command", _serve_one, node, app_url),
                [trio.SocketListener(listener)],
            )
        finally:
            path.unlink(missing_ok=True)


async def _serve_one(
    node: Node, app_url: Callable[[], str] | None, stream: trio.SocketStream
) -> None:
    async def tell(line: dict[str, Any]) -> None:
        await stream.send_all(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    async def tell_event(event: NodeEvent) -> None:
        await tell(event.as_json())

    door = Door(node=node, tell=tell_event, open_app=app_url)
    async with stream:
        if not is_own_peer(stream.socket):  # the mode keeps out all but root already
            return
        try:
            request = read_request(await _line(stream))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when_closed, stream, nursery.cancel_scope)
                view = await perform(door, request)
                await tell({"result": {} if view is None else as_json(view)})
                nursery.cancel_scope.cancel()
        except* OnMeetError as errors:
            await _try_tell(tell, str(first(errors)))
        except* (trio.BrokenResourceError, trio.TooSlowError):
            log.debug("a control connection ended early")
        except* Exception:
            await _try_tell(tell, "The node made an error of its own; its log says which.")
            raise


async def _try_tell(tell: Callable[[dict[str, Any]], Any], error: str) -> None:
    try:
        await tell({"error": error})
    except trio.BrokenResourceError:
        log.debug("a control connection ended before its error could be told")


async def _line(stream: trio.SocketStream) -> bytes:
    data = b""
    with trio.fail_after(REQUEST_SECONDS):
        while b"\n" not in data:
            part = await stream.receive_some(MAX_REQUEST_BYTES)
            data += part
            if not part or len(data) > MAX_REQUEST_BYTES:
                raise BadRequest("That request is cut off or too long.")
    return data.partition(b"\n")[0]


def read_request(line: bytes) -> Request:
    """The request that a line of JSON is. Raises `BadRequest`."""
    try:
        asked = json.loads(line, object_pairs_hook=unique)
        if not isinstance(asked, dict):
            raise TypeError("no object")
        name = asked.pop("do", None)
        request = _codec.from_map({**asked, "t": name})
    except (ValueError, TypeError, RecursionError) as error:
        raise BadRequest(
            f"That request is not understood: it is no JSON object. {_NEWER}"
        ) from error
    except DecodeError as error:
        raise BadRequest(f"That request is not understood: {error.reason}. {_NEWER}") from error
    if isinstance(request, Unknown):
        raise BadRequest(f"This node has no request {name!r}: it is older. Restart it.")
    known = {field.name for field in attrs.fields(type(request))}
    if strange := sorted(asked.keys() - known):
        raise BadRequest(f"{name} has no field {strange[0][:40]!r}. {_NEWER}")
    return request


_NEWER = "Is the onmeet command as new as the running node?"


async def _cancel_when_closed(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """A command that was interrupted takes what it asked for with it."""
    try:
        while await stream.receive_some(1024):
            pass
    except trio.BrokenResourceError:
        pass
    scope.cancel()

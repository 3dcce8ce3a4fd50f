"""The catalogue of commands: for each request the function that does it.

The control socket and the app's pages are doors to these and to nothing else. What a command takes
and answers stands in its signature.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

from onmeet_node.control.commands import account, calls, devices, guests, node, people, rooms
from onmeet_node.control.door import Door
from onmeet_node.control.shapes import Request
from onmeet_node.protocol.wire.fields import type_name

Command = Callable[[Door, Any], Awaitable[Any]]


def _request_of(command: Command) -> type[Request]:
    """The class of its second parameter."""
    _, request, _ = get_type_hints(command).values()
    assert isinstance(request, type), command
    assert issubclass(request, Request), command
    return request


COMMANDS: dict[type[Request], Command] = {
    _request_of(command): command
    for module in (node, people, devices, calls, guests, rooms, account)
    for command in module.COMMANDS
}
"""What is done for each request."""
REQUESTS = {type_name(request): request for request in COMMANDS}
"""Every request that there is, by its name at all doors."""


async def perform(door: Door, request: Request) -> Any:
    """Does what is asked and returns the view that answers it; None where there is nothing to say.

    Raises `OnMeetError` with what to tell the person.
    """
    return await COMMANDS[type(request)](door, request)

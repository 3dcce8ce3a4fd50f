"""A door: through which a request reaches the node, and what only that door has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from onmeet_node.calls.call import Call
from onmeet_node.calls.options import CallOptions
from onmeet_node.control.shapes import Headless
from onmeet_node.errors import OnMeetError
from onmeet_node.events import NodeEvent
from onmeet_node.media.endpoint import MediaEndpoint
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire.messages import Kind


class WrongDoor(OnMeetError):
    """A request came through a door that has not what it needs."""


Begin = Callable[[Identity, frozenset[Kind], CallOptions], Awaitable[Call]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where one request came in: the control socket, or a page of the app."""

    node: Node
    tell: Callable[[NodeEvent], Awaitable[None]] | None = None
    """Tells who asked what happens meanwhile; None: this door takes one answer and nothing else."""
    endpoint: MediaEndpoint | None = None
    """The devices of the page; None: calls run in the node itself."""
    begin: Begin | None = None
    """Makes a call that lives on when the page that made it is gone."""
    open_app: Callable[[], str] | None = None
    """An address of the local app that works once, where the app is served."""

    def options(self, *, relay_only: bool = False, headless: Headless | None = None) -> CallOptions:
        """What a call sends and keeps, with what this door's own devices are.

        Raises `WrongDoor` where a page names a file.
        """
        if self.endpoint is not None:
            if headless is not None:
                raise WrongDoor("A page has devices of its own, and names no file of the node's.")
            return CallOptions(relay_only=relay_only, endpoint=self.endpoint)
        return CallOptions(
            source=headless.source if headless else None,
            record=Path(headless.record) if headless and headless.record else None,
            relay_only=relay_only,
        )

    def devices(self) -> MediaEndpoint:
        """The page's. Raises `WrongDoor` where there is no page."""
        if self.endpoint is None:
            raise WrongDoor("There is no page here whose devices could be used.")
        return self.endpoint

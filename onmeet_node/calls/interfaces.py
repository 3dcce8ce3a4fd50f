"""What carries calls, who is told of them, and where their media comes from: at a node, in a room,
and at a guest.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from onmeet_node.calls.call import Call
from onmeet_node.media.endpoint import MediaEndpoint, SessionConfig
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.wire.messages import CallMessage, Kind


class CallTransport(Protocol):
    """How calls reach people; `node.call_router.CallRouter` is a node's."""

    async def find(
        self,
        peer: Identity,
        found: Callable[[Device], None],
        *,
        unanswered: Callable[[], bool] = lambda: False,
    ) -> None:
        """Opens channels to the peer's devices, calling `found` for each; returns when done.

        `unanswered`: whether a call waits for somebody to take it, so that those who ring already
        may be given time before others are looked for.
        """
        ...

    def send(self, peer: Identity, device: Device, message: CallMessage) -> bool:
        """Hands a message to the open channel; False if there is none."""
        ...

    def capabilities(self, peer: Identity, device: Device) -> frozenset[str] | None:
        """What this device can do by its own sealed word; None while no channel to it is open."""
        ...

    def early_media(self, peer: Identity) -> bool:
        """Whether our direct addresses may go to this peer before a call is accepted."""
        ...

    def keep(self, peer: Identity) -> AbstractContextManager[None]:
        """While inside, channels to this person are kept open and watched closely."""
        ...

    def binding(self, peer: Identity) -> bytes:
        """What the authentication string of a call with them is bound to, the same on both ends."""
        ...

    def alone(self) -> bool:
        """Whether this node has no way to find anybody."""
        ...


class CallLedger(Protocol):
    """Who is who, and where ended calls are kept; `contacts.contacts.Contacts` is a node's."""

    def name_of(self, peer: Identity) -> str:
        """How a person is shown."""
        ...

    def busy(self) -> Busy:
        """What callers learn while we are in a call."""
        ...

    def silent_for(self, peer: Identity) -> float | None:
        """Seconds since this person's node was last heard of, if it ever was."""
        ...

    def asks_to_compare(self, peer: Identity) -> bool:
        """Whether the person is asked, for this once, to compare the authentication string."""
        ...

    def string_agreed(self, peer: Identity) -> None:
        """Both people said that they see the same authentication string."""
        ...

    def call_ended(self, call: Call, *, leave_note: bool) -> None:
        """Writes the history, and the outbox when the peer should learn of the call."""
        ...


class MediaSetup(Protocol):
    """Where calls get their media from; `NodeMediaSetup` is a node's."""

    async def endpoint(self, call: Call) -> MediaEndpoint:
        """Where the media of this call is now."""
        ...

    async def session(self, call: Call, kinds: frozenset[Kind]) -> SessionConfig:
        """What a media session of this call shall do."""
        ...

    def region_of(self, url: str) -> str | None:
        """Where a TURN server is, as its operator signs: ``ca`` or ``de``."""
        ...

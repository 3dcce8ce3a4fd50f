"""What a node tells those who watch it: the API, the control socket, ``--json`` (docs/API, Events).

Each event carries `at`, CLOCK_MONOTONIC seconds: comparable between the processes of one machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Generic, TypeVar

import trio

from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.wire.messages import Kind

BACKLOG = 512
"""Events kept for a watcher that does not read; past that it misses the newest, and past half of it
those that a peer can cause without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent:
    """Something a watcher may want to know."""

    name: ClassVar[str] = ""
    endless: ClassVar[bool] = False
    """A peer or guest can cause any number of these."""
    at: float = field(default_factory=time.monotonic)

    def as_json(self) -> dict[str, Any]:
        """The ``--json`` object of this event: `t`, `event` and its fields, bytes in hex."""
        values = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name != "at"}
        return {"t": self.at, "event": self.name, **values}


def _plain(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case frozenset() | set():
            return sorted(str(item) for item in value)
        case tuple() | list():
            return [_plain(item) for item in value]
        case _:
            return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(NodeEvent):
    """The node listens and can be controlled."""

    name: ClassVar[str] = "started"
    peer_id: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable(NodeEvent):
    """A presence record is published, and a reader elsewhere could resolve it."""

    name: ClassVar[str] = "reachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRequested(NodeEvent):
    """Somebody asks to become a contact."""

    name: ClassVar[str] = "contact-request"
    identity: bytes
    card_name: str | None
    note: str | None = None
    code: str | None = None
    """Label of the code of ours by which they came, while it works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactConfirmed(NodeEvent):
    """Somebody accepted our contact request."""

    name: ClassVar[str] = "contact-accepted"
    identity: bytes
    card_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardChanged(NodeEvent):
    """A person shows something else of themselves, or their picture has come."""

    name: ClassVar[str] = "card"
    endless: ClassVar[bool] = True
    identity: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceChanged(NodeEvent):
    """The first sealed channel to a person was opened, or the last one is gone."""

    name: ClassVar[str] = "presence"
    identity: bytes
    connected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedCallNoted(NodeEvent):
    """A caller's outbox delivered a call that did not get through while this node was away."""

    name: ClassVar[str] = "missed-call"
    identity: bytes
    age_s: int
    note: str | None
    code: str | None = None
    """Label of the code of ours by which a stranger came, while it works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChanged(NodeEvent):
    """A guest link was made or ended, or its door opened or closed: look at the list."""

    name: ClassVar[str] = "links"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knocked(NodeEvent):
    """A guest asks to come in; `guest` names them for `admit` and `deny`."""

    name: ClassVar[str] = "knock"
    guest: bytes
    guest_name: str
    """As they typed it, cleaned; nothing proves it."""
    link: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnockOver(NodeEvent):
    """A guest asks no more: `outcome` is ``admitted``, ``left``, or why they were denied."""

    name: ClassVar[str] = "knock-over"
    guest: bytes
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(NodeEvent):
    """Something about one call."""

    call: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming(CallEvent):
    """A call rings here."""

    name: ClassVar[str] = "incoming"
    identity: bytes
    contact: str | None
    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(CallEvent):
    """Our invite is on its way to a device of the peer; nothing is known of it there yet."""

    name: ClassVar[str] = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRinging(CallEvent):
    """What the furthest of the peer's devices said of the ring: it never says more than that."""

    name: ClassVar[str] = "ringing"
    ring: Ring


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(CallEvent):
    """The call was taken, here or there."""

    name: ClassVar[str] = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaUp(CallEvent):
    """Media flows over this kind of path. `sas`: the short authentication string.

    `region`: of the relay on our side, ``ca`` or ``de`` as its operator signs; None without one.
    """

    name: ClassVar[str] = "connected"
    path: str
    region: str | None = None
    sas: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstMedia(CallEvent):
    """The first frame of a kind was decoded here."""

    name: ClassVar[str] = "media"
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStopped(CallEvent):
    """Nothing more of this call is recorded here: the disk is full, say. The call goes on."""

    name: ClassVar[str] = "recording-stopped"
    sentence: str
    """Why, what is left of it, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(CallEvent):
    """The call entered a state."""

    name: ClassVar[str] = "state"
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerMediaChanged(CallEvent):
    """The peer muted, switched its camera or shares its screen."""

    name: ClassVar[str] = "peer-media"
    endless: ClassVar[bool] = True
    muted: bool
    camera_off: bool
    sharing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLine(CallEvent):
    """The peer wrote a line of chat."""

    name: ClassVar[str] = "chat"
    endless: ClassVar[bool] = True
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(CallEvent):
    """The call is over; `sentence` says why in words, and what to try."""

    name: ClassVar[str] = "ended"
    reason: EndReason
    sentence: str
    detail: str | None
    """What failed exactly, where that is known."""
    seconds: float
    """Since it was taken; 0 if it never was."""
    note: str | None = None
    """What they wrote when they declined, cleaned."""


# ── rooms ────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class RoomEvent(NodeEvent):
    """Something about one room, named by its id. `key`, where there is one: a participant."""

    room: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomInvited(RoomEvent):
    """Somebody asks us into a room."""

    name: ClassVar[str] = "room-invite"
    identity: bytes
    who: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomChanged(RoomEvent):
    """Who is in, or what the room is like.

    `string`: its authentication string. None until everybody has said their part; the event comes
    again with it.
    """

    name: ClassVar[str] = "room"
    endless: ClassVar[bool] = True
    title: str
    people: tuple[str, ...]
    string: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSeen(RoomEvent):
    """A participant's state changed: hand, reachability, whom they see."""

    name: ClassVar[str] = "room-seen"
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomKnocked(RoomEvent):
    """Somebody asks to be let in, and this node decides."""

    name: ClassVar[str] = "room-knock"
    key: bytes
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomKnockOver(RoomEvent):
    """They were let in or not, or have gone."""

    name: ClassVar[str] = "room-knock-over"
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteAsked(RoomEvent):
    """The host or a co-host asks us to mute ourselves."""

    name: ClassVar[str] = "room-mute-asked"
    endless: ClassVar[bool] = True
    key: bytes
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSaid(RoomEvent):
    """Somebody wrote a line, we too (`mine`); `private`: to `to` alone, to us perhaps."""

    name: ClassVar[str] = "room-chat"
    endless: ClassVar[bool] = True
    key: bytes
    who: str
    text: str
    private: bool
    mine: bool = False
    to: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomReacted(RoomEvent):
    """A participant reacts, with one emoji."""

    name: ClassVar[str] = "room-reaction"
    endless: ClassVar[bool] = True
    key: bytes
    who: str
    emoji: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomWarning(RoomEvent):
    """Something is wrong in the room, and what to do about it."""

    name: ClassVar[str] = "room-warning"
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomOver(RoomEvent):
    """The room is over for us; `reason` is one of `protocol.room.effects.RoomEnd`."""

    name: ClassVar[str] = "room-over"
    title: str
    reason: str
    sentence: str


E = TypeVar("E", bound=NodeEvent)


class Hub(Generic[E]):
    """Hands each published event to every watcher, in order, without ever waiting for one."""

    def __init__(self) -> None:
        self._watchers: set[trio.MemorySendChannel[E]] = set()

    def publish(self, event: E) -> None:
        """Gives `event` to all who watch now."""
        for watcher in tuple(self._watchers):
            if event.endless and watcher.statistics().current_buffer_used >= BACKLOG // 2:
                continue  # nobody's flood takes the room of somebody else's ring
            try:
                watcher.send_nowait(event)
            except trio.WouldBlock:
                continue  # it does not read; what it has not read yet is still in order
            except trio.BrokenResourceError:
                self._watchers.discard(watcher)

    def open(self) -> trio.MemoryReceiveChannel[E]:
        """Starts watching; close the channel to stop."""
        sender, receiver = trio.open_memory_channel[E](BACKLOG)
        self._watchers.add(sender)
        return receiver

    @contextmanager
    def watch(self) -> Iterator[trio.MemoryReceiveChannel[E]]:
        """The events from now on, until the block ends."""
        with self.open() as receiver:
            yield receiver

    def close(self) -> None:
        """Ends every watcher's iteration once it has read what is there."""
        for watcher in self._watchers:
            watcher.close()
        self._watchers.clear()

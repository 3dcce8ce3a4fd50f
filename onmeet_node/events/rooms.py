"""The events of one room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from onmeet_node.events.node import NodeEvent


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

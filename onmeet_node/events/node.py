"""What every event is, and those about the node, its contacts and its guest links.

Each event carries `at`, CLOCK_MONOTONIC seconds: comparable between the processes of one machine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar


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
class CodeSaid(NodeEvent):
    """A spoken code waits for whoever types it: told to who asked for it, and to nobody else."""

    name: ClassVar[str] = "code-said"
    code: str = field(repr=False)
    seconds: int
    """How long it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOffered(NodeEvent):
    """A new device waits for the person's other one to take its code."""

    name: ClassVar[str] = "link-offered"
    code: str = field(repr=False)
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWordsShown(NodeEvent):
    """The words that both devices show while one is linked: told to who links, and nobody else."""

    name: ClassVar[str] = "link-words"
    words: tuple[str, ...] = field(repr=False)
    device: str
    """What the new one calls itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesChanged(NodeEvent):
    """The list of this person's devices is another one: look at it."""

    name: ClassVar[str] = "devices"


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

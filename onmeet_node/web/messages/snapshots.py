"""What every page is shown: sent whole whenever something in it changed, and what happened."""

from __future__ import annotations

import enum

import attrs

from onmeet_node.control.shapes import (
    CALL,
    IDENTITY,
    MAX_CODE_CHARS,
    NAME,
    PICTURE,
    SAFE,
    SENTENCE,
    TIME,
    VALUE,
    CardShown,
)
from onmeet_node.protocol.call.authentication import StringDoubt
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.protocol.identity.profile import Field, Share
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.codec import MAX_LIST
from onmeet_node.protocol.wire.fields import (
    Choice,
    Flag,
    Integer,
    Maybe,
    Nested,
    Several,
    Text,
    field,
)
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, MAX_TEXT_CHARS, Kind
from onmeet_node.web.messages.own import ASKING, DEVICE


# No field of these has a default: what is encoded is complete, and a page needs none of its own.
class Phase(enum.StrEnum):
    """How far the node is."""

    NEW = "new"
    """There is no home yet: first run."""
    LOCKED = "locked"
    """The passphrase is needed."""
    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    """The home was deleted, or the node is being stopped."""


class ContactStatus(enum.StrEnum):
    """How a person stands to us."""

    ACCEPTED = "accepted"
    REQUESTED_BY_US = "requested-by-us"
    REQUESTED_BY_THEM = "requested-by-them"
    BLOCKED = "blocked"
    IGNORED = "ignored"
    STRANGER = "stranger"


@attrs.frozen(kw_only=True)
class Welcome:
    """The page is let in. `page` numbers it; calls name the page that has their devices."""

    page: int = field(Integer(1, 2**31 - 1))
    release: str = field(Text(1, 40))
    keyring: bool = field(Flag())
    """Whether this system has a keyring that could keep the key."""


@attrs.frozen(kw_only=True)
class Outdated:
    """The page is of another release than the node: reload."""

    version: int = field(Integer(0, 2**31 - 1))


@attrs.frozen(kw_only=True)
class Home:
    """How far the node is. `trouble`: why it did not start, if it did not."""

    phase: Phase = field(Choice(Phase))
    reachable: bool = field(Flag())
    bootstraps: int = field(Integer(0, 1_000))
    """Connected now."""
    trouble: str | None = field(Maybe(SENTENCE))
    asking: tuple[str, ...] = field(Several(ASKING, 0, 8))
    """Numbers of other windows that want in."""


@attrs.frozen(kw_only=True)
class FieldShown:
    """One field of the profile and who may see it."""

    name: Field = field(Choice(Field))
    value: str = field(VALUE)
    share: Share = field(Choice(Share))


@attrs.frozen(kw_only=True)
class Me:
    """The person's own profile and settings."""

    identity: str = field(IDENTITY)
    fields: tuple[FieldShown, ...] = field(Several(Nested(FieldShown), 0, 8))
    picture: str | None = field(Maybe(PICTURE))
    picture_share: Share = field(Choice(Share))
    reach: ReachPolicy = field(Choice(ReachPolicy))
    busy: Busy = field(Choice(Busy))
    relay_only: bool = field(Flag())
    region: str | None = field(Maybe(Text(2, 2)))
    bootstraps: tuple[str, ...] = field(Several(Text(1, 512), 0, 64))


@attrs.frozen(kw_only=True)
class FieldSeen:
    """A field of ours that one contact sees, or not, whatever other contacts do."""

    name: Field = field(Choice(Field))
    shown: bool = field(Flag())


@attrs.frozen(kw_only=True)
class Person:
    """Somebody we know, or who asks. `name` is cleaned like a card's."""

    identity: str = field(IDENTITY)
    name: str = field(NAME)
    status: ContactStatus = field(Choice(ContactStatus))
    verified: bool = field(Flag())
    favourite: bool = field(Flag())
    last_seen: int | None = field(Maybe(TIME))
    connected: bool = field(Flag())
    """Whether a sealed channel is open: reachable at this moment."""
    note: str | None = field(Maybe(Text(0, 280)), hidden=True)
    """What they wrote with their request."""
    code: str | None = field(Maybe(Text(0, MAX_NAME_CHARS)))
    """The code of ours that works by which they came who ask."""
    card: CardShown = field(Nested(CardShown))
    picture: str | None = field(Maybe(PICTURE))
    """What `GetPicture` is asked by; None: there is none here."""
    sees: tuple[FieldSeen, ...] = field(Several(Nested(FieldSeen), 0, 8))
    """What of us is chosen for this person alone."""


@attrs.frozen(kw_only=True)
class Code:
    """A live contact code. `expires`: Unix seconds."""

    label: str = field(Text(0, MAX_NAME_CHARS))
    uri: str = field(Text(1, MAX_CODE_CHARS), hidden=True)
    expires: int | None = field(Maybe(TIME))
    direct: bool = field(Flag())


@attrs.frozen(kw_only=True)
class People:
    """Everybody we know, sorted by name, and the live codes."""

    people: tuple[Person, ...] = field(Several(Nested(Person), 0, MAX_LIST))
    codes: tuple[Code, ...] = field(Several(Nested(Code), 0, MAX_LIST))


@attrs.frozen(kw_only=True)
class PeerMedia:
    """What the other side sends."""

    muted: bool = field(Flag())
    camera_off: bool = field(Flag())
    sharing: bool = field(Flag())


@attrs.frozen(kw_only=True)
class CallShown:
    """A call that is going on. `page`: whose devices it uses; None: no page's."""

    call: str = field(CALL)
    identity: str = field(IDENTITY)
    name: str = field(NAME)
    outgoing: bool = field(Flag())
    state: State = field(Choice(State))
    ring: Ring | None = field(Maybe(Choice(Ring)))
    kinds: tuple[Kind, ...] = field(Several(Choice(Kind), 0, 2))
    began: int = field(TIME)
    answered: int | None = field(Maybe(TIME))
    path: MediaPath | None = field(Maybe(Choice(MediaPath)))
    region: str | None = field(Maybe(Text(2, 2)))
    sas: str | None = field(Maybe(Text(1, 80)))
    doubt: StringDoubt | None = field(Maybe(Choice(StringDoubt)))
    """Why there is no `sas`; None with both None: it is not there yet."""
    chats: bool = field(Flag())
    """Whether their program takes lines of chat."""
    compares: bool = field(Flag())
    """Whether it takes what a person says of `sas`."""
    ask: bool = field(Flag())
    """Whether the page asks for it by itself."""
    compared: bool | None = field(Maybe(Flag()))
    """What the person here said of it: the same as theirs, or not."""
    peer_compared: bool | None = field(Maybe(Flag()))
    page: int | None = field(Maybe(Integer(1, 2**31 - 1)))
    session: int | None = field(Maybe(Integer(1, 2**31 - 1)))
    """The media session of that page that is in use."""
    peer_media: PeerMedia | None = field(Maybe(Nested(PeerMedia)))


@attrs.frozen(kw_only=True)
class Calls:
    """The calls that are going on, the oldest first."""

    calls: tuple[CallShown, ...] = field(Several(Nested(CallShown), 0, 64))


@attrs.frozen(kw_only=True)
class Kept:
    """How things stand in a call or a room, as the page that carries it told with `Keep`.

    A page hears all of them before the calls themselves, and each change that another page makes.
    Whoever goes on with the call begins so. A screen that was shared is not shared again.
    """

    target: str = field(CALL)
    muted: bool = field(Flag())
    camera_off: bool = field(Flag())
    held: bool = field(Flag())
    draft: str = field(Text(0, MAX_TEXT_CHARS), hidden=True)
    draft_to: str | None = field(Maybe(Text(1, 64)), hidden=True)
    camera: str | None = field(Maybe(DEVICE))
    microphone: str | None = field(Maybe(DEVICE))
    speaker: str | None = field(Maybe(DEVICE))


@attrs.frozen(kw_only=True)
class LinkShown:
    """A guest link that lets guests in. `url` is the secret itself."""

    link: str = field(Text(8, 8, pattern="[0-9a-f]+"))
    title: str = field(NAME)
    url: str = field(Text(1, 1_024), hidden=True)
    once: bool = field(Flag())
    knock: bool = field(Flag())
    expires: int | None = field(Maybe(TIME))
    open: bool = field(Flag())
    """Whether guests can knock just now."""


@attrs.frozen(kw_only=True)
class GuestShown:
    """A guest at the door, or in the call."""

    guest: str = field(IDENTITY)
    name: str = field(NAME, hidden=True)
    title: str = field(NAME)
    inside: bool = field(Flag())


@attrs.frozen(kw_only=True)
class Guests:
    """All guest links, and who came by them. `possible`: whether links can be made now."""

    possible: bool = field(Flag())
    links: tuple[LinkShown, ...] = field(Several(Nested(LinkShown), 0, 64))
    guests: tuple[GuestShown, ...] = field(Several(Nested(GuestShown), 0, 128))


@attrs.frozen(kw_only=True)
class Over:
    """A call has ended; `sentence` says why and what to try, `detail` what failed exactly."""

    call: str = field(CALL)
    identity: str = field(IDENTITY)
    name: str = field(NAME)
    outgoing: bool = field(Flag())
    reason: EndReason = field(Choice(EndReason))
    sentence: str = field(SENTENCE)
    detail: str | None = field(Maybe(SENTENCE))
    seconds: int = field(Integer(0, SAFE))
    note: str | None = field(Maybe(Text(0, 280)), hidden=True)
    """What they wrote when they declined."""


class Happening(enum.StrEnum):
    """What a person wants to be told of besides calls."""

    CONTACT_REQUEST = "contact-request"
    CONTACT_ACCEPTED = "contact-accepted"
    MISSED_CALL = "missed-call"
    RECORDING_STOPPED = "recording-stopped"
    """What they send is recorded no more; they may not know that it was."""


@attrs.frozen(kw_only=True)
class News:
    """Something happened. `age`: seconds ago; `note`: what they wrote with it."""

    what: Happening = field(Choice(Happening))
    identity: str = field(IDENTITY)
    name: str = field(NAME)
    age: int = field(Integer(0, SAFE))
    note: str | None = field(Maybe(Text(0, MAX_TEXT_CHARS)), hidden=True)

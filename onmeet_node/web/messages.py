"""What the app's page and its node say to each other over their WebSocket (docs/API, "The app").

Each is one binary WebSocket message in the wire encoding (`protocol.wire.codec`). From this file
``python -m onmeet_node.web.typescript`` makes `ui/src/core/messages.ts`. The page says `Hello`
first; the node answers with `Welcome`, then with what the page needs as snapshots (`Home`, `Me`,
`People`, `Calls`), and sends one again whenever something in it changed: all pages show the same.

A request carries a number of the page's own; exactly one `Done`, `Refused` or answer names it.
"""

from __future__ import annotations

import enum

import attrs

from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.protocol.identity.profile import Field, Share
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.codec import MAX_LIST, Codec
from onmeet_node.protocol.wire.fields import (
    Choice,
    Data,
    Flag,
    Integer,
    Maybe,
    Nested,
    Several,
    Text,
    field,
    maybe,
)
from onmeet_node.protocol.wire.messages import (
    MAX_CANDIDATES,
    MAX_NAME_CHARS,
    MAX_PICTURE_BYTES,
    MAX_SDP_CHARS,
    MAX_TEXT_CHARS,
    Candidate,
    Kind,
    Unknown,
)
from onmeet_node.web import room_messages as room
from onmeet_node.web.shapes import (
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
    number,
    session,
)

VERSION = 1
"""Of this protocol. A page that has another is told to reload (`Outdated`)."""
MAX_PAGE_BYTES = 65_519
"""Of one message from a page; an SDP offer with its candidates is the longest."""
MAX_NODE_BYTES = 2 * 2**20
"""Of one message to a page; a snapshot of a thousand people is the longest."""
MAX_PASSPHRASE_CHARS = 1_000
MAX_DEVICE_CHARS = 256
DEVICE = Text(0, MAX_DEVICE_CHARS)
"""A device as browsers name it to this page; empty: the one that the system chooses."""


class Keeper(enum.StrEnum):
    """What opens the home at each start."""

    PASSPHRASE = "passphrase"  # noqa: S105 - a name
    KEYRING = "keyring"
    KEY_FILE = "key-file"


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


# ── the page speaks: who it is ───────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class Hello:
    """First message of a page. `token`: from ``POST /session`` (64 hex digits)."""

    version: int = field(Integer(0, 2**31 - 1))
    token: str = field(Text(64, 64, ascii=True), hidden=True)
    language: str = field(Text(2, 35, ascii=True), default="en")


@attrs.frozen(kw_only=True)
class Focus:
    """The person looks at this page now: calls ring here first."""


@attrs.frozen(kw_only=True)
class Noticeable:
    """Whether a call here makes a sound or shows a notification, for who does not look at it.

    Until a page has said so, it is taken for one that makes no sound and shows nothing.
    """

    noticeable: bool = field(Flag())


# ── requests ─────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class CreateHome:
    """First run. `passphrase` only with that keeper. Answered with `Done`."""

    id: int = number()
    name: str = field(NAME)
    keeper: Keeper = field(Choice(Keeper))
    passphrase: str | None = maybe(Text(1, MAX_PASSPHRASE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class UnlockHome:
    """Opens the home. Answered with `Done`, or `Refused` for a wrong passphrase."""

    id: int = number()
    passphrase: str = field(Text(1, MAX_PASSPHRASE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class NewCode:
    """Makes a contact code. `days` 0: for good. Answered with `Done`; `People` has it then."""

    id: int = number()
    label: str | None = maybe(Text(1, MAX_NAME_CHARS))
    days: int = field(Integer(0, 3_650), default=0)
    direct: bool = field(Flag(), default=True)


@attrs.frozen(kw_only=True)
class NewLink:
    """Makes a guest link. `hours` 0: until it is closed. Answered with `LinkMade`.

    `once`: for one guest. `knock`: the person admits each guest.
    """

    id: int = number()
    title: str = field(Text(0, MAX_NAME_CHARS), default="")
    hours: int = field(Integer(0, 366 * 24), default=0)
    once: bool = field(Flag(), default=True)
    knock: bool = field(Flag(), default=True)


@attrs.frozen(kw_only=True)
class CloseLink:
    """Ends a guest link at once."""

    id: int = number()
    link: str = field(Text(8, 8, pattern="[0-9a-f]+"))


@attrs.frozen(kw_only=True)
class AdmitGuest:
    """Lets a guest in, with this page's devices."""

    id: int = number()
    guest: str = field(IDENTITY)
    kinds: tuple[Kind, ...] = field(Several(Choice(Kind), 1, 2, distinct=True))


@attrs.frozen(kw_only=True)
class SendGuestAway:
    """Sends a guest away, from the door or out of the call."""

    id: int = number()
    guest: str = field(IDENTITY)
    close_link: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class RevokeCode:
    """Ends a contact code at once. `drop`: its pending requests are erased with it."""

    id: int = number()
    label: str = field(Text(1, MAX_NAME_CHARS))
    drop: bool = field(Flag())


@attrs.frozen(kw_only=True)
class ReadCode:
    """Whose code is this? Answered with `CodeRead`, or `Refused` saying what is wrong with it."""

    id: int = number()
    code: str = field(Text(1, MAX_CODE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class DrawQr:
    """A QR code of this text. Answered with `Qr`."""

    id: int = number()
    text: str = field(Text(1, MAX_CODE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class AddContact:
    """Adds somebody by their code and asks them. Answered with `Added`."""

    id: int = number()
    code: str = field(Text(1, MAX_CODE_CHARS), hidden=True)
    name: str | None = maybe(Text(1, MAX_NAME_CHARS))
    note: str | None = maybe(Text(0, 280), hidden=True)


class PersonAction(enum.StrEnum):
    """What may be done about a person."""

    ACCEPT = "accept"
    IGNORE = "ignore"
    """Puts a request away; they learn nothing, and asking again changes nothing."""
    BLOCK = "block"
    UNBLOCK = "unblock"
    REMOVE = "remove"
    MARK_VERIFIED = "mark-verified"
    FAVOURITE = "favourite"
    NO_FAVOURITE = "no-favourite"


@attrs.frozen(kw_only=True)
class ChangePerson:
    """Answered with `Done`; `People` follows."""

    id: int = number()
    identity: str = field(IDENTITY)
    action: PersonAction = field(Choice(PersonAction))


@attrs.frozen(kw_only=True)
class RenamePerson:
    """How a person is called here; empty: as they call themselves."""

    id: int = number()
    identity: str = field(IDENTITY)
    name: str = field(NAME)


@attrs.frozen(kw_only=True)
class LookFor:
    """Is this person reachable now? Answered with `Presence`, after 10 s at the latest."""

    id: int = number()
    identity: str = field(IDENTITY)


@attrs.frozen(kw_only=True)
class Verify:
    """Answered with `SafetyNumber`."""

    id: int = number()
    identity: str = field(IDENTITY)


@attrs.frozen(kw_only=True)
class FieldShown:
    """One field of the profile and who may see it."""

    name: Field = field(Choice(Field))
    value: str = field(VALUE)
    share: Share = field(Choice(Share))


@attrs.frozen(kw_only=True)
class ChangeProfile:
    """What is given is changed. Answered with `Done`; `Me` follows."""

    id: int = number()
    fields: tuple[FieldShown, ...] = field(Several(Nested(FieldShown), 0, 8), default=())
    picture_share: Share | None = maybe(Choice(Share))
    reach: ReachPolicy | None = maybe(Choice(ReachPolicy))
    busy: Busy | None = maybe(Choice(Busy))


@attrs.frozen(kw_only=True)
class SetPicture:
    """Another picture of the person (a JPEG), or none. Answered with `Done`; `Me` follows."""

    id: int = number()
    data: bytes | None = maybe(Data(1, MAX_PICTURE_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class GetPicture:
    """Answered with `PictureShown`. `picture`: as `Person` or `Me` names it."""

    id: int = number()
    picture: str = field(PICTURE)


@attrs.frozen(kw_only=True)
class ShowTo:
    """Whether one contact sees a field; None: as all contacts do. Answered with `Done`."""

    id: int = number()
    identity: str = field(IDENTITY)
    name: Field = field(Choice(Field))
    shown: bool | None = maybe(Flag())


@attrs.frozen(kw_only=True)
class ChangeSettings:
    """What is given is changed. `region`: ``ca``, ``de`` or ``any``. Answered with `Done`."""

    id: int = number()
    relay_only: bool | None = maybe(Flag())
    region: str | None = maybe(Text(2, 3, pattern="ca|de|any"))
    add_bootstrap: str | None = maybe(Text(1, 512))
    remove_bootstrap: str | None = maybe(Text(1, 512))


@attrs.frozen(kw_only=True)
class Dial:
    """Calls somebody, with this page's devices. Answered with `Dialled`."""

    id: int = number()
    identity: str = field(IDENTITY)
    kinds: tuple[Kind, ...] = field(Several(Choice(Kind), 1, 2, distinct=True))
    relay_only: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class Take:
    """Takes the ringing call on this page. `Refused` if it rings no more."""

    id: int = number()
    call: str = field(CALL)
    kinds: tuple[Kind, ...] = field(Several(Choice(Kind), 1, 2, distinct=True))
    relay_only: bool = field(Flag(), default=False)


class CallAction(enum.StrEnum):
    """What may be done about a call."""

    DECLINE = "decline"
    SILENCE = "silence"
    HANG_UP = "hang-up"
    MOVE_HERE = "move-here"
    """Go on with this page's devices in place of another page's."""
    RESTART_MEDIA = "restart-media"


@attrs.frozen(kw_only=True)
class ChangeCall:
    """Answered with `Done`; `Calls` follows. `note`: with `decline`, a line for the caller."""

    id: int = number()
    call: str = field(CALL)
    action: CallAction = field(Choice(CallAction))
    note: str | None = maybe(Text(1, 280), hidden=True)


@attrs.frozen(kw_only=True)
class TellMedia:
    """What this page sends in a call now; the other side is told."""

    call: str = field(CALL)
    muted: bool = field(Flag())
    camera_off: bool = field(Flag())
    sharing: bool = field(Flag())


@attrs.frozen(kw_only=True)
class Keep:
    """What of a call or a room (`target`) shall outlive this page; what is absent stays as it was.

    The node hands it to the page that goes on with it: see `Kept`.
    """

    target: str = field(CALL)
    muted: bool | None = maybe(Flag())
    """As the person wants it: push-to-talk that is just held does not count."""
    camera_off: bool | None = maybe(Flag())
    held: bool | None = maybe(Flag())
    """It is a room that was silenced for a call that came between."""
    draft: str | None = maybe(Text(0, MAX_TEXT_CHARS), hidden=True)
    draft_to: str | None = maybe(Text(0, 64), hidden=True)
    """Whom alone the draft is for, in a room; empty: everybody."""
    camera: str | None = maybe(DEVICE)
    microphone: str | None = maybe(DEVICE)
    speaker: str | None = maybe(DEVICE)


@attrs.frozen(kw_only=True)
class ReadHistory:
    """Answered with `History`, newest first."""

    id: int = number()
    limit: int = field(Integer(1, 500), default=100)


@attrs.frozen(kw_only=True)
class DeleteHistory:
    """One call, or all (None), for good."""

    id: int = number()
    call: str | None = maybe(CALL)


@attrs.frozen(kw_only=True)
class Examine:
    """``onmeet doctor``. Answered with `Findings`."""

    id: int = number()


@attrs.frozen(kw_only=True)
class DeleteEverything:
    """Deletes this home for good; `name` is the person's own, typed as a confirmation."""

    id: int = number()
    name: str = field(NAME)


# ── the page speaks: media ───────────────────────────────────────────────────────────────────────
_SDP = Text(1, MAX_SDP_CHARS, ascii=True)


@attrs.frozen(kw_only=True)
class Described:
    """The page's SDP for a session: the offer it was asked for, or its answer to one."""

    session: int = session()
    sdp: str = field(_SDP, hidden=True)


@attrs.frozen(kw_only=True)
class Found:
    """ICE candidates of the page."""

    session: int = session()
    candidates: tuple[Candidate, ...] = field(
        Several(Nested(Candidate), 0, MAX_CANDIDATES), default=()
    )
    end: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class MediaConnected:
    """ICE and DTLS are up, or up again. `server`: URL of the TURN server of a relay candidate."""

    session: int = session()
    path: MediaPath = field(Choice(MediaPath))
    server: str | None = maybe(Text(1, 512), hidden=True)


@attrs.frozen(kw_only=True)
class MediaFirstFrame:
    """The first frame of a kind was decoded."""

    session: int = session()
    kind: Kind = field(Choice(Kind))


@attrs.frozen(kw_only=True)
class MediaPathLost:
    """The path does not work; the node makes a media re-offer."""

    session: int = session()


@attrs.frozen(kw_only=True)
class MediaFailed:
    """The session cannot go on. `why`: for people, as `MediaError` would say it."""

    session: int = session()
    why: str = field(SENTENCE, hidden=True)


@attrs.frozen(kw_only=True)
class StreamCounters:
    """One kind of media since the session began; as `media.endpoint.StreamStats`."""

    kind: Kind = field(Choice(Kind))
    frames_sent: int = field(Integer(0, SAFE), default=0)
    frames_decoded: int = field(Integer(0, SAFE), default=0)
    frames_concealed: int = field(Integer(0, SAFE), default=0)
    packets_sent: int = field(Integer(0, SAFE), default=0)
    packets_received: int = field(Integer(0, SAFE), default=0)
    packets_lost: int = field(Integer(0, SAFE), default=0)
    bytes_sent: int = field(Integer(0, SAFE), default=0)
    bytes_received: int = field(Integer(0, SAFE), default=0)
    jitter_ms: int = field(Integer(0, 100_000), default=0)
    round_trip_ms: int | None = maybe(Integer(0, 100_000))


@attrs.frozen(kw_only=True)
class PairSeen:
    """Candidate pairs of one kind: ``host/udp`` and so on; as `media.report.PairReport`."""

    local: str = field(Text(1, 32, ascii=True))
    remote: str = field(Text(1, 32, ascii=True))
    state: str = field(Text(1, 32, ascii=True))
    count: int = field(Integer(1, 1_000), default=1)


@attrs.frozen(kw_only=True)
class ServerSeen:
    """What came of asking one STUN or TURN server; as `media.report.ServerReport`."""

    kind: str = field(Text(1, 32, ascii=True))
    worked: bool = field(Flag())
    error: str = field(Text(0, 200), default="")


@attrs.frozen(kw_only=True)
class MediaCounters:
    """Sent every 2 s while a session is connected, at each change of its ICE state, and at the end.

    Types only: no address ever.
    """

    session: int = session()
    streams: tuple[StreamCounters, ...] = field(Several(Nested(StreamCounters), 0, 4), default=())
    local: tuple[str, ...] = field(Several(Text(1, 32, ascii=True), 0, 16), default=())
    remote: tuple[str, ...] = field(Several(Text(1, 32, ascii=True), 0, 16), default=())
    pairs: tuple[PairSeen, ...] = field(Several(Nested(PairSeen), 0, 24), default=())
    servers: tuple[ServerSeen, ...] = field(Several(Nested(ServerSeen), 0, 8), default=())


# ── the node speaks ──────────────────────────────────────────────────────────────────────────────
# No field of these has a default: what is encoded is complete, and a page needs none of its own.
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
class LinkMade:
    """A guest link was made; `plain` and `html` are it for an e-mail."""

    id: int = number()
    link: str = field(Text(8, 8, pattern="[0-9a-f]+"))
    plain: str = field(Text(1, 4_096), hidden=True)
    html: str = field(Text(1, 8_192), hidden=True)


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


# ── answers ──────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class Done:
    """It is done."""

    id: int = number()


@attrs.frozen(kw_only=True)
class Refused:
    """It is not done. `kind` names the error for programs, `sentence` says what to do."""

    id: int = number()
    kind: str = field(Text(1, 64, ascii=True))
    sentence: str = field(SENTENCE)


@attrs.frozen(kw_only=True)
class CodeRead:
    """Whose code it is. `name`: as the code says, nobody vouches for it."""

    id: int = number()
    identity: str = field(IDENTITY)
    name: str | None = field(Maybe(NAME))
    expires: int | None = field(Maybe(TIME))
    known: bool = field(Flag())


@attrs.frozen(kw_only=True)
class Qr:
    """Rows of modules, ``1`` is dark; the quiet zone is not included."""

    id: int = number()
    rows: tuple[str, ...] = field(Several(Text(1, 177, pattern="[01]*"), 1, 177))


@attrs.frozen(kw_only=True)
class PictureShown:
    """A picture of somebody: a JPEG without metadata. Empty: it is gone."""

    id: int = number()
    data: bytes = field(Data(0, MAX_PICTURE_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class Added:
    """The contact is there. `delivered`: the request reached them already."""

    id: int = number()
    identity: str = field(IDENTITY)
    delivered: bool = field(Flag())


@attrs.frozen(kw_only=True)
class Presence:
    """Whether a sealed channel to this person could be opened."""

    id: int = number()
    reachable: bool = field(Flag())


@attrs.frozen(kw_only=True)
class SafetyNumber:
    """60 digits, the same on both sides, and a QR code of them."""

    id: int = number()
    number: str = field(Text(60, 80))
    rows: tuple[str, ...] = field(Several(Text(1, 177, pattern="[01]*"), 1, 177))


@attrs.frozen(kw_only=True)
class Dialled:
    """The call is being made. It may end as another one when both dialled at once."""

    id: int = number()
    call: str = field(CALL)


@attrs.frozen(kw_only=True)
class ReceiptShown:
    """What a bootstrap signed to have released. `signed` False: it gave no receipt."""

    operator: str = field(NAME)
    signed: bool = field(Flag())
    circuits: int = field(Integer(0, SAFE))
    guests: int = field(Integer(0, SAFE))
    credentials: int = field(Integer(0, SAFE))
    size: int = field(Integer(0, SAFE))
    """Sealed bytes that passed through it."""
    held: int = field(Integer(0, SAFE))
    """What is still open for this node."""


@attrs.frozen(kw_only=True)
class PastCall:
    """An ended call, as `history.list` tells it. `report`: the ICE report as JSON."""

    call: str = field(CALL)
    identity: str = field(IDENTITY)
    name: str = field(NAME)
    outgoing: bool = field(Flag())
    started: int = field(TIME)
    seconds: int = field(Integer(0, SAFE))
    reason: EndReason | None = field(Maybe(Choice(EndReason)))
    sentence: str = field(SENTENCE)
    path: MediaPath | None = field(Maybe(Choice(MediaPath)))
    region: str | None = field(Maybe(Text(2, 2)))
    note: str | None = field(Maybe(Text(0, MAX_TEXT_CHARS)), hidden=True)
    report: str | None = field(Maybe(Text(0, 8_192)), hidden=True)
    receipts: tuple[ReceiptShown, ...] = field(Several(Nested(ReceiptShown), 0, 16))
    """Of the bootstraps that held something for the call; none if none did."""
    code: str | None = field(Maybe(Text(0, MAX_NAME_CHARS)))
    """The code of ours that works by which a stranger came."""


@attrs.frozen(kw_only=True)
class History:
    """Past calls, newest first."""

    id: int = number()
    calls: tuple[PastCall, ...] = field(Several(Nested(PastCall), 0, 500))


@attrs.frozen(kw_only=True)
class Finding:
    """One line of ``onmeet doctor``. `grade`: ``good``, ``note`` or ``bad``."""

    grade: str = field(Text(1, 16, ascii=True))
    sentence: str = field(SENTENCE)
    remedy: str | None = field(Maybe(SENTENCE))


@attrs.frozen(kw_only=True)
class Findings:
    """What works from here and what does not."""

    id: int = number()
    findings: tuple[Finding, ...] = field(Several(Nested(Finding), 0, 64))


# ── the node speaks: media ───────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class Server:
    """A STUN or TURN server (RFC 7064, 7065)."""

    url: str = field(Text(1, 512))
    username: str | None = field(Maybe(Text(0, 256)), hidden=True)
    credential: str | None = field(Maybe(Text(0, 256)), hidden=True)


@attrs.frozen(kw_only=True)
class OpenMedia:
    """Make a peer connection for a call, with a transceiver of each kind and no track.

    Chat is the negotiated data channel ``onmeet``, id 0. Nothing of camera or microphone is opened
    before `AttachMedia`.
    """

    session: int = session()
    call: str = field(CALL)
    kinds: tuple[Kind, ...] = field(Several(Choice(Kind), 1, 2))
    servers: tuple[Server, ...] = field(Several(Nested(Server), 0, 16))
    relay_only: bool = field(Flag())
    room: str | None = field(Maybe(CALL))
    """The room that the call belongs to: all its calls send the same camera and microphone."""
    carry: bool = field(Flag())
    """Whether a second negotiated data channel, ``onmeet-frames``, id 1, carries frames of a sealed
    channel: see `room_messages.CarryMedia`. Both ends have it or neither."""


@attrs.frozen(kw_only=True)
class MakeOffer:
    """Answer with `Described`; candidates may follow it in `Found`."""

    session: int = session()


@attrs.frozen(kw_only=True)
class TakeOffer:
    """The peer's offer. Answer with `Described`."""

    session: int = session()
    sdp: str = field(_SDP, hidden=True)


@attrs.frozen(kw_only=True)
class TakeAnswer:
    """The peer's answer; connecting begins."""

    session: int = session()
    sdp: str = field(_SDP, hidden=True)


@attrs.frozen(kw_only=True)
class TakeCandidates:
    """ICE candidates of the peer."""

    session: int = session()
    candidates: tuple[Candidate, ...] = field(Several(Nested(Candidate), 0, MAX_CANDIDATES))
    end: bool = field(Flag())


@attrs.frozen(kw_only=True)
class AttachMedia:
    """The call was accepted: open camera and microphone as chosen and send them (replaceTrack)."""

    session: int = session()
    kinds: tuple[Kind, ...] = field(Several(Choice(Kind), 0, 2))


@attrs.frozen(kw_only=True)
class MuteMedia:
    """Somebody else (the command line) muted this end."""

    session: int = session()
    kind: Kind = field(Choice(Kind))
    muted: bool = field(Flag())


@attrs.frozen(kw_only=True)
class SuspectMedia:
    """The peer may be gone: look now whether packets still come; `MediaPathLost` if not."""

    session: int = session()


@attrs.frozen(kw_only=True)
class CloseMedia:
    """Close the peer connection and, if no other session of this call is left, the devices."""

    session: int = session()


FromPage = (
    Hello
    | Focus
    | Noticeable
    | CreateHome
    | UnlockHome
    | NewCode
    | RevokeCode
    | NewLink
    | CloseLink
    | AdmitGuest
    | SendGuestAway
    | ReadCode
    | DrawQr
    | AddContact
    | ChangePerson
    | RenamePerson
    | LookFor
    | Verify
    | ChangeProfile
    | SetPicture
    | GetPicture
    | ShowTo
    | ChangeSettings
    | Dial
    | Take
    | ChangeCall
    | TellMedia
    | Keep
    | ReadHistory
    | DeleteHistory
    | Examine
    | DeleteEverything
    | room.FromPage
    | Described
    | Found
    | MediaConnected
    | MediaFirstFrame
    | MediaPathLost
    | MediaFailed
    | MediaCounters
    | room.Carried
    | Unknown
)
FromNode = (
    Welcome
    | Outdated
    | Home
    | Me
    | People
    | Calls
    | Kept
    | Guests
    | LinkMade
    | Over
    | News
    | Done
    | Refused
    | CodeRead
    | Qr
    | PictureShown
    | Added
    | Presence
    | SafetyNumber
    | Dialled
    | History
    | Findings
    | OpenMedia
    | MakeOffer
    | TakeOffer
    | TakeAnswer
    | TakeCandidates
    | AttachMedia
    | MuteMedia
    | SuspectMedia
    | CloseMedia
    | room.FromNode
)
FromPageMedia = (
    Described
    | Found
    | MediaConnected
    | MediaFirstFrame
    | MediaPathLost
    | MediaFailed
    | MediaCounters
    | room.Carried
)
"""What a page says about its media sessions; the page endpoint takes these."""

from_page: Codec[FromPage] = Codec(FromPage, limit=MAX_PAGE_BYTES)
from_node: Codec[FromNode] = Codec(FromNode, limit=MAX_NODE_BYTES)

"""What is asked about people: contact codes, contacts, the person's own profile."""

from __future__ import annotations

import enum

import attrs

from onmeet_node.control.shapes import (
    MAX_CODE_CHARS,
    NAME,
    PICTURE,
    VALUE,
    WHO,
    Request,
    number,
    settled,
)
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.protocol.identity.profile import Field, Share
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
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, MAX_NOTE_CHARS, MAX_PICTURE_BYTES

NOTE = Text(0, MAX_NOTE_CHARS)
"""A line to go with a request."""


# ── codes ────────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class NewCode(Request):
    """Makes a contact code. `days` 0: for good. `direct`: its holders see this node's addresses."""

    id: int = number()
    label: str | None = maybe(Text(1, MAX_NAME_CHARS))
    days: int = field(Integer(0, 3_650), default=0)
    direct: bool = field(Flag(), default=True)
    settle: bool = settled()


@attrs.frozen(kw_only=True)
class SayCode(Request):
    """A spoken code, told at once (`code-said`); answered when whoever types it is added, and has
    added us. It ends with this request.
    """

    id: int = number()
    label: str | None = maybe(Text(1, MAX_NAME_CHARS))
    name: str | None = maybe(Text(1, MAX_NAME_CHARS))


@attrs.frozen(kw_only=True)
class ListCodes(Request):
    """The codes that work."""

    id: int = number()


@attrs.frozen(kw_only=True)
class RevokeCode(Request):
    """Ends a contact code at once. `drop`: its pending requests are erased with it."""

    id: int = number()
    label: str = field(Text(1, 2 * MAX_NAME_CHARS))
    drop: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class ReadCode(Request):
    """Whose code is this?"""

    id: int = number()
    code: str = field(Text(1, MAX_CODE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class DrawQr(Request):
    """A QR code of this text."""

    id: int = number()
    text: str = field(Text(1, MAX_CODE_CHARS), hidden=True)


# ── contacts ─────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class AddContact(Request):
    """Adds somebody by their code, a contact code or one that they say now, and asks them; looks
    for them for 10 s at most.
    """

    id: int = number()
    code: str = field(Text(1, MAX_CODE_CHARS), hidden=True)
    name: str | None = maybe(Text(1, MAX_NAME_CHARS))
    note: str | None = maybe(NOTE, hidden=True)


@attrs.frozen(kw_only=True)
class ListContacts(Request):
    """Contacts, requests and people who were blocked."""

    id: int = number()


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
class ChangePerson(Request):
    """Does something about a person. To accept or ignore, they are sought among those who ask."""

    id: int = number()
    who: str = field(WHO)
    action: PersonAction = field(Choice(PersonAction))


@attrs.frozen(kw_only=True)
class RenamePerson(Request):
    """How a person is called here; empty: as they call themselves."""

    id: int = number()
    who: str = field(WHO)
    name: str = field(NAME)


@attrs.frozen(kw_only=True)
class LookFor(Request):
    """Is this person reachable now? Looks for 10 s at most."""

    id: int = number()
    who: str = field(WHO)


@attrs.frozen(kw_only=True)
class Verify(Request):
    """The safety number to compare with a person. `matches`: it was, and is the same."""

    id: int = number()
    who: str = field(WHO)
    matches: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class ShowTo(Request):
    """Whether one contact sees a field; None: as all contacts do."""

    id: int = number()
    who: str = field(WHO)
    name: Field = field(Choice(Field))
    shown: bool | None = maybe(Flag())


# ── the own profile ──────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class FieldChange:
    """Another value of one field of the profile, and who may see it; None: as it is."""

    name: Field = field(Choice(Field))
    value: str | None = field(Maybe(VALUE), hidden=True, default=None)
    share: Share | None = field(Maybe(Choice(Share)), default=None)


@attrs.frozen(kw_only=True)
class ChangeProfile(Request):
    """Changes of the profile what is given, and tells all of it."""

    id: int = number()
    fields: tuple[FieldChange, ...] = field(Several(Nested(FieldChange), 0, 8), default=())
    picture_share: Share | None = maybe(Choice(Share))
    reach: ReachPolicy | None = maybe(Choice(ReachPolicy))
    busy: Busy | None = maybe(Choice(Busy))


@attrs.frozen(kw_only=True)
class SetPicture(Request):
    """Another picture of the person (a JPEG), or none."""

    id: int = number()
    data: bytes | None = maybe(Data(1, MAX_PICTURE_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class GetPicture(Request):
    """A picture of somebody, by the name that their card gives it."""

    id: int = number()
    picture: str = field(PICTURE)

"""Answers: exactly one of them names the number of each request of a page."""

from __future__ import annotations

import attrs

from onmeet_node.control.shapes import (
    CALL,
    IDENTITY,
    NAME,
    SAFE,
    SENTENCE,
    TIME,
    answer_number,
)
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.identity.devices import MAX_DEVICE_NAME_CHARS, MAX_LISTED
from onmeet_node.protocol.media import MediaPath
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
)
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, MAX_PICTURE_BYTES, MAX_TEXT_CHARS


@attrs.frozen(kw_only=True)
class Done:
    """It is done."""

    id: int = answer_number()


@attrs.frozen(kw_only=True)
class Refused:
    """It is not done. `kind` names the error for programs, `sentence` says what to do."""

    id: int = answer_number()
    kind: str = field(Text(1, 64, ascii=True))
    sentence: str = field(SENTENCE)


@attrs.frozen(kw_only=True)
class CodeRead:
    """Whose code it is. `name`: as the code says, nobody vouches for it."""

    id: int = answer_number()
    identity: str = field(IDENTITY)
    name: str | None = field(Maybe(NAME))
    expires: int | None = field(Maybe(TIME))
    known: bool = field(Flag())


@attrs.frozen(kw_only=True)
class CodeShown:
    """The spoken code that request `asked` is for. No answer to it: that comes with what became of
    the code.
    """

    asked: int = answer_number()
    code: str = field(Text(1, 80, ascii=True), hidden=True)
    seconds: int = field(Integer(1, 3_600))
    """How long it waits."""


@attrs.frozen(kw_only=True)
class OwnDevice:
    """One device of this person. `since`: Unix seconds, 0: not known."""

    key: str = field(IDENTITY)
    name: str = field(Text(0, MAX_DEVICE_NAME_CHARS))
    since: int = field(TIME)
    holds_identity: bool = field(Flag())
    here: bool = field(Flag())


@attrs.frozen(kw_only=True)
class DevicesShown:
    """The devices of this person."""

    id: int = answer_number()
    devices: tuple[OwnDevice, ...] = field(Several(Nested(OwnDevice), 0, MAX_LISTED))


@attrs.frozen(kw_only=True)
class LinkCodeShown:
    """The code that request `asked` is for, and a QR code of it. No answer to it."""

    asked: int = answer_number()
    code: str = field(Text(1, 80, ascii=True), hidden=True)
    seconds: int = field(Integer(1, 3_600))
    rows: tuple[str, ...] = field(Several(Text(1, 177, pattern="[01]*"), 1, 177))


@attrs.frozen(kw_only=True)
class LinkWords:
    """The words that both devices show while request `asked` links one. No answer to it: that comes
    with what became of the link, after `confirm-device`.
    """

    asked: int = answer_number()
    words: tuple[str, ...] = field(Several(Text(1, 32, ascii=True), 4, 4), hidden=True)
    name: str = field(Text(0, MAX_DEVICE_NAME_CHARS))


@attrs.frozen(kw_only=True)
class Qr:
    """Rows of modules, ``1`` is dark; the quiet zone is not included."""

    id: int = answer_number()
    rows: tuple[str, ...] = field(Several(Text(1, 177, pattern="[01]*"), 1, 177))


@attrs.frozen(kw_only=True)
class PictureShown:
    """A picture of somebody: a JPEG without metadata. Empty: it is gone."""

    id: int = answer_number()
    data: bytes = field(Data(0, MAX_PICTURE_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class Added:
    """The contact is there. `delivered`: the request reached them already."""

    id: int = answer_number()
    identity: str = field(IDENTITY)
    delivered: bool = field(Flag())


@attrs.frozen(kw_only=True)
class Presence:
    """Whether a sealed channel to this person could be opened."""

    id: int = answer_number()
    reachable: bool = field(Flag())


@attrs.frozen(kw_only=True)
class SafetyNumber:
    """60 digits, the same on both sides, and a QR code of them."""

    id: int = answer_number()
    number: str = field(Text(60, 80))
    rows: tuple[str, ...] = field(Several(Text(1, 177, pattern="[01]*"), 1, 177))


@attrs.frozen(kw_only=True)
class Dialled:
    """The call is being made. It may end as another one when both dialled at once."""

    id: int = answer_number()
    call: str = field(CALL)


@attrs.frozen(kw_only=True)
class LinkMade:
    """A guest link was made; `plain` and `html` are it for an e-mail."""

    id: int = answer_number()
    link: str = field(Text(8, 8, pattern="[0-9a-f]+"))
    plain: str = field(Text(1, 4_096), hidden=True)
    html: str = field(Text(1, 8_192), hidden=True)


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

    id: int = answer_number()
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

    id: int = answer_number()
    findings: tuple[Finding, ...] = field(Several(Nested(Finding), 0, 64))

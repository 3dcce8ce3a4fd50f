"""A mailbox at a bootstrap, where the two sides of a spoken code meet: `/onmeet/mailbox/1`.

One stream is one side (PROTOCOL, "Spoken codes"). The first frame says which; then whatever one
side puts in, the other is given, until either stream ends. The bootstrap reads none of it.
"""

from __future__ import annotations

import enum

import attrs

from onmeet_node.protocol.wire.bootstrap_api import Refused
from onmeet_node.protocol.wire.codec import Codec
from onmeet_node.protocol.wire.fields import Choice, Data, Integer, field
from onmeet_node.protocol.wire.messages import Unknown

# ── fixed by the protocol ────────────────────────────────────────────────────────────────────────
MAILBOX_PROTOCOL = "/onmeet/mailbox/1"
MAX_FRAME_BYTES = 2_048
MAX_LETTER_BYTES = 1_536
"""Of one letter; a sealed contact code is the longest."""
MAX_LETTERS = 4
"""That one side may put in; the exchange takes three."""
MAX_NAMEPLATE = 9_999
MAILBOX_SECONDS = 600
"""How long a mailbox waits for the second side, and for both to have finished."""
CODE_BYTES = 1_200
"""What a contact code is filled up to, so that its length says nothing."""
TAG_BYTES = 32
SEAL_BYTES = 16
"""What sealing adds: the tag of Poly1305. The nonce is not sent."""


# ── a side to the mailbox ────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class OpenMailbox:
    """A mailbox for me and one other, please. Answered with `MailboxOpened`."""

    nameplate: int = field(Integer(0, MAX_NAMEPLATE), default=0)
    """This number, or none: one of the shortest that are free."""


@attrs.frozen(kw_only=True)
class EnterMailbox:
    """I am the second side of this one. Answered with `MailboxEntered`; no third ever is."""

    nameplate: int = field(Integer(1, MAX_NAMEPLATE))


@attrs.frozen(kw_only=True)
class MailboxLetter:
    """For the other side; passed on as it is, both ways."""

    body: bytes = field(Data(1, MAX_LETTER_BYTES), hidden=True)


# ── the mailbox to a side ────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class MailboxOpened:
    """It is yours, while this stream lasts, for so long at most."""

    nameplate: int = field(Integer(1, MAX_NAMEPLATE))
    seconds: int = field(Integer(1, 3_600))


@attrs.frozen(kw_only=True)
class MailboxEntered:
    """To both sides: you are two now, and nobody else can come in by this number."""


class MailboxEnd(enum.StrEnum):
    """Why a mailbox is no more."""

    LEFT = "left"
    """The other side's stream ended."""
    CROWDED = "crowded"
    """A third came with the same number."""
    EXPIRED = "expired"
    BROKEN = "broken"
    """The other side put in what is no letter, too much, or before there were two."""


@attrs.frozen(kw_only=True)
class MailboxEnded:
    """The last frame: the mailbox is gone, and its number is free."""

    reason: MailboxEnd = field(Choice(MailboxEnd))


MailboxRequest = OpenMailbox | EnterMailbox | MailboxLetter | Unknown
MailboxAnswer = MailboxOpened | MailboxEntered | MailboxLetter | MailboxEnded | Refused | Unknown


# ── one side to the other, in letters ────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class PakeShare:
    """SPAKE2's message of one side: a point of edwards25519."""

    element: bytes = field(Data(32, 32))


@attrs.frozen(kw_only=True)
class PakeProof:
    """Proof that the same words were typed here."""

    tag: bytes = field(Data(TAG_BYTES, TAG_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class SealedCode:
    """The own contact code, sealed for whoever said the same words."""

    box: bytes = field(Data(CODE_BYTES + SEAL_BYTES, CODE_BYTES + SEAL_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class WrongWords:
    """Your proof does not fit: the words differ, or somebody stands between. The last letter."""


SpokenLetter = PakeShare | PakeProof | SealedCode | WrongWords | Unknown

_requests: Codec[MailboxRequest] = Codec(MailboxRequest, limit=MAX_FRAME_BYTES)
_answers: Codec[MailboxAnswer] = Codec(MailboxAnswer, limit=MAX_FRAME_BYTES)
_letters: Codec[SpokenLetter] = Codec(SpokenLetter, limit=MAX_LETTER_BYTES)


def encode_request(request: MailboxRequest) -> bytes:
    """What a side says, without framing."""
    return _requests.encode(request)


def decode_request(data: bytes) -> MailboxRequest:
    """What a side says. Raises `DecodeError` and nothing else."""
    return _requests.decode(data)


def encode_answer(answer: MailboxAnswer) -> bytes:
    """What the mailbox says, without framing."""
    return _answers.encode(answer)


def decode_answer(data: bytes) -> MailboxAnswer:
    """What the mailbox says. Raises `DecodeError` and nothing else."""
    return _answers.decode(data)


def encode_letter(letter: SpokenLetter) -> bytes:
    """The body of a letter."""
    return _letters.encode(letter)


def decode_letter(body: bytes) -> SpokenLetter:
    """What a letter says. Raises `DecodeError` and nothing else."""
    return _letters.decode(body)

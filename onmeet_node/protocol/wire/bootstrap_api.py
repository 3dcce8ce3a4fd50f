"""What a node asks a bootstrap: `/onmeet/boot/1` (PROTOCOL, "`/onmeet/boot/1`").

A libp2p stream of frames. The node asks, the bootstrap answers each question with one frame, in
order. Messages are encoded like those of channels (`codec`), and what is unknown to a bootstrap is
answered with `Refused`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.wire.codec import Codec
from onmeet_node.protocol.wire.errors import DecodeError, DescriptionError
from onmeet_node.protocol.wire.fields import (
    Choice,
    Data,
    Flag,
    Integer,
    Nested,
    Several,
    Text,
    field,
    maybe,
)
from onmeet_node.protocol.wire.messages import Unknown
from onmeet_node.protocol.wire.peer_id import ed25519_key
from onmeet_node.protocol.wire.seat import ISSUER, MAX_ISSUER_CHARS

# ── fixed by the protocol ────────────────────────────────────────────────────────────────────────
PROTOCOL = "/onmeet/boot/1"
MAX_FRAME_BYTES = 8_192
"""Of a question or an answer."""
REGIONS = ("ca", "de")
"""Where servers of On-Meet stand (P10): Canada, Germany."""
CONTEXT = b"onmeet bootstrap description 1\x00"
"""Stands before the signed bytes, so that the signature fits nothing else."""
RECEIPT_CONTEXT = b"onmeet bootstrap receipt 1\x00"
MAX_LIFETIME = 24 * 3_600
"""Seconds from `issued` to `not_after` at most: a bootstrap that moved is soon known to have."""
MAX_CLOCK_LEAD = 600
"""Seconds a bootstrap's clock may be ahead of a node's."""
MAX_OPERATOR_CHARS = 80
MAX_TOKEN_BYTES = 512
"""One of type 2 has 354; what has another length is refused with a word."""


# ── questions ────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class Describe:
    """Who are you? Answered with `SignedDescription`."""


@attrs.frozen(kw_only=True)
class LendTurn:
    """May I use your TURN server? Answered with `TurnCredentials`."""

    guest: bool = field(Flag(), default=False)
    """For a guest of mine: of a share apart from mine, so that guests cost their host nothing."""
    token: bytes | None = maybe(Data(1, MAX_TOKEN_BYTES), hidden=True)
    """That pays for it, where `tokens` of the description say so (PROTOCOL, "Tokens")."""


@attrs.frozen(kw_only=True)
class Echo:
    """Where do you see me coming from? Answered with `Observed`."""


class Transport(enum.StrEnum):
    """How a listening port is spoken to."""

    TCP = "tcp"
    WEBSOCKET = "ws"


@attrs.frozen(kw_only=True)
class DialBack:
    """Can I be reached at this port of the address you see me at? Answered with `DialedBack`.

    The port is all that can be chosen: nobody else can be dialled by asking.
    """

    port: int = field(Integer(1, 65_535))
    transport: Transport = field(Choice(Transport), default=Transport.TCP)


@attrs.frozen(kw_only=True)
class Settle:
    """What did you hold for my node since I connected, or since I asked last? Answered with
    `SignedReceipt`.
    """


# ── answers ──────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class Limits:
    """What one node may take, so that it need not find out by being refused. 0: not told."""

    reservations: int = field(Integer(0, 2**32 - 1), default=0)
    """Relay places held at once."""
    circuit_seconds: int = field(Integer(0, 2**32 - 1), default=0)
    """How long one relayed connection may last."""
    circuit_bytes: int = field(Integer(0, 2**53 - 1), default=0)
    """How much may pass through it, both ways together."""
    questions_per_minute: int = field(Integer(0, 2**32 - 1), default=0)


@attrs.frozen(kw_only=True)
class WeekKey:
    """The key that an issuer signs one week's tokens with."""

    epoch: int = field(Integer(0, 2**32 - 1))
    """Weeks since Monday, 5 January 1970."""
    id: bytes = field(Data(32, 32))
    """SHA-256 of its SubjectPublicKeyInfo."""


@attrs.frozen(kw_only=True)
class TokenTerms:
    """Whose tokens a bootstrap takes for TURN. Signed with the rest: all nodes are shown the same
    keys, or the operator has signed that they were not.
    """

    issuer: str = field(Text(1, MAX_ISSUER_CHARS, ascii=True, pattern=ISSUER))
    """Its name, asked by HTTPS."""
    keys: tuple[WeekKey, ...] = field(Several(Nested(WeekKey), 0, 8, distinct=True, cut=True))
    """This week's and the next one's. Nobody buys where there are more."""
    free: int = field(Integer(0, 2**32 - 1), default=0)
    """Credentials a day that one network gets without a token."""
    doors: bool = field(Flag(), default=False)
    """Whether a door for guests costs a token a day, too."""


@attrs.frozen(kw_only=True)
class Description:
    """Who runs a bootstrap, where, and what it offers. Travels inside `SignedDescription`."""

    operator: str = field(Text(0, MAX_OPERATOR_CHARS), default="")
    """As users read it; whoever displays it cleans it first."""
    region: str = field(Text(0, 2, pattern="(ca|de)?"), default="")
    """One of `REGIONS`; empty if the operator says neither."""
    services: tuple[str, ...] = field(
        Several(Text(1, 32), 0, 16, distinct=True, cut=True), default=()
    )
    """Of `vocabulary.BootstrapService`; unknown ones are ignored."""
    policy_version: int = field(Integer(0, 2**32 - 1), default=0)
    """Of the operator's policy text (P13); 0 if there is none."""
    limits: Limits = field(Nested(Limits), default=Limits())
    tokens: TokenTerms | None = maybe(Nested(TokenTerms))
    """Absent where TURN is lent to anybody, within limits."""
    issued: int = field(Integer(0, 2**53 - 1))
    """Unix seconds."""
    not_after: int = field(Integer(0, 2**53 - 1))
    """Unix seconds from which on it is void; at most `MAX_LIFETIME` later."""


@attrs.frozen(kw_only=True)
class SignedDescription:
    """A description as it was signed: its bytes are kept, so no one form need be agreed on."""

    body: bytes = field(Data(1, 2_048))
    """An encoded `Description`."""
    signature: bytes = field(Data(64, 64))
    """Ed25519, over `CONTEXT` and the body, by the key that the PeerId holds."""


@attrs.frozen(kw_only=True)
class TurnCredentials:
    """Time-limited TURN credentials (draft-uberti-behave-turn-rest-00, section 2.2)."""

    urls: tuple[str, ...] = field(
        Several(Text(6, 256, ascii=True, pattern="turns?:[!-~]+"), 1, 8, distinct=True, cut=True)
    )
    """RFC 7065, as in ``turn:turn.example.org:3478?transport=udp``."""
    username: str = field(Text(1, 128, ascii=True))
    """Expiry and the name of a share that changes daily, never an identity."""
    credential: str = field(Text(1, 128, ascii=True), hidden=True)
    ttl: int = field(Integer(1, 7 * 86_400))
    """Seconds they work for from now on, so that no clocks are compared."""


@attrs.frozen(kw_only=True)
class Observed:
    """The address that the asking node's connection comes from, as a multiaddr."""

    address: str = field(Text(1, 256, ascii=True), hidden=True)


@attrs.frozen(kw_only=True)
class DialedBack:
    """What came of a `DialBack`."""

    reachable: bool = field(Flag())
    """A fresh connection was made, and the asking node proved there that it is itself."""
    address: str = field(Text(0, 256, ascii=True), default="", hidden=True)
    """The multiaddr that was dialled, without ``/p2p``."""


@attrs.frozen(kw_only=True)
class Receipt:
    """What a bootstrap held for the asking node, and has released: numbers alone."""

    since: int = field(Integer(0, 2**53 - 1))
    """Unix seconds: when it first held anything that is counted here."""
    until: int = field(Integer(0, 2**53 - 1))
    circuits: int = field(Integer(0, 2**32 - 1), default=0)
    """Relayed connections that have ended."""
    circuit_bytes: int = field(Integer(0, 2**53 - 1), default=0)
    """Sealed bytes that passed through those, both ways."""
    doors: int = field(Integer(0, 2**32 - 1), default=0)
    """For guests, closed by now."""
    guests: int = field(Integer(0, 2**32 - 1), default=0)
    """That came through them and have gone."""
    guest_bytes: int = field(Integer(0, 2**53 - 1), default=0)
    """Sealed bytes to and from those."""
    credentials: int = field(Integer(0, 2**32 - 1), default=0)
    """TURN credentials computed for the node; none is kept."""
    held: int = field(Integer(0, 2**32 - 1), default=0)
    """Circuits and doors that are still open: kept for their owner, not left over."""


@attrs.frozen(kw_only=True)
class SignedReceipt:
    """A receipt as it was signed."""

    body: bytes = field(Data(1, 1_024))
    signature: bytes = field(Data(64, 64))
    """Ed25519, over `RECEIPT_CONTEXT` and the body, by the key that the PeerId holds."""


@attrs.frozen
class Refused:
    """No. Not the last word: a node that was told ``busy`` asks again in a minute."""

    reason: str = field(Text(1, 32, ascii=True, pattern="[a-z-]+"))
    """``busy`` (asked too often), ``unsupported`` (no such question here), ``exhausted`` (this node
    or all together have what they may) or ``unavailable`` (not now); any other means the last.
    Where tokens are taken also ``token-needed``, ``token-spent``, ``token-ended`` (its week is
    over) and ``token-invalid`` (PROTOCOL, "Tokens"). Of a mailbox also ``taken``, ``unknown`` and
    ``crowded`` (PROTOCOL, "Spoken codes")."""
    text: str = field(Text(0, 200), default="")
    """For a log: what happened and what to do, in English."""


Request = Describe | LendTurn | Echo | DialBack | Settle | Unknown
Answer = (
    SignedDescription | TurnCredentials | Observed | DialedBack | SignedReceipt | Refused | Unknown
)

_requests: Codec[Request] = Codec(Request, limit=MAX_FRAME_BYTES)
_answers: Codec[Answer] = Codec(Answer, limit=MAX_FRAME_BYTES)
_descriptions: Codec[Description] = Codec(Description, limit=2_048)
_receipts: Codec[Receipt] = Codec(Receipt, limit=1_024)


def encode_request(request: Request) -> bytes:
    """A question as bytes, without framing. Raises `LocalProtocolError` for `Unknown`."""
    return _requests.encode(request)


def decode_request(data: bytes) -> Request:
    """A question from bytes. Raises `DecodeError` and nothing else."""
    return _requests.decode(data)


def encode_answer(answer: Answer) -> bytes:
    """An answer as bytes, without framing. Raises `LocalProtocolError` for `Unknown`."""
    return _answers.encode(answer)


def decode_answer(data: bytes) -> Answer:
    """An answer from bytes. Raises `DecodeError` and nothing else."""
    return _answers.decode(data)


def sign_description(description: Description, sign: Callable[[bytes], bytes]) -> SignedDescription:
    """Signs; `sign` gives the 64-byte Ed25519 signature under the bootstrap's libp2p key.

    Raises `LocalProtocolError` for a description that no node would believe.
    """
    lifetime = description.not_after - description.issued
    if not 0 < lifetime <= MAX_LIFETIME:
        raise LocalProtocolError(
            f"A description cannot last {lifetime} seconds: choose at most {MAX_LIFETIME}."
        )
    body = _descriptions.encode(description)
    return SignedDescription(body=body, signature=sign(CONTEXT + body))


def open_description(signed: SignedDescription, peer_id: str, *, now: int) -> Description:
    """What the bootstrap with this PeerId says of itself, at Unix second `now`.

    Raises `DescriptionError`. Who may be believed is proven, not what: an operator can still lie
    about the region, but not deny having said so.
    """
    try:
        key = VerifyKey(ed25519_key(peer_id))
    except ValueError:
        raise DescriptionError("its PeerId holds no Ed25519 key to check it with") from None
    try:
        key.verify(CONTEXT + signed.body, signed.signature)
    except BadSignatureError:
        raise DescriptionError("it is not signed with the key of its address") from None
    try:
        description = _descriptions.decode(signed.body)
    except DecodeError as error:
        raise DescriptionError(f"it is unreadable: {error.reason}") from None
    if isinstance(description, Unknown):
        raise DescriptionError("it is no description")
    if description.not_after <= now:
        raise DescriptionError(f"it expired {now - description.not_after} seconds ago")
    if description.issued > now + MAX_CLOCK_LEAD:
        raise DescriptionError(f"it is dated {description.issued - now} seconds in the future")
    if not description.issued < description.not_after <= description.issued + MAX_LIFETIME:
        raise DescriptionError("it claims to last longer than descriptions may")
    return description


def sign_receipt(receipt: Receipt, sign: Callable[[bytes], bytes]) -> SignedReceipt:
    """Signs; `sign` as in `sign_description`."""
    body = _receipts.encode(receipt)
    return SignedReceipt(body=body, signature=sign(RECEIPT_CONTEXT + body))


def open_receipt(signed: SignedReceipt, peer_id: str) -> Receipt:
    """What the bootstrap with this PeerId signed to have held. Raises `DescriptionError`."""
    try:
        VerifyKey(ed25519_key(peer_id)).verify(RECEIPT_CONTEXT + signed.body, signed.signature)
        receipt = _receipts.decode(signed.body)
    except (ValueError, BadSignatureError):
        raise DescriptionError("its receipt is not signed with the key of its address") from None
    except DecodeError as error:
        raise DescriptionError(f"its receipt is unreadable: {error.reason}") from None
    if isinstance(receipt, Unknown):
        raise DescriptionError("what it signed is no receipt")
    return receipt

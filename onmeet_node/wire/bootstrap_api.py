"""What nodes and bootstraps say on `/onmeet/boot/1` (PROTOCOL, "Bootstrap").

Frames and encoding are those of a channel. A question is answered by one answer, in order. A
description is signed with the Ed25519 key that the bootstrap's PeerId contains: nobody else can
say who a given address is.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from onmeet_node.wire import messages
from onmeet_node.wire.codec import Codec
from onmeet_node.wire.errors import DecodeError, DescriptionError, LocalProtocolError
from onmeet_node.wire.fields import Data, Integer, Several, Text, field

# ── fixed by the protocol ────────────────────────────────────────────────────────────────────────
PROTOCOL = "/onmeet/boot/1"
MAX_FRAME_BYTES = 8192
CONTEXT = b"onmeet bootstrap description 1\x00"
"""Stands before the signed bytes, so that the signature fits nothing else."""
REGIONS = ("ca", "de")
MAX_LIFETIME = 24 * 3600
"""Seconds from `issued` to `not_after` at most."""
MAX_CLOCK_LEAD = 600
"""Seconds a bootstrap's clock may be ahead of ours."""
MAX_OPERATOR_CHARS = 80

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519_PEER = bytes.fromhex("002408011220")
"""Stands before the key in a PeerId: identity multihash, protobuf {type Ed25519, 32 bytes}."""


@attrs.frozen
class Describe:
    """Who are you? Answered by `SignedDescription`."""


@attrs.frozen(kw_only=True)
class Description:
    """What a bootstrap says of itself."""

    operator: str = field(Text(0, MAX_OPERATOR_CHARS), default="")
    """Who runs it. Text from outside: whoever shows it cleans it."""
    region: str = field(Text(0, 2, pattern="ca|de|"), default="")
    """Where it stands: Canada, Germany, or empty for neither."""
    services: tuple[str, ...] = field(Several(Text(1, 32, ascii=True), 0, 16, distinct=True))
    """``dht``, ``relay``; later ones are ignored by those who don't know them."""
    policy: int = field(Integer(0, 2**31), default=0)
    """Version of the operator's policy; 0 for none."""
    issued: int = field(Integer(0, 2**52))
    """Unix seconds."""
    not_after: int = field(Integer(0, 2**52))
    """Unix seconds from which on it is void."""


@attrs.frozen(kw_only=True)
class SignedDescription:
    """A `Description`, encoded, and the Ed25519 signature over `CONTEXT` and its bytes."""

    body: bytes = field(Data(1, 4096), hidden=True)
    signature: bytes = field(Data(64, 64), hidden=True)


@attrs.frozen
class Refused:
    """No answer to a question; the reason is one of ours or unknown."""

    reason: str = field(Text(1, 32, ascii=True))
    """``busy``: asked too often, come back in a minute. ``unsupported``: we don't know that."""


Request = Describe | messages.Unknown
Answer = SignedDescription | Refused | messages.Unknown

_requests: Codec[Request] = Codec(Request, limit=MAX_FRAME_BYTES)
_answers: Codec[Answer] = Codec(Answer, limit=MAX_FRAME_BYTES)
_bodies: Codec[Description | messages.Unknown] = Codec(Description | messages.Unknown, limit=4096)


def encode_request(request: Request) -> bytes:
    """A question as bytes, without framing."""
    return _requests.encode(request)


def decode_request(data: bytes) -> Request:
    """A question from bytes. Raises `DecodeError` and nothing else."""
    return _requests.decode(data)


def encode_answer(answer: Answer) -> bytes:
    """An answer as bytes, without framing."""
    return _answers.encode(answer)


def decode_answer(data: bytes) -> Answer:
    """An answer from bytes. Raises `DecodeError` and nothing else."""
    return _answers.decode(data)


def sign_description(description: Description, sign: Callable[[bytes], bytes]) -> SignedDescription:
    """Signs it; `sign` gives the 64-byte Ed25519 signature under the bootstrap's PeerId."""
    lifetime = description.not_after - description.issued
    if not 0 < lifetime <= MAX_LIFETIME:
        raise LocalProtocolError(
            f"A description cannot last {lifetime} seconds: choose at most {MAX_LIFETIME}."
        )
    body = _bodies.encode(description)
    return SignedDescription(body=body, signature=sign(CONTEXT + body))


def open_description(signed: SignedDescription, peer: str, *, now: int) -> Description:
    """The description, if the holder of PeerId `peer` signed it and it is valid at Unix `now`.

    Raises `DescriptionError`.
    """
    try:
        VerifyKey(key_of_peer(peer)).verify(CONTEXT + signed.body, signed.signature)
    except BadSignatureError:
        raise DescriptionError("it is not signed with the key of its address") from None
    try:
        description = _bodies.decode(signed.body)
    except DecodeError as error:
        raise DescriptionError(f"it cannot be read, {error.reason}") from None
    if isinstance(description, messages.Unknown):
        raise DescriptionError("it is something else")
    if description.not_after <= now:
        raise DescriptionError(f"it expired {now - description.not_after} seconds ago")
    if description.issued > now + MAX_CLOCK_LEAD:
        raise DescriptionError(f"it is dated {description.issued - now} seconds in the future")
    if not description.issued < description.not_after <= description.issued + MAX_LIFETIME:
        raise DescriptionError("it claims to last longer than descriptions may")
    return description


def key_of_peer(peer: str) -> bytes:
    """The Ed25519 public key, 32 bytes, that a PeerId in base58 contains.

    Raises `DescriptionError` for PeerIds of other kinds: bootstraps have none.
    """
    number = 0
    for letter in peer[:64]:
        digit = _BASE58.find(letter)
        if digit < 0:
            raise DescriptionError("its address names no PeerId")
        number = number * 58 + digit
    # NOTE: the leading zero byte is a leading "1" in base58, which adds nothing to the number.
    size = len(_ED25519_PEER) + 32
    try:
        raw = number.to_bytes(size, "big")
    except OverflowError:
        raw = b""
    if not raw.startswith(_ED25519_PEER) or len(peer) > 64:
        raise DescriptionError("its PeerId contains no Ed25519 key")
    return raw[len(_ED25519_PEER) :]

"""Guest links: what a host hands somebody who has nothing but a browser (PROTOCOL, "Guests").

Everything stands in the fragment, which browsers never send to a server. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import attrs
from attrs import validators as v

from onmeet_node.protocol.wire.cipher import KEY_BYTES, x25519_public
from onmeet_node.protocol.wire.errors import LinkError
from onmeet_node.protocol.wire.pasted import MAX_PASTED_CHARS, split_at, unwrapped

__all__ = [
    "DOOR_ID_BYTES",
    "SECRET_BYTES",
    "GuestLink",
    "door_id",
    "guest_prologue",
    "parse_link",
    "read_link",
]

VERSION = 1
_VERSIONS = 15
"""Of links that there may ever be; a greater number is damage, not the future."""
DOOR_ID_BYTES = 16
SECRET_BYTES = 16
GUEST_PROTOCOL = "/onmeet/guest/2"
"""libp2p protocol id; also the first bytes of the Noise prologue."""
_EXPIRES_BYTES = 4
_CHECK_BYTES = 4
_LENGTH = 1 + DOOR_ID_BYTES + KEY_BYTES + SECRET_BYTES + _EXPIRES_BYTES + _CHECK_BYTES
_SYMBOLS = -(-_LENGTH * 8 // 6)
"""Characters of base64url that a link's fragment has."""
_PSK_KEY = b"onmeet link psk\x01"
_DOOR_KEY = b"onmeet door id\x01\x01"


def door_id(door_secret: bytes) -> bytes:
    """The 16 bytes by which guests name a door; only who knows the secret opens it."""
    return hashlib.blake2b(door_secret, digest_size=DOOR_ID_BYTES, key=_DOOR_KEY).digest()


def guest_prologue(door: bytes) -> bytes:
    """What host and guest agree on without saying it: this protocol, through this door."""
    return GUEST_PROTOCOL.encode() + door


def _exactly(length: int) -> list[Any]:
    return [v.instance_of(bytes), v.min_len(length), v.max_len(length)]


@attrs.frozen(kw_only=True)
class GuestLink:
    """What a guest needs to reach its host, and nobody else."""

    door: bytes = attrs.field(repr=False, validator=_exactly(DOOR_ID_BYTES))
    key: bytes = attrs.field(repr=False, validator=_exactly(KEY_BYTES))
    """The host's X25519 public key for this link alone."""
    secret: bytes = attrs.field(repr=False, validator=_exactly(SECRET_BYTES))
    expires: int | None = attrs.field(
        default=None, validator=v.optional(v.and_(v.ge(1), v.lt(1 << 32)))
    )
    """Unix seconds, so that a page can say that a link has expired; the host decides."""

    @property
    def psk(self) -> bytes:
        """The pre-shared key of the handshake, 32 bytes."""
        return psk_of(self.secret)

    def fragment(self) -> str:
        """What stands behind the ``#``: 98 characters of base64url."""
        body = bytes([VERSION]) + self.door + self.key + self.secret
        body += (self.expires or 0).to_bytes(_EXPIRES_BYTES, "big")
        return base64.urlsafe_b64encode(body + _check(body)).rstrip(b"=").decode()

    def url(self, origin: str) -> str:
        """The link on a gateway, whose origin is as in ``https://meet.example.org``."""
        return f"{origin}/j#{self.fragment()}"


def psk_of(secret: bytes) -> bytes:
    """The psk of a link's secret."""
    return hashlib.blake2b(secret, digest_size=KEY_BYTES, key=_PSK_KEY).digest()


def make_link(
    *, door_secret: bytes, private_key: bytes, secret: bytes, expires: int | None
) -> GuestLink:
    """The link that belongs to what its host keeps."""
    return GuestLink(
        door=door_id(door_secret), key=x25519_public(private_key), secret=secret, expires=expires
    )


def parse_link(text: str) -> GuestLink:
    """The link in what somebody pasted, or its fragment alone: see `read_link`."""
    return read_link(text)[1]


def read_link(text: str) -> tuple[str, GuestLink]:
    """The origin (empty for a fragment alone) and the link in what somebody pasted.

    Text around it, line breaks in it and percent-encoding do not matter: length and checksum say
    that nothing is missing. Raises `LinkError`, which says what to do.
    """
    if len(text) > MAX_PASTED_CHARS:
        raise LinkError("That is too long for a guest link; copy the link alone.")
    text = unwrapped(text)
    found = split_at(text, "[je]")
    if found is None and (split_at(text, "c") or "onmeet:" in text.lower()):
        raise LinkError(
            "That is a contact code and no guest link. With a node of your own: onmeet contacts "
            "add; else ask for a link and copy that."
        )
    origin, rest = found or ("", text.rpartition("#")[2])
    symbols = re.sub(r"[^A-Za-z0-9_-]", "", rest)[:_SYMBOLS]
    whole = len(symbols) == _SYMBOLS
    data = base64.urlsafe_b64decode(symbols + "=" * (-_SYMBOLS % 4)) if whole else b""
    if data and VERSION < data[0] <= _VERSIONS:
        raise LinkError("That link is of a newer On-Meet than this one: update, and try again.")
    if not symbols:
        raise LinkError("That is no guest link; copy it again, up to its last character.")
    if not data or data[0] != VERSION or data[-_CHECK_BYTES:] != _check(data[:-_CHECK_BYTES]):
        raise LinkError("That link was cut off or mistyped; copy it again, or ask for a new one.")
    door_end = 1 + DOOR_ID_BYTES
    key_end = door_end + KEY_BYTES
    secret_end = key_end + SECRET_BYTES
    expires = int.from_bytes(data[secret_end : secret_end + _EXPIRES_BYTES], "big")
    return origin, GuestLink(
        door=data[1:door_end],
        key=data[door_end:key_end],
        secret=data[key_end:secret_end],
        expires=expires or None,
    )


def _check(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECK_BYTES).digest()

"""Those who may find a node: the holders of one secret."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

import attrs
from attrs import validators as v

from .blinding import SECRET_BYTES
from .keys import IdentityKey

ANYONE_SECRET = bytes(SECRET_BYTES)
"""The secret of the audience of “anyone” mode: whoever knows the identity finds the record."""
PROOF_BYTES = 32

_PAIR_DOMAIN = b"onmeet pair secret 1"


@attrs.frozen
class Audience:
    """Who holds `secret` finds this node's record while the audience is live."""

    label: str
    """What its owner calls it; never leaves the node."""
    secret: bytes = attrs.field(
        repr=False,
        validator=v.and_(v.instance_of(bytes), v.min_len(SECRET_BYTES), v.max_len(SECRET_BYTES)),
    )
    expires: int | None = None
    """Unix seconds from which on it is dead; None: never."""
    direct: bool = False
    """Whether its record carries the node's own addresses, not only those at relays."""
    single: bool = False
    """Of one contact, until it has the secret of all: nobody else waits for its record, of which
    there may be a thousand."""

    def live(self, now: int) -> bool:
        """Whether it is still in force at `now` (Unix seconds)."""
        return self.expires is None or now < self.expires


def proof(secret: bytes, handshake_hash: bytes) -> bytes:
    """Shows, on the one channel with this Noise handshake hash, that the sender holds `secret`.

    BLAKE2b-256 keyed with the secret over the hash: worthless on any other channel. 32 bytes.
    """
    return hashlib.blake2b(handshake_hash, key=secret, digest_size=PROOF_BYTES).digest()


def find_by_proof(
    audiences: Iterable[Audience], shown: bytes | None, handshake_hash: bytes, now: int
) -> Audience | None:
    """The live audience whose secret `shown` proves, or None.

    Takes as long whichever audience it is, or none.
    """
    found = None
    for audience in audiences:
        expected = proof(audience.secret, handshake_hash)
        if hmac.compare_digest(expected, shown or b"") and audience.live(now):
            found = audience
    return found


def pair_secret(key: IdentityKey, other: bytes) -> bytes:
    """The audience secret that two people share without having exchanged one, 16 bytes.

    BLAKE2b-128(domain || X25519(a, B) || the lesser identity || the greater). After the contacts'
    secret was rotated, a contact who was offline finds the node by a record under this one, and
    gets the new secret in conversation. Raises `BadKey` if `other` is no valid identity.
    """
    low, high = sorted((key.public, other))
    material = _PAIR_DOMAIN + key.agree(other) + low + high
    return hashlib.blake2b(material, digest_size=SECRET_BYTES).digest()

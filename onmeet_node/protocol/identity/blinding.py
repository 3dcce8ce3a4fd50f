"""Key blinding: an identity is another key in each audience and epoch (PROTOCOL, "Key blinding").

As in Tor's rend-spec-v3, appendix A.2: with A = aB, a factor h gives A' = hA and a' = ha mod L.
Whoever knows A, the audience's secret and the epoch finds A'; nobody else can tell that A' and A,
or the A' of two epochs, belong together. Signatures under a' are plain RFC 8032 ones under A'.

Two things differ from Tor. h is a 64-byte hash reduced mod L, not 32 clamped bytes, so it is
uniform and public arithmetic never needs a cofactor. And the nonce prefix depends on A': Tor's is
the same in every period, so one text signed in two periods has one nonce, from which everybody who
knows both factors could compute a.
"""

from __future__ import annotations

import hashlib

from nacl.bindings import (
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)

from .errors import BadKey
from .keys import IdentityKey, require_point

EPOCH_SECONDS = 21_600
"""Six hours: how long one blinded key is in use."""
SECRET_BYTES = 16
"""An audience's secret."""

_FACTOR_DOMAIN = b"onmeet blinding factor 1"
_PREFIX_DOMAIN = b"onmeet blinded nonce prefix 1"


def epoch_at(now: int) -> int:
    """The number of the epoch that contains `now` (Unix seconds)."""
    return now // EPOCH_SECONDS


def binding(identity: bytes, secret: bytes, epoch: int) -> bytes:
    """The 56 bytes A || secret || epoch (64 bits, big-endian) that audience keys are made from."""
    if len(secret) != SECRET_BYTES:
        raise BadKey(
            f"An audience's secret has {SECRET_BYTES} bytes, not {len(secret)}; make a new code."
        )
    return identity + secret + epoch.to_bytes(8, "big")


def blinding_factor(identity: bytes, secret: bytes, epoch: int) -> bytes:
    """The scalar h = BLAKE2b-512(domain || A || secret || epoch) mod L, 32 bytes little-endian."""
    material = binding(require_point(identity), secret, epoch)
    digest = hashlib.blake2b(_FACTOR_DOMAIN + material).digest()
    return crypto_core_ed25519_scalar_reduce(digest)


def blind_public(identity: bytes, secret: bytes, epoch: int) -> bytes:
    """A' of an identity for one audience and epoch, 32 bytes. Raises `BadKey` on bad points."""
    return scale_point(identity, blinding_factor(identity, secret, epoch))


def blind(key: IdentityKey, secret: bytes, epoch: int) -> BlindedKey:
    """The key pair whose public half is `blind_public` of the same audience and epoch."""
    factor = blinding_factor(key.public, secret, epoch)
    scalar = scale_scalar(key.secret_scalar, factor)
    public = crypto_scalarmult_ed25519_base_noclamp(scalar)
    prefix = hashlib.blake2b(_PREFIX_DOMAIN + key.nonce_prefix + public, digest_size=32).digest()
    return BlindedKey(scalar, prefix, public)


def scale_point(point: bytes, factor: bytes) -> bytes:
    """The point `factor` times `point`; `factor` is 32 bytes little-endian below 2^255."""
    return crypto_scalarmult_ed25519_noclamp(factor, require_point(point))


def scale_scalar(scalar: bytes, factor: bytes) -> bytes:
    """`scalar` times `factor` mod L; 32 bytes little-endian each, neither need be reduced."""
    return crypto_core_ed25519_scalar_mul(_reduced(scalar), _reduced(factor))


class BlindedKey:
    """Signs under A' = a'B. `repr` shows nothing but the public half."""

    __slots__ = ("_prefix", "_scalar", "public")

    public: bytes
    """A', 32 bytes."""

    def __init__(self, scalar: bytes, prefix: bytes, public: bytes) -> None:
        self._scalar = scalar
        self._prefix = prefix
        self.public = public

    def sign(self, message: bytes) -> bytes:
        """A 64-byte signature of `message` that every RFC 8032 verifier accepts under `public`.

        RFC 8032, 5.1.6 with a' and our prefix in place of the halves of the hashed seed; the same
        message always gives the same signature.
        """
        nonce = _hash_scalar(self._prefix + message)
        commitment = crypto_scalarmult_ed25519_base_noclamp(nonce)
        challenge = _hash_scalar(commitment + self.public + message)
        response = crypto_core_ed25519_scalar_add(
            nonce, crypto_core_ed25519_scalar_mul(challenge, self._scalar)
        )
        return commitment + response

    def __repr__(self) -> str:
        return f"<BlindedKey {self.public.hex()[:8]}…>"


def _hash_scalar(data: bytes) -> bytes:
    return crypto_core_ed25519_scalar_reduce(hashlib.sha512(data).digest())


def _reduced(scalar: bytes) -> bytes:
    return crypto_core_ed25519_scalar_reduce(scalar + bytes(32))

"""The key that names a person: Ed25519 for signing, its X25519 form for key agreement."""

from __future__ import annotations

import hashlib
from functools import cached_property

import nacl.bindings
import nacl.exceptions
from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_scalarmult,
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
    crypto_sign_seed_keypair,
)
from nacl.signing import SigningKey

from .errors import BadKey

KEY_BYTES = 32
SEED_BYTES = 32
"""RFC 8032, 5.1.5: the private key, 32 random bytes."""


class IdentityKey:
    """A person's own key pair. Equal keys are equal objects; the secret half is never in `repr`."""

    __slots__ = ("__dict__", "public", "seed")

    public: bytes
    """The 32 bytes that name the person."""
    seed: bytes
    """SECRET. The 32 bytes everything else follows from."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise BadKey(
                f"An identity seed has {SEED_BYTES} bytes, not {len(seed)}; restore the key from "
                "an export."
            )
        self.seed = bytes(seed)
        self.public = crypto_sign_seed_keypair(self.seed)[0]

    @classmethod
    def from_seed(cls, seed: bytes) -> IdentityKey:
        """The key pair of 32 secret random bytes. Raises `BadKey` if they are not 32."""
        return cls(seed)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte RFC 8032 signature of `message`, without the message."""
        return bytes(SigningKey(self.seed).sign(message).signature)

    @cached_property
    def x25519(self) -> bytes:
        """SECRET. The X25519 private key of the same person, 32 bytes, clamped (RFC 7748)."""
        return crypto_sign_ed25519_sk_to_curve25519(self.seed + self.public)

    @property
    def secret_scalar(self) -> bytes:
        """SECRET. The scalar a with A = aB, clamped, little-endian (RFC 8032, 5.1.5)."""
        # crypto_sign_ed25519_sk_to_curve25519 gives exactly this: the first half of the hash.
        return self.x25519

    @property
    def nonce_prefix(self) -> bytes:
        """SECRET. The second half of the hashed seed, from which signature nonces are made."""
        return hashlib.sha512(self.seed).digest()[32:]

    def agree(self, other: bytes) -> bytes:
        """SECRET. The 32 bytes that X25519 gives with the identity `other`, the same on both sides.

        Raises `BadKey` if `other` is no valid identity.
        """
        return crypto_scalarmult(self.x25519, x25519_public(other))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdentityKey) and self.public == other.public

    def __hash__(self) -> int:
        return hash(self.public)

    def __repr__(self) -> str:
        return f"<IdentityKey {self.public.hex()[:8]}…>"


def require_point(point: bytes) -> bytes:
    """`point` if it may serve as a public key, else raises `BadKey`.

    It must be 32 bytes, the canonical encoding of a point of the prime-order group, and not the
    neutral element. Points with a part of low order are refused: multiplied by a blinding factor
    they would give a blinded key that is not the identity's alone.
    """
    if len(point) != KEY_BYTES:
        raise BadKey(f"A public key has {KEY_BYTES} bytes, not {len(point)}; ask for it again.")
    if not crypto_core_ed25519_is_valid_point(point):
        raise BadKey(
            "These 32 bytes are not a usable Ed25519 public key; ask the person for a new code."
        )
    return point


def x25519_public(identity: bytes) -> bytes:
    """The X25519 public key of an identity, 32 bytes. Raises `BadKey` on bad points."""
    return crypto_sign_ed25519_pk_to_curve25519(require_point(identity))


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is `public`'s RFC 8032 signature of `message`."""
    if len(signature) != 64 or len(public) != KEY_BYTES:
        return False
    try:
        nacl.bindings.crypto_sign_open(signature + message, public)
    except nacl.exceptions.BadSignatureError:
        return False
    return True

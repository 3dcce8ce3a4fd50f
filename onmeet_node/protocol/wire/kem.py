"""ML-KEM-768 (FIPS 203), the post-quantum half of a handshake, from OpenSSL's.

Nothing here draws randomness: keys come from their seed (d and z of FIPS 203, algorithm 16), and
who encapsulates brings `Encapsulate`, in which the library's randomness is.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

from onmeet_node.protocol.wire.errors import HandshakeError

KEM_SEED_BYTES = 64
KEM_PUBLIC_BYTES = 1184
KEM_CIPHERTEXT_BYTES = 1088
_MATRIX_SEED_BYTES = 32
"""rho, behind the vector in an encapsulation key."""

Encapsulate = Callable[[MLKEM768PublicKey], tuple[bytes, bytes]]
"""Gives a fresh shared secret, 32 bytes, and the ciphertext that carries it to the key's owner."""


class KemKey:
    """A decapsulation key that is used once."""

    def __init__(self, seed: bytes) -> None:
        self._private = MLKEM768PrivateKey.from_seed_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The shared secret, 32 bytes. Raises `HandshakeError` for a wrong length.

        For a ciphertext that was not made for this key, one of zeros say, it is a secret that
        nobody else has (implicit rejection): what was sealed with it by anybody does not open.
        """
        try:
            return self._private.decapsulate(ciphertext)
        except ValueError:
            raise HandshakeError("its ML-KEM ciphertext is none") from None


def read_kem_public(data: bytes) -> MLKEM768PublicKey:
    """An encapsulation key, checked as FIPS 203, section 7.2, asks: its length, and that every
    number in it is below the modulus. Raises `HandshakeError`.

    A key whose vector is zero passes that check, but carries every secret in the clear.
    """
    if not any(data[:-_MATRIX_SEED_BYTES]):
        raise HandshakeError("it sent an ML-KEM key with which no secret can be had")
    try:
        return MLKEM768PublicKey.from_public_bytes(data)
    except ValueError:
        raise HandshakeError("its ML-KEM key is none") from None

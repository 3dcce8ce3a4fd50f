"""Who signs a person's records: a key of one audience and epoch, certified by the blinded key.

All devices of a person sign with the same one, so that servers cannot tell them apart. One that
does not hold the identity key is lent it, for the epochs to come, and nothing follows from it: the
blinded key itself is never lent, since a' = ha and readers compute h ("Key blinding").
"""

from __future__ import annotations

import hashlib

import attrs

from onmeet_node.protocol.wire.record import RecordCertificate, certify

from .blinding import blind, blind_public
from .keys import IdentityKey

_SEED_DOMAIN = b"onmeet record signer 1"


@attrs.frozen
class RecordSigner:
    """Signs the records of one audience and epoch."""

    public: bytes
    """A', 32 bytes."""
    key: IdentityKey
    """D' and d'."""
    certificate: RecordCertificate

    def lend(self) -> tuple[bytes, bytes]:
        """SECRET. What `lent_signer` takes: the seed of d', and the certificate's signature."""
        return self.key.seed, self.certificate.signature


def record_signer(key: IdentityKey, secret: bytes, epoch: int) -> RecordSigner:
    """The signer of an identity for one audience and epoch, by whoever holds its key."""
    blinded = blind(key, secret, epoch)
    seed = hashlib.blake2b(
        _SEED_DOMAIN + key.nonce_prefix + blinded.public, digest_size=32
    ).digest()
    signer = IdentityKey(seed)
    return RecordSigner(blinded.public, signer, certify(signer.public, blinded.sign))


def lent_signer(
    identity: bytes, secret: bytes, epoch: int, seed: bytes, signature: bytes
) -> RecordSigner:
    """The same by a device that was lent it."""
    signer = IdentityKey(seed)
    public = blind_public(identity, secret, epoch)
    return RecordSigner(public, signer, RecordCertificate(signer.public, signature))

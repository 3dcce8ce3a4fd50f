"""What a device can do in its person's name: all of it with A, what it was lent without.

A device that does not hold the private half of A cannot sign a list of devices, cannot make a new
secret findable, and loses what it can do when what it was lent runs out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs

from .acquaint import pair_key
from .audience import pair_secret
from .keys import IdentityKey
from .record_signer import RecordSigner, lent_signer, record_signer


class PersonKeys(Protocol):
    """The keys of a person as far as a device has them."""

    @property
    def public(self) -> bytes:
        """A, 32 bytes."""
        ...

    @property
    def holds_identity(self) -> bool:
        """Whether the private half of A is here."""
        ...

    def pair_secret(self, other: bytes) -> bytes | None:
        """See `audience.pair_secret`; None if it was not lent. Raises `BadKey`."""
        ...

    def pair_key(self, other: bytes) -> bytes | None:
        """See `acquaint.pair_key`; None if it was not lent. Raises `BadKey`."""
        ...

    def signer(self, secret: bytes, epoch: int) -> RecordSigner | None:
        """Who signs the record of an audience and epoch; None if it was not lent."""
        ...


@attrs.frozen
class HeldKeys:
    """Of a device that holds the private half of A."""

    identity: IdentityKey

    @property
    def public(self) -> bytes:
        """See `PersonKeys`."""
        return self.identity.public

    @property
    def holds_identity(self) -> bool:
        """See `PersonKeys`."""
        return True

    def pair_secret(self, other: bytes) -> bytes | None:
        """See `PersonKeys`."""
        return pair_secret(self.identity, other)

    def pair_key(self, other: bytes) -> bytes | None:
        """See `PersonKeys`."""
        return pair_key(self.identity, other)

    def signer(self, secret: bytes, epoch: int) -> RecordSigner | None:
        """See `PersonKeys`."""
        return record_signer(self.identity, secret, epoch)


@attrs.frozen
class LinkedKeys:
    """Of a device that was linked, and lives on what it was lent."""

    public: bytes
    _pairs: Callable[[bytes], tuple[bytes, bytes] | None] = attrs.field(repr=False)
    """The two pair keys with a contact."""
    _signers: Callable[[bytes, int], tuple[bytes, bytes] | None] = attrs.field(repr=False)
    """What `RecordSigner.lend` gave."""

    @property
    def holds_identity(self) -> bool:
        """See `PersonKeys`."""
        return False

    def pair_secret(self, other: bytes) -> bytes | None:
        """See `PersonKeys`."""
        pair = self._pairs(other)
        return pair[0] if pair is not None else None

    def pair_key(self, other: bytes) -> bytes | None:
        """See `PersonKeys`."""
        pair = self._pairs(other)
        return pair[1] if pair is not None else None

    def signer(self, secret: bytes, epoch: int) -> RecordSigner | None:
        """See `PersonKeys`."""
        lent = self._signers(secret, epoch)
        return lent_signer(self.public, secret, epoch, *lent) if lent is not None else None

"""What the issuer signs, and for whom: a seat's allowance of each week, and one key for all of it.

Nothing here knows a token: what is signed is blinded, and the ledger counts.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import attrs

from onmeet_bootstrap.accounts.config import AccountsConfig
from onmeet_bootstrap.accounts.errors import BadPurchase, OtherKey
from onmeet_bootstrap.accounts.ledger import Ledger, SeatTerms, StoredKey
from onmeet_bootstrap.accounts.signing import BlindSigner, new_private_key
from onmeet_bootstrap.errors import StartFailed
from onmeet_node.protocol.wire.token_directory import IssuerDirectory
from onmeet_node.protocol.wire.tokens import (
    MAX_BATCH,
    REQUEST_BYTES,
    BadToken,
    TokenKey,
    blinded_of,
)
from onmeet_node.protocol.wire.weeks import GRACE_SECONDS, epoch_of

log = logging.getLogger("bootstrap")

DAY = 86_400
TAG_BYTES = 16
PUBLIC_MODE = 0o644
"""Of the file with the public keys: another user's bootstrap reads it."""


@attrs.frozen
class Order:
    """A batch that was counted: what is left is to sign."""

    signer: BlindSigner
    blinded: Sequence[bytes] = attrs.field(repr=False)


@attrs.frozen
class SeatState:
    """What a seat may have, and still buy, by week."""

    tokens_per_week: int
    last_day: int
    left: dict[int, int]


class Issuer:
    """The keys of this week and the next, and purchases. `turn_over` keeps it up to date."""

    def __init__(self, ledger: Ledger, config: AccountsConfig, home: Path) -> None:
        self._ledger = ledger
        self._config = config
        self._path = config.keys_path(home)
        self._signers: dict[int, BlindSigner] = {}
        self._public: dict[int, TokenKey] = {}

    def turn_over(self, now: float) -> None:
        """Makes keys that are missing, drops what is over, and writes the public keys.

        Raises `AccountsError`, and `StartFailed` where they cannot be written.
        """
        week = epoch_of(now)
        grace = epoch_of(now - GRACE_SECONDS)
        self._ledger.forget(epoch=week, grace_epoch=grace, day=int(now) // DAY)
        kept = {stored.epoch: stored for stored in self._ledger.stored_keys()}
        for epoch in (week, week + 1):
            if epoch not in kept:
                others = {TokenKey.decode(stored.public).id[-1] for stored in kept.values()}
                self._ledger.put_key(_new_key(epoch, others))
                kept = {stored.epoch: stored for stored in self._ledger.stored_keys()}
        self._public = {epoch: TokenKey.decode(stored.public) for epoch, stored in kept.items()}
        self._signers = {
            epoch: self._signers.get(epoch) or BlindSigner(stored.private)
            for epoch, stored in kept.items()
            if stored.private is not None and epoch in {week, week + 1}
        }
        self._write()

    def directory(self) -> bytes:
        """What is published: the keys that sign."""
        keys = {epoch: self._public[epoch] for epoch in self._signers}
        return IssuerDirectory(keys, self._config.bootstraps).encode()

    def state_of(self, code_hash: bytes, now: float) -> SeatState:
        """What this seat has. Raises `PurchaseRefused`."""
        terms = self._ledger.seat(code_hash, int(now) // DAY)
        left = {epoch: self._ledger.left(terms, epoch) for epoch in sorted(self._signers)}
        return SeatState(terms.tokens_per_week, terms.last_day, left)

    def order(self, code_hash: bytes, body: bytes, now: float) -> Order:
        """Counts a batch of requests, once however often it comes. Raises `PurchaseRefused`."""
        terms: SeatTerms = self._ledger.seat(code_hash, int(now) // DAY)
        if not body or len(body) % REQUEST_BYTES or len(body) > MAX_BATCH * REQUEST_BYTES:
            raise BadPurchase(f"A batch is 1 to {MAX_BATCH} requests of {REQUEST_BYTES} bytes.")
        requests = [
            body[start : start + REQUEST_BYTES] for start in range(0, len(body), REQUEST_BYTES)
        ]
        epoch, signer = self._signer_for(requests[0])
        try:
            blinded = [blinded_of(request, signer.public) for request in requests]
        except BadToken as error:
            raise BadPurchase(str(error)) from error
        for each in blinded:
            signer.check(each)
        if len(set(blinded)) != len(blinded):
            raise BadPurchase("A batch holds a request twice: two tokens need two blinds.")
        tag = hashlib.sha256(terms.seat.to_bytes(8, "big") + body).digest()[:TAG_BYTES]
        self._ledger.charge(terms, epoch, tag, len(requests))
        return Order(signer, blinded)

    def _signer_for(self, request: bytes) -> tuple[int, BlindSigner]:
        for epoch, signer in self._signers.items():
            if signer.public.id[-1:] == request[2:3]:
                return epoch, signer
        raise OtherKey(
            "These requests are for a key that does not sign now. Fetch the directory again, and "
            "check this machine's clock."
        )

    def _write(self) -> None:
        """Replaces the file with the public keys, whole or not at all."""
        data = IssuerDirectory(self._public, self._config.bootstraps).encode()
        partial = self._path.with_name(self._path.name + ".partial")
        try:
            if self._path.is_file() and self._path.read_bytes() == data:
                return
            partial.unlink(missing_ok=True)
            made = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PUBLIC_MODE)
            with os.fdopen(made, "wb") as file:
                os.fchmod(file.fileno(), PUBLIC_MODE)  # whatever the umask says
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise StartFailed(
                f"Cannot write the public keys to {self._path}: {error.strerror}. Bootstraps read "
                "them there: set public_keys to a place that this user may write."
            ) from error


def _new_key(epoch: int, last_bytes: set[int]) -> StoredKey:
    """A key whose id ends in another byte than its neighbours': by it a request names its key."""
    while True:
        private = new_private_key()
        public = BlindSigner(private).public
        if public.id[-1] not in last_bytes:
            return StoredKey(epoch, public.encode(), private)

"""What a device that holds the identity lends to one that does not (PROTOCOL, "Devices")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onmeet_node.protocol.identity.blinding import EPOCH_SECONDS, epoch_at
from onmeet_node.protocol.identity.devices import LIST_SECONDS
from onmeet_node.protocol.identity.person_keys import PersonKeys

EPOCHS = LIST_SECONDS // EPOCH_SECONDS
"""So many to come: what is lent runs out with the list."""

LentSigner = tuple[bytes, int, bytes, bytes]
"""An audience's secret, an epoch, and what `RecordSigner.lend` gives. SECRET."""
LentPair = tuple[bytes, bytes, bytes]
"""A contact, and the two keys of the pair: see `PersonKeys`. SECRET."""


def lend_signers(
    keys: PersonKeys, secrets: Iterable[bytes], *, now: int, after: int | None = None
) -> Iterator[LentSigner]:
    """Those of the audiences with these secrets, for the epochs to come and the last one.

    Slow: a millisecond each. `after`: the last epoch for which they were lent already.
    """
    first = epoch_at(now) - 1 if after is None else max(after + 1, epoch_at(now) - 1)
    for epoch in range(first, epoch_at(now) + EPOCHS):
        for secret in secrets:
            signer = keys.signer(secret, epoch)
            if signer is not None:
                yield secret, epoch, *signer.lend()


def lend_pairs(keys: PersonKeys, contacts: Iterable[bytes]) -> Iterator[LentPair]:
    """Those of the pairs with these people."""
    for peer in contacts:
        secret, pair = keys.pair_secret(peer), keys.pair_key(peer)
        if secret is not None and pair is not None:
            yield peer, secret, pair

"""What a person's own devices say to each other over their sealed channels, and nobody else."""

from __future__ import annotations

import attrs

from onmeet_node.protocol.own.replica import MAX_WRITERS
from onmeet_node.protocol.wire.fields import (
    Data,
    Flag,
    Integer,
    Nested,
    Several,
    Text,
    field,
    maybe,
)

KEY_BYTES = 32
MAX_ENTRIES = 64
MAX_ENTRY_KEY_BYTES = 128
MAX_ENTRY_BYTES = 8_192
MAX_LENT = 128
_COUNTER = Integer(0, 2**53 - 1)


@attrs.frozen(kw_only=True)
class KeptEntry:
    """What one device wrote; without a value it deleted that."""

    kind: str = field(Text(1, 32, ascii=True))
    key: bytes = field(Data(0, MAX_ENTRY_KEY_BYTES), hidden=True)
    value: bytes | None = maybe(Data(0, MAX_ENTRY_BYTES), hidden=True)
    counter: int = field(_COUNTER)
    writer: bytes = field(Data(KEY_BYTES, KEY_BYTES))


@attrs.frozen(kw_only=True)
class WriterCounter:
    """Up to which counter everything of a writer is known."""

    writer: bytes = field(Data(KEY_BYTES, KEY_BYTES))
    counter: int = field(_COUNTER)


@attrs.frozen(kw_only=True)
class KnownSoFar:
    """What the sender knows of each writer. `sent`: and the receiver now has all of it.

    Without `sent` it asks for what is missing.
    """

    known: tuple[WriterCounter, ...] = field(Several(Nested(WriterCounter), 0, MAX_WRITERS))
    sent: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class KeptEntries:
    """Entries that the receiver may not have, the oldest first."""

    entries: tuple[KeptEntry, ...] = field(Several(Nested(KeptEntry), 1, MAX_ENTRIES))


@attrs.frozen(kw_only=True)
class LentSignerKey:
    """The signer of records of one audience and epoch."""

    secret: bytes = field(Data(16, 16), hidden=True)
    epoch: int = field(Integer(0, 2**53 - 1))
    seed: bytes = field(Data(32, 32), hidden=True)
    signature: bytes = field(Data(64, 64), hidden=True)


@attrs.frozen(kw_only=True)
class LentPairKeys:
    """What the person and one contact share."""

    identity: bytes = field(Data(KEY_BYTES, KEY_BYTES))
    secret: bytes = field(Data(16, 16), hidden=True)
    pair: bytes = field(Data(32, 32), hidden=True)


@attrs.frozen(kw_only=True)
class LentKeySet:
    """From a device that holds the identity to one that does not: see "Devices"."""

    signers: tuple[LentSignerKey, ...] = field(
        Several(Nested(LentSignerKey), 0, MAX_LENT), default=()
    )
    pairs: tuple[LentPairKeys, ...] = field(Several(Nested(LentPairKeys), 0, MAX_LENT), default=())


OwnMessage = KnownSoFar | KeptEntries | LentKeySet

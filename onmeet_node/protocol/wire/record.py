"""The envelope of a DHT record: all that a server, which can read none of it, checks.

A record is one byte string with one form, so that nobody can alter a copy and keep its signature:

    version (1) | blinded key A' (32) | signer D' (32) | certificate (64) | seq (8) | not_after (8)
    | body | Ed25519 signature (64)

Integers are unsigned and big-endian. The certificate is a signature under a' over
`CERTIFICATE_CONTEXT` and D'; the other one is made under d', over `CONTEXT` and all that stands
before it. So a device of the person that does not hold the identity key publishes with a d' that it
was lent for one audience and epoch. (Lending a' would give the identity away: a' = ha, and every
reader computes h.) What the body holds is the business of `protocol.identity.record`.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Sequence

import attrs
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.wire.errors import RecordError

# ── fixed by the protocol ────────────────────────────────────────────────────────────────────────
VERSION = 2
CONTEXT = b"onmeet record 2\x00"
"""Stands before the signed bytes, so that the signature fits nothing else."""
CERTIFICATE_CONTEXT = b"onmeet record signer 1\x00"
KEY_PREFIX = "/om/"
MAX_RECORD_BYTES = 1024
"""The whole record. Several Kademlia answers still fit into one packet burst."""
MAX_LIFETIME = 12 * 3600
"""Seconds from `seq` to `not_after` at most: two epochs, so that forgotten records go soon."""
MAX_CLOCK_LEAD = 600
"""Seconds a publisher's clock may be ahead of a server's. Bounds `seq`: without it, one record
with the highest possible number would lock its key for ever."""

_HEAD = struct.Struct(">B32s32s64sQQ")
_SIGNATURE_BYTES = 64
_OVERHEAD = _HEAD.size + _SIGNATURE_BYTES
MAX_BODY_BYTES = MAX_RECORD_BYTES - _OVERHEAD
"""815 bytes."""


@attrs.frozen
class RecordCertificate:
    """That a key may sign the records of a blinded key."""

    signer: bytes
    """D', 32 bytes."""
    signature: bytes
    """By a'."""


@attrs.frozen(kw_only=True)
class Record:
    """A record as it is stored. Well formed, but believed only after `verify`."""

    public: bytes
    """A': the blinded Ed25519 public key, 32 bytes."""
    certificate: RecordCertificate
    seq: int
    """Unix seconds when it was published, by the publisher's clock; of two, the greater counts."""
    not_after: int
    """Unix seconds from which on it is void."""
    body: bytes = attrs.field(repr=False)
    """Sealed, at most `MAX_BODY_BYTES`."""
    signature: bytes = attrs.field(repr=False)


def dht_key(public: bytes) -> str:
    """Where the record of this blinded key is stored: ``/om/`` + base64url(BLAKE2b-256(A')).

    47 characters: py-libp2p servers do not find keys of more than 50.
    """
    digest = hashlib.blake2b(public, digest_size=32).digest()
    return KEY_PREFIX + base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def certify(signer: bytes, sign: Callable[[bytes], bytes]) -> RecordCertificate:
    """Lets D' sign records of the blinded key under which `sign` signs."""
    return RecordCertificate(signer, sign(CERTIFICATE_CONTEXT + signer))


def sign_record(
    public: bytes,
    body: bytes,
    *,
    seq: int,
    not_after: int,
    sign: Callable[[bytes], bytes],
    certificate: RecordCertificate | None = None,
) -> Record:
    """Makes a record; `sign` gives 64-byte Ed25519 signatures under the certificate's signer.

    Without a certificate the blinded key `public` is its own signer.

    Raises `LocalProtocolError` when a server would refuse the record whatever its clock says.
    """
    if len(public) != 32:
        raise LocalProtocolError(f"A blinded key has 32 bytes, not {len(public)}.")
    if len(body) > MAX_BODY_BYTES:
        raise LocalProtocolError(
            f"The body has {len(body)} bytes; at most {MAX_BODY_BYTES} fit into a record."
        )
    if not 0 <= seq < not_after <= seq + MAX_LIFETIME:
        raise LocalProtocolError(
            f"A record of time {seq} cannot last until {not_after}: "
            f"choose an end at most {MAX_LIFETIME} seconds later."
        )
    made = Record(
        public=public,
        certificate=certificate or certify(public, sign),
        seq=seq,
        not_after=not_after,
        body=body,
        signature=bytes(_SIGNATURE_BYTES),
    )
    return attrs.evolve(made, signature=sign(CONTEXT + _signed_part(made)))


def encode(record: Record) -> bytes:
    """The bytes to store."""
    return _signed_part(record) + record.signature


def decode(value: bytes) -> Record:
    """Takes a record apart and checks its form alone. Raises `RecordError`."""
    if len(value) > MAX_RECORD_BYTES:
        raise RecordError(f"it has {len(value)} bytes, at most {MAX_RECORD_BYTES} are allowed")
    if len(value) < _OVERHEAD:
        raise RecordError(f"it is cut off after {len(value)} bytes")
    version, public, signer, certified, seq, not_after = _HEAD.unpack_from(value)
    if version != VERSION:
        raise RecordError(f"it has version {version}, and this node knows version {VERSION}")
    return Record(
        public=public,
        certificate=RecordCertificate(signer, certified),
        seq=seq,
        not_after=not_after,
        body=value[_HEAD.size : -_SIGNATURE_BYTES],
        signature=value[-_SIGNATURE_BYTES:],
    )


def verify(key: str, value: bytes, now: int) -> Record:
    """Whether `value` may be stored under `key` at Unix second `now`; gives the record.

    Raises `RecordError`. A valid record is the work of whoever a' certified, nothing more: that it
    is the blinded key of a given person is for the reader to check, by computing A' itself.
    """
    record = decode(value)
    if dht_key(record.public) != key:
        raise RecordError("it belongs under another key")
    if record.not_after <= now:
        raise RecordError(f"it expired {now - record.not_after} seconds ago")
    if record.seq > now + MAX_CLOCK_LEAD:
        raise RecordError(f"it is dated {record.seq - now} seconds in the future")
    if not record.seq < record.not_after <= record.seq + MAX_LIFETIME:
        raise RecordError("it claims to last longer than records may")
    try:
        # NOTE: libsodium refuses low-order and non-canonical keys here, and non-canonical S.
        certificate = record.certificate
        VerifyKey(record.public).verify(
            CERTIFICATE_CONTEXT + certificate.signer, certificate.signature
        )
        VerifyKey(certificate.signer).verify(CONTEXT + _signed_part(record), record.signature)
    except BadSignatureError:
        raise RecordError("its signature is not by that key") from None
    return record


def select(values: Sequence[bytes]) -> int:
    """Index of the newest of several values of one key: the highest `seq`, and of equals the last.

    The last, because py-libp2p refreshes the lifetime of a record that is put again only if the
    newcomer wins. What cannot be decoded loses. Raises `RecordError` when nothing is left.
    """
    best, best_seq = -1, -1
    for index, value in enumerate(values):
        try:
            seq = decode(value).seq
        except RecordError:
            continue
        if seq >= best_seq:
            best, best_seq = index, seq
    if best < 0:
        raise RecordError("none of the values is a record")
    return best


def _signed_part(record: Record) -> bytes:
    certificate = record.certificate
    head = _HEAD.pack(
        VERSION,
        record.public,
        certificate.signer,
        certificate.signature,
        record.seq,
        record.not_after,
    )
    return head + record.body

"""The devices of a person, as the identity key A signs them (PROTOCOL, "Devices").

A list is one byte string with one form::

    version 1 | number u32 | until u32 | details 16 | n 1 | n × device key 32 | signature 64

Integers are big-endian Unix seconds, but for `number`, which is one when it can be and is greater
than that of the list before in any case. `details` is BLAKE2b-128 of what only the person's own
devices are told: how each is called, since when it is one, whether it holds A, and which keys were
revoked. So contacts and strangers learn how many devices there are, and not what they are.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import Any

import attrs
import msgpack
from attrs import validators as v

from .errors import (
    BadDeviceList,
    BadKey,
    DeviceListAhead,
    DeviceListExpired,
    DeviceListForked,
    DeviceListOlder,
    DeviceNotListed,
)
from .keys import KEY_BYTES, IdentityKey, require_point, verify

# ── fixed by the protocol ────────────────────────────────────────────────────────────────────────
LIST_VERSION = 1
MAX_LISTED = 4
"""Devices of one person: as many as a record has room for."""
MAX_DEVICE_NAME_CHARS = 40
MAX_REVOKED = 64
"""Keys that are remembered as revoked, the latest: more are the oldest ones' turn to go."""
LIST_SECONDS = 30 * 86_400
"""How long a list holds: a device that never meets one that holds A is on its own so long."""
MAX_LEAD_SECONDS = 86_400
"""How far ahead of the reader's clock a list may be: one of the year 2100 would be newer than all
that the person can sign until then."""
MAX_LIST_BYTES = 26 + MAX_LISTED * KEY_BYTES + 64
DETAILS_DIGEST_BYTES = 16

_HEAD = struct.Struct(">BII16sB")
_SIGNATURE_BYTES = 64
_CONTEXT = b"onmeet device list 1\x00"
_DETAILS_CONTEXT = b"onmeet devices 1"
_U32 = v.and_(v.instance_of(int), v.ge(0), v.lt(2**32))


@attrs.frozen
class DeviceNote:
    """What the person's own devices know of one of them."""

    key: bytes
    """Its own Ed25519 public key, 32 bytes."""
    name: str
    since: int
    """Unix seconds, by the clock of who listed it."""
    holds_identity: bool = False
    """Whether it has the private half of A."""


@attrs.frozen
class DeviceDetails:
    """What goes with a list between a person's own devices, and to nobody else."""

    notes: tuple[DeviceNote, ...] = ()
    revoked: tuple[bytes, ...] = ()
    """Keys that were taken off the list and come back no more, the latest last."""

    def encode(self) -> bytes:
        """The bytes that `DeviceList.details` is the digest of."""
        notes = [[n.key, n.name, n.since, n.holds_identity] for n in self.notes]
        packed: bytes = msgpack.packb([notes, list(self.revoked)])
        return packed

    def note_of(self, key: bytes) -> DeviceNote | None:
        """What is known of a device."""
        return next((note for note in self.notes if note.key == key), None)


@attrs.frozen
class DeviceList:
    """A list whose signature was checked."""

    number: int = attrs.field(validator=_U32)
    """The greater of two is the newer."""
    until: int = attrs.field(validator=_U32)
    """Unix seconds from which on it is void."""
    details: bytes
    devices: tuple[bytes, ...]
    """Their keys."""
    signed: bytes = attrs.field(repr=False)
    """As it travels."""

    def has(self, key: bytes) -> bool:
        """Whether the device with this key is one of the person's."""
        return key in self.devices

    def place_of(self, key: bytes) -> int | None:
        """Where a device stands in the list."""
        return self.devices.index(key) if key in self.devices else None

    def at(self, place: int | None) -> bytes:
        """The key at a place; empty if there is none."""
        known = place is not None and 0 <= place < len(self.devices)
        return self.devices[place] if known and place is not None else b""


def sign_list(
    identity: IdentityKey,
    devices: Iterable[bytes],
    details: DeviceDetails,
    *,
    now: int,
    after: int = 0,
) -> DeviceList:
    """The list that replaces one of number `after`. Raises `BadDeviceList` if it would be none."""
    listed = tuple(devices)
    if not 1 <= len(listed) <= MAX_LISTED or len(set(listed)) < len(listed):
        raise BadDeviceList(f"it has to name 1 to {MAX_LISTED} different devices")
    number = max(now, after + 1)
    head = _HEAD.pack(
        LIST_VERSION, number, number + LIST_SECONDS, details_digest(details.encode()), len(listed)
    )
    body = head + b"".join(listed)
    return read_list(identity.public, body + identity.sign(_CONTEXT + body))


def read_list(identity: bytes, data: bytes) -> DeviceList:
    """A list as it travels. Raises `BadDeviceList` unless `identity` signed it and it has the form.

    Whether it is in force is `judge`'s question.
    """
    if len(data) < _HEAD.size + KEY_BYTES + _SIGNATURE_BYTES or len(data) > MAX_LIST_BYTES:
        raise BadDeviceList(f"it has {len(data)} bytes")
    version, number, until, details, count = _HEAD.unpack_from(data)
    if version != LIST_VERSION:
        raise BadDeviceList(f"it has version {version}")
    body, signature = data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]
    if not 1 <= count <= MAX_LISTED or len(body) != _HEAD.size + count * KEY_BYTES:
        raise BadDeviceList(f"it names {count} devices in {len(data)} bytes")
    if not number < until <= number + LIST_SECONDS:
        raise BadDeviceList("it claims to hold longer than lists may")
    if not verify(identity, _CONTEXT + body, signature):
        raise BadDeviceList("the person's identity key did not sign it")
    devices = tuple(body[at : at + KEY_BYTES] for at in range(_HEAD.size, len(body), KEY_BYTES))
    if len(set(devices)) < count:
        raise BadDeviceList("it names a device twice")
    try:
        for device in devices:
            require_point(device)
    except BadKey as error:
        raise BadDeviceList("a device key in it is none") from error
    return DeviceList(number, until, details, devices, bytes(data))


def judge(offered: DeviceList, seen: DeviceList | None, *, now: int) -> DeviceList:
    """The newest of both, if `offered` may be believed at all at `now` (Unix seconds).

    Raises `DeviceListOlder` if a newer one was seen, `DeviceListForked` if another one of the same
    number was, `DeviceListExpired`, `DeviceListAhead`. The one seen first stays in each case.
    """
    if seen is not None and offered.number < seen.number:
        raise DeviceListOlder
    if seen is not None and offered.number == seen.number and offered.signed != seen.signed:
        raise DeviceListForked
    if offered.until <= now:
        raise DeviceListExpired
    if offered.number > now + MAX_LEAD_SECONDS:
        raise DeviceListAhead
    return offered


def require_listed(devices: DeviceList, key: bytes) -> None:
    """Raises `DeviceNotListed` unless the list has this device."""
    if not devices.has(key):
        raise DeviceNotListed


def details_digest(encoded: bytes) -> bytes:
    """What a list says of its details."""
    return hashlib.blake2b(
        encoded, digest_size=DETAILS_DIGEST_BYTES, person=_DETAILS_CONTEXT
    ).digest()


def read_details(devices: DeviceList, encoded: bytes) -> DeviceDetails:
    """The details that belong to a list. Raises `BadDeviceList` if others do, or none."""
    if details_digest(encoded) != devices.details:
        raise BadDeviceList("its details are another list's")
    try:
        notes, revoked = msgpack.unpackb(encoded)
        return DeviceDetails(
            tuple(_note(devices, *note) for note in notes[:MAX_LISTED]),
            tuple(_key(key) for key in revoked[-MAX_REVOKED:]),
        )
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise BadDeviceList("its details cannot be read") from error


def _note(
    devices: DeviceList, key: Any, name: Any, since: Any, holds: Any, *_later: Any
) -> DeviceNote:
    if not (isinstance(name, str) and type(since) is int and isinstance(holds, bool)):
        raise TypeError("not a note")
    if not devices.has(_key(key)):
        raise ValueError("of no device in the list")
    return DeviceNote(key, name[:MAX_DEVICE_NAME_CHARS], since, holds)


def _key(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != KEY_BYTES:
        raise TypeError("not a key")
    return value

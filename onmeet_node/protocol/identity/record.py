"""What a presence record says, sealed for one audience and epoch (PROTOCOL, "Presence records").

The envelope (`protocol.wire.record`) is what servers check. Its body is, always as long::

    nonce 24 | XChaCha20-Poly1305 of (length u16 | msgpack | zeros up to 772 bytes)

with A' as associated data and BLAKE2b-256(domain || A || secret || epoch) as key. The msgpack is an
array: the person's signed device list (`devices`) as bytes, then up to 4 devices, each an array
[PeerId, seen_at, [direct address], [relay address], [capability], its place in the list];
what follows the sixth entry is ignored. Addresses are binary multiaddrs
without what every one of that device ends in: `/p2p/` and the device's PeerId, and for relays
`/p2p-circuit` before it.

Several devices of one person publish to one key, each replacing the record of the other. So who
publishes reads first, and lists the others again (`merge`).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import msgpack
from attrs import validators as v
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from onmeet_node.protocol.wire.errors import RecordError
from onmeet_node.protocol.wire.record import decode, dht_key, encode, sign_record, verify

from .address import pack_address, pack_peer_id, unpack_address, unpack_peer_id
from .blinding import binding, blind_public
from .devices import DeviceList, read_list
from .errors import BadAddress, BadKey, DeviceListError
from .keys import KEY_BYTES, IdentityKey, require_point
from .record_signer import RecordSigner, record_signer

MAX_DEVICES = 4
PRESENCE_SECONDS = 2 * 3_600
"""A device that has not renewed its entry for so long is listed no more by the others."""
NONCE_BYTES = 24
PLAIN_BYTES = 772
"""One size for all, so that it tells nothing: the most that leaves room in 1024 bytes."""
MAX_CAPS = 8

_KEY_DOMAIN = b"onmeet record key 1"
_LENGTH_BYTES = 2
_ED25519 = bytes.fromhex("002408011220")
"""What the multihash of every Ed25519 PeerId begins with; the key follows."""


def _strings(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


@attrs.frozen
class Presence:
    """One running node of a person, and where it is reached."""

    peer_id: str
    """base58."""
    addresses: tuple[str, ...] = attrs.field(default=(), converter=_strings, repr=False)
    """Its own, best first, each ending in /p2p/ and its PeerId."""
    relays: tuple[str, ...] = attrs.field(default=(), converter=_strings, repr=False)
    """At relays, best first, each ending in /p2p-circuit/p2p/ and its PeerId."""
    caps: tuple[str, ...] = attrs.field(
        default=(),
        converter=_strings,
        validator=v.and_(v.max_len(MAX_CAPS), v.deep_iterable(v.matches_re(r"[!-~]{1,32}"))),
    )
    """What it can do: up to 8 words of visible ASCII."""
    seen_at: int = attrs.field(
        default=0, validator=v.and_(v.instance_of(int), v.ge(0), v.lt(2**48))
    )
    """Unix seconds by its own clock when it published."""
    key: bytes = attrs.field(default=b"", repr=False)
    """Its device key, as the list in the record has it; empty if it is not of that list."""
    more: bytes = attrs.field(default=b"\x90", repr=False)
    """What a later version appended, as a msgpack array: another device that publishes the record
    anew puts it back."""


@attrs.frozen
class Listing:
    """What a record says."""

    presences: tuple[Presence, ...] = ()
    """The device seen last first."""
    devices: DeviceList | None = None
    """As A signed it; whether it is in force is `devices.judge`'s question."""


def record_key(identity: bytes, secret: bytes, epoch: int) -> str:
    """Where the identity's record for this audience and epoch is in the DHT. Raises `BadKey`."""
    return dht_key(blind_public(identity, secret, epoch))


def seal_record(
    key: IdentityKey,
    audience_secret: bytes,
    epoch: int,
    presences: Sequence[Presence],
    *,
    now: int,
    not_after: int,
    nonce24: bytes,
    after: int = 0,
    devices: bytes = b"",
) -> tuple[str, bytes]:
    """`seal_signed` by whoever holds the identity key itself."""
    return seal_signed(
        record_signer(key, audience_secret, epoch),
        key.public,
        audience_secret,
        epoch,
        presences,
        now=now,
        not_after=not_after,
        nonce24=nonce24,
        after=after,
        devices=devices,
    )


def seal_signed(
    signer: RecordSigner,
    identity: bytes,
    audience_secret: bytes,
    epoch: int,
    presences: Sequence[Presence],
    *,
    now: int,
    not_after: int,
    nonce24: bytes,
    after: int = 0,
    devices: bytes = b"",
) -> tuple[str, bytes]:
    """The DHT key and the record that lists `presences`, of which the first matters most.

    `signer` is the identity's for this audience and epoch, `devices` its signed device list.

    `now` and `not_after` are Unix seconds, at most 12 hours apart; `nonce24` is 24 random bytes;
    `after` is the `seq` of the record this one replaces, in case its publisher's clock was ahead.
    What does not fit is left out: further addresses of the device that has most, then the last
    devices. So are addresses of a kind that records do not carry. Raises `BadAddress` if a PeerId
    is none, `BadKey` if the secret or nonce has a wrong length.
    """
    if len(nonce24) != NONCE_BYTES:
        raise BadKey(f"A record is sealed with {NONCE_BYTES} random bytes, not {len(nonce24)}.")
    listed = read_list(identity, devices) if devices else None
    packed = _fitting([_pack(presence, listed) for presence in presences[:MAX_DEVICES]], devices)
    plain = len(packed).to_bytes(_LENGTH_BYTES, "big") + packed
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(
        plain.ljust(PLAIN_BYTES, b"\0"),
        signer.public,
        nonce24,
        _body_key(identity, audience_secret, epoch),
    )
    record = sign_record(
        signer.public,
        nonce24 + sealed,
        seq=max(now, after + 1),
        not_after=not_after,
        sign=signer.key.sign,
        certificate=signer.certificate,
    )
    return dht_key(signer.public), encode(record)


def open_record(
    identity: bytes, secret: bytes, epoch: int, value: bytes, *, now: int
) -> tuple[Presence, ...]:
    """The devices that a record lists, the one seen last first: `open_listing` without the list."""
    return open_listing(identity, secret, epoch, value, now=now).presences


def open_listing(identity: bytes, secret: bytes, epoch: int, value: bytes, *, now: int) -> Listing:
    """What a record says. A list of devices that the identity did not sign is passed over.

    Raises `RecordError` unless the record is this identity's for this audience and epoch, in force
    at `now` (Unix seconds), and readable; `BadKey` if `identity` is no valid one.
    """
    public = blind_public(identity, secret, epoch)
    body = verify(dht_key(public), value, now).body
    try:
        plain = crypto_aead_xchacha20poly1305_ietf_decrypt(
            body[NONCE_BYTES:], public, body[:NONCE_BYTES], _body_key(identity, secret, epoch)
        )
    except (CryptoError, ValueError, TypeError):
        raise RecordError("its body does not open with this audience's secret") from None
    if len(plain) != PLAIN_BYTES:
        raise RecordError("its body has a wrong length")
    length = int.from_bytes(plain[:_LENGTH_BYTES], "big")
    return _unpack(identity, plain[_LENGTH_BYTES : _LENGTH_BYTES + length])


def record_seq(value: bytes) -> int:
    """The `seq` of a record, for `seal_record(after=…)`. Raises `RecordError`."""
    return decode(value).seq


def merge(mine: Presence, others: Iterable[Presence], *, now: int) -> tuple[Presence, ...]:
    """What a device publishes: itself, then the person's other devices that are still about.

    An entry counts for `PRESENCE_SECONDS` from its `seen_at`, and neither if it is as far in the
    future: with a clock that wrong it would stay for ever.
    """
    alive = [
        presence
        for presence in others
        if presence.peer_id != mine.peer_id and abs(now - presence.seen_at) <= PRESENCE_SECONDS
    ]
    alive.sort(key=lambda presence: presence.seen_at, reverse=True)
    return (mine, *alive[: MAX_DEVICES - 1])


def _body_key(identity: bytes, secret: bytes, epoch: int) -> bytes:
    material = binding(require_point(identity), secret, epoch)
    return hashlib.blake2b(_KEY_DOMAIN + material, digest_size=32).digest()


@attrs.define
class _Packed:
    """A device's entry while it is being made to fit."""

    peer: bytes
    seen_at: int
    addresses: list[bytes]
    relays: list[bytes]
    caps: tuple[str, ...]
    place: int | None = None
    more: bytes = b"\x90"

    def entry(self) -> list[Any]:
        known = [self.peer, self.seen_at, self.addresses, self.relays, list(self.caps)]
        place = [] if self.place is None else [self.place]
        return [*known, *place, *msgpack.unpackb(self.more)]

    def addresses_bytes(self) -> int:
        return sum(map(len, self.addresses + self.relays))


def _pack(presence: Presence, devices: DeviceList | None = None) -> _Packed:
    target = "/p2p/" + presence.peer_id
    return _Packed(
        pack_peer_id(presence.peer_id).removeprefix(_ED25519),
        presence.seen_at,
        _pack_all(presence.addresses, target),
        _pack_all(presence.relays, "/p2p-circuit" + target),
        presence.caps,
        devices.place_of(presence.key) if devices is not None else None,
        presence.more,
    )


def _pack_all(addresses: Iterable[str], ending: str) -> list[bytes]:
    packed: list[bytes] = []
    for address in addresses:
        # QUIC and whatever else a host may listen on: others could not use it.
        with contextlib.suppress(BadAddress):
            if address.endswith(ending):
                packed.append(pack_address(address.removesuffix(ending)))
    return packed


def _fitting(devices: list[_Packed], signed: bytes = b"") -> bytes:
    """The list and the devices as msgpack, cut until they fit."""
    head = [signed] if signed else []
    while True:
        packed = msgpack.packb([*head, *(device.entry() for device in devices)])
        if len(packed) <= PLAIN_BYTES - _LENGTH_BYTES:
            return bytes(packed)
        spare = [device for device in devices if len(device.addresses + device.relays) > 2]
        if spare:
            longest = max(spare, key=_Packed.addresses_bytes)
            more = longest.addresses if len(longest.addresses) > 1 else longest.relays
            more.pop()
        else:
            devices = devices[:-1]


def _unpack(identity: bytes, packed: bytes) -> Listing:
    try:
        entries = msgpack.unpackb(packed, strict_map_key=True)
    except (ValueError, msgpack.UnpackException) as error:
        raise RecordError("its body holds no list of devices") from error
    if not isinstance(entries, list):
        raise RecordError("its body holds no list of devices")
    devices = None
    if entries and isinstance(entries[0], bytes):
        with contextlib.suppress(DeviceListError):
            devices = read_list(identity, entries[0])
        entries = entries[1:]
    presences = [
        presence
        for entry in entries[:MAX_DEVICES]
        if (presence := _unpack_device(entry, devices)) is not None
    ]
    presences.sort(key=lambda presence: presence.seen_at, reverse=True)
    return Listing(tuple(presences), devices)


def _unpack_device(entry: Any, devices: DeviceList | None) -> Presence | None:
    """None for a device of a kind that is not known here, or that is described wrongly."""
    match entry:
        case [bytes(peer), int(seen_at), list(addresses), list(relays), list(caps), *more]:
            place: int | None = None
            if more and type(more[0]) is int:
                place, more = more[0], more[1:]
            with contextlib.suppress(BadAddress, ValueError, TypeError):
                peer_id = unpack_peer_id(_ED25519 + peer if len(peer) == KEY_BYTES else peer)
                target, circuit = "/p2p/" + peer_id, "/p2p-circuit"
                return Presence(
                    peer_id=peer_id,
                    addresses=_unpack_all(addresses, target),
                    relays=_unpack_all(relays, circuit + target),
                    caps=tuple(caps[:MAX_CAPS]),
                    seen_at=seen_at,
                    key=devices.at(place) if devices is not None else b"",
                    more=msgpack.packb(more),
                )
        case _:
            pass
    return None


def _unpack_all(packed: Iterable[Any], ending: str) -> tuple[str, ...]:
    """Those addresses that can be read here: a later version may know more kinds."""
    addresses: list[str] = []
    for address in packed:
        with contextlib.suppress(BadAddress, ValueError, TypeError):
            addresses.append(unpack_address(address) + ending)
    return tuple(addresses)

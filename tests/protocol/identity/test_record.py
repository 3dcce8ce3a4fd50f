"""Presence records: what holders of the secret read, and what everybody else does not."""

import contextlib
import ipaddress
import itertools

import attrs
import base58
import msgpack
import multiaddr
import nacl.bindings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.protocol.identity import record
from onmeet_node.protocol.identity.address import (
    pack_address,
    pack_peer_id,
    unpack_address,
    unpack_peer_id,
)
from onmeet_node.protocol.identity.audience import ANYONE_SECRET, pair_secret
from onmeet_node.protocol.identity.blinding import blind, epoch_at
from onmeet_node.protocol.identity.devices import DeviceDetails, DeviceList, sign_list
from onmeet_node.protocol.identity.errors import BadAddress, BadKey
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.record import (
    Presence,
    merge,
    open_listing,
    open_record,
    seal_record,
    seal_signed,
)
from onmeet_node.protocol.identity.record_signer import lent_signer, record_signer
from onmeet_node.protocol.wire.errors import RecordError
from onmeet_node.protocol.wire.record import MAX_RECORD_BYTES, decode, encode, sign_record, verify

NOW = 1_800_000_000
EPOCH = epoch_at(NOW)
KEY = IdentityKey.from_seed(bytes(range(32)))
SECRET = bytes(range(16))


def peer_id(n: int) -> str:
    return base58.b58encode(bytes.fromhex("002408011220") + bytes([n]) * 32).decode()


RELAY = peer_id(200)


def device(n: int, *, seen_at: int = NOW, direct: int = 2, relays: int = 2) -> Presence:
    own = f"/p2p/{peer_id(n)}"
    return Presence(
        peer_id(n),
        tuple(f"/ip4/192.0.2.{at}/tcp/4001{own}" for at in range(direct)),
        tuple(
            f"/ip4/198.51.100.{at}/tcp/4001/p2p/{RELAY}/p2p-circuit{own}" for at in range(relays)
        ),
        ("av", "chat"),
        seen_at,
    )


def seal(
    *presences: Presence, secret=SECRET, epoch=EPOCH, nonce=b"n" * 24, key=KEY, after=0, devices=b""
):
    return seal_record(
        key,
        secret,
        epoch,
        presences or (device(1),),
        now=NOW,
        not_after=NOW + 7200,
        nonce24=nonce,
        after=after,
        devices=devices,
    )


def read(value, *, secret=SECRET, epoch=EPOCH, identity=KEY.public, now=NOW + 60):
    return open_record(identity, secret, epoch, value, now=now)


def test_a_holder_of_the_secret_reads_the_devices_the_newest_first():
    devices = [device(1), device(2, seen_at=NOW + 5), device(3, relays=0), device(4, direct=0)]
    key, value = seal(*devices)
    assert key == record.record_key(KEY.public, SECRET, EPOCH)
    assert read(value) == (devices[1], devices[0], devices[2], devices[3])
    assert len(value) <= MAX_RECORD_BYTES
    verify(key, value, NOW)


def test_a_node_that_is_nowhere_still_publishes_a_readable_record():
    assert read(seal(Presence(peer_id(1)))[1]) == (Presence(peer_id(1)),)


def test_the_record_is_as_long_whatever_it_says():
    lengths = {
        len(seal(*devices)[1])
        for devices in ([Presence(peer_id(1))], [device(1)], [device(n) for n in range(4)])
    }
    assert lengths == {1021}


@pytest.mark.parametrize(
    "changed",
    [
        {"secret": bytes(16)},
        {"epoch": EPOCH + 1},
        {"identity": IdentityKey.from_seed(bytes(32)).public},
        {"now": NOW + 7200},
        {"now": NOW - 3600},
    ],
    ids=["another secret", "another epoch", "another person", "expired", "from the future"],
)
def test_a_record_opens_only_for_its_person_audience_epoch_and_time(changed):
    with pytest.raises(RecordError):
        read(seal()[1], **changed)


def test_somebody_who_has_the_code_cannot_forge_a_record():
    # The audience secret opens the body, and gives A', but not a'.
    blinded = blind(IdentityKey.from_seed(b"m" * 32), SECRET, EPOCH)
    genuine = decode(seal()[1])
    for public in (genuine.public, blinded.public):
        forged = sign_record(
            public, genuine.body, seq=NOW + 1, not_after=NOW + 60, sign=blinded.sign
        )
        with pytest.raises(RecordError):
            read(encode(forged), now=NOW)


@given(st.binary(max_size=1100))
def test_arbitrary_bytes_are_no_record(value):
    with pytest.raises(RecordError):
        read(value)


@given(st.integers(0, 1020), st.integers(1, 255))
def test_a_record_altered_anywhere_is_refused(at, flip):
    value = seal()[1]
    with pytest.raises(RecordError):
        read(value[:at] + bytes([value[at] ^ flip]) + value[at + 1 :])


def sealed_body(plain: bytes, *, length: int | None = None) -> bytes:
    """A genuine record by a person whose program seals whatever it likes."""
    blinded = blind(KEY, SECRET, EPOCH)
    data = (len(plain) if length is None else length).to_bytes(2, "big") + plain
    body = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        data.ljust(record.PLAIN_BYTES, b"\0"),
        blinded.public,
        bytes(24),
        record._body_key(KEY.public, SECRET, EPOCH),
    )
    signed = sign_record(
        blinded.public, bytes(24) + body, seq=NOW, not_after=NOW + 60, sign=blinded.sign
    )
    return encode(signed)


@given(st.binary(max_size=770), st.integers(0, 65_535))
def test_a_sealed_body_of_arbitrary_bytes_is_devices_or_refused(plain, length):
    with contextlib.suppress(RecordError):
        assert len(read(sealed_body(plain, length=length), now=NOW)) <= 4


PEER = pack_peer_id(peer_id(1))
GOOD = [PEER, NOW, [], [], []]


@pytest.mark.parametrize("entries", [{}, 7, None, "devices"], ids=str)
def test_a_body_of_another_shape_is_refused(entries):
    with pytest.raises(RecordError):
        read(sealed_body(msgpack.packb(entries)), now=NOW)


@pytest.mark.parametrize(
    "entry",
    [
        [],
        {"kind": "a device of version 3"},
        [PEER, NOW, [], []],
        [peer_id(1), NOW, [], [], []],
        [PEER, -1, [], [], []],
        [PEER, "now", [], [], []],
        [b"x", NOW, [], [], []],
        [PEER, NOW, [], [], ["\u202e"]],
        [PEER, NOW, [], [], [b"av"]],
    ],
    ids=str,
)
def test_a_device_that_is_not_understood_is_passed_over_and_the_others_are_found(entry):
    entries = [entry, GOOD]
    assert read(sealed_body(msgpack.packb(entries)), now=NOW) == (
        Presence(peer_id(1), seen_at=NOW),
    )


def test_addresses_of_a_kind_that_is_not_known_are_passed_over():
    known = pack_address("/ip4/192.0.2.1/tcp/4001")
    addresses = [b"\x04\x01", "/ip4/192.0.2.1", known]
    (found,) = read(sealed_body(msgpack.packb([[PEER, NOW, addresses, [], []]])), now=NOW)
    assert found.addresses == (f"/ip4/192.0.2.1/tcp/4001/p2p/{peer_id(1)}",)


def test_of_more_devices_and_capabilities_than_may_be_the_first_are_taken():
    entries = [[PEER, NOW, [], [], [f"word-{n}" for n in range(9)]], *[GOOD] * 4]
    found = read(sealed_body(msgpack.packb(entries)), now=NOW)
    assert len(found) == 4
    assert found[0].caps == tuple(f"word-{n}" for n in range(8))


def test_what_a_later_version_adds_is_ignored_and_put_back():
    more = [{"new": 1}, msgpack.ExtType(5, b"x"), [["deep"]]]
    (found,) = read(sealed_body(msgpack.packb([[*GOOD, *more]])), now=NOW)
    assert attrs.evolve(found, more=b"\x90") == Presence(peer_id(1), seen_at=NOW)
    (again,) = read(seal(found)[1], now=NOW)
    assert msgpack.unpackb(again.more) == more


def test_two_epochs_of_one_audience_have_nothing_in_common():
    """A DHT node that keeps everything holds these records and cannot tell they are of one person.

    They share no run of four bytes but what every record of that hour has (version, dates), and
    nothing in them is the identity, the PeerId, an address, or the secret, in any encoding it has.
    """
    presence = device(1)
    values = {
        epoch: seal(presence, epoch=epoch, nonce=bytes([epoch % 256]) * 24)[1]
        for epoch in (EPOCH, EPOCH + 1)
    }
    stranger = seal(device(9), key=IdentityKey.from_seed(b"s" * 32), nonce=b"x" * 24)[1]
    common = runs(stranger)
    first, second = (runs(value) - common for value in values.values())
    # Two random kilobytes share a run of four bytes once in 4,300 times; these are fixed bytes.
    assert not first & second
    assert decode(values[EPOCH]).public != decode(values[EPOCH + 1]).public

    hidden = {
        "identity": [KEY.public, KEY.public.hex().encode()],
        "x25519": [nacl.bindings.crypto_sign_ed25519_pk_to_curve25519(KEY.public)],
        "secret": [SECRET],
        "peer id": [PEER, PEER[6:], presence.peer_id.encode()],
        "relay": [pack_peer_id(RELAY), RELAY.encode()],
        "ip": [ipaddress.ip_address("192.0.2.1").packed, b"192.0.2.1", b"198.51.100.1"],
        "multiaddr": [pack_address("/ip4/192.0.2.1/tcp/4001")],
        "caps": [b"chat"],
    }
    for (what, forms), value in itertools.product(hidden.items(), values.values()):
        for form in forms:
            assert form not in value, what


def runs(value: bytes, size: int = 4) -> set[bytes]:
    return {value[at : at + size] for at in range(len(value) - size + 1)}


def test_two_audiences_in_one_epoch_have_nothing_in_common():
    one, other = (seal(secret=secret)[1] for secret in (SECRET, ANYONE_SECRET))
    common = runs(seal(device(9), key=IdentityKey.from_seed(b"s" * 32), nonce=b"n" * 24)[1])
    assert not (runs(one) - common) & (runs(other) - common)


def test_a_record_that_replaces_one_from_a_faster_clock_is_newer():
    assert decode(seal(after=NOW + 90)[1]).seq == NOW + 91
    assert decode(seal(after=NOW - 90)[1]).seq == NOW
    assert record.record_seq(seal()[1]) == NOW


# ── several devices ──────────────────────────────────────────────────────────────────────────────
def test_a_device_keeps_the_others_that_are_still_about():
    mine = device(1)
    gone = device(2, seen_at=NOW - 7201)
    from_the_future = device(3, seen_at=NOW + 7201)
    older, newer = device(4, seen_at=NOW - 100), device(5, seen_at=NOW - 50)
    stale_self = device(1, seen_at=NOW - 10)
    merged = merge(mine, [gone, older, from_the_future, newer, stale_self], now=NOW)
    assert merged == (mine, newer, older)


def test_four_devices_at_most_are_listed_the_publisher_always():
    mine = device(1, seen_at=NOW - 5000)
    merged = merge(mine, [device(n, seen_at=NOW - n) for n in range(2, 9)], now=NOW)
    assert merged == (
        mine,
        device(2, seen_at=NOW - 2),
        device(3, seen_at=NOW - 3),
        device(4, seen_at=NOW - 4),
    )


OWN_KEYS = [IdentityKey.from_seed(bytes([n]) * 32).public for n in range(4)]


def listed(count: int = 4) -> DeviceList:
    return sign_list(KEY, OWN_KEYS[:count], DeviceDetails(), now=NOW)


def test_the_list_is_in_the_record_and_says_which_device_has_which_key():
    devices = [attrs.evolve(device(n, direct=1, relays=1), key=OWN_KEYS[n]) for n in range(4)]
    value = seal(*devices, devices=listed().signed)[1]
    found = open_listing(KEY.public, SECRET, EPOCH, value, now=NOW)
    assert len(value) == 1021
    assert found.devices == listed()
    assert found.presences == tuple(devices)


def test_four_devices_behind_a_relay_with_a_name_keep_a_way_each_beside_the_list():
    def far(n: int) -> Presence:
        end = f"/p2p/{peer_id(n)}"
        relay = f"/dns4/boot.example.org/tcp/4001/p2p/{RELAY}/p2p-circuit{end}"
        own = f"/ip4/192.0.2.{n}/tcp/4001{end}"
        caps = ("audio", "video", "chat")
        return Presence(peer_id(n), (own,), (relay,), caps, NOW, key=OWN_KEYS[n])

    devices = tuple(far(n) for n in range(4))
    value = seal(*devices, devices=listed().signed)[1]
    assert len(value) <= MAX_RECORD_BYTES
    assert read(value) == devices


def test_a_device_that_is_not_in_the_list_has_no_key_there():
    value = seal(attrs.evolve(device(1), key=OWN_KEYS[3]), devices=listed(2).signed)[1]
    assert read(value)[0].key == b""


@pytest.mark.parametrize("place", [-1, 2, 255, 2**40])
def test_a_place_that_is_not_in_the_list_is_nobodys(place):
    entries = [listed(2).signed, [*GOOD, place]]
    assert read(sealed_body(msgpack.packb(entries)), now=NOW)[0].key == b""


def test_a_list_that_somebody_else_signed_is_passed_over():
    forged = sign_list(IdentityKey(b"m" * 32), OWN_KEYS, DeviceDetails(), now=NOW).signed
    found = open_listing(
        KEY.public, SECRET, EPOCH, sealed_body(msgpack.packb([forged, GOOD])), now=NOW
    )
    assert found.devices is None
    assert [presence.peer_id for presence in found.presences] == [peer_id(1)]


def test_a_device_that_was_lent_a_signer_publishes_what_readers_take():
    lent = record_signer(KEY, SECRET, EPOCH).lend()
    signer = lent_signer(KEY.public, SECRET, EPOCH, *lent)
    where, value = seal_signed(
        signer,
        KEY.public,
        SECRET,
        EPOCH,
        (device(1),),
        now=NOW,
        not_after=NOW + 60,
        nonce24=b"n" * 24,
    )
    verify(where, value, NOW)
    assert read(value, now=NOW) == (device(1),)
    # and by the same key as one that holds the identity, so nobody tells them apart
    assert decode(value).certificate == decode(seal()[1]).certificate


@pytest.mark.parametrize("other", [{"secret": bytes(16)}, {"epoch": EPOCH + 1}], ids=str)
def test_what_was_lent_for_one_audience_and_epoch_serves_no_other(other):
    lent = record_signer(KEY, SECRET, EPOCH).lend()
    wanted = {"secret": SECRET, "epoch": EPOCH} | other
    signer = lent_signer(KEY.public, wanted["secret"], wanted["epoch"], *lent)
    where, value = seal_signed(
        signer,
        KEY.public,
        wanted["secret"],
        wanted["epoch"],
        (device(1),),
        now=NOW,
        not_after=NOW + 60,
        nonce24=b"n" * 24,
    )
    with pytest.raises(RecordError, match="signature"):
        verify(where, value, NOW)


def test_a_machine_with_many_addresses_publishes_the_best_and_leaves_the_others_theirs():
    crowd = device(1, direct=60, relays=5)
    opened = read(seal(crowd, device(2), device(3), device(4))[1])
    assert [presence.peer_id for presence in opened] == [peer_id(n) for n in (1, 2, 3, 4)]
    assert opened[1:] == (device(2), device(3), device(4))
    assert opened[0].addresses == crowd.addresses[: len(opened[0].addresses)] != ()
    assert opened[0].relays == crowd.relays[: len(opened[0].relays)] != ()


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), min_size=1, max_size=6))
def test_whatever_is_published_fits_and_the_first_device_is_in_it(counts):
    devices = [device(n, direct=direct, relays=relays) for n, (direct, relays) in enumerate(counts)]
    value = seal(*devices)[1]
    opened = read(value)
    assert len(value) == 1021
    assert peer_id(0) in [presence.peer_id for presence in opened]


def test_addresses_that_records_do_not_carry_are_left_out():
    own = f"/p2p/{peer_id(1)}"
    good = f"/ip4/192.0.2.1/tcp/1{own}"
    odd = (f"/ip4/192.0.2.1/udp/1/quic-v1{own}", f"/ip4/192.0.2.1/tcp/1/p2p/{RELAY}", good)
    assert read(seal(Presence(peer_id(1), odd))[1])[0].addresses == (good,)


def test_addresses_show_in_no_repr():
    assert "192.0.2" not in repr(device(1))
    assert "198.51" not in repr(device(1))


def test_a_pair_meets_under_a_secret_nobody_gave_them():
    bob = IdentityKey.from_seed(b"b" * 32)
    shared = pair_secret(KEY, bob.public)
    assert shared == pair_secret(bob, KEY.public)
    assert shared != pair_secret(KEY, IdentityKey.from_seed(b"c" * 32).public)
    assert read(seal(secret=shared)[1], secret=pair_secret(bob, KEY.public)) == (device(1),)


# ── addresses ────────────────────────────────────────────────────────────────────────────────────
ADDRESSES = [
    "/ip4/192.0.2.1/tcp/4001",
    "/ip6/2001:db8::1/tcp/0/ws",
    f"/dns4/boot.example.org/tcp/443/tls/ws/p2p/{RELAY}",
    f"/dns6/boot.example.org/tcp/443/wss/p2p/{RELAY}/p2p-circuit/p2p/{peer_id(1)}",
    "/dnsaddr/example.org/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
    "/dns/" + "a" * 63 + "." + "b" * 63 + "/tcp/1",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_packed_addresses_are_those_of_the_multiaddr_package(text):
    packed = pack_address(text)
    assert packed == multiaddr.Multiaddr(text).to_bytes()
    assert unpack_address(packed) == text


@given(
    st.one_of(st.binary(max_size=38), st.just(b"\0\0")).map(
        lambda data: bytes([0, len(data)]) + data
    )
)
def test_packed_peer_ids_are_those_of_the_base58_package(packed):
    text = base58.b58encode(packed).decode()
    try:
        assert unpack_peer_id(packed) == text
    except BadAddress:
        assert len(packed) <= 2
    else:
        assert pack_peer_id(text) == packed


@given(st.binary(max_size=170))
def test_arbitrary_bytes_are_an_address_or_refused(packed):
    try:
        text = unpack_address(packed)
    except BadAddress:
        return
    assert unpack_address(pack_address(text)) == text


@given(st.one_of(st.text(max_size=80), st.sampled_from(ADDRESSES)), st.text(max_size=5))
def test_arbitrary_text_is_an_address_or_refused(text, more):
    for candidate in (text, "/" + text, text + more, text + "/" + more):
        with contextlib.suppress(BadAddress):
            packed = pack_address(candidate)
            assert pack_address(unpack_address(packed)) == packed


@pytest.mark.parametrize("nonce", [b"", bytes(23), bytes(25)])
def test_a_nonce_of_another_length_is_refused(nonce):
    with pytest.raises(BadKey, match="24 random bytes"):
        seal(nonce=nonce)


def test_a_presence_without_a_real_peer_id_is_refused():
    with pytest.raises(BadAddress):
        seal(Presence("12D3KooW0OIl"))

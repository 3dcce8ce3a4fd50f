"""What a DHT server accepts, refuses and prefers, knowing nothing but the bytes and the time."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.wire import record
from onmeet_node.protocol.wire.errors import RecordError

NOW = 1_800_000_000
KEY = SigningKey(bytes(range(32)))
PUBLIC = KEY.verify_key.encode()


def make(
    *, seq: int = NOW, not_after: int = NOW + 3600, body: bytes = b"sealed", key: SigningKey = KEY
) -> bytes:
    return record.encode(
        record.sign_record(
            key.verify_key.encode(),
            body,
            seq=seq,
            not_after=not_after,
            sign=lambda message: key.sign(message).signature,
        )
    )


def test_key_is_47_characters_because_libp2p_loses_longer_ones():
    key = record.dht_key(PUBLIC)
    assert len(key) == 47
    digest = base64.urlsafe_b64decode(key.removeprefix("/om/") + "=")
    assert digest == hashlib.blake2b(PUBLIC, digest_size=32).digest()


def test_a_server_accepts_an_honest_record_and_learns_its_times():
    value = make()
    accepted = record.verify(record.dht_key(PUBLIC), value, NOW)
    assert (accepted.public, accepted.seq, accepted.not_after) == (PUBLIC, NOW, NOW + 3600)
    assert accepted.body == b"sealed"
    assert record.encode(accepted) == value


def test_the_largest_body_fits_and_one_byte_more_is_refused_by_its_maker():
    assert len(make(body=bytes(record.MAX_BODY_BYTES))) == record.MAX_RECORD_BYTES
    with pytest.raises(LocalProtocolError, match="at most"):
        make(body=bytes(record.MAX_BODY_BYTES + 1))


@pytest.mark.parametrize(
    ("value", "now", "says"),
    [
        (make(), NOW + 3600, "expired 0 seconds ago"),
        (make(), NOW - record.MAX_CLOCK_LEAD - 1, "in the future"),
        (make() + b"x" * 1024, NOW, "at most 1024"),
        (make()[:100], NOW, "cut off"),
        (b"", NOW, "cut off"),
        (b"\x03" + make()[1:], NOW, "version 3"),
    ],
    ids=["expired", "future", "oversized", "truncated", "empty", "newer version"],
)
def test_a_server_refuses(value, now, says):
    with pytest.raises(RecordError, match=says):
        record.verify(record.dht_key(PUBLIC), value, now)


def test_a_publisher_whose_clock_is_ten_minutes_ahead_is_still_found():
    record.verify(record.dht_key(PUBLIC), make(), NOW - record.MAX_CLOCK_LEAD)


def test_nobody_else_can_store_under_a_key():
    stranger = SigningKey(bytes(32))
    with pytest.raises(RecordError, match="another key"):
        record.verify(record.dht_key(PUBLIC), make(key=stranger), NOW)
    forged = record.encode(
        record.sign_record(
            PUBLIC,
            b"",
            seq=NOW,
            not_after=NOW + 1,
            sign=lambda message: stranger.sign(message).signature,
        )
    )
    with pytest.raises(RecordError, match="signature"):
        record.verify(record.dht_key(PUBLIC), forged, NOW)


def test_a_signer_that_the_key_did_not_certify_is_refused():
    mallory = SigningKey(bytes(32))
    genuine = record.decode(make())
    for certificate in (
        record.RecordCertificate(mallory.verify_key.encode(), genuine.certificate.signature),
        record.certify(mallory.verify_key.encode(), lambda text: mallory.sign(text).signature),
    ):
        forged = record.sign_record(
            PUBLIC,
            b"forged",
            seq=NOW + 1,
            not_after=NOW + 60,
            sign=lambda text: mallory.sign(text).signature,
            certificate=certificate,
        )
        with pytest.raises(RecordError, match="signature"):
            record.verify(record.dht_key(PUBLIC), record.encode(forged), NOW)


def test_a_low_order_key_that_would_verify_anything_is_refused():
    # A' = identity point, R = identity point, S = 0 satisfies SB = R + kA for every message.
    identity = b"\x01" + bytes(31)
    value = record.encode(
        record.sign_record(
            identity, b"", seq=NOW, not_after=NOW + 1, sign=lambda _: identity + bytes(32)
        )
    )
    with pytest.raises(RecordError, match="signature"):
        record.verify(record.dht_key(identity), value, NOW)


@pytest.mark.parametrize(
    ("seq", "not_after"), [(NOW, NOW), (NOW, NOW + record.MAX_LIFETIME + 1), (-1, 5), (0, 2**64)]
)
def test_a_record_that_no_server_would_take_is_not_made(seq, not_after):
    with pytest.raises(LocalProtocolError):
        make(seq=seq, not_after=not_after)


def test_a_record_signed_for_years_is_refused_even_if_made_elsewhere():
    certificate = KEY.sign(record.CERTIFICATE_CONTEXT + PUBLIC).signature
    head = record._HEAD.pack(record.VERSION, PUBLIC, PUBLIC, certificate, NOW, NOW + 10**8)
    value = head + KEY.sign(record.CONTEXT + head).signature
    with pytest.raises(RecordError, match="longer"):
        record.verify(record.dht_key(PUBLIC), value, NOW)


@given(data=st.data())
def test_any_altered_bit_is_noticed(data):
    value = bytearray(make())
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    value[bit // 8] ^= 1 << bit % 8
    with pytest.raises(RecordError):
        record.verify(record.dht_key(PUBLIC), bytes(value), NOW)


@given(value=st.binary(max_size=1100))
def test_arbitrary_bytes_are_refused_with_the_one_error(value):
    with pytest.raises(RecordError):
        record.verify(record.dht_key(PUBLIC), value, NOW)


def test_the_newest_record_wins_and_of_equals_the_last_so_that_putting_again_refreshes():
    old, new = make(seq=NOW), make(seq=NOW + 5)
    assert record.select([new, old]) == 0
    assert record.select([old, new, old]) == 1
    assert record.select([old, make(body=b"other"), old]) == 2


def test_garbage_never_wins_a_selection():
    assert record.select([b"garbage", make(seq=NOW), b""]) == 1
    with pytest.raises(RecordError, match="none"):
        record.select([b"garbage"])

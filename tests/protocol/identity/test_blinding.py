"""Blinded keys: Tor's published vectors, an independent curve, and what must be refused."""

import contextlib
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from onmeet_node.protocol.identity.blinding import (
    BlindedKey,
    blind,
    blind_public,
    blinding_factor,
    epoch_at,
    scale_point,
    scale_scalar,
)
from onmeet_node.protocol.identity.errors import BadKey
from onmeet_node.protocol.identity.keys import IdentityKey, verify, x25519_public
from tests.examples import examples

VECTORS = Path(__file__).parents[2] / "vectors"
SECRET = bytes(range(16))
KEY = IdentityKey.from_seed(bytes(range(32)))

seeds = st.binary(min_size=32, max_size=32)
secrets = st.binary(min_size=16, max_size=16)
epochs = st.integers(0, 2**64 - 1)


# ── Ed25519 written out in integers (RFC 8032, 5.1), independent of libsodium ────────────────────
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1)


def recover_x(y: int, sign: int) -> int:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        raise ValueError("not on the curve")
    return P - x if x & 1 != sign else x


BASE = (recover_x(4 * pow(5, -1, P) % P, 0), 4 * pow(5, -1, P) % P)


def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + product, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P)
    return x % P, y % P


def multiply(scalar: int, point: tuple[int, int]) -> tuple[int, int]:
    result = NEUTRAL
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def encode_point(point: tuple[int, int]) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def decode_point(data: bytes) -> tuple[int, int]:
    value = int.from_bytes(data, "little")
    y = value & (1 << 255) - 1
    return recover_x(y, value >> 255), y


def hash_scalar(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % L


def clamp(data: bytes) -> int:
    return int.from_bytes(data, "little") & ((1 << 254) - 8) | 1 << 254


def sign(scalar: int, prefix: bytes, public: bytes, message: bytes) -> bytes:
    nonce = hash_scalar(prefix + message)
    commitment = encode_point(multiply(nonce, BASE))
    response = (nonce + hash_scalar(commitment + public + message) * scalar) % L
    return commitment + response.to_bytes(32, "little")


# ── tests ────────────────────────────────────────────────────────────────────────────────────────
TOR = json.loads((VECTORS / "tor-blinding.json").read_text())["vectors"]


@pytest.mark.parametrize("vector", TOR, ids=lambda vector: vector["blinded_public"][:8])
def test_scalar_and_point_arithmetic_gives_tors_published_blinded_keys(vector):
    key = IdentityKey.from_seed(bytes.fromhex(vector["seed"]))
    tweak = bytes.fromhex(vector["parameter"])
    if vector["prehash"]:
        tweak = hashlib.sha512(vector["prehash"].encode() + tweak).digest()[:32]
    factor = clamp(tweak).to_bytes(32, "little")
    assert key.public.hex() == vector["public"]
    assert scale_scalar(key.secret_scalar, factor).hex() == vector["blinded_scalar"]
    assert scale_point(key.public, factor).hex() == vector["blinded_public"]


@settings(max_examples=examples(20), deadline=None)
@given(seed=seeds, secret=secrets, epoch=epochs, message=st.binary(max_size=200))
def test_blinding_and_signing_agree_with_an_independent_curve(seed, secret, epoch, message):
    key = IdentityKey.from_seed(seed)
    digest = hashlib.blake2b(
        b"onmeet blinding factor 1" + key.public + secret + epoch.to_bytes(8, "big")
    ).digest()
    factor = int.from_bytes(digest, "little") % L
    expanded = hashlib.sha512(seed).digest()
    scalar = factor * clamp(expanded[:32]) % L
    public = encode_point(multiply(factor, decode_point(key.public)))
    prefix = hashlib.blake2b(
        b"onmeet blinded nonce prefix 1" + expanded[32:] + public, digest_size=32
    ).digest()

    blinded = blind(key, secret, epoch)
    assert blinded.public == blind_public(key.public, secret, epoch) == public
    assert blinded.sign(message) == sign(scalar, prefix, public, message)


@given(seed=seeds, secret=secrets, epoch=epochs, message=st.binary(max_size=200))
def test_anybodys_ed25519_accepts_a_blinded_signature_and_refuses_it_altered(
    seed, secret, epoch, message
):
    blinded = blind(IdentityKey.from_seed(seed), secret, epoch)
    signature = blinded.sign(message)
    assert VerifyKey(blinded.public).verify(message, signature) == message
    assert not verify(blinded.public, message + b"!", signature)
    assert not verify(blinded.public, message, signature[:-1] + bytes([signature[-1] ^ 1]))


def test_the_same_text_signed_in_two_epochs_shares_no_nonce():
    # With a shared nonce r, whoever knows both factors solves two equations for a.
    first, second = (blind(KEY, SECRET, epoch).sign(b"same") for epoch in (1, 2))
    assert first[:32] != second[:32]
    assert blind(KEY, SECRET, 1).sign(b"same") == first


@given(st.lists(st.tuples(seeds, secrets, epochs), min_size=2, max_size=6, unique=True))
def test_every_identity_audience_and_epoch_has_its_own_blinded_key(places):
    keys = {
        blind_public(IdentityKey.from_seed(seed).public, secret, epoch)
        for seed, secret, epoch in places
    }
    assert len(keys) == len(places)


def test_an_epoch_is_six_hours():
    assert [epoch_at(now) for now in (0, 21_599, 21_600, 1_800_000_000)] == [0, 0, 1, 83_333]


def low_order_points() -> list[bytes]:
    """All eight points whose multiple by 8 is neutral, made from one of order 8."""
    for y in range(2, 100):
        try:
            point = multiply(L, (recover_x(y, 0), y))
        except ValueError:
            continue
        if multiply(4, point) != NEUTRAL:
            return [encode_point(multiply(n, point)) for n in range(8)]
    raise AssertionError


LOW_ORDER = low_order_points()
MIXED = encode_point(add(decode_point(KEY.public), decode_point(LOW_ORDER[1])))
# y = 1 and y = 0 with p added: other spellings of low-order points; y = 18 + p of another value.
NON_CANONICAL = [(P + y).to_bytes(32, "little") for y in (0, 1, 3, 18)]
OFF_CURVE = next(
    y.to_bytes(32, "little")
    for y in range(2, 100)
    if pow((y * y - 1) * pow(D * y * y + 1, -1, P), (P - 1) // 2, P) == P - 1
)


@pytest.mark.parametrize(
    "point",
    [*LOW_ORDER, MIXED, *NON_CANONICAL, OFF_CURVE, b"", b"\1" * 31, KEY.public + b"\0"],
    ids=lambda point: point.hex()[:12],
)
def test_a_point_that_is_no_honest_key_is_refused(point):
    for use in (
        lambda: blind_public(point, SECRET, 1),
        lambda: x25519_public(point),
        lambda: scale_point(point, blinding_factor(KEY.public, SECRET, 1)),
        lambda: KEY.agree(point),
    ):
        with pytest.raises(BadKey):
            use()


def test_all_low_order_points_were_tried():
    assert len(set(LOW_ORDER)) == 8


@given(st.binary(max_size=40), st.binary(max_size=20))
def test_arbitrary_bytes_as_key_and_secret_are_blinded_or_refused(point, secret):
    with contextlib.suppress(BadKey):
        assert len(blind_public(point, secret, 1)) == 32


def test_a_secret_of_another_length_is_refused():
    with pytest.raises(BadKey, match="16 bytes"):
        blind(KEY, bytes(15), 1)


def test_secrets_show_in_no_repr():
    blinded = blind(KEY, SECRET, 1)
    shown = repr(KEY) + repr(blinded) + repr(vars(KEY)) + str(KEY)
    for hidden in (KEY.seed, KEY.x25519, KEY.nonce_prefix):
        assert hidden.hex() not in shown
        assert repr(hidden) not in repr(KEY) + repr(blinded)
    assert isinstance(blinded, BlindedKey)

"""What ML-KEM adds to a sealed channel: a recording stays shut, and bad keys are refused."""

from collections.abc import Callable
from itertools import product

import pytest
from nacl.bindings import crypto_scalarmult_base

from onmeet_node.net.channels.handshake import encapsulate
from onmeet_node.protocol.wire.errors import CipherError, HandshakeError
from onmeet_node.protocol.wire.kem import (
    KEM_CIPHERTEXT_BYTES,
    KEM_PUBLIC_BYTES,
    KemKey,
    read_kem_public,
)
from onmeet_node.protocol.wire.noise import CipherState, Handshake

STATIC = {"caller": bytes([1]) * 32, "callee": bytes([2]) * 32}
EPHEMERAL = {"caller": bytes([3]) * 32, "callee": bytes([4]) * 32}
PSK = bytes([5]) * 32
SEED, GUESS = bytes([6]) * 64, bytes([7]) * 64
PROLOGUE = b"these two"
RHO = 32


def caller(guest: bool, seed: bytes) -> Handshake:
    to = crypto_scalarmult_base(STATIC["callee"])
    if guest:
        return Handshake.initiate_nkpsk0(to, PSK, PROLOGUE, EPHEMERAL["caller"], seed)
    return Handshake.initiate_ik(STATIC["caller"], to, PROLOGUE, EPHEMERAL["caller"], seed)


def callee(guest: bool, kem: Callable = encapsulate) -> Handshake:
    if guest:
        return Handshake.respond_nkpsk0(STATIC["callee"], PSK, PROLOGUE, EPHEMERAL["callee"], kem)
    return Handshake.respond_ik(STATIC["callee"], PROLOGUE, EPHEMERAL["callee"], kem)


def recorded(guest: bool) -> list[bytes]:
    """A channel as somebody on the way keeps it: two messages of the handshake, one each way."""
    one, two = caller(guest, SEED), callee(guest)
    first = one.write_message(b"message 1")
    two.read_message(first)
    second = two.write_message(b"message 2")
    one.read_message(second)
    sending, _ = one.split()
    answering, _ = two.split()
    return [first, second, sending.encrypt(b"", b"said"), answering.encrypt(b"", b"answered")]


@pytest.mark.parametrize("guest", [False, True], ids=["nodes", "guest"])
class TestRecording:
    """Later every long-term key, the psk and all X25519 secrets are known: of both sides."""

    def test_who_has_the_kem_key_too_reads_all_of_it(self, guest):
        first, second, said, answered = recorded(guest)
        thief = caller(guest, SEED)
        assert thief.write_message(b"message 1") == first  # every input of the caller
        assert thief.read_message(second) == b"message 2"
        sending, receiving = thief.split()
        assert CipherState(sending._key).decrypt(b"", said) == b"said"
        assert receiving.decrypt(b"", answered) == b"answered"

    def test_without_the_kem_key_it_stays_shut_from_either_side(self, guest):
        first, second, said, answered = recorded(guest)
        # In the callee's place message 1 opens, as the text says; what follows needs the secret,
        # which the ciphertext carries for the caller's seed alone.
        thief = callee(guest)
        assert thief.read_message(first) == b"message 1"
        assert thief.write_message(b"message 2") != second
        # In the caller's place with everything but the seed.
        other = caller(guest, GUESS)
        other.write_message(b"message 1")
        with pytest.raises(HandshakeError):
            other.read_message(second)
        for key, sealed in product((*thief.split(),), (said, answered)):
            with pytest.raises(CipherError):
                CipherState(key._key).decrypt(b"", sealed)

    def test_the_chaining_key_before_the_kem_opens_nothing_that_comes_after_it(self, guest):
        """All X25519 results mixed in, and any secret in the place of the KEM's: zeros, say."""
        first, second, *_ = recorded(guest)
        ciphertexts: list[bytes] = []

        class Peeking(KemKey):
            def decapsulate(self, ciphertext: bytes) -> bytes:
                ciphertexts.append(ciphertext)
                return bytes(32)

        thief = caller(guest, SEED)
        thief._e1 = Peeking(SEED)
        assert thief.write_message(b"message 1") == first
        with pytest.raises(HandshakeError):
            thief.read_message(second)
        # The ciphertext itself was sealed with X25519 alone, and is found: it is all there is.
        assert KemKey(SEED).decapsulate(ciphertexts[0]) != bytes(32)
        assert KemKey(GUESS).decapsulate(ciphertexts[0]) != KemKey(SEED).decapsulate(ciphertexts[0])

    def test_an_altered_key_or_ciphertext_is_noticed(self, guest):
        first, second, _, _ = recorded(guest)
        for at in (32, 600, 32 + KEM_PUBLIC_BYTES + 15):
            with pytest.raises(HandshakeError):
                callee(guest).read_message(flipped(first, at))
        for at in (32, 600, 32 + KEM_CIPHERTEXT_BYTES + 15):
            one = caller(guest, SEED)
            one.write_message(b"message 1")
            with pytest.raises(HandshakeError):
                one.read_message(flipped(second, at))

    @pytest.mark.parametrize(
        "bad",
        [
            pytest.param(lambda key: bytes(KEM_PUBLIC_BYTES), id="zeros"),
            pytest.param(lambda key: bytes(KEM_PUBLIC_BYTES - RHO) + key[-RHO:], id="zero vector"),
            pytest.param(lambda key: b"\xff" * KEM_PUBLIC_BYTES, id="beyond the modulus"),
            pytest.param(lambda key: b"\x01\xfd" + key[2:], id="one number beyond it"),
        ],
    )
    def test_an_encapsulation_key_that_is_none_is_refused_before_anything_is_sent(self, guest, bad):
        one = caller(guest, SEED)
        assert one._e1 is not None
        one._e1.public = bad(one._e1.public)
        message = one.write_message(b"message 1")
        with pytest.raises(HandshakeError, match="ML-KEM key"):
            callee(guest).read_message(message)

    def test_a_ciphertext_for_another_key_opens_nothing(self, guest):
        for secret, ciphertext in (
            (bytes(32), bytes(KEM_CIPHERTEXT_BYTES)),
            encapsulate(read_kem_public(KemKey(GUESS).public)),
        ):
            one, two = caller(guest, SEED), callee(guest, lambda _, s=secret, c=ciphertext: (s, c))
            two.read_message(one.write_message())
            with pytest.raises(HandshakeError):
                one.read_message(two.write_message())


@pytest.mark.parametrize("length", [0, 1, KEM_PUBLIC_BYTES - 1, KEM_PUBLIC_BYTES + 1])
def test_encapsulation_keys_of_another_length_are_refused(length):
    with pytest.raises(HandshakeError, match="ML-KEM key"):
        read_kem_public(b"\x01" * length)


@pytest.mark.parametrize("length", [0, 1, KEM_CIPHERTEXT_BYTES - 1, KEM_CIPHERTEXT_BYTES + 1])
def test_ciphertexts_of_another_length_are_refused(length):
    with pytest.raises(HandshakeError, match="ciphertext"):
        KemKey(SEED).decapsulate(bytes(length))


def test_repr_shows_no_seed():
    key = KemKey(SEED)
    assert SEED.hex() not in repr(key) + repr(vars(key))
    assert repr(SEED)[2:-1] not in repr(key) + repr(vars(key))


def flipped(message: bytes, at: int) -> bytes:
    return message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]

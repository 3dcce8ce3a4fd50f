"""Our Noise against the independent one in the `noiseprotocol` package, byte for byte.

`tests/vectors/noise.json` has the fields of the vectors that other Noise projects publish, and
`rekeyed`: one more message in each direction, and before it the empty one that ends a key. A
browser's implementation is held to the same file. Its outputs are made by `noiseprotocol` alone,
by `python tests/protocol/wire/test_noise_vectors.py`, but for what `init_kem_seed` (d and z) and
`resp_kem_message` (m of FIPS 203) make: ciphertext and secret are by @noble/post-quantum, whose
test makes them anew, and here OpenSSL opens the one to find the other.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult_base
from noise.connection import Keypair, NoiseConnection
from noise.constants import TOKEN_E, TOKEN_EE, TOKEN_ES, TOKEN_PSK, TOKEN_S, TOKEN_SE, TOKEN_SS
from noise.state import HandshakeState

from onmeet_node.net.channels.handshake import encapsulate
from onmeet_node.protocol.wire.kem import KemKey, read_kem_public
from onmeet_node.protocol.wire.noise import Handshake
from onmeet_node.protocol.wire.rekey import REKEY_SECONDS, ReceivingCipher, SendingCipher
from tests.examples import examples

VECTORS_FILE = Path(__file__).parents[2] / "vectors" / "noise.json"
IK = "Noise_IKhfs_25519+MLKEM768_ChaChaPoly_BLAKE2b"
NKPSK0 = "Noise_NKhfs+psk0_25519+MLKEM768_ChaChaPoly_BLAKE2b"
CLASSICAL = {
    IK: "Noise_IK_25519_ChaChaPoly_BLAKE2b",
    NKPSK0: "Noise_NKpsk0_25519_ChaChaPoly_BLAKE2b",
}

# noiseprotocol rightly warns of fixed ephemeral keys, which are what makes a vector a vector.
pytestmark = pytest.mark.filterwarnings("ignore:One of ephemeral keypairs:UserWarning")


class Ours:
    """One side of a vector, by the code under test."""

    def __init__(self, vector: dict[str, Any], *, initiator: bool) -> None:
        given = {key: bytes.fromhex(value) for key, value in vector.items() if _is_input(key)}
        match vector["protocol_name"], initiator:
            case name, True if name == IK:
                self._noise = Handshake.initiate_ik(
                    given["init_static"],
                    given["init_remote_static"],
                    given["init_prologue"],
                    given["init_ephemeral"],
                    given["init_kem_seed"],
                )
            case name, False if name == IK:
                self._noise = Handshake.respond_ik(
                    given["resp_static"],
                    given["resp_prologue"],
                    given["resp_ephemeral"],
                    lambda _: encapsulated(vector),
                )
            case _, True:
                self._noise = Handshake.initiate_nkpsk0(
                    given["init_remote_static"],
                    bytes.fromhex(vector["init_psks"][0]),
                    given["init_prologue"],
                    given["init_ephemeral"],
                    given["init_kem_seed"],
                )
            case _, False:
                self._noise = Handshake.respond_nkpsk0(
                    given["resp_static"],
                    bytes.fromhex(vector["resp_psks"][0]),
                    given["resp_prologue"],
                    given["resp_ephemeral"],
                    lambda _: encapsulated(vector),
                )
        self._both: tuple[SendingCipher, ReceivingCipher] | None = None

    @property
    def _directions(self) -> tuple[SendingCipher, ReceivingCipher]:
        if self._both is None:
            send, receive = self._noise.split()
            self._both = SendingCipher(send, now=0), ReceivingCipher(receive)
        return self._both

    def write(self, payload: bytes) -> bytes:
        if not self._noise.finished:
            return self._noise.write_message(payload)
        (sealed,) = self._directions[0].seal(payload, now=0)
        return sealed

    def read(self, data: bytes) -> bytes:
        if not self._noise.finished:
            return self._noise.read_message(data)
        opened = self._directions[1].open(data)
        assert opened is not None
        return opened

    def write_rekeyed(self, payload: bytes) -> list[bytes]:
        return self._directions[0].seal(payload, now=REKEY_SECONDS)

    def read_rekeyed(self, last: bytes, sealed: bytes) -> bytes:
        assert self._directions[1].open(last) is None
        return self.read(sealed)

    @property
    def hash(self) -> bytes:
        return self._noise.handshake_hash


def encapsulated(vector: dict[str, Any]) -> tuple[bytes, bytes]:
    """Secret and ciphertext, as the library gives them."""
    return bytes.fromhex(vector["resp_kem_secret"]), bytes.fromhex(vector["resp_kem_ciphertext"])


class Hybrid(HandshakeState):
    """The hfs modifier over `noiseprotocol`, which does not know it.

    What e1 and ekem1 send is sealed like a payload, so each message is two of its own, the first
    of which ends there. Only the secret is mixed in by hand.
    """

    vector: dict[str, Any]

    def write_message(self, payload, message_buffer):
        key, (secret, ciphertext) = self.key, encapsulated(self.vector)
        super().write_message(key.public if self.initiator else ciphertext, message_buffer)
        if not self.initiator:
            self.symmetric_state.mix_key(secret)
        return super().write_message(payload, message_buffer)

    def read_message(self, message, payload_buffer):
        length = 32 + (1088 if self.initiator else 1184) + 16
        middle = bytearray()
        super().read_message(message[:length], middle)
        if self.initiator:
            self.symmetric_state.mix_key(self.key.decapsulate(bytes(middle)))
        else:
            assert middle == self.key.public
        return super().read_message(message[length:], payload_buffer)

    @property
    def key(self) -> KemKey:
        return KemKey(bytes.fromhex(self.vector["init_kem_seed"]))


SEGMENTS = {
    IK: [[TOKEN_E, TOKEN_ES], [TOKEN_S, TOKEN_SS], [TOKEN_E, TOKEN_EE], [TOKEN_SE]],
    NKPSK0: [[TOKEN_PSK, TOKEN_E, TOKEN_ES], [], [TOKEN_E, TOKEN_EE], []],
}
"""The patterns of the draft, cut where e1 and ekem1 stand."""


class Reference:
    """One side of a vector, by `noiseprotocol`."""

    def __init__(self, vector: dict[str, Any], *, initiator: bool) -> None:
        side = "init" if initiator else "resp"
        name = vector["protocol_name"]
        self._noise = NoiseConnection.from_name(CLASSICAL[name].encode())
        self._noise.noise_protocol.name = name.encode()
        (self._noise.set_as_initiator if initiator else self._noise.set_as_responder)()
        self._noise.set_prologue(bytes.fromhex(vector[f"{side}_prologue"]))
        if psks := vector.get(f"{side}_psks"):
            self._noise.set_psks(psks=[bytes.fromhex(psk) for psk in psks])
        for kind, name in ((Keypair.STATIC, "static"), (Keypair.EPHEMERAL, "ephemeral")):
            if key := vector.get(f"{side}_{name}"):
                self._noise.set_keypair_from_private_bytes(kind, bytes.fromhex(key))
        if key := vector.get(f"{side}_remote_static"):
            self._noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, bytes.fromhex(key))
        self._noise.start_handshake()
        state = self._noise.noise_protocol.handshake_state
        state.__class__ = Hybrid
        state.vector = vector
        state.message_patterns = [segment.copy() for segment in SEGMENTS[vector["protocol_name"]]]

    def write(self, payload: bytes) -> bytes:
        if not self._noise.handshake_finished:
            return bytes(self._noise.write_message(payload))
        return self._noise.encrypt(payload)

    def read(self, data: bytes) -> bytes:
        if not self._noise.handshake_finished:
            return bytes(self._noise.read_message(data))
        return self._noise.decrypt(data)

    def write_rekeyed(self, payload: bytes) -> list[bytes]:
        last = self._noise.encrypt(b"")
        self._noise.rekey_outbound_cipher()
        return [last, self._noise.encrypt(payload)]

    def read_rekeyed(self, last: bytes, sealed: bytes) -> bytes:
        assert self._noise.decrypt(last) == b""
        self._noise.rekey_inbound_cipher()
        return self._noise.decrypt(sealed)

    @property
    def hash(self) -> bytes:
        return self._noise.get_handshake_hash()


def _is_input(key: str) -> bool:
    return key.endswith(("_static", "_ephemeral", "_prologue", "_kem_seed"))


def converse(vector: dict[str, Any], initiator: Any, responder: Any) -> dict[str, Any]:
    """Runs the vector's payloads through two sides; gives the vector with the outputs they made."""
    sides = [initiator(vector, initiator=True), responder(vector, initiator=False)]

    def exchange(messages: list[dict[str, str]]) -> list[dict[str, str]]:
        done = []
        for number, message in enumerate(messages):
            sender, receiver = sides[number % 2], sides[(number + 1) % 2]
            ciphertext = sender.write(bytes.fromhex(message["payload"]))
            assert receiver.read(ciphertext).hex() == message["payload"]
            done.append({"payload": message["payload"], "ciphertext": ciphertext.hex()})
        return done

    messages = exchange(vector["messages"])
    assert sides[0].hash == sides[1].hash
    rekeyed = []
    for number, message in enumerate(vector["rekeyed"]):
        sender, receiver = sides[number % 2], sides[(number + 1) % 2]
        ciphertexts = sender.write_rekeyed(bytes.fromhex(message["payload"]))
        assert receiver.read_rekeyed(*ciphertexts).hex() == message["payload"]
        rekeyed.append(
            {"payload": message["payload"], "ciphertexts": [one.hex() for one in ciphertexts]}
        )
    return vector | {
        "handshake_hash": sides[0].hash.hex(),
        "messages": messages,
        "rekeyed": rekeyed,
    }


def load() -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads(VECTORS_FILE.read_text())["vectors"]
    return vectors


@pytest.mark.parametrize("responder", [Ours, Reference])
@pytest.mark.parametrize("initiator", [Ours, Reference])
@pytest.mark.parametrize("vector", load(), ids=lambda vector: vector["protocol_name"])
def test_both_implementations_write_the_committed_bytes(vector, initiator, responder):
    assert converse(vector, initiator, responder) == vector


def test_the_vectors_cover_both_patterns():
    assert {vector["protocol_name"] for vector in load()} == {IK, NKPSK0}


@settings(max_examples=examples(25), deadline=None)
@given(
    name=st.sampled_from([IK, NKPSK0]),
    keys=st.lists(st.binary(min_size=32, max_size=32), min_size=5, max_size=5),
    prologue=st.binary(max_size=200),
    payloads=st.lists(st.binary(min_size=1, max_size=300), min_size=2, max_size=6),
    kem_seed=st.binary(min_size=64, max_size=64),
)
def test_any_keys_and_payloads_give_the_same_bytes_in_both(
    name, keys, prologue, payloads, kem_seed
):
    secret, ciphertext = encapsulate(read_kem_public(KemKey(kem_seed).public))
    vector = {
        "protocol_name": name,
        "init_kem_seed": kem_seed.hex(),
        "resp_kem_ciphertext": ciphertext.hex(),
        "resp_kem_secret": secret.hex(),
        "init_prologue": prologue.hex(),
        "init_ephemeral": keys[0].hex(),
        "init_remote_static": crypto_scalarmult_base(keys[1]).hex(),
        "resp_prologue": prologue.hex(),
        "resp_static": keys[1].hex(),
        "resp_ephemeral": keys[2].hex(),
        "messages": [{"payload": payload.hex()} for payload in payloads],
        "rekeyed": [{"payload": payload.hex()} for payload in payloads[:2]],
    }
    if name == IK:
        vector["init_static"] = keys[3].hex()
    else:
        vector["init_psks"] = vector["resp_psks"] = [keys[4].hex()]
    assert converse(vector, Ours, Ours) == converse(vector, Reference, Reference)


def regenerate() -> None:
    """Writes the outputs anew from the inputs in the file, by `noiseprotocol`."""
    vectors = [converse(vector, Reference, Reference) for vector in load()]
    VECTORS_FILE.write_text(json.dumps({"vectors": vectors}, indent=1) + "\n")


if __name__ == "__main__":
    regenerate()

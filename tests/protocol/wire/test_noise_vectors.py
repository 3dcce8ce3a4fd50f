"""Our Noise against the independent one in the `noiseprotocol` package, byte for byte.

`tests/vectors/noise.json` has the fields of the vectors that other Noise projects publish, and
`rekeyed`: one more message in each direction after both sides have rekeyed. A browser's
implementation is held to the same file. Its outputs are made by `noiseprotocol` alone, by
`python tests/protocol/wire/test_noise_vectors.py`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult_base
from noise.connection import Keypair, NoiseConnection

from onmeet_node.protocol.wire.noise import CipherState, Handshake
from tests.examples import examples

VECTORS_FILE = Path(__file__).parents[2] / "vectors" / "noise.json"
IK = "Noise_IK_25519_ChaChaPoly_BLAKE2b"
NKPSK0 = "Noise_NKpsk0_25519_ChaChaPoly_BLAKE2b"

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
                )
            case name, False if name == IK:
                self._noise = Handshake.respond_ik(
                    given["resp_static"], given["resp_prologue"], given["resp_ephemeral"]
                )
            case _, True:
                self._noise = Handshake.initiate_nkpsk0(
                    given["init_remote_static"],
                    bytes.fromhex(vector["init_psks"][0]),
                    given["init_prologue"],
                    given["init_ephemeral"],
                )
            case _, False:
                self._noise = Handshake.respond_nkpsk0(
                    given["resp_static"],
                    bytes.fromhex(vector["resp_psks"][0]),
                    given["resp_prologue"],
                    given["resp_ephemeral"],
                )
        self._ciphers: tuple[CipherState, CipherState] | None = None

    @property
    def _directions(self) -> tuple[CipherState, CipherState]:
        self._ciphers = self._ciphers or self._noise.split()
        return self._ciphers

    def write(self, payload: bytes) -> bytes:
        if not self._noise.finished:
            return self._noise.write_message(payload)
        return self._directions[0].encrypt(b"", payload)

    def read(self, data: bytes) -> bytes:
        if not self._noise.finished:
            return self._noise.read_message(data)
        return self._directions[1].decrypt(b"", data)

    def rekey(self) -> None:
        for direction in self._directions:
            direction.rekey()

    @property
    def hash(self) -> bytes:
        return self._noise.handshake_hash


class Reference:
    """One side of a vector, by `noiseprotocol`."""

    def __init__(self, vector: dict[str, Any], *, initiator: bool) -> None:
        side = "init" if initiator else "resp"
        self._noise = NoiseConnection.from_name(vector["protocol_name"].encode())
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

    def write(self, payload: bytes) -> bytes:
        if not self._noise.handshake_finished:
            return bytes(self._noise.write_message(payload))
        return self._noise.encrypt(payload)

    def read(self, data: bytes) -> bytes:
        if not self._noise.handshake_finished:
            return bytes(self._noise.read_message(data))
        return self._noise.decrypt(data)

    def rekey(self) -> None:
        self._noise.rekey_inbound_cipher()
        self._noise.rekey_outbound_cipher()

    @property
    def hash(self) -> bytes:
        return self._noise.get_handshake_hash()


def _is_input(key: str) -> bool:
    return key.endswith(("_static", "_ephemeral", "_prologue"))


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
    for side in sides:
        side.rekey()
    return vector | {
        "handshake_hash": sides[0].hash.hex(),
        "messages": messages,
        "rekeyed": exchange(vector["rekeyed"]),
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
    payloads=st.lists(st.binary(max_size=300), min_size=2, max_size=6),
)
def test_any_keys_and_payloads_give_the_same_bytes_in_both(name, keys, prologue, payloads):
    vector = {
        "protocol_name": name,
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

"""The published vectors of keys, records, codes and numbers, to which every implementation is held.

`python tests/protocol/identity/test_vectors.py` writes them anew: only for a new
version of the protocol.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import attrs

from onmeet_node.protocol.call.authentication import commitment
from onmeet_node.protocol.identity import record
from onmeet_node.protocol.identity.audience import ANYONE_SECRET, pair_secret, proof
from onmeet_node.protocol.identity.blinding import blind, blinding_factor
from onmeet_node.protocol.identity.code import ContactCode, parse_code
from onmeet_node.protocol.identity.devices import (
    DeviceDetails,
    DeviceList,
    DeviceNote,
    read_details,
    read_list,
    sign_list,
)
from onmeet_node.protocol.identity.errors import CodeError
from onmeet_node.protocol.identity.keys import IdentityKey, x25519_public
from onmeet_node.protocol.identity.record import Presence, open_record, seal_record
from onmeet_node.protocol.identity.record_signer import record_signer
from onmeet_node.protocol.identity.safety import fingerprint_from_sdp, safety_number, sas
from onmeet_node.protocol.identity.text import clean_text

FILE = Path(__file__).parents[2] / "vectors" / "identity.json"

SEEDS = [bytes(range(32)), bytes(range(32, 64)), hashlib.sha256(b"third").digest()]
SECRETS = [ANYONE_SECRET, bytes(range(16)), bytes(range(240, 256))]
EPOCHS = [0, 83_333, 2**32 + 1]
NOW = 83_333 * 21_600 + 1_000
PEER = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
RELAY = "12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu"
BOOTSTRAP = f"/dns4/boot.example.org/tcp/4001/p2p/{RELAY}"
SDP = "v=0\r\na=fingerprint:sha-256 " + ":".join(f"{n:02X}" for n in range(32)) + "\r\n"
TEXTS = [
    " Zoë\tMüller ",
    "\u202egpj.exe",
    "e\u0301",
    "\u200b",
    "👩‍👩‍👧",
    "z\u0335\u0336\u0337\u0338",
    "x" * 90,
]

NONCES = (bytes(range(16)), bytes(range(16, 32)))
"""Of who offered and of who answered."""


def build() -> dict[str, Any]:
    """All vectors; bytes in lower-case hex, integers as JSON numbers or, above 2^53, as text."""
    keys = [IdentityKey.from_seed(seed) for seed in SEEDS]
    return {
        "about": "docs/PROTOCOL.md, “Identities” to “Numbers to compare”. Bytes are hex.",
        "keys": [
            {
                "seed": key.seed.hex(),
                "identity": key.public.hex(),
                "x25519_private": key.x25519.hex(),
                "x25519_public": x25519_public(key.public).hex(),
                "signature_of_hello": key.sign(b"hello").hex(),
            }
            for key in keys
        ],
        "blinding": [blinding_vector(*case) for case in zip(keys, SECRETS, EPOCHS, strict=True)],
        "pair_secret": {
            "seed": SEEDS[0].hex(),
            "other": keys[1].public.hex(),
            "secret": pair_secret(keys[0], keys[1].public).hex(),
        },
        "proof": {
            "secret": SECRETS[1].hex(),
            "handshake_hash": bytes(range(64)).hex(),
            "proof": proof(SECRETS[1], bytes(range(64))).hex(),
        },
        "records": [
            record_vector(keys[0], SECRETS[1], []),
            record_vector(keys[0], SECRETS[1], devices()),
            record_vector(keys[0], SECRETS[1], devices(), listed(keys[0], keys[1:])),
        ],
        "device_lists": [
            list_vector(keys[0], keys[1:2], after=0),
            list_vector(keys[0], keys[1:], after=NOW + 9),
        ],
        "codes": [
            code_vector(code)
            for code in (
                ContactCode(keys[0].public),
                ContactCode(keys[1].public, SECRETS[1], "Zoë", (BOOTSTRAP,), 1_900_000_000),
            )
        ],
        "damaged_codes": [damaged_vector(text) for text in damaged(ContactCode(keys[0].public))],
        "safety_numbers": [
            {"a": a.public.hex(), "b": b.public.hex(), "number": safety_number(a.public, b.public)}
            for a, b in ((keys[0], keys[1]), (keys[1], keys[0]), (keys[1], keys[2]))
        ],
        "call_strings": [
            {
                "binding": bytes(range(64)).hex(),
                "fingerprint_a": a.hex(),
                "fingerprint_b": b.hex(),
                "offerer": NONCES[0].hex(),
                "answerer": NONCES[1].hex(),
                "string": sas(bytes(range(64)), a, b, NONCES),
            }
            for a, b in ((bytes(32), b"\1" * 32), (b"\1" * 32, bytes(32)), (bytes(32), bytes(32)))
        ],
        "commitments": [
            {
                "call": call.hex(),
                "generation": generation,
                "nonce": nonce.hex(),
                "commitment": commitment(call, generation, nonce).hex(),
            }
            for call, generation, nonce in (
                (bytes(16), 0, NONCES[0]),
                (bytes(range(16)), 2, NONCES[0]),
                (bytes(range(16)), 65_535, NONCES[1]),
            )
        ],
        "fingerprint": {"sdp": SDP, "sha256": fingerprint_from_sdp(SDP).hex()},
        "clean_text": [{"text": text, "shown": clean_text(text)} for text in TEXTS],
    }


def blinding_vector(key: IdentityKey, secret: bytes, epoch: int) -> dict[str, Any]:
    blinded = blind(key, secret, epoch)
    return {
        "seed": key.seed.hex(),
        "identity": key.public.hex(),
        "secret": secret.hex(),
        "epoch": epoch,
        "factor": blinding_factor(key.public, secret, epoch).hex(),
        "blinded_scalar": blinded._scalar.hex(),
        "nonce_prefix": blinded._prefix.hex(),
        "blinded_public": blinded.public.hex(),
        "signature_of_hello": blinded.sign(b"hello").hex(),
        "dht_key": record.record_key(key.public, secret, epoch),
    }


def devices() -> list[Presence]:
    own = f"/p2p/{PEER}"
    return [
        Presence(
            PEER,
            (f"/ip4/192.0.2.1/tcp/4001{own}", f"/ip6/2001:db8::1/tcp/4001/ws{own}"),
            (f"/dns4/boot.example.org/tcp/4001/p2p/{RELAY}/p2p-circuit{own}",),
            ("av", "chat"),
            NOW,
        ),
        Presence(RELAY, seen_at=NOW - 60),
    ]


def notes(devices: list[IdentityKey]) -> DeviceDetails:
    return DeviceDetails(
        tuple(
            DeviceNote(device.public, f"device {n}", NOW - n, holds_identity=n == 0)
            for n, device in enumerate(devices)
        ),
        revoked=(IdentityKey(b"r" * 32).public,),
    )


def listed(identity: IdentityKey, devices: list[IdentityKey], after: int = 0) -> DeviceList:
    keys = [device.public for device in devices]
    return sign_list(identity, keys, notes(devices), now=NOW, after=after)


def list_vector(identity: IdentityKey, devices: list[IdentityKey], after: int) -> dict[str, Any]:
    made = listed(identity, devices, after)
    return {
        "seed": identity.seed.hex(),
        "devices": [key.hex() for key in made.devices],
        "details": notes(devices).encode().hex(),
        "now": NOW,
        "after": after,
        "number": made.number,
        "until": made.until,
        "signed": made.signed.hex(),
    }


def record_vector(
    key: IdentityKey, secret: bytes, presences: list[Presence], own: DeviceList | None = None
) -> dict[str, Any]:
    nonce = bytes(range(100, 124))
    signed = own.signed if own is not None else b""
    if own is not None:
        presences = [
            attrs.evolve(presence, key=own.devices[n]) for n, presence in enumerate(presences)
        ]
    dht_key, value = seal_record(
        key,
        secret,
        83_333,
        presences,
        now=NOW,
        not_after=NOW + 7_200,
        nonce24=nonce,
        devices=signed,
    )
    packed = record._fitting([record._pack(presence, own) for presence in presences], signed)
    signer = record_signer(key, secret, 83_333)
    return {
        "seed": key.seed.hex(),
        "secret": secret.hex(),
        "epoch": 83_333,
        "now": NOW,
        "not_after": NOW + 7_200,
        "nonce": nonce.hex(),
        "devices": [
            {
                "peer_id": presence.peer_id,
                "addresses": list(presence.addresses),
                "relays": list(presence.relays),
                "caps": list(presence.caps),
                "seen_at": presence.seen_at,
            }
            for presence in presences
        ],
        "device_list": signed.hex(),
        "signer_seed": signer.key.seed.hex(),
        "certificate": signer.certificate.signature.hex(),
        "msgpack": packed.hex(),
        "body_key": record._body_key(key.public, secret, 83_333).hex(),
        "dht_key": dht_key,
        "value": value.hex(),
    }


def code_vector(code: ContactCode) -> dict[str, Any]:
    return {
        "identity": code.identity.hex(),
        "secret": code.secret.hex(),
        "name": code.name,
        "bootstraps": list(code.bootstraps),
        "expires": code.expires,
        "uri": code.uri(),
        "link": code.link("https://example.org"),
    }


def damaged(code: ContactCode) -> list[str]:
    uri = code.uri()
    return [
        "",
        "hello there!",
        "https://example.org/j#abc",
        uri[:-1],
        uri + "0",
        uri[:40] + ("2" if uri[40] != "2" else "3") + uri[41:],
        uri[:40] + "u" + uri[41:],
    ]


def damaged_vector(text: str) -> dict[str, Any]:
    try:
        parse_code(text)
    except CodeError as error:
        return {"text": text, "error": type(error).__name__}
    raise AssertionError(text)


def test_this_implementation_gives_the_published_vectors():
    assert json.loads(FILE.read_text()) == build()


def test_published_records_and_codes_are_read_back():
    vectors = json.loads(FILE.read_text())
    for vector in vectors["records"]:
        key = IdentityKey.from_seed(bytes.fromhex(vector["seed"]))
        opened = open_record(
            key.public,
            bytes.fromhex(vector["secret"]),
            vector["epoch"],
            bytes.fromhex(vector["value"]),
            now=vector["now"],
        )
        assert [presence.peer_id for presence in opened] == [
            device["peer_id"] for device in vector["devices"]
        ]
        assert [list(presence.addresses) for presence in opened] == [
            device["addresses"] for device in vector["devices"]
        ]
    for vector in vectors["device_lists"]:
        identity = IdentityKey.from_seed(bytes.fromhex(vector["seed"])).public
        made = read_list(identity, bytes.fromhex(vector["signed"]))
        assert (made.number, made.until) == (vector["number"], vector["until"])
        assert [key.hex() for key in made.devices] == vector["devices"]
        assert read_details(made, bytes.fromhex(vector["details"])).revoked
    for vector in vectors["codes"]:
        assert parse_code(vector["uri"]) == parse_code(vector["link"])
        assert parse_code(vector["uri"]).identity.hex() == vector["identity"]


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{FILE} written\n")

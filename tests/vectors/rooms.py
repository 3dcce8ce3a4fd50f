"""Writes rooms.json: keys, rosters and an opening as nodes make them, for the guest page.

    python -m tests.vectors.rooms > tests/vectors/rooms.json

tests/protocol/room/test_vectors.py fails when it is stale;
ui/test/guest-room-wire.test.ts reads it.
"""

import json
from pathlib import Path

import attrs
from nacl.bindings import crypto_scalarmult_base

from onmeet_node.net.channels.handshake import prologue
from onmeet_node.protocol.identity.keys import IdentityKey, x25519_public
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room.authentication import commitment, room_string
from onmeet_node.protocol.wire import codec
from onmeet_node.protocol.wire.frames import encode_frame
from onmeet_node.protocol.wire.messages import Card, Hello, Pong
from onmeet_node.protocol.wire.noise import Handshake
from onmeet_node.protocol.wire.room import Role, RosterBody, Seat

ROOM = bytes(range(16))
HOST, ALICE, BOB, GUEST = (IdentityKey(bytes([n]) * 32) for n in (1, 2, 3, 4))


def _key(key):
    return {
        "seed": key.seed.hex(),
        "public": key.public.hex(),
        "x25519_private": key.x25519.hex(),
        "x25519_public": x25519_public(key.public).hex(),
    }


def _roster(body, signer, *, sound, room=ROOM):
    signed = rosters.sign(body, rosters.Key(signer.public), signer.sign)
    digest = rosters.digest(signed)
    numbers = {key: key[::2] for key in rosters.keys_of(body)}
    keys = [seat.key for seat in body.seats]
    return {
        "room": room.hex(),
        "body": signed.body.hex(),
        "signer": signed.signer.hex(),
        "signature": signed.signature.hex(),
        "digest": digest.hex(),
        "keys": [key.hex() for key in keys],
        "nonces": [numbers[key].hex() for key in keys],
        "commitments": [commitment(digest, key, numbers[key]).hex() for key in keys],
        "string": room_string(room, numbers),
        "sound": sound,
    }


def _rosters():
    seats = tuple(
        Seat(key=key.public, role=role, order=order, name=name, video=order != 2)
        for order, (key, role, name) in enumerate(
            (
                (HOST, Role.HOST, "Hedda"),
                (ALICE, Role.CO_HOST, "Alice"),
                (BOB, Role.MEMBER, "Bob \U0001f600"),
                (GUEST, Role.GUEST, "Gerda"),
            )
        )
    )
    body = RosterBody(
        room=ROOM, host=HOST.public, version=3, next_order=4, title="Tuesday", seats=seats
    )
    forged = _roster(body, ALICE, sound=False)
    forged["signer"] = HOST.public.hex()
    twice = attrs.evolve(body, seats=(*seats[:3], attrs.evolve(seats[2], order=3)))
    hosts = attrs.evolve(body, host=ALICE.public)
    return [
        _roster(body, HOST, sound=True),
        _roster(attrs.evolve(body, seats=seats[:1], knock=False, locked=True), HOST, sound=True),
        _roster(attrs.evolve(body, removed=(b"r" * 32,), ended=True), HOST, sound=True),
        forged,
        _roster(body, HOST, sound=False, room=b"another room 123"),
        _roster(twice, HOST, sound=False),
        _roster(hosts, HOST, sound=False),
        _roster(attrs.evolve(body, next_order=3), HOST, sound=False),
        _roster(attrs.evolve(body, removed=(BOB.public,)), HOST, sound=False),
    ]


def _opening():
    """A guest opens a channel to the host of the room, as `net.channels.handshake` does it."""
    bound = prologue("guest", f"room:{ROOM.hex()}")
    ephemerals = (b"e" * 32, b"f" * 32)
    kem = json.loads((Path(__file__).parent / "noise.json").read_text())["vectors"][0]
    seed = bytes.fromhex(kem["init_kem_seed"])
    secret, ciphertext = (
        bytes.fromhex(kem[f"resp_kem_{name}"]) for name in ("secret", "ciphertext")
    )
    guest = Handshake.initiate_ik(
        GUEST.x25519, x25519_public(HOST.public), bound, ephemerals[0], seed
    )
    host = Handshake.respond_ik(HOST.x25519, bound, ephemerals[1], lambda _: (secret, ciphertext))
    tags = (b"tag one!", b"tag two!")
    head = GUEST.public + bytes([len(tags)]) + b"".join(tags)
    hellos = [
        encode_frame(codec.encode(Hello(card=Card(name=name)))) for name in ("Gerda", "Hedda")
    ]
    first = guest.write_message(head + hellos[0])
    host.read_message(first)
    second = host.write_message(hellos[1])
    guest.read_message(second)
    pong = codec.encode(Pong(n=7))
    return {
        "room": ROOM.hex(),
        "prologue": bound.hex(),
        "guest_seed": GUEST.seed.hex(),
        "host_seed": HOST.seed.hex(),
        "guest_ephemeral": ephemerals[0].hex(),
        "host_ephemeral": ephemerals[1].hex(),
        "guest_ephemeral_public": crypto_scalarmult_base(ephemerals[0]).hex(),
        "guest_kem_seed": seed.hex(),
        "host_kem_message": kem["resp_kem_message"],
        "tags": [tag.hex() for tag in tags],
        "names": ["Gerda", "Hedda"],
        "messages": [first.hex(), second.hex()],
        "hash": guest.handshake_hash.hex(),
        "pong": pong.hex(),
        "sealed_by_guest": guest.split()[0].encrypt(b"", pong).hex(),
        "sealed_by_host": host.split()[0].encrypt(b"", pong).hex(),
    }


def vectors():
    """Everything in the file."""
    return {
        "keys": [_key(key) for key in (HOST, ALICE, BOB, GUEST, IdentityKey(bytes(range(32))))],
        "bad_keys": [
            bytes(32).hex(),
            (b"\x01" + bytes(31)).hex(),
            (b"\xec" + b"\xff" * 30 + b"\x7f").hex(),
            (b"\xee" + b"\xff" * 30 + b"\x7f").hex(),
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            (b"\x02" + bytes(31)).hex(),
        ],
        "rosters": _rosters(),
        "opening": _opening(),
    }


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1))

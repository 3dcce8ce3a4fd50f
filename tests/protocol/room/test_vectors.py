"""What the guest page is held to is what nodes do."""

import json
from pathlib import Path

import pytest

from onmeet_node.protocol.identity.errors import IdentityError
from onmeet_node.protocol.identity.keys import x25519_public
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room.errors import BadRoster
from onmeet_node.protocol.wire.room import Roster
from tests.vectors.rooms import vectors


def test_the_vectors_of_rooms_are_what_the_node_makes():
    kept = json.loads((Path(__file__).parents[2] / "vectors" / "rooms.json").read_text())
    assert kept == vectors(), "write them anew: python -m tests.vectors.rooms"


def test_the_node_refuses_the_keys_and_rosters_that_the_page_has_to_refuse():
    for bad in vectors()["bad_keys"]:
        with pytest.raises(IdentityError):
            x25519_public(bytes.fromhex(bad))
    for one in vectors()["rosters"]:
        parts = {name: bytes.fromhex(one[name]) for name in ("body", "signer", "signature")}
        if one["sound"]:
            rosters.read(Roster(**parts), bytes.fromhex(one["room"]))
        else:
            with pytest.raises(BadRoster):
                rosters.read(Roster(**parts), bytes.fromhex(one["room"]))

"""A peer of a later version: what it says beyond ours ends nothing, and what we know works."""

from __future__ import annotations

from typing import Any

import attrs
import msgpack
import pytest

from onmeet_node.protocol.wire import bootstrap_api, codec, room
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.errors import DecodeError
from onmeet_node.protocol.wire.fields import SHAPE, Choice
from tests.net.test_signaling import CALL, Peer

CANDIDATE = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "network": {"cost": 3}}


def said(t: str, **fields: Any) -> bytes:
    return bytes(msgpack.packb({"t": t, **fields}))


UNDERSTOOD: list[tuple[bytes, m.Message]] = [
    # new words, each read as the one that stands for all others
    (said("ringing", call=CALL, state="vibrating"), m.Ringing(call=CALL)),
    (said("decline", call=CALL, reason="asleep"), m.Decline(call=CALL)),
    (said("cancel", call=CALL, reason="merged"), m.Cancel(call=CALL)),
    (said("hangup", call=CALL, reason="battery"), m.Hangup(call=CALL)),
    (said("wait", state="asked-a-neighbour"), m.Wait()),
    (said("deny", reason="too-young"), m.Deny()),
    (said("look", size="immense"), room.Look()),
    # new words in a list are left out of it
    (
        said("invite", call=CALL, kinds=["hologram", "audio"]),
        m.Invite(call=CALL, kinds=(m.Kind.AUDIO,)),
    ),
    # new fields, and fields of types that we do not have
    (
        said("media-state", call=CALL, muted=True, smells=msgpack.ExtType(9, b"x")),
        m.MediaState(call=CALL, muted=True),
    ),
    (
        said(
            "card-update", card={"name": "Ann", "born": msgpack.Timestamp(1), "pronouns": ["she"]}
        ),
        m.CardUpdate(card=m.Card(name="Ann")),
    ),
    # longer arrays
    (
        said("candidates", call=CALL, candidates=[CANDIDATE] * 100),
        m.Candidates(call=CALL, candidates=(m.Candidate(candidate=CANDIDATE["candidate"]),) * 64),
    ),
    (
        said("at-door", waiting=[{"key": bytes(32)}] * 40),
        room.AtDoor(waiting=(room.Waiting(key=bytes(32)),) * 32),
    ),
    (said("acquaint", tags=[bytes(16)] * 1_024), room.Acquaint(tags=(bytes(16),) * 256)),
]

NOT_UNDERSTOOD = [
    said("levitate", height=3),
    said("room-request", act="applaud"),
    said("accept", call=CALL, kinds=["hologram"]),
]
"""New messages, and words for which none of ours can stand."""


@pytest.mark.parametrize(("data", "meant"), UNDERSTOOD)
def test_what_is_known_of_a_later_message_is_understood(data: bytes, meant: m.Message) -> None:
    assert codec.decode(data) == meant


async def test_a_peer_of_a_later_version_ends_nothing() -> None:
    async with Peer() as (raw, bob):
        heard = aiter(bob)
        for data, meant in UNDERSTOOD:
            await raw.seal(data)
            assert await anext(heard) == meant
        for data in NOT_UNDERSTOOD:
            await raw.seal(data)
            assert await raw.read() == m.Unsupported(type=msgpack.unpackb(data)["t"])
        await raw.seal(codec.encode(m.Ping(n=5)))
        assert await raw.read() == m.Pong(n=5)
        assert bob.end is None


async def test_a_later_hello_may_name_more_than_we_take() -> None:
    words = [f"feature-{n}" for n in range(40)]
    hello = codec.decode(said("hello", caps=words, wrist={"kind": "watch"}))
    assert hello == m.Hello(caps=tuple(words[:32]))


def test_a_roster_is_taken_whole_or_not_at_all() -> None:
    """Who reads a part of it would be in another room than the others."""
    bodies: codec.Codec[room.RosterBody] = codec.Codec(room.RosterBody)
    seat = {"key": bytes(32), "order": 0, "role": "listener"}
    of = {"room": bytes(16), "host": bytes(32)}
    body = bodies.decode(said("roster-body", seats=[seat], **of))
    assert isinstance(body, room.RosterBody)
    assert body.seats[0].role is room.Role.MEMBER
    for more in ({"seats": [seat] * 13}, {"seats": [seat], "removed": [bytes(32)] * 65}):
        assert isinstance(bodies.decode(said("roster-body", **of, **more)), m.Unknown)


def test_a_later_question_to_a_bootstrap_is_unsupported_and_services_may_grow() -> None:
    asked = said("dial-back", port=4_001, transport="quic")
    assert bootstrap_api.decode_request(asked) == m.Unknown(type="dial-back")
    descriptions = codec.Codec(bootstrap_api.Description)
    told = said("description", issued=1, not_after=2, services=[f"s{n}" for n in range(20)])
    described = descriptions.decode(told)
    assert isinstance(described, bootstrap_api.Description)
    assert described.services == tuple(f"s{n}" for n in range(16))


@pytest.mark.parametrize(
    "data",
    [
        said("hangup", call=CALL, reason=7),
        said("hangup", call=CALL, reason="x" * 33),
        said("hangup", call=CALL, reason=["normal"]),
        said("invite", call=CALL, kinds=[]),
        said("invite", call=CALL, kinds=["audio", "audio"]),
        said("invite", call=CALL, kinds=[7]),
        said("candidates", call=CALL, candidates=7),
        said("candidates", call=CALL, candidates=[CANDIDATE] * 1_025),
        said("acquaint", tags=[bytes(15)]),
    ],
    ids=range(9),
)
def test_what_no_version_says_is_malformed_still(data: bytes) -> None:
    with pytest.raises(DecodeError):
        codec.decode(data)


def test_each_word_that_stands_for_others_is_what_absence_means() -> None:
    """So a reader has one rule for both, and a new word is never sent where it must be known."""
    for cls in (*codec._channel.classes.values(), room.Seat):
        for field in attrs.fields(cls):
            shape = field.metadata[SHAPE]
            if isinstance(shape, Choice) and shape.fallback is not None:
                assert shape.fallback is field.default

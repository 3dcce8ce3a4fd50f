"""No description, answer or candidate of a peer raises anything but our own error.

10,000 mutated ones go through our own reader and aiortc's parser here, and a good sample of them
through real peer connections, which cost some 10 ms each; ONMEET_FULL=1 reads a million and takes
20,000 through real peer connections.
"""

from __future__ import annotations

import contextlib
import random
import re

import pytest
import trio
from aiortc.sdp import SessionDescription

from onmeet_node.media.endpoint import SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint, open_endpoint
from onmeet_node.media.engine.sdp import check_candidates, check_description
from onmeet_node.media.errors import BadDescription, MediaError
from onmeet_node.protocol.wire.messages import Candidate, Kind
from tests.examples import FULL
from tests.media.mutations import ANSWERS, LINES, ODD, OFFERS, mutated
from tests.media.support import AUDIO, BOTH

READ = 1_000_000 if FULL else 10_000
TAKEN = 10_000 if FULL else 150


@pytest.mark.parametrize("text", OFFERS + ANSWERS)
def test_what_browsers_and_aiortc_write_is_taken(text: str) -> None:
    description = check_description(text, answer=text in ANSWERS)
    assert description.kinds == BOTH
    assert description.has_data
    assert "host" in description.candidate_types
    assert [m.kind for m in SessionDescription.parse(description.sdp).media] == [
        "audio",
        "video",
        "application",
    ]


@pytest.mark.timeout(14_400 if FULL else 600)
def test_mutated_descriptions_are_refused_or_are_plain_to_aiortc() -> None:
    """What passes our reader meets no surprise in aiortc's: it was written anew."""
    rng = random.Random(15)
    passed = 0
    for number in range(READ):
        answer = bool(number % 2)
        text = mutated(rng, rng.choice(ANSWERS if answer else OFFERS))
        with contextlib.suppress(BadDescription):
            description = check_description(text, answer=answer)
            parsed = SessionDescription.parse(description.sdp)
            assert all(m.dtls and m.ice.password and m.rtp.muxId for m in parsed.media)
            assert len(parsed.media) <= 3
            passed += 1
    assert READ // 20 < passed < READ


@pytest.mark.real
@pytest.mark.timeout(14_400 if FULL else 600)
async def test_mutated_offers_never_raise_out_of_a_real_peer_connection() -> None:
    rng = random.Random(16)
    taken = 0
    async with open_endpoint() as endpoint:
        for number in range(TAKEN):
            config = SessionConfig(kinds=AUDIO if number % 4 == 0 else BOTH)
            session = await endpoint.open_session(config)
            with contextlib.suppress(MediaError):
                await session.accept_offer(mutated(rng, rng.choice(OFFERS)))
                taken += 1
                await session.add_candidates(_candidates(rng), end=bool(number % 3))
            await session.aclose()
        await _still_works(endpoint)
    assert taken


@pytest.mark.real
@pytest.mark.timeout(14_400 if FULL else 600)
async def test_mutated_answers_never_raise_out_of_a_real_peer_connection() -> None:
    rng = random.Random(17)
    async with open_endpoint() as endpoint:
        other = await endpoint.open_session(SessionConfig(kinds=BOTH))
        first = await endpoint.open_session(SessionConfig(kinds=BOTH))
        real = await other.accept_offer(await first.create_offer())
        for number in range(TAKEN):
            session = await endpoint.open_session(SessionConfig(kinds=BOTH))
            await session.create_offer()
            with contextlib.suppress(MediaError):
                await session.add_candidates(_candidates(rng), end=False)
                await session.accept_answer(mutated(rng, rng.choice((real, *ANSWERS))))
                await session.add_candidates(_candidates(rng), end=bool(number % 3))
            await session.aclose()
        await first.aclose()
        await other.aclose()
        await _still_works(endpoint)


def test_mutated_candidates_are_passed_over() -> None:
    rng = random.Random(18)
    for _ in range(READ // 10):
        for text in check_candidates(_candidates(rng)):
            foundation, component, transport, _, host, port, typ, kind = text.split()
            assert (component, transport, typ) == ("1", "udp", "typ")
            assert 1 <= int(port) < 65_536
            assert kind in {"host", "srflx", "relay"}
            assert foundation
            assert host


@pytest.mark.real
async def test_an_offer_that_lacks_a_kind_is_refused_with_a_reason() -> None:
    """aiortc raised ValueError over it, while the call was ringing."""
    async with open_endpoint() as endpoint:
        sound = await endpoint.open_session(SessionConfig(kinds=AUDIO))
        both = await endpoint.open_session(SessionConfig(kinds=BOTH))
        offer = await sound.create_offer()
        mid = re.search(r"m=video.*?a=mid:(\w+)", offer, re.DOTALL)
        assert mid is not None, "ours has a section for a camera that is turned on later"
        lacking = re.sub(r"m=video.*?(?=m=|\Z)", "", offer, flags=re.DOTALL)
        lacking = re.sub(rf"(a=group:BUNDLE.*?) {mid[1]}\b", r"\1", lacking)
        with pytest.raises(BadDescription, match="lacks a kind"):
            await both.accept_offer(lacking)
        await sound.aclose()
        await both.aclose()


@pytest.mark.real
async def test_a_picture_that_nobody_asked_for_is_taken_and_thrown_away() -> None:
    """Browsers offer one in each call; aiortc would decode it and keep every frame."""
    async with open_endpoint() as endpoint:
        both = await endpoint.open_session(SessionConfig(kinds=BOTH))
        sound = await endpoint.open_session(SessionConfig(kinds=AUDIO))
        answer = await sound.accept_offer(await both.create_offer())
        assert check_description(answer, answer=True).kinds == BOTH
        assert {s.kind for s in (await sound.stats()).streams} == {Kind.AUDIO}
        await both.aclose()
        await sound.aclose()


@pytest.mark.real
async def test_names_that_nobody_has_do_not_keep_a_session_busy() -> None:
    """Each is asked for in the local network and waited for a second: eight are, at once."""
    async with open_endpoint() as endpoint:
        session = await endpoint.open_session(SessionConfig(kinds=BOTH))
        await session.accept_offer(OFFERS[0])
        names = [
            Candidate(candidate=f"candidate:{n} 1 udp 1 x{n}.local {1000 + n} typ host")
            for n in range(200)
        ]
        with trio.fail_after(60):  # 200 s, one after the other
            await session.add_candidates(names, end=True)
        assert len(session._peer._agents[0]._names) <= 8
        await session.aclose()


def _candidates(rng: random.Random) -> list[Candidate]:
    lines = [line[2:] for line in LINES if line.startswith("a=candidate:")]
    made = []
    for _ in range(rng.randrange(5)):
        words = rng.choice(lines).split(" ")
        if rng.random() < 0.6:
            words[rng.randrange(len(words))] = rng.choice(ODD)
        text = " ".join(words)
        if text and text.isascii():
            made.append(Candidate(candidate=text[:300]))
    return made


async def _still_works(endpoint: AiortcEndpoint) -> None:
    a = await endpoint.open_session(SessionConfig(kinds=AUDIO))
    b = await endpoint.open_session(SessionConfig(kinds=AUDIO))
    await a.accept_answer(await b.accept_offer(await a.create_offer()))
    await a.aclose()
    await b.aclose()

"""What a peer says about media without end, to a real node: it stays, and so do others' calls."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from onmeet_bootstrap.app import Bootstrap

from onmeet_node.calls.media_sessions import MAX_SESSIONS, Agenda
from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call.events import Device
from onmeet_node.protocol.wire.messages import (
    CallId,
    Candidate,
    Candidates,
    Hangup,
    Invite,
    Kind,
    Renegotiate,
)
from tests.media.mutations import OFFERS
from tests.node.conftest import Start, befriend, code_of, ended, until
from tests.node.test_trouble import hostile, still_works

CALL, DEVICE = CallId(b"c" * 16), Device("device")
SOUND_ALONE = OFFERS[0].split("m=video")[0].replace("BUNDLE 0 1 2", "BUNDLE 0")


def candidate(number: int) -> Candidate:
    return Candidate(candidate=f"candidate:{number} 1 udp 1 127.0.0.1 {1000 + number} typ host")


def take(*candidates: Candidate, end: bool = False) -> do.TakeCandidates:
    return do.TakeCandidates(CALL, DEVICE, 0, candidates, end)


async def test_what_a_busy_session_is_given_without_end_is_a_few_things_to_do() -> None:
    agenda = Agenda()
    agenda.add(do.TakeAnswer(CALL, DEVICE, 0, "v=0"))
    for number in range(250):
        agenda.add(take(candidate(number)))
        agenda.add(do.SuspectMedia(CALL, DEVICE, 0))
    agenda.add(take(end=True))
    agenda.close()
    answer, candidates, suspicion = [work async for work in agenda]
    assert isinstance(answer, do.TakeAnswer)
    assert isinstance(candidates, do.TakeCandidates)
    assert [c.candidate for c in candidates.candidates] == [
        candidate(number).candidate for number in range(250)
    ]
    assert candidates.end
    assert isinstance(suspicion, do.SuspectMedia)


@pytest.mark.real
async def test_candidates_before_the_offer_do_not_end_the_node(
    start: Start, bootstrap: Bootstrap
) -> None:
    """250 of them filled a channel of 128: WouldBlock, and the node was gone."""
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with hostile(await code_of(bob), bootstrap) as mallory, bob.incoming() as ringing:
        mallory.send(Invite(call=CALL, kinds=tuple(Kind)))
        with trio.fail_after(90):
            call = await ringing.receive()
        for number in range(250):
            mallory.send(Candidates(call=CALL, generation=0, candidates=(candidate(number),)))
        mallory.send(Renegotiate(call=CALL, generation=0, sdp=OFFERS[0].replace("\n", "\r\n")))
        call.accept()
        await until(lambda: bob._caller._legs._sessions, "its media is negotiated")
        mallory.send(Hangup(call=CALL))
        await ended(call, 90)
        await still_works(bob, alice)


@pytest.mark.real
async def test_an_offer_without_a_kind_of_its_call_fails_and_says_why(
    start: Start, bootstrap: Bootstrap
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with hostile(await code_of(bob), bootstrap) as mallory, bob.incoming() as ringing:
        mallory.send(Invite(call=CALL, kinds=tuple(Kind), sdp=SOUND_ALONE.replace("\n", "\r\n")))
        with trio.fail_after(90):
            call = await ringing.receive()
        call.accept()
        await until(lambda: call.trouble and "lacks a kind" in call.trouble, "it is said why")
        mallory.send(Hangup(call=CALL))
        await ended(call, 90)
        await still_works(bob, alice)


@pytest.mark.real
async def test_a_storm_of_offers_opens_a_bounded_number_of_peer_connections(
    start: Start, bootstrap: Bootstrap
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with hostile(await code_of(bob), bootstrap) as mallory, bob.incoming() as ringing:
        offer = OFFERS[0].replace("\n", "\r\n")
        mallory.send(Invite(call=CALL, kinds=tuple(Kind), sdp=offer))
        with trio.fail_after(90):
            call = await ringing.receive()
        call.accept()
        await until(lambda: bob._caller._legs._sessions, "its media is negotiated")
        files = _open_files()
        most = sessions = 0
        odd = call.peer > bob.identity
        for round_ in range(1, 201):
            mallory.send(Renegotiate(call=CALL, generation=2 * round_ + odd, sdp=offer))
            await trio.sleep(0.02)  # as fast as a channel takes it
            sessions = max(sessions, len(bob._caller._legs._sessions))
            most = max(most, _open_files() - files)
        mallory.send(Hangup(call=CALL))
        await ended(call, 90)
        assert 1 <= sessions <= MAX_SESSIONS
        assert most < 60
        await still_works(bob, alice)


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())

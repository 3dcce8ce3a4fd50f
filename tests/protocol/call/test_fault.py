"""An error of our own in one call ends that call, with a word to the peer, and no other one."""

from __future__ import annotations

from typing import Any

import pytest

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.wire import messages as m
from tests.protocol.call.phone import (
    BOTH,
    CALL,
    CAROL,
    HIGH,
    LAPTOP,
    NONCE,
    OFFER,
    PHONE,
    Phone,
    ended,
    of,
    sent,
)

NO_TEXT: Any = None
HANGUP = m.Hangup(call=CALL, reason=m.HangupReason.FAULT)


def faulty(phone: Phone) -> list[do.Effect]:
    """A runner with an error: it reports an offer that is no text, as no machine expects."""
    return phone.does(on.OfferReady(CALL, PHONE, 0, NO_TEXT, NONCE))


def test_an_error_in_one_call_of_two_ends_that_one_and_tells_its_peer() -> None:
    alice = Phone(conference=True)
    alice.dials()
    alice.does(on.DeviceReady(CALL, PHONE))
    alice.does(on.Dial(HIGH, CAROL, BOTH, early_media=False))
    alice.does(on.DeviceReady(HIGH, LAPTOP))
    effects = faulty(alice)
    (fault,) = of(effects, do.Faulted)
    assert isinstance(fault.error, TypeError)
    assert sent(effects) == [m.Cancel(call=CALL)]
    assert of(effects, do.CloseMedia) == [do.CloseMedia(CALL, PHONE, 0)]
    assert ended(effects) is EndReason.FAULT
    assert alice.state() is State.ENDED
    assert alice.state(HIGH) is State.DIALING
    assert alice.does(on.OfferReady(HIGH, LAPTOP, 0, OFFER, NONCE))


def test_an_error_in_one_call_keeps_no_other_from_hearing_of_a_new_network() -> None:
    alice = Phone(conference=True)
    alice.talks()
    alice.does(on.Dial(HIGH, CAROL, BOTH, early_media=False))
    alice.does(on.DeviceReady(HIGH, LAPTOP))
    alice.does(on.OfferReady(HIGH, LAPTOP, 0, OFFER, NONCE))
    alice.hears(m.Accept(call=HIGH), LAPTOP, peer=CAROL)
    broken = alice.line._calls[CALL]
    broken._call.leg = NO_TEXT  # what no event can do
    broken._call.legs = {PHONE: NO_TEXT}
    effects = alice.does(on.NetworkChanged())
    assert [fault.call for fault in of(effects, do.Faulted)] == [CALL]
    assert ended(effects) is EndReason.FAULT
    assert of(effects, do.MakeOffer)[0].call == HIGH


@pytest.mark.parametrize("outgoing", [True, False])
def test_what_serves_a_call_stops_and_both_sides_read_why(outgoing: bool) -> None:
    alice, bob = Phone(), Phone()
    alice.talks(outgoing=outgoing)
    effects = alice.does(on.ProgramFault(CALL))
    assert sent(effects) == [HANGUP]
    assert ended(effects) is EndReason.FAULT
    bob.talks(outgoing=not outgoing)
    assert ended(bob.hears(HANGUP)) is EndReason.FAULT


def test_who_rings_at_a_program_with_an_error_reads_that_and_not_that_it_was_declined() -> None:
    alice, bob = Phone(), Phone()
    alice.is_rung()
    assert sent(alice.does(on.ProgramFault(CALL))) == [HANGUP]
    bob.rings_at(PHONE)
    assert ended(bob.hears(HANGUP)) is EndReason.FAULT


def test_an_error_told_after_the_end_is_late() -> None:
    alice = Phone()
    alice.talks()
    alice.does(on.HangUp(CALL))
    assert alice.does(on.ProgramFault(CALL)) == []

"""The note of a caller who did not get through: kept by the caller alone, told once, believed.

Two people with real homes; between them a wire that may lose what it likes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from onmeet_node.calls.call import Call
from onmeet_node.calls.history import History
from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.receipts import ReceiptCollector
from onmeet_node.contacts.delivery import NOTE_DAYS
from onmeet_node.events import Hub, MissedCallNoted
from onmeet_node.node.ledger import NodeLedger
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.codec import decode, encode
from onmeet_node.protocol.wire.messages import CallId, Kind, Message, MissedCall, Received
from onmeet_node.store import CallRecord, Contact, ContactState, KeyFile, create_home, open_home
from onmeet_node.store.home import Store
from tests.fakes.people import PeopleParts
from tests.protocol.call.agreement import agree

START = 1_800_000_000
DAY = 86_400
CALL = CallId(b"c" * 16)


def not_asked(what: object) -> None:
    """Calls here are over: the machine is told nothing."""
    raise AssertionError(what)


class Person:
    """A home and what keeps it; `sent` is what waits on the wire."""

    def __init__(self, key: IdentityKey, store: Store, clock: list[int]) -> None:
        self.key = key
        self.store = store
        self.clock = clock
        self.sent: list[Message] = []
        self.open = False
        parts = PeopleParts(store, key, now=lambda: clock[0], channels=self)
        self.hub = parts.hub
        self.people = parts.people
        history = History(
            store, parts.writes, name_of=parts.book.name_of, code_of=parts.codes.label_of
        )
        self.ledger = NodeLedger(
            store,
            parts.book,
            parts.doorkeeper,
            parts.quotas,
            parts.people.delivery,
            history,
            ReceiptCollector(history, lambda: None),
            now=lambda: clock[0],
        )

    @property
    def identity(self) -> Identity:
        return Identity(self.key.public)

    # the part of the channels that `Messenger` speaks through
    def devices(self, _identity: Identity) -> tuple[Device, ...]:
        return (Device("d"),) if self.open else ()

    def send(self, _identity: Identity, _device: Device, message: Message) -> bool:
        self.sent.append(decode(encode(message)))
        return True

    def get(self, _identity: Identity, _device: Device) -> None:
        return None

    def ends(self, peer: Person, reason: EndReason, *, outgoing: bool = True) -> None:
        """A call is over here; the machine asks for a note after these two (ledger.py)."""
        call = Call(
            CALL,
            peer.identity,
            outgoing=outgoing,
            kinds=frozenset({Kind.AUDIO}),
            wish=CallOptions(),
            feed=not_asked,
            asks=lambda _: False,
            leave=not_asked,
            node_hub=Hub(),
        )
        call.finish(reason, "words")
        note = outgoing and reason in {EndReason.NO_ANSWER, EndReason.NOT_REACHABLE}
        self.ledger.call_ended(call, leave_note=note)

    def record(self, peer: Person) -> CallRecord:
        (record,) = self.store.calls.list(peer=peer.identity)
        return record

    @property
    def notes(self) -> list[MissedCall]:
        return [message for message in self.sent if isinstance(message, MissedCall)]


def person(home: Path, seed: bytes) -> Person:
    create_home(home, KeyFile(), seed, now=START)
    return Person(IdentityKey(seed), open_home(home, KeyFile()), [START])


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Person, Person]]:
    alice, bob = person(tmp_path / "a", b"a" * 32), person(tmp_path / "b", b"b" * 32)
    for one, other in ((alice, bob), (bob, alice)):
        current = one.people.codes.contacts_audience()
        one.store.contacts.save(
            Contact(
                identity=other.identity,
                state=ContactState.ACCEPTED,
                added=START,
                granted=current.id,
            )
        )
    with alice.store, bob.store:
        yield alice, bob


def meet(alice: Person, bob: Person, *, arrives: bool = True, confirmed: bool = True) -> None:
    """A channel opens, what waits goes over it, and it breaks again."""
    for one in (alice, bob):
        one.open = True
        one.sent.clear()
    alice.people.delivery.hand_over(bob.identity)
    for message in alice.sent if arrives else ():
        bob.people.message(alice.identity, message)
    for message in bob.sent if confirmed else ():
        alice.people.message(bob.identity, message)
    alice.open = bob.open = False


def later(seconds: int, *people: Person) -> None:
    for one in people:
        one.clock[0] += seconds


@pytest.mark.parametrize("reason", [EndReason.NOT_REACHABLE, EndReason.NO_ANSWER])
async def test_somebody_who_was_away_learns_who_called_and_when(
    two: tuple[Person, Person], reason: EndReason
) -> None:
    alice, bob = two
    alice.ends(bob, reason)
    later(3 * DAY, alice, bob)
    with bob.hub.watch() as events:
        meet(alice, bob)
        told = events.receive_nowait()
    assert isinstance(told, MissedCallNoted)
    assert (told.identity, told.age_s) == (alice.identity, 3 * DAY)
    record = bob.record(alice)
    assert (record.started, record.reason, record.seen) == (START, EndReason.MISSED, False)
    assert agree(reason, EndReason.MISSED, parted=True)
    assert alice.store.outbox.peers(now=alice.clock[0]) == []


async def test_a_note_that_comes_again_counts_once(two: tuple[Person, Person]) -> None:
    alice, bob = two
    alice.ends(bob, EndReason.NOT_REACHABLE)
    meet(alice, bob, arrives=False)
    meet(alice, bob, confirmed=False)
    bob.store.calls.mark_seen()
    later(60, alice, bob)
    meet(alice, bob)
    assert len(alice.notes) == 1
    assert bob.store.calls.unseen() == 0
    assert bob.record(alice).started == START
    meet(alice, bob)
    assert alice.notes == []


async def test_the_clocks_of_two_people_need_not_agree(two: tuple[Person, Person]) -> None:
    alice, bob = two
    bob.clock[0] -= 5 * DAY
    alice.ends(bob, EndReason.NOT_REACHABLE)
    later(600, alice, bob)
    meet(alice, bob)
    assert bob.record(alice).started == bob.clock[0] - 600


@pytest.mark.parametrize(
    "his", [EndReason.MISSED, EndReason.BUSY, EndReason.CONNECTION_LOST, EndReason.DECLINED]
)
async def test_what_the_callee_knows_of_the_call_is_not_overwritten(
    two: tuple[Person, Person], his: EndReason
) -> None:
    alice, bob = two
    bob.ends(alice, his, outgoing=False)
    before = bob.record(alice)
    alice.ends(bob, EndReason.NO_ANSWER)
    later(60, alice, bob)
    meet(alice, bob)
    assert bob.record(alice) == before
    assert alice.store.outbox.peers(now=alice.clock[0]) == [], "and it is confirmed all the same"


async def test_a_note_is_not_told_for_ever(two: tuple[Person, Person]) -> None:
    alice, bob = two
    alice.ends(bob, EndReason.NOT_REACHABLE)
    later(NOTE_DAYS * DAY, alice, bob)
    meet(alice, bob)
    assert alice.notes == []
    assert bob.store.calls.list() == ()
    assert alice.store.outbox.purge(now=alice.clock[0]) == 1


@pytest.mark.parametrize(
    "reason", sorted(set(EndReason) - {EndReason.NO_ANSWER, EndReason.NOT_REACHABLE})
)
async def test_every_other_end_leaves_no_note(
    two: tuple[Person, Person], reason: EndReason
) -> None:
    alice, bob = two
    alice.ends(bob, reason)
    meet(alice, bob)
    assert alice.notes == []


async def test_only_the_person_it_was_for_can_confirm_a_note(two: tuple[Person, Person]) -> None:
    alice, bob = two
    alice.ends(bob, EndReason.NOT_REACHABLE)
    alice.people.message(Identity(b"m" * 32), Received(ref=CALL))
    meet(alice, bob)
    assert len(alice.notes) == 1


async def test_whoever_is_blocked_meanwhile_is_told_nothing(two: tuple[Person, Person]) -> None:
    alice, bob = two
    alice.ends(bob, EndReason.NOT_REACHABLE)
    alice.store.contacts.block(bob.identity, now=START)
    meet(alice, bob)
    assert alice.sent == []

"""What a node does with 10,000 contacts costs it no more than with ten: counted, not timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from onmeet_node.contacts.acquaintances import Acquaintances
from onmeet_node.contacts.contacts import Contacts
from onmeet_node.protocol.identity.errors import BadKey
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.person_keys import HeldKeys
from onmeet_node.protocol.identity.policy import Relation
from onmeet_node.protocol.wire.messages import Card, CardUpdate, MissedCall, Received
from onmeet_node.store import Contact, ContactState, KeyFile, Store, create_home, open_home
from tests.fakes.people import PeopleParts
from tests.store.test_contacts import scans, statements

NOW = 1_800_000_000
MANY = 300
ME = IdentityKey.from_seed(bytes(32))


def person(number: int) -> bytes:
    return IdentityKey.from_seed(number.to_bytes(32)).public


@pytest.fixture
def store(tmp_path: Path):
    create_home(tmp_path / "home", KeyFile(), bytes(32), now=NOW)
    with open_home(tmp_path / "home", KeyFile()) as opened:
        yield opened


def people_of(store: Store) -> Contacts:
    return parts_of(store).people


def parts_of(store: Store) -> PeopleParts:
    return PeopleParts(store, ME, now=lambda: NOW)


def befriend(store: Store, numbers: range) -> None:
    current = store.audiences.contacts(now=NOW)
    for number in numbers:
        store.contacts.save(
            Contact(
                identity=person(number),
                state=ContactState.ACCEPTED,
                added=1,
                card=Card(name=f"Person {number}"),
                granted=current.id if current else None,
            )
        )


_DONE = {
    "a card that changed": lambda people, n: people.message(
        person(1), CardUpdate(card=Card(name=f"Other {n}", picture=bytes([n]) * 16))
    ),
    "a missed call": lambda people, n: people.message(
        person(1), MissedCall(call=bytes([n]) * 16, age_s=1)
    ),
    "a receipt": lambda people, n: people.message(person(1), Received(ref=bytes([n]) * 16)),
    "the name of somebody called": lambda people, _: people.who("Person 1"),
    "somebody called by identity": lambda people, _: people.who(person(1).hex()[:12]),
    "who finds us": lambda people, _: people.audiences(),
    "for whom something waits": lambda people, _: people.delivery.waiting_for(),
    "how many there are": lambda people, _: people.counts(),
}


@pytest.mark.parametrize("what", _DONE)
def test_this_costs_as_many_statements_with_many_people_as_with_few(store, what):
    people = people_of(store)
    people.codes.contacts_audience()
    befriend(store, range(3))
    _DONE[what](people, 1)  # the first time there is nothing that it takes the place of
    befriend(store, range(2, 3))  # as below: what was read before a change is read again
    few = statements(store, lambda: _DONE[what](people, 2))
    befriend(store, range(3, MANY))
    many = statements(store, lambda: _DONE[what](people, 3))
    assert len(many) <= len(few)
    read_whole = [
        scan for scan in scans(store, many) if "contact:" in scan or "FROM contact " in scan
    ]
    # To count people by their state an index is read as a whole; nothing else reads them all.
    assert [scan for scan in read_whole if "GROUP BY state" not in scan] == []


def test_whom_we_know_is_not_made_anew_for_each_channel_of_a_room(store):
    parts = parts_of(store)
    people = parts.people
    befriend(store, range(20))
    circle = Acquaintances(parts.book, parts.own_card, HeldKeys(ME))
    assert len(circle.known()) == 20
    assert statements(store, circle.known) == []
    people.message(person(1), CardUpdate(card=Card(name="Somebody")))
    assert statements(store, circle.known) == [], "what they are to us did not change"
    people.block(person(1))
    assert circle.known()[person(1)].relation is Relation.BLOCKED


def test_nobody_is_blocked_whose_identity_can_be_nobodys(store):
    people = people_of(store)
    with pytest.raises(BadKey):
        people.block(bytes(32))
    assert all(contact.identity != bytes(32) for contact in store.contacts.list())

"""What a person's address book does."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onmeet_node.call.events import Device, Identity
from onmeet_node.store import Contact, ContactState, KnownDevice
from onmeet_node.store.contacts import MAX_CONTACTS, MAX_DEVICES
from onmeet_node.store.errors import HomeDamaged, Rejected
from onmeet_node.wire.messages import MAX_NAME_CHARS, Card

ANA, BEN = Identity(b"a" * 32), Identity(b"\xbe" * 32)
DEVICE = KnownDevice(Device("12D3KooW"), ("/ip4/192.0.2.1/tcp/1/p2p/12D3KooW",), 100)


def contact(identity=ANA, **more) -> Contact:
    return Contact(**{"identity": identity, "state": ContactState.ACCEPTED, "added": 1, **more})


_text = st.text(st.characters(codec="utf-8"), max_size=MAX_NAME_CHARS)
_time = st.integers(0, 2**40)
_contacts = st.builds(
    Contact,
    identity=st.binary(min_size=32, max_size=32),
    state=st.sampled_from(ContactState),
    added=_time,
    name=st.none() | _text.filter(str.strip),
    card=st.builds(Card, name=st.none() | _text, country=st.none() | st.just("CA")),
    secret=st.none() | st.binary(min_size=16, max_size=16),
    via=st.none() | _text,
    may_see_direct=st.booleans(),
    verified=st.booleans(),
    favourite=st.booleans(),
    granted=st.none() | _time,
    last_seen=st.none() | _time,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(_contacts)
def test_what_is_saved_is_what_is_read(store, kept):
    store.contacts.save(kept)
    assert store.contacts.get(kept.identity) == kept


def test_an_update_changes_what_it_names_and_nothing_else(store):
    store.contacts.save(contact(card=Card(name="Ana"), via="party"))
    store.contacts.remember_devices(ANA, [DEVICE])
    updated = store.contacts.update(ANA, verified=True, last_seen=7)
    assert updated == contact(card=Card(name="Ana"), via="party", verified=True, last_seen=7)
    assert store.contacts.get(ANA) == updated
    assert store.contacts.devices(ANA, now=1) == (DEVICE,)
    assert store.contacts.update(BEN, verified=True) is None
    assert store.contacts.get(BEN) is None


def test_lists_by_state_with_favourites_first(store):
    for number, state in enumerate(ContactState):
        store.contacts.save(contact(Identity(bytes([number]) * 32), state=state, added=number))
    store.contacts.save(contact(BEN, favourite=True, added=99))
    assert store.contacts.list()[0].identity == BEN
    assert [c.state for c in store.contacts.list(ContactState.BLOCKED)] == [ContactState.BLOCKED]
    assert len(store.contacts.list()) == 5


def test_found_by_own_name_card_name_or_start_of_the_key(store):
    store.contacts.save(contact(ANA, card=Card(name="Änne")))
    store.contacts.save(contact(BEN, name="Ben", card=Card(name="Benedict the Great")))
    for text, who in [("ÄNNE", ANA), (" ben ", BEN), ("bebebe", BEN), (ANA.hex(), ANA)]:
        assert [c.identity for c in store.contacts.find(text)] == [who]
    for text in ("", "be", "Benedict the Great", "nobody", "%"):
        assert store.contacts.find(text) == ()


def test_two_of_one_name_are_both_found(store):
    for identity in (ANA, BEN):
        store.contacts.save(contact(identity, name="Sam"))
    assert len(store.contacts.find("sam")) == 2


def test_a_stranger_can_be_blocked_and_stays_blocked(store):
    store.contacts.block(BEN, now=5)
    assert store.contacts.get(BEN).state is ContactState.BLOCKED
    store.contacts.remember_devices(BEN, [DEVICE])
    store.contacts.block(BEN, now=6)
    assert store.contacts.get(BEN).added == 5
    assert store.contacts.devices(BEN, now=1) == ()


def test_removal_takes_along_addresses_and_waiting_messages_but_calls_only_if_asked(store):
    from onmeet_node.store import CallRecord
    from onmeet_node.wire.messages import CallId

    for identity in (ANA, BEN):
        store.contacts.save(contact(identity))
        store.contacts.remember_devices(identity, [DEVICE])
        store.outbox.add(identity, b"ref", b"message", now=1, expires=9)
        store.calls.save(
            CallRecord(call=CallId(bytes(16)), peer=identity, outgoing=True, started=1)
        )
    assert store.contacts.remove(ANA)
    assert not store.contacts.remove(ANA)
    assert store.contacts.remove(BEN, with_calls=True)
    assert store.contacts.list() == ()
    assert store.contacts.devices(ANA, now=1) == ()
    assert store.outbox.peers(now=1) == []
    assert [record.peer for record in store.calls.list()] == [ANA]


def test_stale_addresses_are_not_offered_and_new_ones_replace_old(store):
    store.contacts.save(contact())
    store.contacts.remember_devices(ANA, [DEVICE])
    assert store.contacts.devices(ANA, now=DEVICE.expires) == ()
    later = replace(DEVICE, device=Device("12D3Other"), expires=200)
    store.contacts.remember_devices(ANA, [later])
    assert store.contacts.devices(ANA, now=1) == (later,)
    many = [replace(DEVICE, device=Device(str(n)), expires=50 + n) for n in range(20)]
    store.contacts.remember_devices(ANA, many)
    assert len(store.contacts.devices(ANA, now=1)) == MAX_DEVICES


def test_nothing_is_remembered_of_a_stranger(store):
    store.contacts.remember_devices(BEN, [DEVICE])
    assert store.contacts.devices(BEN, now=1) == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"identity": Identity(b"short")},
        {"secret": b"short"},
        {"name": ""},
        {"name": "   "},
        {"name": "broken \udcff text"},
        {"name": "x" * (MAX_NAME_CHARS + 1)},
    ],
)
def test_impossible_contacts_are_refused(store, bad):
    with pytest.raises(Rejected):
        store.contacts.save(contact(**bad))
    assert store.contacts.list() == ()


def test_requests_without_end_cannot_fill_the_disk(store):
    with store.database.transaction():
        store.database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO contact SELECT cast(printf('%032d', i) AS BLOB), NULL, '{}', 'accepted', "
            "NULL, NULL, 0, 0, 0, NULL, 1, NULL, '{}' FROM n",
            (MAX_CONTACTS,),
        )
    with pytest.raises(Rejected, match="Remove some"):
        store.contacts.save(contact())
    assert store.contacts.get(ANA) is None
    known = store.contacts.list()[0]
    store.contacts.save(replace(known, verified=True))


def test_a_value_that_cannot_be_is_damage_not_a_crash(store):
    store.contacts.save(contact())
    store.database.execute("UPDATE contact SET card = '[1]'")
    with pytest.raises(HomeDamaged, match="contact list"):
        store.contacts.get(ANA)


def test_a_look_up_and_a_change_take_less_than_a_millisecond(store):
    for number in range(500):
        store.contacts.save(contact(Identity(number.to_bytes(32)), name=f"n{number}"))

    def best(work) -> float:
        times = []
        for _ in range(50):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
        return min(times)

    one = Identity((250).to_bytes(32))
    assert best(lambda: store.contacts.get(one)) < 0.001
    assert best(lambda: store.contacts.update(one, last_seen=time.monotonic_ns() >> 20)) < 0.001
    assert best(lambda: store.outbox.waiting(one, now=1)) < 0.001

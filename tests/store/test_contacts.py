"""What a person's address book does."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, Card
from onmeet_node.store import Contact, ContactState, KnownDevice
from onmeet_node.store.contacts import (
    MAX_CONTACTS,
    MAX_DEVICES,
    MAX_REQUESTS,
    MAX_REQUESTS_BY_CODE,
)
from onmeet_node.store.errors import HomeDamaged, Rejected

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


def test_found_by_own_name_or_card_name_or_start_of_the_key(store):
    store.contacts.save(contact(ANA, card=Card(name="Änne")))
    store.contacts.save(contact(BEN, name="Ben", card=Card(name="Benedict the Great")))
    for text, who in [("ÄNNE", ANA), (" ben ", BEN), ("A\u0308nne", ANA), ("B\u200ben", BEN)]:
        assert [c.identity for c in store.contacts.named(text)] == [who]
    for text in ("", "be", "Benedict the Great", "nobody", "%", "\u200b"):
        assert store.contacts.named(text) == ()
    for start, who in [("bebebe", BEN), ("b", BEN), (ANA.hex(), ANA), ("6161A", None)]:
        found = [c.identity for c in store.contacts.starting(start)]
        assert found == ([who] if who else [])
    for start in ("", "xyz", "Änne", ANA.hex() + "61", "%"):
        assert len(store.contacts.starting(start)) == (2 if start == "" else 0)


def test_a_name_is_found_with_those_that_look_like_it(store):
    alike = ("Sam", "SAM", "Ѕam", "Ｓａｍ", "S\u200dam")
    for number, name in enumerate(alike):
        store.contacts.save(contact(Identity(bytes([number]) * 32), name=name))
    store.contacts.save(contact(BEN, name="Samir"))
    assert len(store.contacts.named("sam")) == len(alike)


def test_a_name_is_found_again_after_it_changed(store):
    store.contacts.save(contact(ANA, card=Card(name="Ana")))
    store.contacts.update(ANA, card=Card(name="Hannah"))
    assert store.contacts.named("Ana") == ()
    store.contacts.update(ANA, name="Mum")
    assert [c.identity for c in store.contacts.named("mum")] == [ANA]
    assert store.contacts.named("Hannah") == ()


def test_a_stranger_can_be_blocked_and_stays_blocked(store):
    store.contacts.block(BEN, now=5)
    assert store.contacts.get(BEN).state is ContactState.BLOCKED
    store.contacts.remember_devices(BEN, [DEVICE])
    store.contacts.block(BEN, now=6)
    assert store.contacts.get(BEN).added == 5
    assert store.contacts.devices(BEN, now=1) == ()


def test_removal_takes_along_addresses_and_waiting_messages_but_calls_only_if_asked(store):
    from onmeet_node.protocol.wire.messages import CallId
    from onmeet_node.store import CallRecord

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


def fill(store, number: int, state: ContactState, audience: int | None = None) -> None:
    """So many people in this state, put in behind the back of the quotas."""
    with store.database.transaction():
        store.database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO contact (identity, card, state, may_see_direct, verified, favourite, "
            "added, audience, called, looks) "
            "SELECT cast(printf('%032d', i) AS BLOB), '{}', ?, 0, 0, 0, i, ?, 'n' || i, 'n' || i "
            "FROM n",
            (number, state, audience),
        )


def asks(number: int, audience: int | None = 7, **more) -> Contact:
    return contact(
        Identity(b"?" + number.to_bytes(31)),
        state=ContactState.REQUESTED_BY_THEM,
        audience=audience,
        added=number,
        **more,
    )


def test_there_is_a_most_of_contacts_and_somebody_can_be_blocked_all_the_same(store):
    fill(store, MAX_CONTACTS, ContactState.ACCEPTED)
    with pytest.raises(Rejected, match="Remove some"):
        store.contacts.save(contact())
    assert store.contacts.get(ANA) is None
    known = store.contacts.list()[0]
    store.contacts.save(replace(known, verified=True))
    store.contacts.block(BEN, now=1)
    assert store.contacts.get(BEN).state is ContactState.BLOCKED


def test_requests_without_end_take_no_place_of_a_contact_or_of_another_code(store):
    for number in range(MAX_REQUESTS_BY_CODE):
        store.contacts.save(asks(number))
    for _ in range(3):
        with pytest.raises(Rejected, match="came by the same code"):
            store.contacts.save(asks(999))
    assert store.contacts.requests_by(7) == MAX_REQUESTS_BY_CODE
    assert [c.added for c in store.contacts.list()] == list(range(MAX_REQUESTS_BY_CODE))
    store.contacts.save(asks(1000, audience=8))  # another code's
    store.contacts.save(asks(1001, audience=None))  # nobody's
    store.contacts.save(contact(ANA))


def test_a_request_that_was_put_away_makes_room_for_one_that_was_not(store):
    for number in range(MAX_REQUESTS_BY_CODE):
        store.contacts.save(asks(number))
    store.contacts.update(asks(5).identity, ignored=True)
    store.contacts.save(asks(999))
    assert store.contacts.get(asks(5).identity) is None
    assert store.contacts.get(asks(999).identity) == asks(999)
    assert store.contacts.requests_by(7) == MAX_REQUESTS_BY_CODE


def test_requests_of_all_codes_that_ever_were_have_an_end(store):
    fill(store, MAX_REQUESTS, ContactState.REQUESTED_BY_THEM, audience=1)
    with pytest.raises(Rejected):
        store.contacts.save(asks(1, audience=2))
    store.contacts.save(contact(ANA))


def test_the_requests_of_one_code_are_dropped_and_nobody_elses(store):
    for number in range(3):
        store.contacts.save(asks(number))
    store.contacts.save(asks(10, audience=8))
    store.contacts.save(contact(ANA, audience=7))
    assert len(store.contacts.drop_requests(7)) == 3
    assert {c.identity for c in store.contacts.list()} == {asks(10).identity, ANA}


# ── as quick for 10,000 people as for ten ───────────────────────────────────────────────────────
def statements(store, work) -> list[str]:
    """What the database ran for it."""
    ran: list[str] = []
    store.database.watch(ran.append)
    try:
        work()
    finally:
        store.database.watch(None)
    return [statement for statement in ran if not statement.startswith("--")]


def scans(store, ran: list[str]) -> list[str]:
    """Those that read every row of a table to find theirs."""
    plans = [
        (statement, [row[3] for row in store.database.execute(f"EXPLAIN QUERY PLAN {statement}")])
        for statement in ran
        if statement.startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))
    ]
    return [f"{statement}: {plan}" for statement, plan in plans if any("SCAN" in p for p in plan)]


_LOOKUPS = {
    "by name": lambda contacts: contacts.named("n5000"),
    "by the start of an identity": lambda contacts: contacts.starting("3030303030"),
    "who has not the secret": lambda contacts: contacts.ungranted(3),
    "whom we asked": lambda contacts: contacts.identities(ContactState.REQUESTED_BY_US),
    "who shows a picture": lambda contacts: contacts.shows_picture(b"p" * 16),
    "how many ask by one code": lambda contacts: contacts.requests_by(7),
    "one that changed": lambda contacts: contacts.update(
        Identity(b"%032d" % 5000), last_seen=2_000_000_000
    ),
}


@pytest.mark.parametrize("name", _LOOKUPS)
def test_a_look_up_reads_no_more_for_more_people(store, name):
    fill(store, 20, ContactState.ACCEPTED)
    few = statements(store, lambda: _LOOKUPS[name](store.contacts))
    store.database.execute("DELETE FROM contact")
    fill(store, MAX_CONTACTS, ContactState.ACCEPTED)
    store.database.execute("UPDATE contact SET granted = 3")
    ran = statements(store, lambda: _LOOKUPS[name](store.contacts))
    assert 0 < len(ran) <= max(5, len(few))
    assert scans(store, ran) == []


def test_a_page_gets_the_first_of_very_many_without_reading_the_others(store):
    fill(store, MAX_CONTACTS, ContactState.ACCEPTED)
    store.contacts.save(asks(1))
    store.contacts.save(asks(2))
    store.contacts.save(asks(3, ignored=True))
    store.contacts.update(Identity(b"%032d" % 77), favourite=True)
    first = store.contacts.first(asking=1, most=12)
    assert [c.identity for c in first[:2]] == [asks(2).identity, Identity(b"%032d" % 77)]
    assert len(first) == 12
    ran = statements(store, lambda: store.contacts.first(asking=1, most=12))
    assert len(ran) == 2
    sorted_by_hand = [plan for plan in scans_of(store, ran) if "TEMP B-TREE" in plan]
    assert sorted_by_hand == []


def scans_of(store, ran: list[str]) -> list[str]:
    return [
        row[3]
        for statement in ran[1:]  # requests are few: their quota says so
        for row in store.database.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]


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

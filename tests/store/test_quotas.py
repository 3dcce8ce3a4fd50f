"""No caller takes the room of others in the history: whose rows go, and whose stay."""

from __future__ import annotations

import pytest

from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire.messages import CallId
from onmeet_node.store import CallRecord, Contact, ContactState
from onmeet_node.store.history import (
    ANYONE,
    MAX_INCOMING,
    MAX_MISSED,
    MAX_MISSED_BY_CODE,
    MAX_MISSED_OF_STRANGER,
    MAX_RECORDS,
    by_code,
    by_link,
)
from tests.store.test_contacts import scans, statements

ANA, BEN, EVE = (Identity(letter * 32) for letter in (b"a", b"b", b"e"))
FEW = 5


def missed(number: int, peer: Identity = EVE, came_by: str | None = None) -> CallRecord:
    return CallRecord(
        call=CallId(number.to_bytes(16)),
        peer=peer,
        outgoing=False,
        started=number,
        ended=number,
        reason=EndReason.MISSED,
        came_by=came_by,
    )


def stranger(number: int) -> Identity:
    return Identity(b"?" + number.to_bytes(31))


@pytest.fixture
def honest(store) -> tuple[CallRecord, ...]:
    """What others left: a missed call of a contact, one of a stranger, and calls that were made."""
    records = (
        missed(1, ANA),
        missed(2, BEN, by_code(8)),
        CallRecord(call=CallId(b"o" * 16), peer=ANA, outgoing=True, started=3, answered=3, ended=4),
        CallRecord(call=CallId(b"i" * 16), peer=BEN, outgoing=False, started=4, answered=4),
    )
    for record in records:
        store.calls.save(record)
    return records


def whole(store, records) -> bool:
    return all(store.calls.get(record.peer, record.call) == record for record in records)


def numbers(store, peer: Identity = EVE) -> list[int]:
    return [record.started for record in store.calls.list(peer=peer, limit=MAX_RECORDS)]


def test_a_contact_who_calls_without_end_keeps_only_their_newest(store, honest):
    for number in range(10, 10 + MAX_MISSED + FEW):
        store.calls.save(missed(number))
    assert numbers(store) == list(range(10 + MAX_MISSED + FEW - 1, 9 + FEW, -1))
    assert whole(store, honest)


def test_a_stranger_keeps_fewer(store, honest):
    for number in range(10, 10 + MAX_MISSED_OF_STRANGER + FEW):
        store.calls.save(missed(number, came_by=by_code(7)))
    assert len(numbers(store)) == MAX_MISSED_OF_STRANGER
    assert whole(store, honest)


def test_the_holders_of_one_code_share_a_quota_whatever_their_number(store, honest):
    first = missed(9, stranger(0), by_code(7))
    store.calls.save(first)
    for number in range(10, 10 + 3 * MAX_MISSED_BY_CODE):
        store.calls.save(missed(number, stranger(number % 10 + 1), by_code(7)))
    assert store.calls.count() == MAX_MISSED_BY_CODE + len(honest)
    assert whole(store, (*honest, first))  # who called once, by the same code, stays too


def test_of_one_codes_many_identities_none_pushes_out_what_came_by_another(store, honest):
    for number in range(10, 10 + 3 * MAX_MISSED_BY_CODE):
        store.calls.save(missed(number, stranger(number), by_code(7)))
    for number in range(1000, 1000 + 3 * MAX_MISSED_BY_CODE):
        store.calls.save(missed(number, stranger(number), ANYONE))
    assert store.calls.count() == 2 * MAX_MISSED_BY_CODE + len(honest)
    assert whole(store, honest)


def test_answered_calls_of_one_link_have_an_end_too(store, honest):
    with store.database.transaction():
        for number in range(10, 10 + MAX_INCOMING + FEW):
            record = missed(number, stranger(number), by_link("ab12cd34"))
            store.calls.save(CallRecord(**{**fields(record), "answered": number}))
    assert store.calls.count() == MAX_INCOMING + len(honest)
    assert whole(store, honest)


def fields(record: CallRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in CallRecord.__slots__}


def test_whoever_is_accepted_leaves_the_quota_of_the_code(store):
    kept = missed(5, ANA, by_code(7))
    store.calls.save(kept)
    store.calls.befriended(ANA)
    for number in range(10, 10 + 3 * MAX_MISSED_BY_CODE):
        store.calls.save(missed(number, stranger(number), by_code(7)))
    assert store.calls.get(ANA, kept.call).came_by is None
    assert store.calls.count() == MAX_MISSED_BY_CODE + 1


def test_in_a_full_history_whoever_has_the_most_missed_calls_loses_the_oldest(store):
    with store.database.transaction():
        for number in range(MAX_RECORDS - 3):
            store.calls.save(
                CallRecord(
                    call=CallId(number.to_bytes(16)),
                    peer=ANA,
                    outgoing=True,
                    started=number,
                    answered=number,
                )
            )
        for number in range(20_000, 20_003):
            store.calls.save(missed(number))
    store.calls.save(missed(30_000, BEN))
    assert store.calls.count() == MAX_RECORDS
    assert numbers(store) == [20_002, 20_001]
    assert numbers(store, BEN) == [30_000]
    assert numbers(store, ANA)[-1] == 0


def test_what_was_told_before_format_5_has_no_quota_of_strangers(store):
    store.calls.save(missed(1))
    assert store.calls.get(EVE, CallId((1).to_bytes(16))).came_by is None


def test_one_more_row_costs_the_same_beside_very_many(store):
    few = statements(store, lambda: store.calls.save(missed(1, came_by=by_code(7))))
    with store.database.transaction():
        for number in range(10, 900):
            store.calls.save(missed(number, stranger(number // 4), by_code(number // 40)))
    many = statements(store, lambda: store.calls.save(missed(2, came_by=by_code(7))))
    assert len(many) <= len(few) + 2
    # How many there are at all is counted in an index, everything else is looked up in one.
    assert [scan for scan in scans(store, many) if "SELECT count(*) FROM call:" not in scan] == []


def test_a_past_call_is_found_by_the_start_of_its_id_through_an_index(store):
    store.contacts.save(Contact(identity=ANA, state=ContactState.ACCEPTED, added=1))
    for number in range(300):
        store.calls.save(missed(number, stranger(number)))
    found = store.calls.starting((5).to_bytes(16).hex())
    assert [record.started for record in found] == [5]
    assert len(store.calls.starting("0000")) == 2
    assert store.calls.starting("zz") == ()
    ran = statements(store, lambda: store.calls.starting("00ff"))
    assert scans(store, ran) == []


def test_confirming_what_does_not_wait_touches_no_disk(store):
    ran = statements(store, lambda: store.outbox.delivered(ANA, b"r" * 16))
    assert len(ran) == 1
    assert ran[0].startswith("SELECT")

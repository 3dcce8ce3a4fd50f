"""Writing that is put off, so that nobody waits for the disk: seen by all, lost by a kill alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from onmeet_node.process.work import since, so_far
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire.messages import CallId
from onmeet_node.store import CallRecord, Contact, ContactState, KeyFile, Store, open_home

ANN = Identity(b"a" * 32)
CALL = CallRecord(
    call=CallId(b"c" * 16), peer=ANN, outgoing=True, started=1, ended=2, reason=EndReason.HUNG_UP
)


def contact(identity: Identity) -> Contact:
    return Contact(identity=identity, state=ContactState.ACCEPTED, added=1)


def test_what_is_put_off_is_seen_by_whoever_reads(store: Store) -> None:
    store.database.later(lambda: store.calls.save(CALL))
    before = so_far()
    assert store.contacts.get(ANN) is None
    assert since(before).statements > 1
    assert store.calls.list(limit=5) == (CALL,)


def test_deleting_somebody_deletes_what_was_put_off_of_them(store: Store) -> None:
    store.contacts.save(contact(ANN))
    store.database.later(lambda: store.calls.save(CALL))
    store.contacts.remove(ANN, with_calls=True)
    store.database.catch_up()
    assert store.calls.list(limit=5) == ()


def test_what_is_put_off_is_not_undone_with_somebody_elses_transaction(store: Store) -> None:
    with pytest.raises(RuntimeError), store.database.transaction():
        store.database.later(lambda: store.calls.save(CALL))
        store.contacts.save(contact(ANN))
        raise RuntimeError
    assert store.calls.list(limit=5) == (CALL,)
    assert store.contacts.get(ANN) is None


def test_an_orderly_end_writes_what_was_put_off(home: Path) -> None:
    with open_home(home, KeyFile()) as store:
        store.database.later(lambda: store.calls.save(CALL))
    with open_home(home, KeyFile()) as store:
        assert store.calls.list(limit=5) == (CALL,)

"""Rows read once until the database changes: never what was, and never what was taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onmeet_node.process.work import since, so_far
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.store import Contact, ContactState, Store
from onmeet_node.store.settings import BUSY

ANN, BEN = Identity(b"a" * 32), Identity(b"b" * 32)


def contact(identity: Identity) -> Contact:
    return Contact(identity=identity, state=ContactState.ACCEPTED, added=1)


def test_what_did_not_change_is_read_once(store: Store) -> None:
    store.contacts.save(contact(ANN))
    first = store.contacts.get(ANN), store.settings.get(BUSY), store.contacts.get(BEN)
    before = so_far()
    again = store.contacts.get(ANN), store.settings.get(BUSY), store.contacts.get(BEN)
    assert again == first
    assert since(before).statements == 0


def test_a_change_shows_whoever_made_it(store: Store) -> None:
    store.contacts.save(contact(ANN))
    assert store.contacts.get(ANN) is not None
    store.contacts.save(replace(contact(ANN), name="Ann"))
    assert store.contacts.get(ANN).name == "Ann"
    store.database.execute("UPDATE contact SET name = 'Annie'")
    assert store.contacts.get(ANN).name == "Annie"
    store.contacts.remove(ANN)
    assert store.contacts.get(ANN) is None
    store.settings.put(BUSY, Busy.HIDE)
    assert store.settings.get(BUSY) is Busy.HIDE
    store.settings.reset(BUSY)
    assert store.settings.get(BUSY) is Busy.TELL


def test_what_was_read_of_a_transaction_is_forgotten_with_it(store: Store) -> None:
    store.contacts.save(contact(ANN))
    with pytest.raises(RuntimeError), store.database.transaction():
        store.contacts.save(replace(contact(ANN), name="Ann"))
        assert store.contacts.get(ANN).name == "Ann"
        raise RuntimeError
    assert store.contacts.get(ANN).name is None


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["save", "remove", "block", "undo", "read"]),
            st.sampled_from([ANN, BEN]),
            st.text("xyz", min_size=1, max_size=3),
        ),
        max_size=20,
    )
)
def test_it_never_differs_from_the_rows(store_of_one_test: Store, steps) -> None:
    store = store_of_one_test
    for what, who, name in steps:
        match what:
            case "save":
                store.contacts.save(replace(contact(who), name=name))
            case "remove":
                store.contacts.remove(who)
            case "block":
                store.contacts.block(who, now=2)
            case "undo":
                with pytest.raises(RuntimeError), store.database.transaction():
                    store.contacts.save(replace(contact(who), name=name))
                    store.contacts.get(who)
                    raise RuntimeError
            case _:
                store.contacts.get(who)
        for one in (ANN, BEN):
            assert store.contacts.get(one) == store.contacts._read(one)


@pytest.fixture(scope="module")
def store_of_one_test(tmp_path_factory):
    """One for all examples: they go on from where the last ended."""
    from onmeet_node.store import KeyFile, create_home, open_home

    home = tmp_path_factory.mktemp("cache") / "home"
    create_home(home, KeyFile(), bytes(32), now=1)
    with open_home(home, KeyFile()) as opened:
        yield opened

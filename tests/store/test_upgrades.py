"""A new version of On-Meet meets a database of the old one."""

from __future__ import annotations

import pytest

from onmeet_node.call.events import Identity
from onmeet_node.store import Contact, ContactState, KeyFile, open_home
from onmeet_node.store.database import load_schemas
from onmeet_node.store.errors import UpgradeFailed

ANA = Contact(identity=Identity(bytes(32)), state=ContactState.ACCEPTED, added=1, name="Ana")
SECOND = "ALTER TABLE call ADD COLUMN rating INTEGER; CREATE INDEX rated ON call (rating)"


@pytest.fixture
def old_home(home):
    with open_home(home, KeyFile()) as store:
        store.contacts.save(ANA)
    return home


def test_the_upgrade_keeps_the_data_and_a_copy_of_the_old_database(old_home):
    with open_home(old_home, KeyFile(), schemas=(*load_schemas(), SECOND)) as store:
        assert store.contacts.list() == (ANA,)
        assert store.database.execute("SELECT count(rating) FROM call") == [(0,)]
        (copy,) = store.database.copies()
        assert copy.name == "onmeet.db.format-1"
        assert copy.stat().st_mode & 0o777 == 0o600
    # going back to the version before means putting the copy in place
    copy.replace(old_home / "onmeet.db")
    with open_home(old_home, KeyFile()) as store:
        assert store.contacts.list() == (ANA,)


def test_a_fresh_home_or_an_up_to_date_one_needs_no_copy(old_home):
    with open_home(old_home, KeyFile()) as store:
        assert store.database.copies() == []


def test_several_versions_are_caught_up_on_in_order(old_home):
    third = "ALTER TABLE call RENAME COLUMN rating TO stars"
    with open_home(old_home, KeyFile(), schemas=(*load_schemas(), SECOND, third)) as store:
        assert store.database.format == 3
        assert store.database.execute("SELECT count(stars) FROM call") == [(0,)]


def test_an_upgrade_that_fails_half_way_changes_nothing(old_home):
    half = "DELETE FROM contact; ALTER TABLE nothing ADD COLUMN x TEXT"
    with pytest.raises(UpgradeFailed, match=r"it is as it was\. A copy is in"):
        open_home(old_home, KeyFile(), schemas=(*load_schemas(), half))
    with open_home(old_home, KeyFile()) as store:
        assert store.database.format == 1
        assert store.contacts.list() == (ANA,)


def test_deleting_a_contact_also_deletes_the_copy_that_still_holds_it(old_home):
    with open_home(old_home, KeyFile(), schemas=(*load_schemas(), SECOND)) as store:
        store.contacts.remove(ANA.identity)
        assert store.database.copies() == []

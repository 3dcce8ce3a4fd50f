"""A new version of On-Meet meets a database of the old one.

`format-1/` was made by the version before format 2: a home with a key file, and an export of it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import CallId, Card, Kind
from onmeet_node.store import (
    CallRecord,
    Contact,
    ContactState,
    KeyFile,
    Store,
    import_home,
    open_home,
)
from onmeet_node.store.database import Database, load_schemas
from onmeet_node.store.errors import UpgradeFailed
from onmeet_node.store.home import new_home
from onmeet_node.store.settings import BOOTSTRAPS, BUSY, DHT_PEERS, Busy

ANA = Contact(identity=Identity(bytes(32)), state=ContactState.ACCEPTED, added=1, name="Ana")
NEWEST = len(load_schemas())
FORMAT_1 = Path(__file__).parent / "format-1"
NEXT = "ALTER TABLE call ADD COLUMN rating INTEGER; CREATE INDEX rated ON call (rating)"


@pytest.fixture
def old_home(home):
    with open_home(home, KeyFile()) as store:
        store.contacts.save(ANA)
    return home


def test_the_upgrade_keeps_the_data_and_a_copy_of_the_old_database(old_home):
    with open_home(old_home, KeyFile(), schemas=(*load_schemas(), NEXT)) as store:
        assert store.contacts.list() == (ANA,)
        assert store.database.execute("SELECT count(rating) FROM call") == [(0,)]
        (copy,) = store.database.copies()
        assert copy.name == f"onmeet.db.format-{NEWEST}"
        assert copy.stat().st_mode & 0o777 == 0o600
    # going back to the version before means putting the copy in place
    copy.replace(old_home / "onmeet.db")
    with open_home(old_home, KeyFile()) as store:
        assert store.contacts.list() == (ANA,)


def test_a_fresh_home_or_an_up_to_date_one_needs_no_copy(old_home):
    with open_home(old_home, KeyFile()) as store:
        assert store.database.copies() == []


def test_several_versions_are_caught_up_on_in_order(old_home):
    after = "ALTER TABLE call RENAME COLUMN rating TO stars"
    with open_home(old_home, KeyFile(), schemas=(*load_schemas(), NEXT, after)) as store:
        assert store.database.format == NEWEST + 2
        assert store.database.execute("SELECT count(stars) FROM call") == [(0,)]


def test_an_upgrade_that_fails_half_way_changes_nothing(old_home):
    half = "DELETE FROM contact; ALTER TABLE nothing ADD COLUMN x TEXT"
    with pytest.raises(UpgradeFailed, match=r"it is as it was\. A copy is in"):
        open_home(old_home, KeyFile(), schemas=(*load_schemas(), half))
    with open_home(old_home, KeyFile()) as store:
        assert store.database.format == NEWEST
        assert store.contacts.list() == (ANA,)


def test_deleting_a_contact_also_deletes_the_copy_that_still_holds_it(old_home):
    with open_home(old_home, KeyFile(), schemas=(*load_schemas(), NEXT)) as store:
        store.contacts.remove(ANA.identity)
        assert store.database.copies() == []


# ── homes and exports that were really made by an older version ─────────────────────────────────
def check_format_1(store: Store) -> None:
    ana = Contact(
        identity=Identity(b"a" * 32),
        state=ContactState.ACCEPTED,
        added=1_790_000_001,
        name="Ana",
        card=Card(name="Ana 🎈"),
        secret=b"s" * 16,
        verified=True,
    )
    talk = CallRecord(
        call=CallId(b"c" * 16),
        peer=ana.identity,
        outgoing=True,
        started=1_790_000_100,
        answered=1_790_000_110,
        ended=1_790_000_170,
        reason=EndReason.HUNG_UP,
        kinds=frozenset(Kind),
        path=MediaPath.RELAY,
        sas="1234 5678",
    )
    missed = CallRecord(
        call=CallId(b"d" * 16),
        peer=ana.identity,
        outgoing=False,
        started=1_790_000_200,
        ended=1_790_000_245,
        reason=EndReason.MISSED,
        seen=False,
        note="call me",
    )
    assert store.database.format == NEWEST
    assert store.identity.seed == bytes(range(32))
    assert store.identity.public == IdentityKey(bytes(range(32))).public
    assert store.identity.device not in {bytes(32), store.identity.seed}
    assert store.contacts.list() == (ana,)
    assert store.calls.list() == (missed, talk)
    assert store.settings.get(BUSY) is Busy.HIDE
    assert store.settings.get(BOOTSTRAPS) == ("/dns4/example.org/tcp/443",)
    assert store.settings.get(DHT_PEERS) == ()
    assert [row.label for row in store.audiences.list()] == ["party"]
    assert len(store.outbox.waiting(ana.identity, now=1_790_000_300)) == 1
    # and what is new can be written to what is old
    told = store.calls.update(ana.identity, talk.call, report="{}", region="ca")
    assert store.calls.get(ana.identity, talk.call) == told
    assert (told.report, told.region) == ("{}", "ca")


def test_a_home_of_format_1_is_opened_with_everything_in_it(tmp_path):
    home = tmp_path / "home"
    shutil.copytree(FORMAT_1, home)
    (home / "key").chmod(0o600)  # git does not keep it
    with open_home(home, KeyFile()) as store:
        assert [copy.name for copy in store.database.copies()] == ["onmeet.db.format-1"]
        check_format_1(store)
    with open_home(home, KeyFile()) as store:  # once
        assert store.database.format == NEWEST


def test_an_export_of_format_1_is_imported_and_then_upgraded(tmp_path):
    import_home(FORMAT_1 / "export", "carry", tmp_path / "home", KeyFile())
    with open_home(tmp_path / "home", KeyFile()) as store:
        check_format_1(store)


def test_an_older_home_finds_its_people_by_name_and_keeps_what_was_put_away(home):
    old = home.with_name("old")
    ben = "ab" * 32

    def fill(database: Database) -> None:
        run = database.execute
        run("INSERT INTO identity VALUES (1, zeroblob(32), 1)")
        run(
            "INSERT INTO audience (id, kind, label, secret, direct, revoked, created) "
            "VALUES (3, 'code', 'web', zeroblob(16), 0, 0, 1)"
        )
        run("INSERT INTO setting VALUES ('ignored', ?)", (f'["{ben}"]',))
        for number, state in ((0xAA, "accepted"), (0xAB, "requested-by-them")):
            run(
                "INSERT INTO contact (identity, card, state, via, may_see_direct, verified, "
                "favourite, added) VALUES (?, '{\"name\": \"Bén\"}', ?, 'web', 1, 0, 0, 1)",
                (bytes([number]) * 32, state),
            )

    new_home(old, KeyFile(), schemas=load_schemas()[:4], fill=fill)
    with open_home(old, KeyFile()) as store:
        asking, friend = sorted(store.contacts.named("BÉN"), key=lambda one: one.audience is None)
        assert (asking.audience, asking.ignored, asking.identity.hex()) == (3, True, ben)
        assert (friend.audience, friend.ignored) == (None, False)

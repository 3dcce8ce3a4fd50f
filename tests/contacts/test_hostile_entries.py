"""What a stolen device of the person may say of entries: it ends nothing and keeps nobody out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from onmeet_node.contacts.profile import PROFILE, card_for
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.policy import Relation
from onmeet_node.protocol.own import room
from onmeet_node.protocol.own.replica import Extent
from onmeet_node.protocol.own.room import ROOM
from onmeet_node.protocol.wire.own import KeptEntries, KeptEntry, KnownSoFar, WriterCounter
from onmeet_node.store import KeyFile, create_home
from onmeet_node.store.settings import BUSY, REACH
from tests.contacts.test_in_step import ANA, NOW, Home, Three

THIEF = b"t" * 32
MOST = 2**53 - 1


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Three]:
    with ExitStack() as stack:
        homes = []
        for name in ("laptop", "phone", "stolen"):
            create_home(tmp_path / name, KeyFile(), b"a" * 32, now=NOW)
            homes.append(Home(tmp_path / name, name, stack))
        yield Three(homes)


def says(kind: str, key: bytes, value: bytes | None, counter: int = 1) -> KeptEntries:
    return KeptEntries(
        entries=(KeptEntry(kind=kind, key=key, value=value, counter=counter, writer=THIEF),)
    )


def usable(home: Home) -> None:
    """Everything that reads what entries are done to."""
    home.store.contacts.list()
    home.store.audiences.live(now=NOW)
    home.store.settings.get(PROFILE)
    home.store.settings.get(REACH)
    home.store.settings.get(BUSY)
    card_for(home.store, Relation.CONTACT)
    home.step.look()


NESTED = b"[" * 8_000
VALUES = [
    b"", b"\xff", b"null", b"5", b"-1", b"1e999", b"NaN", b'"x"', b'""', b"[]", b"{}", b"[1]",
    b"[[]]", b'{"a":{}}', b'"{}"', b'"[]"', b'"5"', b'"null"', b'"\\u0000"', b'"\\ud800"',
    b'"{\\"name\\":5}"', b'"{\\"name\\":{}}"', b'"{\\"x\\":1}"', b'"{\\"picture\\":7}"',
    b'"{\\"picture\\":\\"zz\\"}"', b"9" * 30, b"1" * 5_000, NESTED, b'{"name":5}',
    b'{"name":"' + b"n" * 5_000 + b'"}', b'{"picture":"zz"}', b'{"picture":"00"}',
    b'{"phone":"<>"}', b'{"shares":{"name":"?"}}', b'{"shares":{"x":"nobody"}}', b'{"shares":[]}',
    b'["00",1]', b'["' + b"zz" * 16 + b'",1]', b"[5,5]", b'["a",1e999,1]', b'["a",null,[]]',
    b"[null,null,1]", b'[5,null,1]', b'["' + b"l" * 999 + b'",null,1]', b'["a","b",1]',
]  # fmt: skip
FIELDS = ("state", "added", "name", "card", "secret", "via", "may_see_direct", "verified",
          "favourite", "shown", "ignored", "other", "")  # fmt: skip
NAMES = [
    *(("contact", ANA + b"/" + name.encode()) for name in FIELDS),
    ("contact", b""), ("contact", b"/state"), ("contact", b"\xff" * 32 + b"/state"),
    ("contact", ANA), ("contact", ANA + b"\xff"),
    ("contacts-secret", b""), ("contacts-secret", b"x"), ("code", b""), ("code", b"k" * 16),
    ("code", b"k" * 99), ("setting", b"profile"), ("setting", b"reach"), ("setting", b"busy"),
    ("setting", b"\xff"), ("setting", b"bootstraps"), ("seen", b""), ("seen", b"s" * 48),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "key"), NAMES)
def test_no_value_of_an_entry_makes_a_home_unusable(three: Three, kind: str, key: bytes) -> None:
    phone = three.homes[1]
    phone.befriend(ANA, name="Ana")
    phone.step.look()
    quoted = [json.dumps(one.decode("latin-1")).encode() for one in VALUES if len(one) < 1_000]
    for counter, value in enumerate([*VALUES, *quoted], 10):
        phone.step.told(phone.line.here, says(kind, key, value, counter))
        usable(phone)


def test_a_device_that_claims_the_greatest_counter_stops_nobody(three: Three) -> None:
    laptop, phone, stolen = three.homes
    laptop.befriend(ANA, name="Ana")
    three.meet(laptop, phone)
    for home in (laptop, phone):
        home.step.told(stolen.line.here, says("contact", ANA + b"/name", b'"?"', MOST))
        writers = (home.store.identity.writer, THIEF)
        claimed = tuple(WriterCounter(writer=who, counter=MOST) for who in writers)
        home.step.told(stolen.line.here, KnownSoFar(known=claimed, sent=True))
    laptop.store.contacts.update(ANA, name="Anna")
    three.look()
    assert phone.get(ANA).name == "Anna"
    phone.store.contacts.update(ANA, name="Annie")
    three.look()
    assert laptop.get(ANA).name == "Annie"


@pytest.mark.parametrize("kind", ["moon", *ROOM])
def test_entries_without_end_are_not_kept_and_stop_nobody(
    three: Three, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop, phone, stolen = three.homes
    most = Extent(100, 50_000)
    monkeypatch.setitem(ROOM, kind, most)
    monkeypatch.setattr(room, "UNKNOWN_ROOM", most)
    laptop.befriend(ANA, name="Ana")
    three.meet(laptop, phone)
    for n in range(10):
        keys = [b"%48d" % (40 * n + i) for i in range(40)]
        told = tuple(
            KeptEntry(kind=kind, key=key, value=b"[]" * n * n, counter=9, writer=THIEF)
            for key in keys
        )
        phone.step.told(stolen.line.here, KeptEntries(entries=told))
    kept = phone.store.synced.extents()[kind]
    assert 0 < kept.entries <= most.entries
    assert kept.size <= most.size
    laptop.store.contacts.update(ANA, name="Anna")
    three.look()
    assert phone.get(ANA).name == "Anna"


def test_only_a_key_is_made_a_contact_and_never_ones_own(three: Three) -> None:
    phone = three.homes[1]
    me = Identity(phone.store.identity.public)
    for identity in (bytes(32), b"\xff" * 32, me):
        for field, value in (("added", b"5"), ("state", b'"accepted"')):
            told = says("contact", identity + b"/" + field.encode(), value, 9)
            phone.step.told(phone.line.here, told)
    assert phone.store.contacts.list() == ()


def test_what_a_message_costs_does_not_grow_with_the_people_one_knows(three: Three) -> None:
    phone, stolen = three.homes[1:]
    phone.befriend(ANA, name="Ana")
    phone.step.look()
    ran: list[str] = []
    phone.store.database.watch(ran.append)
    for counter in (8, 9):
        phone.step.told(
            stolen.line.here, says("contact", ANA + b"/name", b'"%d"' % counter, counter)
        )
    phone.store.database.watch(None)
    assert phone.get(ANA).name == "9"
    people = [sql for sql in ran if "FROM contact" in sql]
    assert people
    assert all("identity" in sql.partition("WHERE")[2] for sql in people if "count(" not in sql)
    assert not [sql for sql in ran if "FROM kept_entry" in sql and "WHERE" not in sql]

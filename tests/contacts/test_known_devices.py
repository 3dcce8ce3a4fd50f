"""Which device is taken for a person's: by the newest list seen, whatever is offered later."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from onmeet_node.contacts.devices import Devices
from onmeet_node.contacts.known_devices import MAX_REMEMBERED, DeviceCredentials
from onmeet_node.contacts.own_devices import (
    RENEW_SECONDS,
    NoSuchDevice,
    OwnDevices,
    TooManyDevices,
)
from onmeet_node.net.errors import PeerUnreachable
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.devices import (
    LIST_SECONDS,
    DeviceDetails,
    DeviceList,
    DeviceNote,
    read_details,
    sign_list,
)
from onmeet_node.protocol.identity.errors import (
    BadDeviceList,
    DeviceListExpired,
    DeviceNotListed,
)
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.record import Listing, Presence
from onmeet_node.protocol.wire.errors import HandshakeError
from onmeet_node.protocol.wire.messages import Hello
from onmeet_node.protocol.wire.own import LentKeySet, LentPairKeys
from onmeet_node.store import (
    Contact,
    ContactState,
    KdfCost,
    KeyFile,
    Passphrase,
    Store,
    create_home,
    create_linked_home,
    export_home,
    import_home,
    open_home,
)

NOW = 1_800_000_000
BOB = IdentityKey(b"b" * 32)
WHO = Identity(BOB.public)
LAPTOP, PHONE, STOLEN = (IdentityKey(bytes([n]) * 32).public for n in (1, 2, 3))
SOMEWHERE = Device("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")


class Node:
    """What a node knows of devices, over a home on disk, with a clock of its own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        self.own = OwnDevices(store, now=lambda: self.now)
        self.devices = DeviceCredentials(store, self.own, now=lambda: self.now)

    def shown(self, key: bytes, devices: DeviceList | None, who: Identity = WHO) -> None:
        signed = devices.signed if devices is not None else None
        self.devices.check(who, key, Hello(device=key, devices=signed))


@contextmanager
def running(home: Path) -> Iterator[Node]:
    with open_home(home, KeyFile()) as store:
        yield Node(store)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create_home(tmp_path / "home", KeyFile(), b"a" * 32, now=NOW)
    with open_home(tmp_path / "home", KeyFile()) as store:
        store.contacts.save(Contact(identity=WHO, state=ContactState.ACCEPTED, added=NOW))
    return tmp_path / "home"


@pytest.fixture
def node(home: Path) -> Iterator[Node]:
    with running(home) as opened:
        yield opened


def listed(*keys: bytes, at: int = NOW, key: IdentityKey = BOB) -> DeviceList:
    return sign_list(key, keys, DeviceDetails(), now=at)


def test_a_device_of_the_list_speaks_for_the_person_and_no_other(node: Node) -> None:
    node.shown(LAPTOP, listed(LAPTOP, PHONE))
    with pytest.raises(DeviceNotListed):
        node.shown(STOLEN, listed(LAPTOP, PHONE))
    with pytest.raises(HandshakeError):
        node.shown(LAPTOP, None)


def test_the_identity_key_itself_is_no_device(node: Node) -> None:
    with pytest.raises(DeviceNotListed):
        node.shown(BOB.public, listed(LAPTOP))


def test_a_list_that_a_device_signed_is_nothing(node: Node) -> None:
    with pytest.raises(BadDeviceList):
        node.shown(STOLEN, listed(STOLEN, key=IdentityKey(b"\3" * 32)))


def test_a_stolen_device_with_the_list_of_before_is_refused_also_after_a_restart(
    home: Path,
) -> None:
    before, after = listed(LAPTOP, STOLEN), listed(LAPTOP, at=NOW + 5)
    with running(home) as node:
        node.shown(STOLEN, before)
        node.shown(LAPTOP, after)
        with pytest.raises(DeviceNotListed):
            node.shown(STOLEN, before)
        # one that is still there is taken, though it has not heard of the new list yet
        node.shown(LAPTOP, before)
    with running(home) as node:
        with pytest.raises(DeviceNotListed):
            node.shown(STOLEN, before)
        node.shown(LAPTOP, after)


def test_of_two_lists_of_one_number_the_first_one_seen_decides(node: Node) -> None:
    node.shown(LAPTOP, listed(LAPTOP, PHONE))
    with pytest.raises(DeviceNotListed):
        node.shown(STOLEN, listed(LAPTOP, STOLEN))
    node.shown(PHONE, listed(LAPTOP, PHONE))


def test_when_the_newest_is_over_the_person_has_no_device_until_another_comes(node: Node) -> None:
    node.shown(PHONE, listed(LAPTOP, PHONE))
    node.now += LIST_SECONDS
    with pytest.raises(DeviceListExpired):
        node.shown(PHONE, listed(LAPTOP, PHONE))
    node.shown(PHONE, listed(LAPTOP, PHONE, at=node.now))


def test_of_a_record_the_devices_of_the_newest_list_are_dialled_by_their_keys(node: Node) -> None:
    node.shown(LAPTOP, listed(LAPTOP, PHONE, at=NOW + 1))
    old = listed(LAPTOP, STOLEN)
    there = Presence(SOMEWHERE, key=LAPTOP)
    gone = Presence("12D3KooWSHj3RRbBjD15g6wekV8y3mm57Pobmps2g2WJm6F67Lay", key=STOLEN)
    nobody = Presence("12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo")
    assert node.devices.found(WHO, Listing((there, gone, nobody), old)) == (there,)
    assert node.devices.key_of(WHO, SOMEWHERE) == LAPTOP
    with pytest.raises(PeerUnreachable):
        node.devices.key_of(WHO, Device(gone.peer_id))


def test_a_list_is_news_once(node: Node) -> None:
    signed = listed(LAPTOP).signed
    assert node.devices.learn(WHO, signed)
    assert not node.devices.learn(WHO, signed)
    assert node.devices.listed(WHO, LAPTOP)
    node.store.contacts.remove(WHO)
    assert node.store.devices.of(WHO) is None


# ── the own list ─────────────────────────────────────────────────────────────────────────────────
def test_a_home_is_its_persons_first_device_and_says_so_in_every_hello(node: Node) -> None:
    (view,) = node.own.views()
    assert (view.key, view.here, view.holds_identity) == (node.own.key.public, True, True)
    said = node.devices.introduce(Hello())
    assert said.device == node.own.key.public != node.own.identity
    assert said.devices == node.own.list.signed
    other = DeviceCredentials(node.store, node.own, now=lambda: NOW)
    other.check(node.own.identity, said.device, said)


def test_the_list_stays_the_same_until_it_is_due_and_is_then_signed_anew(home: Path) -> None:
    with running(home) as node:
        first = node.own.list
    with running(home) as node:
        assert node.own.list == first
        assert not node.own.renew()
        node.now += RENEW_SECONDS + 1
        assert node.own.renew()
        assert node.own.list.devices == first.devices
        assert node.own.list.number > first.number


def test_a_fifth_device_is_refused_and_names_do_not_repeat(node: Node) -> None:
    for key in (LAPTOP, PHONE, STOLEN):
        node.own.add(key, "phone")
    assert [view.name for view in node.own.views()][1:] == ["phone", "phone 2", "phone 3"]
    with pytest.raises(TooManyDevices, match="onmeet devices revoke"):
        node.own.add(BOB.public, "tablet")


def test_a_revoked_device_is_gone_from_the_list_and_named_in_its_details(node: Node) -> None:
    node.own.add(PHONE, "phone")
    before = node.own.list.number
    node.own.revoke("phone")
    assert node.own.list.devices == (node.own.key.public,)
    assert node.own.list.number > before
    assert read_details(node.own.list, node.own.details).revoked == (PHONE,)
    for name in ("phone", "nobody", ""):
        with pytest.raises(NoSuchDevice):
            node.own.revoke(name)


def test_the_device_one_is_at_is_not_revoked(node: Node) -> None:
    with pytest.raises(NoSuchDevice, match="the device you are at"):
        node.own.revoke(node.own.views()[0].name)


def test_lists_that_two_devices_signed_at_once_are_made_one(node: Node) -> None:
    mine = node.own
    mine.add(PHONE, "phone")
    holder = IdentityKey(b"a" * 32)
    keys = (mine.key.public, LAPTOP)
    theirs = sign_list(holder, keys, DeviceDetails(revoked=(PHONE,)), now=mine.list.number)
    assert theirs.number == mine.list.number
    assert mine.learn(theirs, DeviceDetails(revoked=(PHONE,)).encode())
    assert set(mine.list.devices) == {mine.key.public, LAPTOP}
    assert mine.list.number > theirs.number


def test_a_newer_list_from_another_own_device_is_taken_and_its_names_when_they_come(
    node: Node,
) -> None:
    holder = IdentityKey(b"a" * 32)
    details = attrs.evolve(read_details(node.own.list, node.own.details), revoked=(STOLEN,))
    newer = sign_list(holder, (node.own.key.public, LAPTOP), details, now=NOW + 9)
    assert node.own.learn(newer)
    assert node.own.details is None
    assert node.own.learn(newer, details.encode())
    assert node.own.details == details.encode()
    assert not node.own.learn(newer, details.encode())


def test_a_list_that_takes_this_device_off_is_believed_and_not_signed_over(node: Node) -> None:
    revoking = sign_list(IdentityKey(b"a" * 32), (LAPTOP,), DeviceDetails(), now=NOW + 9)
    assert node.own.learn(revoking)
    assert not node.own.listed
    node.now += RENEW_SECONDS + 10
    assert not node.own.renew()
    assert node.own.list == revoking


def test_what_a_revoked_device_had_on_its_way_is_not_heard(node: Node) -> None:
    node.shown(STOLEN, listed(LAPTOP, STOLEN))
    node.devices.met(WHO, SOMEWHERE, STOLEN)
    assert node.devices.speaks(WHO, SOMEWHERE)
    node.devices.learn(WHO, listed(LAPTOP, at=NOW + 1).signed)
    assert not node.devices.speaks(WHO, SOMEWHERE)


def test_a_list_signed_at_once_brings_no_revoked_device_back_before_its_details_are_there(
    node: Node,
) -> None:
    mine = node.own
    mine.add(PHONE, "phone")
    details = DeviceDetails(revoked=(PHONE,))
    keys = (mine.key.public, LAPTOP)
    theirs = sign_list(IdentityKey(b"a" * 32), keys, details, now=mine.list.number)
    assert not mine.learn(theirs)  # as a Hello has it
    assert mine.learn(theirs, details.encode())
    assert set(mine.list.devices) == {mine.key.public, LAPTOP}


def test_strangers_without_number_make_no_contact_unheard(node: Node) -> None:
    node.shown(LAPTOP, listed(LAPTOP))
    node.devices.met(WHO, SOMEWHERE, LAPTOP)
    for n in range(MAX_REMEMBERED + 1):
        node.devices.met(Identity(n.to_bytes(32, "big")), SOMEWHERE, LAPTOP)
    assert node.devices.speaks(WHO, SOMEWHERE)
    assert node.devices.key_of(WHO, SOMEWHERE) == LAPTOP


def test_a_key_that_was_revoked_is_not_linked_again(node: Node) -> None:
    node.own.add(PHONE, "phone")
    node.own.revoke("phone")
    with pytest.raises(BadDeviceList, match="revoked"):
        node.own.add(PHONE, "phone")
    assert node.own.list.devices == (node.own.key.public,)


def test_only_a_device_that_holds_the_identity_lends_to_a_linked_one(tmp_path: Path) -> None:
    holder = IdentityKey(b"a" * 32)
    me = IdentityKey(b"d" * 32).public
    notes = [
        DeviceNote(key, name, NOW, holds_identity=key == LAPTOP)
        for key, name in ((LAPTOP, "laptop"), (STOLEN, "stolen"), (me, "here"))
    ]
    details = DeviceDetails(tuple(notes))
    own = sign_list(holder, (LAPTOP, STOLEN, me), details, now=NOW)
    shown = (own.signed, details.encode())
    create_linked_home(tmp_path / "here", KeyFile(), holder.public, b"d" * 32, shown, now=NOW)
    pair = LentPairKeys(identity=WHO, secret=b"s" * 16, pair=b"p" * 32)
    with running(tmp_path / "here") as node:
        parts: Any = SimpleNamespace()
        devices = Devices(
            node.own, node.devices, parts, parts, parts, node.store, parts,
            now=lambda: NOW, published=lambda: None,
        )  # fmt: skip
        for key, lent in ((STOLEN, None), (LAPTOP, (b"s" * 16, b"p" * 32))):
            node.devices.met(node.own.identity, SOMEWHERE, key)
            devices.own_told(SOMEWHERE, LentKeySet(pairs=(pair,)))
            assert node.store.lent.pair(WHO) == lent


def test_two_that_make_lists_one_at_the_same_time_make_the_same_one(
    home: Path, tmp_path: Path
) -> None:
    create_home(tmp_path / "other", KeyFile(), b"a" * 32, now=NOW)
    with running(home) as one, running(tmp_path / "other") as other:
        one.own.add(PHONE, "phone")
        other.own.add(LAPTOP, "laptop")
        assert one.own.list.number == other.own.list.number
        told = [(each.own.list, each.own.details) for each in (one, other)]
        assert one.own.learn(*told[1])
        assert other.own.learn(*told[0])
        assert one.own.list == other.own.list
        assert one.own.details == other.own.details
        assert {view.name for view in one.own.views()} >= {"phone", "laptop"}


# ── a home of a backup, or of an older format ────────────────────────────────────────────────────
@pytest.fixture
def restored(home: Path, tmp_path: Path) -> Path:
    """Made from a backup of `home`, whose node has run."""
    with running(home) as node:
        node.own.add(PHONE, "phone")
        export_home(node.store, tmp_path / "backup", Passphrase("carry", KdfCost(1, 8 << 20)))
    import_home(tmp_path / "backup", "carry", tmp_path / "restored", KeyFile())
    return tmp_path / "restored"


def test_a_restored_home_is_a_device_of_its_own_beside_those_that_there_are_by_now(
    home: Path, restored: Path
) -> None:
    with running(home) as node:
        node.now = NOW + 10
        node.own.revoke("phone")
        newest = node.own.list
    with running(restored) as node:
        node.now = NOW + 20
        assert node.own.joins
        assert not node.own.listed
        assert not node.own.renew(), "not before it was looked for"
        assert newest is not None
        node.own.learn(newest)
        node.own.looked()
        assert node.own.list is not None
        assert node.own.list.devices == (*newest.devices, node.own.key.public)
        assert node.own.views()[-1].holds_identity
        assert len({view.name for view in node.own.views()}) == 2
    with running(restored) as node:
        assert not node.own.joins, "once"
        assert node.own.listed


def test_where_nobody_has_a_list_a_restored_home_goes_by_that_of_the_backup(
    restored: Path,
) -> None:
    with running(restored) as node:
        node.own.looked()
        assert [view.here for view in node.own.views()] == [False, False, True]


def test_two_homes_of_one_backup_that_join_at_once_are_both_on_the_list(
    home: Path, restored: Path, tmp_path: Path
) -> None:
    import_home(tmp_path / "backup", "carry", tmp_path / "other", KeyFile())
    with running(restored) as one, running(tmp_path / "other") as two:
        one.own.looked()
        two.now += 5
        two.own.looked()
        for _ in range(2):
            assert one.own.list is not None
            assert two.own.list is not None
            one.own.learn(two.own.list, two.own.details)
            two.own.learn(one.own.list, one.own.details)
        assert one.own.list == two.own.list
        assert one.own.listed
        assert two.own.listed


def test_where_the_list_is_full_it_takes_the_place_of_the_one_listed_longest(
    home: Path, restored: Path
) -> None:
    with running(home) as node:
        first = node.own.key.public
        node.now += 1
        for key in (STOLEN, LAPTOP):
            node.own.add(key, "one more")
        newest = node.own.list
    with running(restored) as node:
        assert newest is not None
        node.now += 2
        node.own.learn(newest)
        node.own.looked()
        assert node.own.list is not None
        assert node.own.list.devices == (PHONE, STOLEN, LAPTOP, node.own.key.public)
        assert not node.own.list.has(first)


def test_what_was_revoked_stays_so_where_a_newer_list_has_it_again(
    home: Path, restored: Path
) -> None:
    with running(home) as node, running(restored) as other:
        node.now += 10
        node.own.revoke("phone")
        other.now += 20
        other.own.looked()  # it has not heard of that
        assert other.own.list is not None
        assert other.own.list.has(PHONE)
        node.now += 30
        assert node.own.learn(other.own.list)
        assert node.own.list is not None
        assert not node.own.list.has(PHONE)
        assert node.own.list.has(other.own.key.public)
        assert node.own.list.number > other.own.list.number

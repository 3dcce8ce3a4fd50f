"""Three homes of one person kept in step: edits at once, deletions, and one that is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from onmeet_node.contacts.devices import Devices
from onmeet_node.contacts.in_step import DevicesInStep
from onmeet_node.contacts.own_devices import OwnDevices
from onmeet_node.contacts.profile import change_profile
from onmeet_node.net.channels.timing import Timing
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.codec import decode, encode
from onmeet_node.protocol.wire.messages import CallId
from onmeet_node.protocol.wire.own import KeptEntries, KnownSoFar
from onmeet_node.store import (
    AudienceKind,
    CallRecord,
    Contact,
    ContactState,
    KeyFile,
    create_home,
    export_home,
    import_home,
    open_home,
)
from onmeet_node.store.sealing import Passphrase
from tests.fakes.people import PeopleParts

NOW = 1_800_000_000
ANA, BEN = (Identity(IdentityKey(bytes([n]) * 32).public) for n in (1, 2))


class Line:
    """A `Messenger` between homes of a test: what is said is there when `deliver` brings it."""

    def __init__(self, here: Device) -> None:
        self.here = here
        self.open: dict[Device, Home] = {}
        self.said: list[tuple[Device, bytes]] = []

    def send_to(self, _peer: Identity, device: Device, message: Any) -> bool:
        if device in self.open:
            self.said.append((device, encode(message)))
        return device in self.open


class Home:
    """One device: its store, and its part in keeping step."""

    def __init__(self, path: Path, name: str, stack: ExitStack) -> None:
        self.store = stack.enter_context(open_home(path, KeyFile()))
        self.line = Line(Device(name))
        self.heard: list[str] = []
        own = OwnDevices(self.store, now=lambda: NOW)
        self.step = DevicesInStep(
            self.store,
            own,
            self.line,  # type: ignore[arg-type]
            now=lambda: NOW,
            changed=lambda names: self.heard.extend(kind for kind, _ in names),
        )

    def befriend(self, peer: Identity, **fields: Any) -> None:
        self.store.contacts.save(
            Contact(identity=peer, state=ContactState.ACCEPTED, added=NOW, **fields)
        )

    def get(self, peer: Identity) -> Contact | None:
        return self.store.contacts.get(peer)


class Three:
    def __init__(self, homes: list[Home]) -> None:
        self.homes = homes

    def meet(self, one: Home, other: Home) -> None:
        """A channel between two, for as long as they have something to say."""
        one.line.open[other.line.here], other.line.open[one.line.here] = other, one
        one.step.opened(other.line.here)
        other.step.opened(one.line.here)
        self.deliver()

    def part(self, one: Home, other: Home) -> None:
        for home, away in ((one, other), (other, one)):
            home.line.open.pop(away.line.here)
            home.step.gone(away.line.here)

    def deliver(self) -> None:
        """Everything that was said arrives, and what is said in answer."""
        while any(home.line.said for home in self.homes):
            for home in self.homes:
                for device, data in home.line.said[:]:
                    home.line.said.remove((device, data))
                    home.line.open[device].step.told(home.line.here, decode(data))  # type: ignore[arg-type]

    def look(self) -> None:
        for home in self.homes:
            home.step.look()
        self.deliver()


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Three]:
    with ExitStack() as stack:
        homes = []
        for name in ("laptop", "phone", "tablet"):
            create_home(tmp_path / name, KeyFile(), b"a" * 32, now=NOW)
            homes.append(Home(tmp_path / name, name, stack))
        yield Three(homes)


def test_a_second_device_gets_everything_that_is_the_persons(three: Three) -> None:
    laptop, phone, _ = three.homes
    laptop.befriend(ANA, name="Ana", favourite=True, secret=b"s" * 16, shown={"phone": True})
    laptop.store.contacts.block(BEN, now=NOW)
    laptop.store.audiences.rotate_contacts(b"c" * 16, now=NOW)
    laptop.store.audiences.add(AudienceKind.CODE, secret=b"k" * 16, now=NOW, label="club")
    change_profile(laptop.store, {"name": "Me"}, {})
    three.meet(laptop, phone)
    assert phone.get(ANA) == laptop.get(ANA)
    assert phone.get(BEN) == laptop.get(BEN)
    assert [row.label for row in phone.store.audiences.live(now=NOW)] == ["contacts", "club"]
    assert phone.store.audiences.contacts(now=NOW).secret == b"c" * 16
    assert {"contact", "setting", "code"} <= set(phone.heard)
    # and nothing is said again
    three.look()
    assert not laptop.heard


def test_two_fields_changed_on_two_devices_at_once_are_both_kept(three: Three) -> None:
    laptop, phone, _ = three.homes
    laptop.befriend(ANA)
    three.meet(laptop, phone)
    three.part(laptop, phone)
    laptop.store.contacts.update(ANA, name="Ana")
    phone.store.contacts.update(ANA, favourite=True)
    three.meet(phone, laptop)
    for home in (laptop, phone):
        assert (home.get(ANA).name, home.get(ANA).favourite) == ("Ana", True)


def test_one_name_given_on_two_devices_at_once_is_the_same_on_both(three: Three) -> None:
    laptop, phone, _ = three.homes
    laptop.befriend(ANA)
    three.meet(laptop, phone)
    three.part(laptop, phone)
    laptop.store.contacts.update(ANA, name="Anna")
    phone.store.contacts.update(ANA, name="Annie")
    three.meet(phone, laptop)
    three.look()
    assert laptop.get(ANA).name == phone.get(ANA).name in {"Anna", "Annie"}


def test_who_was_removed_does_not_come_back_with_a_device_that_was_away(three: Three) -> None:
    laptop, phone, tablet = three.homes
    laptop.befriend(ANA, name="Ana")
    three.meet(laptop, phone)
    three.meet(laptop, tablet)
    three.part(laptop, tablet)
    phone.store.contacts.remove(ANA)
    three.look()
    assert laptop.get(ANA) is None
    three.part(laptop, phone)
    three.meet(tablet, laptop)
    assert tablet.get(ANA) is None
    three.meet(tablet, phone)
    assert phone.get(ANA) is None


def test_a_third_learns_what_was_changed_by_one_it_never_meets(three: Three) -> None:
    laptop, phone, tablet = three.homes
    three.meet(laptop, phone)
    three.meet(phone, tablet)
    laptop.befriend(ANA, name="Ana")
    three.look()
    assert tablet.get(ANA).name == "Ana"
    tablet.store.contacts.block(ANA, now=NOW)
    three.look()
    assert laptop.get(ANA).state is ContactState.BLOCKED


def test_a_code_that_is_revoked_on_one_device_ends_on_all(three: Three) -> None:
    laptop, phone, _ = three.homes
    row = laptop.store.audiences.add(AudienceKind.CODE, secret=b"k" * 16, now=NOW, label="club")
    three.meet(laptop, phone)
    laptop.store.audiences.revoke(row.id)
    three.look()
    assert phone.store.audiences.live(now=NOW) == ()


def test_a_missed_call_that_was_looked_at_is_so_on_every_device(three: Three) -> None:
    laptop, phone, _ = three.homes
    for home in (laptop, phone):
        home.store.calls.save(
            CallRecord(
                call=CallId(b"c" * 16),
                peer=ANA,
                outgoing=False,
                started=NOW,
                ended=NOW,
                reason=EndReason.MISSED,
                seen=False,
            )
        )
    three.meet(laptop, phone)
    laptop.store.calls.mark_seen()
    three.look()
    assert phone.store.calls.unseen() == 0


async def test_many_contacts_go_no_faster_than_a_channel_takes_them(
    three: Three, autojump_clock: object
) -> None:
    laptop, phone, _ = three.homes
    with laptop.store.database.transaction():
        for n in range(800):
            laptop.befriend(Identity(IdentityKey(n.to_bytes(32, "big")).public), name=f"P{n}")
    said: list[tuple[float, Any]] = []
    taken: list[int] = []

    class Slow:
        def send_to(self, _peer: Identity, _device: Device, message: Any) -> bool:
            said.append((trio.current_time(), message))
            return True

        async def taken(self, _peer: Identity, _device: Device) -> None:
            await trio.lowlevel.checkpoint()
            taken.append(len(said))

    parts: Any = SimpleNamespace()
    slow: Any = Slow()
    own = OwnDevices(laptop.store, now=lambda: NOW)
    async with trio.open_nursery() as nursery:
        devices = Devices(
            own, parts, parts, slow, parts, laptop.store, nursery,
            now=lambda: NOW, published=lambda: None,
        )  # fmt: skip
        began = trio.current_time()
        devices.own_told(phone.line.here, KnownSoFar(known=(), sent=False))
        assert len(said) == 1, "the rest waits until that is taken"
        laptop.befriend(ANA, name="Ana")  # meanwhile
        devices._step.look()
    timing = Timing()
    for number, (at, _) in enumerate(said[1:]):
        assert number <= timing.rate * (at - began)
    assert taken == list(range(1, len(said) - 1))
    *entries, last = [message for _, message in said]
    assert isinstance(last, KnownSoFar)
    assert last.sent
    told = {(one.kind, one.key) for message in entries for one in message.entries}
    assert told == set(laptop.store.local.read(now=NOW))


def test_who_asks_again_and_again_is_not_given_more_for_it(three: Three) -> None:
    laptop, phone, _ = three.homes
    for n in range(40):
        laptop.befriend(Identity(IdentityKey(n.to_bytes(32, "big")).public), name=f"P{n}")
    begun: list[Device] = []
    laptop.step = DevicesInStep(
        laptop.store,
        OwnDevices(laptop.store, now=lambda: NOW),
        laptop.line,  # type: ignore[arg-type]
        now=lambda: NOW,
        changed=lambda _names: None,
        begin=begun.append,
    )
    laptop.line.open[phone.line.here] = phone
    for _ in range(5):
        laptop.step.told(phone.line.here, KnownSoFar(known=(), sent=False))
    assert begun == [phone.line.here]
    while laptop.step.give_more(phone.line.here):
        pass
    messages = [decode(data) for _, data in laptop.line.said]
    given = [one for said in messages if isinstance(said, KeptEntries) for one in said.entries]
    assert len(given) < 2 * len(laptop.store.local.read(now=NOW))


def test_words_of_a_later_version_are_passed_on_and_harm_nobody(three: Three) -> None:
    laptop, phone, tablet = three.homes
    laptop.step._replica.write("moon", b"phase", b"full")
    laptop.step._replica.write("contact", ANA + b"/state", b'"acquainted-later"')
    laptop.befriend(BEN, name="Ben")
    three.meet(laptop, phone)
    three.meet(phone, tablet)
    assert tablet.step._replica.get("moon", b"phase") == b"full"
    assert phone.get(ANA) is None
    assert tablet.get(BEN).name == "Ben"


def test_a_home_from_a_backup_loses_nothing_that_is_changed_before_it_meets_the_others(
    three: Three, tmp_path: Path
) -> None:
    laptop, phone, _ = three.homes
    laptop.befriend(ANA)
    three.meet(laptop, phone)
    export_home(laptop.store, tmp_path / "backup", Passphrase("carry this"))
    for name in ("1", "2", "3"):
        laptop.store.contacts.update(ANA, name=name)
        three.look()
    three.part(laptop, phone)
    import_home(tmp_path / "backup", "carry this", tmp_path / "again", KeyFile())
    with ExitStack() as stack:
        again = Home(tmp_path / "again", "again", stack)
        three.homes = [again, phone]
        again.store.contacts.update(ANA, favourite=True)
        again.befriend(BEN, name="Ben")
        three.meet(again, phone)
        for home in three.homes:
            assert (home.get(ANA).name, home.get(ANA).favourite) == ("3", True)
            assert home.get(BEN).name == "Ben"


@pytest.mark.parametrize(
    ("state", "renewed"),
    [
        (ContactState.ACCEPTED, False),
        (ContactState.REQUESTED_BY_THEM, False),
        (ContactState.REQUESTED_BY_US, False),
        (ContactState.BLOCKED, True),
        (None, True),
    ],
)
def test_the_contacts_secret_is_another_one_when_a_linked_device_cut_somebody_off(
    three: Three, state: ContactState | None, renewed: bool
) -> None:
    laptop, *_ = three.homes
    people = PeopleParts(laptop.store, IdentityKey(b"a" * 32), now=lambda: NOW).people
    before = people.codes.contacts_audience().secret
    if state is not None:
        laptop.store.contacts.save(Contact(identity=ANA, state=state, added=NOW))
    people.done_elsewhere([("contact", ANA + b"/state")])
    assert (people.codes.contacts_audience().secret != before) == renewed

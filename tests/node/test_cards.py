"""What two real nodes show each other of their people: pictures, fields, a line."""

from __future__ import annotations

import pytest
import trio

from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.identity.errors import BadPicture
from onmeet_node.protocol.identity.picture import clean_picture, digest_of
from onmeet_node.protocol.identity.profile import Field
from onmeet_node.protocol.wire.messages import AskPicture, Hello, Picture
from tests.node.conftest import Start, befriend, told, until
from tests.protocol.identity.test_picture import EXIF, PLAIN, jpeg

pytestmark = pytest.mark.real


async def test_a_picture_reaches_contacts_without_what_the_camera_wrote(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    with bob.watch() as events:
        alice.people.set_picture(PLAIN[:2] + EXIF + PLAIN[2:])
        await told(events, "card")  # it is named,
        await told(events, "card")  # and here
    contact = bob.people.get(alice.identity)
    assert contact is not None
    assert contact.card.picture is not None
    assert bob.people.picture(contact.card.picture) == clean_picture(PLAIN)

    alice.people.set_picture(None)
    await until(lambda: bob.people.pictures() == frozenset(), "a picture nobody shows is erased")
    assert alice.people.pictures() == frozenset()


async def test_a_field_can_be_shown_to_or_hidden_from_one_contact(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    alice.people.change_profile({"phone": "+1 514 555 0100", "country": "CA"}, {})

    def seen() -> tuple[str | None, str | None]:
        contact = bob.people.get(alice.identity)
        assert contact is not None
        return contact.card.phone, contact.card.country

    await until(lambda: seen() == (None, "CA"), "as all contacts see her")
    alice.people.show_to(bob.identity, Field.PHONE, shown=True)
    alice.people.show_to(bob.identity, Field.COUNTRY, shown=False)
    await until(lambda: seen() == ("+1 514 555 0100", None), "as Bob alone sees her")
    alice.people.show_to(bob.identity, Field.PHONE, shown=None)
    alice.people.show_to(bob.identity, Field.COUNTRY, shown=None)
    await until(lambda: seen() == (None, "CA"), "as all contacts again")


async def test_a_hostile_picture_is_not_kept(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    contact = bob.people.get(alice.identity)
    assert contact is not None
    for bad in (b"<svg onload=alert(1)>", jpeg(1024, 16), PLAIN[:-40]):
        bob.people._store.contacts.update(
            alice.identity, card=type(contact.card)(name="Alice", picture=digest_of(bad))
        )
        bob.people.message(alice.identity, Picture(data=bad))
        assert bob.people.pictures() == frozenset()
        with pytest.raises(BadPicture):
            alice.people.set_picture(bad)
    # Nor is a good one that no card names.
    bob.people.message(alice.identity, Picture(data=clean_picture(PLAIN)))
    assert bob.people.pictures() == frozenset()


async def test_a_picture_is_given_to_those_who_may_see_it_and_once(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    alice.people.change_profile({}, {"picture": "nobody"})
    alice.people.set_picture(PLAIN)
    digest = digest_of(clean_picture(PLAIN))
    given = alice.people.cards.pictures._given
    alice.people.message(bob.identity, AskPicture(digest=digest))
    assert given == set()
    alice.people.change_profile({}, {"picture": "contacts"})
    await until(lambda: bob.people.picture(digest) is not None, "now he may see it")
    assert alice.people.cards.pictures._given == {(bob.identity, digest)}
    # Another device of his opens a channel and asks: it gets the picture too.
    contact = alice.people.get(bob.identity)
    assert contact is not None
    alice.people.channel_opened(bob.identity, Hello(card=contact.card), incoming=True)
    assert alice.people.cards.pictures._given == set()
    alice.people.message(bob.identity, AskPicture(digest=digest))
    assert alice.people.cards.pictures._given == {(bob.identity, digest)}


async def test_a_declined_caller_reads_why(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with bob.incoming() as ringing, alice.call("Bob") as call:
        with trio.fail_after(15):
            (await anext(ringing)).decline("In a meeting \u202euntil five")
            with call.watch() as events:
                ended = [event async for event in events][-1]
    assert call.reason is EndReason.PEER_DECLINED
    assert ended.note == "In a meeting until five"
    (row,) = alice.history.list(1)
    assert row.note == "In a meeting until five"

"""What one node's people notice of another's: two homes, and a wire that the test holds in hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from onmeet_node.contacts.admission import NOTES, STRANGERS_NOTES
from onmeet_node.contacts.cards import CARDS
from onmeet_node.contacts.grants import GRANTS, grant_ref
from onmeet_node.events import CardChanged
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.audience import proof
from onmeet_node.protocol.identity.code import ContactCode, parse_code
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.picture import clean_picture, digest_of
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.protocol.wire import messages as m
from onmeet_node.store import Contact, ContactState, KeyFile, Store, create_home, open_home
from onmeet_node.store.settings import REACH
from tests.fakes.people import PeopleParts
from tests.protocol.identity.test_picture import PLAIN

NOW = 1_800_000_000
HASH = b"h" * 64
DEVICE = Device("d")


def person(seed: bytes) -> Identity:
    return Identity(IdentityKey.from_seed(seed * 32).public)


ANN, BEN, EVE = (person(seed) for seed in (b"a", b"b", b"e"))


class Line:
    """One open channel, as far as it can be ended."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Wire:
    """`Channels` of a node: what it says to whom, to whoever has a channel."""

    def __init__(self) -> None:
        self.said: list[tuple[Identity, m.Message]] = []
        self.lines: dict[Identity, Line] = {}

    def devices(self, peer: Identity) -> tuple[Device, ...]:
        return (DEVICE,) if peer in self.lines else ()

    def get(self, peer: Identity, _device: Device) -> Line | None:
        return self.lines.get(peer)

    def send(self, peer: Identity, _device: Device, message: m.Message) -> bool:
        self.said.append((peer, message))
        return True

    def heard_by(self, peer: Identity) -> list[str]:
        """What kinds of messages this person was sent since they were asked for last."""
        heard = [type(message).__name__ for to, message in self.said if to == peer]
        self.said = [one for one in self.said if one[0] != peer]
        return heard


class Home(PeopleParts):
    """A node's people, over a wire."""

    def __init__(self, store: Store) -> None:
        self.clock = NOW
        self.store = store
        self.wire = Wire()
        key = IdentityKey.from_seed(bytes(32))
        super().__init__(store, key, now=lambda: self.clock, channels=self.wire)

    def opens(self, peer: Identity, name: str = "Somebody", *, incoming: bool = True) -> Line:
        """A channel with them opens."""
        line = self.wire.lines[peer] = Line()
        hello = m.Hello(card=m.Card(name=name))
        self.people.channel_opened(peer, hello, incoming=incoming)
        return line

    def knows(self, peer: Identity) -> None:
        """They are a contact, and have the present secret."""
        self.store.contacts.save(
            Contact(
                identity=peer,
                state=ContactState.ACCEPTED,
                added=1,
                granted=self.codes.contacts_audience().id,
            )
        )

    def state(self, peer: Identity) -> ContactState | None:
        contact = self.people.get(peer)
        return contact.state if contact is not None else None

    def comes_by(self, peer: Identity, uri: str) -> m.Hello | None:
        """Somebody opens a channel and shows that they hold this code."""
        shown = proof(parse_code(uri).secret, HASH)
        return self.doorkeeper.admit(peer, m.Hello(card=m.Card(), proof=shown), HASH)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    create_home(tmp_path / "home", KeyFile(), bytes(32), now=NOW)
    with open_home(tmp_path / "home", KeyFile()) as store:
        yield Home(store)


# ── requests ─────────────────────────────────────────────────────────────────────────────────────
def test_two_who_ask_each_other_have_agreed(home: Home) -> None:
    home.store.contacts.save(Contact(identity=ANN, state=ContactState.REQUESTED_BY_US, added=1))
    home.opens(ANN)
    assert home.wire.heard_by(ANN) == ["ContactRequest", "Grant"]
    home.people.message(ANN, m.ContactRequest(note=None))
    assert home.state(ANN) is ContactState.ACCEPTED
    assert home.wire.heard_by(ANN) == ["ContactAccepted", "CardUpdate"]


def test_a_secret_is_given_once_on_a_channel_until_it_is_confirmed(home: Home) -> None:
    home.store.contacts.save(Contact(identity=ANN, state=ContactState.REQUESTED_BY_US, added=1))
    home.opens(ANN)
    home.people.message(ANN, m.ContactAccepted())
    home.people.message(ANN, m.ContactRequest(note=None))
    assert home.wire.heard_by(ANN).count("Grant") == 1
    home.opens(ANN)
    assert home.wire.heard_by(ANN) == ["Grant"]
    home.people.message(ANN, m.Received(ref=grant_ref(home.codes.contacts_audience().secret)))
    home.opens(ANN)
    assert home.wire.heard_by(ANN) == []


def test_a_contact_who_asks_anew_has_lost_our_secret(home: Home) -> None:
    home.knows(ANN)
    home.opens(ANN)
    home.people.message(ANN, m.ContactRequest(note=None))
    assert home.wire.heard_by(ANN) == ["Grant", "ContactAccepted", "CardUpdate"]
    assert home.people.delivery.owed() == [ANN]
    home.people.message(ANN, m.Received(ref=grant_ref(home.codes.contacts_audience().secret)))
    home.people.message(ANN, m.ContactRequest(note=None))
    assert home.people.delivery.owed() == []


def test_a_fresh_code_of_a_contact_finds_them_and_asks_them(home: Home) -> None:
    """They may have lost their home: then they know neither us nor the secret they granted."""
    home.knows(ANN)
    home.people.message(ANN, m.Grant(secret=b"g" * 16))
    fresh = ContactCode(identity=ANN, secret=b"f" * 16, name="Ann")
    home.people.add(fresh.uri())
    assert home.locator.secrets_of(ANN)[:2] == (b"f" * 16, b"g" * 16)
    assert home.doorkeeper.greet(ANN, HASH).proof == proof(b"f" * 16, HASH)
    assert home.state(ANN) is ContactState.ACCEPTED
    assert home.people.delivery.waiting_for() == [ANN]
    home.opens(ANN)
    assert home.wire.heard_by(ANN) == ["ContactRequest"]
    home.people.message(ANN, m.ContactAccepted())
    assert home.people.delivery.waiting_for() == []
    home.opens(ANN)
    assert home.wire.heard_by(ANN) == []


def test_a_request_is_told_with_its_note_and_the_code_by_which_it_came(home: Home) -> None:
    code = home.codes.new("work")
    assert home.comes_by(EVE, code.uri) is not None
    home.opens(EVE, name="Eve")
    with home.hub.watch() as events:
        home.people.message(EVE, m.ContactRequest(note="It is me"))
        told = events.receive_nowait().as_json()
    assert (told["event"], told["code"], told["note"]) == ("contact-request", "work", "It is me")
    assert home.people.request_note(EVE) == "It is me"
    assert home.people.describe(EVE).code == "work"


def test_who_is_blocked_asks_in_vain_and_hears_nothing(home: Home) -> None:
    home.knows(ANN)
    home.people.block(ANN)
    home.wire.said.clear()
    home.people.message(ANN, m.ContactRequest(note=None))
    home.people.message(ANN, m.ContactAccepted())
    assert home.state(ANN) is ContactState.BLOCKED
    assert home.wire.said == []


# ── blocking, revoking ───────────────────────────────────────────────────────────────────────────
def test_blocking_cuts_one_off_and_gives_the_others_another_secret(home: Home) -> None:
    home.knows(ANN)
    home.knows(BEN)
    ann, ben = home.opens(ANN), home.opens(BEN)
    before = home.codes.contacts_audience().secret
    home.wire.said.clear()
    home.people.block(ANN)
    assert ann.closed
    assert not ben.closed
    assert home.codes.contacts_audience().secret != before
    assert home.wire.heard_by(BEN) == ["Grant"]
    assert home.wire.heard_by(ANN) == []
    assert home.people.delivery.owed() == [BEN]
    home.people.message(BEN, m.Received(ref=grant_ref(home.codes.contacts_audience().secret)))
    assert home.people.delivery.owed() == []


def test_a_revoked_code_cuts_off_strangers_who_came_by_it_and_nobody_else(home: Home) -> None:
    work, club = home.codes.new("work"), home.codes.new("club")
    home.knows(ANN)
    for peer, code in ((ANN, work), (EVE, work), (BEN, club)):
        assert home.comes_by(peer, code.uri) is not None
    lines = {peer: home.opens(peer) for peer in (ANN, BEN, EVE)}
    home.people.message(EVE, m.ContactRequest(note=None))
    assert home.people.revoke("work", drop=True) == 1
    assert [peer for peer, line in lines.items() if line.closed] == [EVE]
    assert home.state(EVE) is None
    assert home.comes_by(EVE, work.uri) is None


@pytest.mark.parametrize(
    ("policy", "passes"),
    [
        (ReachPolicy.ANYONE, {"contact", "with a code", "stranger"}),
        (ReachPolicy.CODES, {"contact", "with a code"}),
        (ReachPolicy.CONTACTS, {"contact"}),
    ],
)
def test_who_gets_a_channel_is_as_the_policy_says(
    home: Home, policy: ReachPolicy, passes: set[str]
) -> None:
    home.store.settings.put(REACH, policy)
    home.knows(ANN)
    code = home.codes.new("work")
    nothing = m.Hello(card=m.Card())
    answers = {
        "contact": home.doorkeeper.admit(ANN, nothing, HASH),
        "with a code": home.comes_by(BEN, code.uri),
        "stranger": home.doorkeeper.admit(EVE, nothing, HASH),
    }
    assert {who for who, answer in answers.items() if answer is not None} == passes


@pytest.mark.parametrize("state", [None, *ContactState])
def test_the_first_message_of_a_channel_says_our_card_to_contacts_alone(
    home: Home, state: ContactState | None
) -> None:
    home.people.change_profile({"name": "Ada"}, {})
    if state is not None:
        home.store.contacts.save(Contact(identity=ANN, state=state, added=1))
    greeting = home.doorkeeper.greet(ANN, HASH)
    home.opens(ANN, incoming=False)
    said = [message for to, message in home.wire.said if to == ANN]
    if state is ContactState.ACCEPTED:
        assert greeting.card == m.Card(name="Ada")
        assert not any(isinstance(message, m.CardUpdate) for message in said)
    else:
        assert greeting.card is None
        shown = m.Card() if state is ContactState.BLOCKED else m.Card(name="Ada")
        assert said[0] == m.CardUpdate(card=shown), "before whatever needs it"


def test_a_channel_that_begins_without_a_card_changes_nothing_that_is_known(home: Home) -> None:
    home.knows(ANN)
    home.opens(ANN, "Ann")
    home.people.channel_opened(ANN, m.Hello(), incoming=True)
    contact = home.people.get(ANN)
    assert contact is not None
    assert contact.card.name == "Ann"


def test_somebody_who_asks_is_shown_by_the_card_that_came_before(home: Home) -> None:
    home.people.channel_opened(EVE, m.Hello(), incoming=True)
    home.people.message(EVE, m.CardUpdate(card=m.Card(name="Eve")))
    home.people.message(EVE, m.ContactRequest(note=None))
    contact = home.people.get(EVE)
    assert contact is not None
    assert contact.display_name == "Eve"


# ── cards and pictures ───────────────────────────────────────────────────────────────────────────
def test_a_changed_profile_is_shown_to_contacts_who_are_here(home: Home) -> None:
    home.knows(ANN)
    home.knows(BEN)
    home.opens(ANN)
    home.opens(EVE)
    home.wire.said.clear()
    home.people.change_profile({"country": "CA"}, {})
    (shown,) = home.wire.said
    assert shown == (ANN, m.CardUpdate(card=m.Card(country="CA")))


def test_a_picture_is_given_once_for_each_card(home: Home) -> None:
    home.knows(ANN)
    home.opens(ANN)
    home.people.set_picture(PLAIN)
    ask = m.AskPicture(digest=digest_of(clean_picture(PLAIN)))
    home.wire.said.clear()
    for _ in range(3):
        home.people.message(ANN, ask)
    assert home.wire.heard_by(ANN) == ["Picture"]
    home.people.message(EVE, ask)
    assert home.wire.heard_by(EVE) == [], "it is for contacts"
    home.people.change_profile({"country": "CA"}, {})
    home.people.message(ANN, ask)
    assert home.wire.heard_by(ANN) == ["CardUpdate", "Picture"]


def test_a_picture_is_asked_for_kept_and_forgotten_with_the_card_that_named_it(home: Home) -> None:
    home.knows(ANN)
    home.opens(ANN)
    data = clean_picture(PLAIN)
    home.people.message(ANN, m.CardUpdate(card=m.Card(name="Ann", picture=digest_of(data))))
    assert home.wire.heard_by(ANN)[-1:] == ["AskPicture"]
    home.people.message(ANN, m.Picture(data=data))
    assert home.people.picture(digest_of(data)) == data
    home.people.message(ANN, m.CardUpdate(card=m.Card(name="Ann")))
    assert home.people.pictures() == frozenset()


async def test_of_cards_that_change_too_often_the_last_is_kept(
    home: Home, autojump_clock: trio.testing.MockClock
) -> None:
    home.knows(ANN)
    home.opens(ANN)

    def name() -> str:
        contact = home.people.get(ANN)
        assert contact is not None
        return contact.display_name

    with home.hub.watch() as events:
        for number in range(50):
            home.people.message(ANN, m.CardUpdate(card=m.Card(name=f"Ann {number}")))
        assert name() == f"Ann {CARDS.burst - 2}", "the first one came with the channel"
        with trio.move_on_after(CARDS.interval * 2):
            await home.people.run()
        assert name() == "Ann 49"
        changes = events.statistics().current_buffer_used
        assert changes == CARDS.burst
        assert all(isinstance(events.receive_nowait(), CardChanged) for _ in range(changes))


async def test_a_card_that_was_not_written_yet_is_when_its_person_leaves(home: Home) -> None:
    home.knows(ANN)
    home.opens(ANN)
    for number in range(50):
        home.people.message(ANN, m.CardUpdate(card=m.Card(name=f"Ann {number}")))
    home.clock += 7
    del home.wire.lines[ANN]
    home.people.channel_closed(ANN)
    contact = home.people.get(ANN)
    assert contact is not None
    assert (contact.display_name, contact.last_seen) == ("Ann 49", NOW + 7)


# ── quotas ───────────────────────────────────────────────────────────────────────────────────────
def test_secrets_and_notes_beyond_a_rate_are_not_confirmed(home: Home) -> None:
    home.knows(ANN)
    home.opens(ANN)
    home.opens(EVE)
    home.wire.said.clear()
    for number in range(60):
        ref = bytes([number]) * 16
        home.people.message(ANN, m.Grant(secret=ref))
        home.people.message(ANN, m.MissedCall(call=ref, age_s=0))
        home.people.message(EVE, m.MissedCall(call=ref, age_s=0))
    assert home.wire.heard_by(ANN).count("Received") == GRANTS.burst + NOTES.burst
    assert home.wire.heard_by(EVE).count("Received") == STRANGERS_NOTES.burst
    assert len(home.store.calls.list(peer=ANN, limit=100)) == NOTES.burst
    # What was confirmed is confirmed again, and written no second time.
    home.people.message(ANN, m.MissedCall(call=bytes(16), age_s=0))
    assert home.wire.heard_by(ANN) == ["Received"]
    home.clock += round(NOTES.interval)
    home.people.message(ANN, m.MissedCall(call=b"n" * 16, age_s=0))
    assert home.wire.heard_by(ANN) == ["Received"]

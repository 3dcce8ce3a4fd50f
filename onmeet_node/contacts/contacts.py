"""The people this node knows: requests, cards, grants, blocking, and what waits for whom."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import trio

from onmeet_node.calls.call import Call
from onmeet_node.contacts.address_book import AddressBook, NoSuchPerson
from onmeet_node.contacts.codes import DAY, Codes
from onmeet_node.contacts.profile import CAPS, card_for, change_picture, change_profile
from onmeet_node.events import (
    CardChanged,
    ContactConfirmed,
    ContactRequested,
    Hub,
    MissedCallNoted,
    NodeEvent,
)
from onmeet_node.net.rates import MAX_SENDERS, AllowedRate, RateLimit
from onmeet_node.process.faults import contained
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.audience import proof
from onmeet_node.protocol.identity.errors import BadPicture
from onmeet_node.protocol.identity.keys import IdentityKey, require_point
from onmeet_node.protocol.identity.picture import clean_picture, digest_of
from onmeet_node.protocol.identity.policy import Admission, ReachPolicy, Relation, decide
from onmeet_node.protocol.identity.profile import Field, clean_card
from onmeet_node.protocol.identity.safety import safety_number
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.wire.codec import decode, encode
from onmeet_node.protocol.wire.messages import (
    MAX_NAME_CHARS,
    MAX_NOTE_CHARS,
    AskPicture,
    Card,
    CardUpdate,
    ContactAccepted,
    ContactRequest,
    Grant,
    Hello,
    Message,
    MissedCall,
    Picture,
    Received,
)
from onmeet_node.store import CallRecord, Contact, ContactState, Store
from onmeet_node.store.errors import Rejected
from onmeet_node.store.settings import BOOTSTRAPS, BUSY, REACH

log = logging.getLogger(__name__)

NOTE_DAYS = 30
"""A missed call that could not be told in a month is no news."""

MAX_CAME_BY = 4_096
"""Strangers of whom it is remembered by which code they came."""
NOTES = AllowedRate(burst=32, per_minute=6)
"""Missed calls that one contact may tell: at once as many as an outbox holds. What is too much is
not confirmed, so an honest node tells it again later."""
STRANGERS_NOTES = AllowedRate(burst=8, per_minute=1)
NOTES_BY_CODE = AllowedRate(burst=32, per_minute=6)
"""Of all strangers who came by one code together, rings that nobody took included."""
CARDS = AllowedRate(burst=12, per_minute=12)
"""Changes of one card that are written at once; of more, the last is, a little later."""
GRANTS = AllowedRate(burst=8, per_minute=2)
SEEN_SECONDS = 60
"""How exactly it is kept when somebody was last heard of."""


class Closable(Protocol):
    """A channel, as far as it can be ended."""

    def close(self) -> None:
        """Ends it in order."""
        ...


class Mouthpiece(Protocol):
    """The part of `net.channels.channels.Channels` that people speak through."""

    def devices(self, identity: Identity, /) -> tuple[Device, ...]:
        """Those with an open channel."""
        ...

    def send(self, identity: Identity, device: Device, message: Message, /) -> bool:
        """Hands a message to a channel."""
        ...

    def get(self, identity: Identity, device: Device, /) -> Closable | None:
        """The channel to a device."""
        ...


class Contacts(AddressBook):
    """The address book, and all that passes between its people and us besides calls."""

    def __init__(
        self,
        store: Store,
        key: IdentityKey,
        codes: Codes,
        *,
        now: Callable[[], int],
        hints: Callable[[Iterable[str]], None],
        relay_only: Callable[[], bool],
    ) -> None:
        """`hints` is given the bootstraps that a code names; `now` is Unix seconds."""
        super().__init__(store, key, codes, now=now, hints=hints, relay_only=relay_only)
        self.on_ended: Callable[[Call], None] = lambda _call: None
        """Told of each call that is over and written down."""
        self._hub: Hub[NodeEvent] = Hub()
        self._line: Mouthpiece | None = None
        self._here: set[Identity] = set()
        """Everybody with an open channel."""
        self._note_rate = RateLimit(NOTES, now, max_keys=MAX_SENDERS)
        self._strangers_note_rate = RateLimit(STRANGERS_NOTES, now, max_keys=MAX_SENDERS)
        self._code_rate = RateLimit(NOTES_BY_CODE, now, max_keys=MAX_SENDERS)
        self._card_rate = RateLimit(CARDS, now, max_keys=MAX_SENDERS)
        self._grant_rate = RateLimit(GRANTS, now, max_keys=MAX_SENDERS)
        self._late_cards: dict[Identity, Card] = {}
        """Of people with an open channel, not written yet."""
        self._card_late = trio.Event()
        self._cards: dict[Identity, Card] = {}
        self._notes: dict[Identity, str] = {}
        self._their_notes: dict[Identity, str] = {}
        self._given: set[tuple[Identity, bytes]] = set()
        self._new_duty = trio.Event()

    def connect(self, hub: Hub[NodeEvent], line: Mouthpiece) -> None:
        """From now on events are told to `hub`, and messages go out over `line`."""
        self._hub, self._line = hub, line

    def _send(self, peer: Identity, message: Message) -> bool:
        """Gives a message to every open channel of a person; False without one."""
        line = self._line
        if line is None:
            return False
        sent = [line.send(peer, device, message) for device in line.devices(peer)]
        return any(sent)

    # ── what a person does ──────────────────────────────────────────────────────────────────────
    def add(self, text: str, *, name: str | None = None, note: str | None = None) -> Contact:
        """Adds the person whose code this is; `Node.deliver` or `duties` sends the request.

        `note` goes with it, as long as this node runs.

        Raises `CodeError`, `OwnCode`.
        """
        code = self.foreign(text)
        peer = Identity(code.identity)
        self._hints(code.bootstraps)
        if code.bootstraps and not self._store.settings.get(BOOTSTRAPS):
            # Whoever has no bootstrap yet gets theirs, for the next start too.
            self._store.settings.put(BOOTSTRAPS, code.bootstraps)
        if note:
            self._notes[peer] = note[:MAX_NOTE_CHARS]
        known = self.get(peer)
        contact = Contact(
            identity=peer,
            state=ContactState.REQUESTED_BY_US,
            added=self._now(),
            name=name or (known.name if known else None),
            card=known.card if known else Card(name=code.name),
            secret=code.secret,
        )
        if known is not None and known.state in {
            ContactState.ACCEPTED,
            ContactState.REQUESTED_BY_THEM,
        }:
            self._store.contacts.update(peer, name=contact.name)
            if known.state is ContactState.REQUESTED_BY_THEM:
                self.accept(peer)
        else:
            self._store.contacts.save(contact)
        self._new_duty.set()
        return self._store.contacts.get(peer) or contact

    def accept(self, peer: Identity) -> None:
        """Makes a contact of somebody who asked. Raises `NoSuchPerson` if nobody did."""
        contact = self.get(peer)
        if contact is None or contact.state is ContactState.REQUESTED_BY_US:
            raise NoSuchPerson("They have not asked to be a contact. Send them a code of yours.")
        self._befriend(peer)
        self._tell_accepted(peer)
        self.codes.refresh()
        self._new_duty.set()

    def _befriend(self, peer: Identity) -> None:
        self._store.contacts.update(peer, state=ContactState.ACCEPTED, audience=None, ignored=False)
        self._store.calls.befriended(peer)

    def block(self, peer: Identity) -> None:
        """Refuses all contact with this person, who learns nothing of it (P6).

        Raises `BadKey` for what nobody's identity can be: it would stand in the way of whatever is
        made with each key (the tags of a room).
        """
        require_point(peer)
        self._store.contacts.block(peer, now=self._now())
        self._cut_off(peer)

    def remove(self, peer: Identity) -> None:
        """Forgets a person for good, calls included (P11)."""
        self._store.contacts.remove(peer, with_calls=True)
        self._forget_pictures()
        self._cut_off(peer)

    def _cut_off(self, peer: Identity) -> None:
        self._strangers.pop(peer, None)
        self._came_by.pop(peer, None)
        self._their_notes.pop(peer, None)
        self._close_channels(peer)
        self.codes.rotate_contacts_secret()
        for contact in self._contacts_here():
            self._grant(contact)
        self._new_duty.set()

    def _close_channels(self, peer: Identity) -> None:
        if self._line is not None:
            for device in self._line.devices(peer):
                channel = self._line.get(peer, device)
                if channel is not None:
                    channel.close()

    def _contacts_here(self) -> list[Identity]:
        """Contacts with an open channel: nobody else can be told anything now."""
        known = ((peer, self.get(peer)) for peer in self._here)
        return [peer for peer, one in known if one and one.state is ContactState.ACCEPTED]

    def revoke(self, label: str, *, drop: bool = False) -> int:
        """Ends a code at once, and the channels of strangers who came by it. How many requests
        that came by it were erased too, with `drop`; without, they stay.

        Raises `UnknownCode`.
        """
        audience = self.codes.revoke(label)
        dropped = self._store.contacts.drop_requests(audience) if drop else ()
        for peer in dropped:
            self._their_notes.pop(peer, None)
        for peer in [peer for peer, by in self._came_by.items() if by == audience]:
            del self._came_by[peer]
            if self.relation(peer) is Relation.STRANGER:
                self._close_channels(peer)
        return len(dropped)

    def ignore(self, peer: Identity) -> None:
        """Puts a contact request away: it is shown no more, and they learn nothing."""
        contact = self.get(peer)
        if contact is not None and contact.state is ContactState.REQUESTED_BY_THEM:
            self._store.contacts.update(peer, ignored=True)

    def unblock(self, peer: Identity) -> None:
        """Makes a stranger of somebody blocked: they may ask again, with a live code."""
        contact = self.get(peer)
        if contact is None or contact.state is not ContactState.BLOCKED:
            raise NoSuchPerson("They are not blocked.")
        self._store.contacts.remove(peer, with_calls=False)

    def rename(self, peer: Identity, name: str) -> None:
        """What this person is called here; empty: as they call themselves."""
        self._known(peer, name=clean_text(name, MAX_NAME_CHARS).strip() or None)

    def set_favourite(self, peer: Identity, *, favourite: bool) -> None:
        """Favourites stand first, and their channels are kept open."""
        self._known(peer, favourite=favourite)

    def _known(self, peer: Identity, **changes: Any) -> None:
        if self._store.contacts.update(peer, **changes) is None:
            raise NoSuchPerson("You do not know this person. Add them with a code of theirs.")

    def request_note(self, peer: Identity) -> str | None:
        """What somebody wrote with their contact request, if it came while this node runs."""
        return self._their_notes.get(peer)

    def mark_verified(self, peer: Identity) -> None:
        """The two compared their safety numbers."""
        self._store.contacts.update(peer, verified=True)

    def safety_number(self, peer: Identity) -> str:
        """The 60 digits that both of you see if nobody stands between."""
        return safety_number(self._key.public, peer)

    def profile(self) -> dict[str, Any]:
        """The own profile, who may see which field, and who can reach us."""
        return change_profile(self._store, {}, {})

    def change_profile(
        self,
        fields: dict[str, str],
        shares: dict[str, str],
        *,
        reach: ReachPolicy | None = None,
        busy: Busy | None = None,
    ) -> dict[str, Any]:
        """Changes the profile and tells open channels. See `profiles.change_profile`."""
        result = change_profile(self._store, fields, shares, reach=reach, busy=busy)
        self._tell_cards()
        self.codes.refresh()
        return result

    def set_picture(self, data: bytes | None) -> None:
        """Another picture of the person, a JPEG, or none. Raises `BadPicture`.

        It is kept, and sent, without metadata; who sees it is a field like the others.
        """
        change_picture(self._store, data)
        self._forget_pictures()
        self._tell_cards()

    def picture(self, digest: bytes) -> bytes | None:
        """The picture that a card names, if it is here."""
        return self._store.pictures.get(digest)

    def pictures(self) -> frozenset[bytes]:
        """The digests of all pictures that are here."""
        return self._store.pictures.digests()

    def show_to(self, peer: Identity, field: Field, *, shown: bool | None) -> None:
        """Whether this one contact sees a field; None: as all contacts do (P4)."""
        contact = self.get(peer)
        if contact is None or contact.state is not ContactState.ACCEPTED:
            raise NoSuchPerson("Only what a contact sees can be chosen one by one.")
        chosen = {**contact.shown, field.value: shown}
        kept = {name: value for name, value in chosen.items() if value is not None}
        self._store.contacts.update(peer, shown=kept)
        self._tell_card(peer)

    def _tell_cards(self) -> None:
        for contact in self._contacts_here():
            self._tell_card(contact)

    def _tell_card(self, peer: Identity) -> None:
        self._allow_pictures(peer)
        self._send(peer, CardUpdate(card=self.card_for(peer)))

    def card_for(self, peer: Identity | None) -> Card:
        """Ours as this person sees it; None: as somebody does of whom nothing is known."""
        if peer is None:
            return card_for(self._store, Relation.STRANGER)
        contact = self.get(peer)
        chosen = contact.shown if contact is not None else {}
        shown = {Field(name): value for name, value in chosen.items() if name in set(Field)}
        return card_for(self._store, self.relation(peer), shown)

    def _forget_pictures(self) -> None:
        for digest in self.pictures():
            self._forget_picture(digest)

    def _forget_picture(self, digest: bytes | None) -> None:
        """Erases a picture that nobody's card names any more."""
        if digest is None or digest.hex() == self.profile()["picture"]:
            return
        if not self._store.contacts.shows_picture(digest):
            self._store.pictures.forget(digest)

    # ── admission and greeting (net.channels asks) ──────────────────────────────────────────────
    def greet(self, identity: Identity, opening_hash: bytes) -> Hello:
        """What we say of ourselves to this person on a channel that we open."""
        secret = next(iter(self.secrets_of(identity)), None)
        shown = proof(secret, opening_hash) if secret is not None else None
        return self._hello(identity, shown)

    def admit(self, identity: Identity, hello: Hello, opening_hash: bytes) -> Hello | None:
        """Our Hello to somebody who opens a channel; None if they do not get through (P5, P6)."""
        came_by = self.codes.proven(hello.proof, opening_hash)
        policy = self._store.settings.get(REACH)
        admission = decide(policy, self.relation(identity), proven=came_by is not None)
        if admission is Admission.DROP:
            return None
        if came_by is not None:
            self._came_by[identity] = came_by.id
            self._came_by.move_to_end(identity)
            if len(self._came_by) > MAX_CAME_BY:
                self._came_by.popitem(last=False)
        return self._hello(identity, None)

    def _hello(self, peer: Identity, shown: bytes | None) -> Hello:
        return Hello(card=self.card_for(peer), caps=CAPS, proof=shown)

    # ── messages ────────────────────────────────────────────────────────────────────────────────
    def channel_opened(self, peer: Identity, hello: Hello) -> None:
        """A channel is open: what waits for this person goes out."""
        self._here.add(peer)
        self._allow_pictures(peer)  # it may be another device of theirs, which has none
        self._seen(peer, hello.card)
        self.hand_over(peer)

    def hand_over(self, peer: Identity) -> None:
        """Sends what waits for this person over the open channels. Harmless when done twice."""
        contact = self.get(peer)
        if contact is None:
            return
        if contact.state is ContactState.REQUESTED_BY_US:
            self._request(peer)
        if contact.state is ContactState.ACCEPTED:
            self._grant(peer)
        for item in self._store.outbox.waiting(peer, now=self._now()):
            message = decode(item.message)
            if isinstance(message, MissedCall):
                age = max(0, self._now() - item.created)
                message = MissedCall(call=message.call, age_s=age, note=message.note)
            self._send(peer, message)

    def channel_closed(self, peer: Identity) -> None:
        """The last channel to this person is closed."""
        self._here.discard(peer)
        self._cards.pop(peer, None)
        self._allow_pictures(peer)
        late = self._late_cards.pop(peer, None)
        if late is not None:
            self._show(peer, late)
        if self.get(peer) is not None:
            self._store.contacts.update(peer, last_seen=self._now())

    async def run(self) -> None:
        """Writes the cards that changed too often, one at a time, until cancelled."""
        while True:
            await self._card_late.wait()
            self._card_late = trio.Event()
            while self._late_cards:
                await trio.sleep(CARDS.interval)
                for peer in list(self._late_cards):
                    with contained("card"), self.history.tolerate():
                        self._show(peer, self._late_cards.pop(peer))

    def message(self, peer: Identity, message: Message) -> None:
        """Anything that is not about a call."""
        match message:
            case ContactRequest(note=note):
                self._requested(peer, note)
            case ContactAccepted():
                self._accepted(peer)
            case Grant(secret=secret):
                self._granted(peer, secret)
            case CardUpdate(card=card):
                self._seen(peer, card)
            case AskPicture(digest=digest):
                self._give_picture(peer, digest)
            case Picture(data=data):
                self._take_picture(peer, data)
            case MissedCall():
                self._missed(peer, message)
            case Received(ref=ref):
                self._confirmed(peer, ref)
            case _:
                log.debug("a message of type %s has no meaning here", type(message).__name__)

    def _granted(self, peer: Identity, secret: bytes) -> None:
        contact = self.get(peer)
        if contact is None or not self._grant_rate.allow(peer):
            return  # not confirmed: they say it again on another channel
        if contact.secret != secret:
            self._store.contacts.update(peer, secret=secret)
        self._send(peer, Received(ref=grant_ref(secret)))

    def _seen(self, peer: Identity, card: Card) -> None:
        contact, card = self.get(peer), clean_card(card)
        if contact is None or contact.state is ContactState.BLOCKED:
            self._cards[peer] = card
        elif card == contact.card:
            self._late_cards.pop(peer, None)
            self._show(peer, card)
        elif peer in self._late_cards or not self._card_rate.allow(peer):
            self._late_cards[peer] = card
            self._card_late.set()
        else:
            self._show(peer, card)

    def _show(self, peer: Identity, card: Card) -> None:
        contact = self.get(peer)
        if contact is None or contact.state is ContactState.BLOCKED:
            return
        if card != contact.card:
            self._store.contacts.update(peer, card=card, last_seen=self._now())
            if contact.card.picture not in {None, card.picture}:
                self._forget_picture(contact.card.picture)
            self._hub.publish(CardChanged(identity=peer))
        elif self._now() - (contact.last_seen or 0) >= SEEN_SECONDS:
            self._store.contacts.update(peer, last_seen=self._now())
        self._want_picture(peer)

    # ── pictures ────────────────────────────────────────────────────────────────────────────────
    def _want_picture(self, peer: Identity) -> None:
        """Asks for the picture that a contact's card names. Those of strangers are not fetched."""
        contact = self.get(peer)
        if contact is None or contact.state is not ContactState.ACCEPTED:
            return
        digest = contact.card.picture
        if digest is not None and self.picture(digest) is None:
            self._send(peer, AskPicture(digest=digest))

    def _give_picture(self, peer: Identity, digest: bytes) -> None:
        # Once for each card that was sent: asking costs a peer nothing and us 24 kB.
        if self.card_for(peer).picture != digest or (peer, digest) in self._given:
            return
        data = self.picture(digest)
        if data is not None and self._send(peer, Picture(data=data)):
            self._given.add((peer, digest))

    def _allow_pictures(self, peer: Identity) -> None:
        """A card was sent to a person, or is about to be: they may ask again."""
        self._given = {given for given in self._given if given[0] != peer}

    def _take_picture(self, peer: Identity, data: bytes) -> None:
        contact = self.get(peer)
        if (
            contact is None
            or contact.state is not ContactState.ACCEPTED
            or contact.card.picture != digest_of(data)
            or self.picture(contact.card.picture) is not None
        ):
            return
        try:
            clean = clean_picture(data) == data
        except BadPicture:
            clean = False
        if not clean:
            log.info("a contact's picture was refused: it is none that we show")
            return
        with self.history.tolerate():
            self._store.pictures.keep(data)
            self._hub.publish(CardChanged(identity=peer))

    def _requested(self, peer: Identity, note: str | None) -> None:
        contact = self.get(peer)
        match contact.state if contact else None:
            case ContactState.ACCEPTED:
                self._tell_accepted(peer)  # they did not get it, or lost it
            case ContactState.REQUESTED_BY_US:
                self._befriend(peer)
                self._tell_accepted(peer)  # both asked: both agreed
            case ContactState.REQUESTED_BY_THEM | ContactState.BLOCKED:
                return
            case None:
                self._keep_request(peer, note)

    def _keep_request(self, peer: Identity, note: str | None) -> None:
        audience = self._audience_of(peer)
        label = self.codes.label_of(audience)
        card = self._cards.get(peer, Card())
        try:
            self._store.contacts.save(
                Contact(
                    identity=peer,
                    state=ContactState.REQUESTED_BY_THEM,
                    added=self._now(),
                    card=card,
                    via=label,
                    audience=audience,
                    last_seen=self._now(),
                )
            )
        except Rejected:
            log.info("a contact request is not kept: too many wait who came by the same code")
            return
        if note:
            self._their_notes[peer] = clean_text(note, MAX_NOTE_CHARS)
        self._hub.publish(
            ContactRequested(
                identity=peer,
                card_name=card.name,
                note=self._their_notes.get(peer),
                code=label,
            )
        )

    def _accepted(self, peer: Identity) -> None:
        contact = self.get(peer)
        if contact is None or contact.state is not ContactState.REQUESTED_BY_US:
            return
        self._befriend(peer)
        self._want_picture(peer)
        self._grant(peer)
        self.codes.refresh()
        self._hub.publish(ContactConfirmed(identity=peer, card_name=contact.card.name))

    def _tell_accepted(self, peer: Identity) -> None:
        self._send(peer, ContactAccepted())
        self._tell_card(peer)
        self._want_picture(peer)
        self._grant(peer)

    def _request(self, peer: Identity) -> None:
        self._send(peer, ContactRequest(note=self._notes.get(peer)))
        # With it goes what they need to tell us the answer when we are the one they look for.
        self._grant(peer)

    def _grant(self, peer: Identity) -> None:
        """Gives the current contacts secret to whoever has not confirmed it yet."""
        contact, current = self.get(peer), self.codes.contacts_audience()
        if contact is not None and contact.granted != current.id:
            self._send(peer, Grant(secret=current.secret, direct=current.direct))

    def _missed(self, peer: Identity, note: MissedCall) -> None:
        if self._store.calls.get(peer, note.call) is None:
            came_by = self.came_by(peer)
            if not self._may_note(peer, came_by):
                return  # not confirmed: an honest node tells it again on another channel
            text = clean_text(note.note, 4_000) if note.note else None
            self._store.calls.save(
                CallRecord(
                    call=note.call,
                    peer=peer,
                    outgoing=False,
                    started=self._now() - note.age_s,
                    ended=self._now() - note.age_s,
                    reason=EndReason.MISSED,
                    note=text,
                    seen=False,
                    came_by=came_by,
                )
            )
            code = None if came_by is None else self.codes.label_of(self._audience_of(peer))
            self._hub.publish(
                MissedCallNoted(identity=peer, age_s=note.age_s, note=text, code=code)
            )
        self._send(peer, Received(ref=note.call))

    def _may_note(self, peer: Identity, came_by: str | None) -> bool:
        if came_by is None:
            return self._note_rate.allow(peer)
        return self._strangers_note_rate.allow(peer) and self._code_rate.allow(came_by)

    def _confirmed(self, peer: Identity, ref: bytes) -> None:
        contact, current = self.get(peer), self.codes.contacts_audience()
        if ref != grant_ref(current.secret):
            self._store.outbox.delivered(peer, ref)
        elif contact is not None and contact.granted != current.id:
            self._store.contacts.update(peer, granted=current.id)
            self.codes.refresh()

    # ── what waits ──────────────────────────────────────────────────────────────────────────────
    def waiting_for(self) -> list[Identity]:
        """Everybody for whom something waits that a person wants told: requests of ours, notes."""
        asked = self._store.contacts.identities(ContactState.REQUESTED_BY_US)
        noted = self._store.outbox.peers(now=self._now())
        return list(dict.fromkeys([*asked, *noted]))

    def owed(self) -> list[Identity]:
        """Contacts who do not have the present secret: after a block, all of them."""
        return list(self._store.contacts.ungranted(self.codes.contacts_audience().id))

    def look_again(self) -> None:
        """The network is another one: whoever was not found may be found now."""
        self._new_duty.set()

    async def new_duty(self) -> None:
        """Waits until something new waits for somebody, or it is worth looking again."""
        await self._new_duty.wait()
        self._new_duty = trio.Event()

    # ── calls ─────────────────────────────────────────────────────────────────────────────────
    def busy(self) -> Busy:
        """What callers learn while we are in a call."""
        return self._store.settings.get(BUSY)

    def silent_for(self, peer: Identity) -> float | None:
        """Seconds since this person's node was last heard of, if it ever was."""
        contact = self.get(peer)
        seen = contact.last_seen if contact is not None else None
        return None if seen is None else max(0.0, self._now() - seen)

    def tidy(self) -> None:
        """Erases what waited too long to be told."""
        with self.history.tolerate():
            self._store.outbox.purge(now=self._now())

    def call_ended(self, call: Call, *, leave_note: bool) -> None:
        """Writes the history, and the outbox when the peer should learn of the call."""
        if call.reason is EndReason.SUPERSEDED:
            return
        came_by = self.came_by(call.peer)
        missed = not call.outgoing and call.answered is None
        if came_by is None or not missed or self._code_rate.allow(came_by):
            self.history.write(call, came_by)
        with contained("receipt"):
            self.on_ended(call)
        if leave_note and self.get(call.peer) is not None:
            now = self._now()
            note, expires = encode(MissedCall(call=call.id)), now + NOTE_DAYS * DAY
            with self.history.tolerate():
                self._store.outbox.add(call.peer, call.id, note, now=now, expires=expires)
            self._new_duty.set()


def grant_ref(secret: bytes) -> bytes:
    """What confirms a `Grant`: BLAKE2b-128 of the secret, which does not give it away."""
    return hashlib.blake2b(secret, digest_size=16).digest()

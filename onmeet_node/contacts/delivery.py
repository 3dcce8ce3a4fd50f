"""What waits for people, handed over once they are reached: requests, missed calls, secrets.

Somebody for whom something waits is looked for now and then, ever less often; once a channel is
open, `Contacts.channel_opened` hands everything over.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.admission import ContactDoorkeeper, NoteQuotas
from onmeet_node.contacts.codes import DAY
from onmeet_node.contacts.grants import SecretGrants
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.requests import ContactRequests
from onmeet_node.events import Hub, MissedCallNoted, NodeEvent
from onmeet_node.process.faults import alone, kept
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.wire.codec import decode, encode
from onmeet_node.protocol.wire.messages import CallId, MissedCall, Received
from onmeet_node.store import CallRecord, ContactState, Store
from onmeet_node.store.tolerance import WriteTolerance

NOTE_DAYS = 30
"""A missed call that could not be told in a month is no news."""
FIRST_SECONDS = 2.0
"""Soon: the first look may have come before the node had found its way in."""
LAST_SECONDS = 1800.0
"""Looked for every half an hour in the end: about 50 lookups a day for each person."""
OWED_SECONDS = 15.0
"""For each whom only the new secret waits for, whether they are found or not."""


class Delivery:
    """Hands people what waits for them, and takes what waited at theirs for us."""

    def __init__(
        self,
        store: Store,
        book: AddressBook,
        doorkeeper: ContactDoorkeeper,
        messenger: Messenger,
        requests: ContactRequests,
        grants: SecretGrants,
        quotas: NoteQuotas,
        hub: Hub[NodeEvent],
        writes: WriteTolerance,
        *,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._book = book
        self._doorkeeper = doorkeeper
        self._messenger = messenger
        self._requests = requests
        self._grants = grants
        self._quotas = quotas
        self._hub = hub
        self._writes = writes
        self._now = now
        self._new_duty = trio.Event()

    def hand_over(self, peer: Identity) -> None:
        """Sends what waits for this person over the open channels. Harmless when done twice."""
        contact = self._book.get(peer)
        if contact is None:
            return
        if self._requests.asks(contact):
            self._requests.send(peer)
        if contact.state is ContactState.ACCEPTED:
            self._grants.give(peer)
        for item in self._store.outbox.waiting(peer, now=self._now()):
            message = decode(item.message)
            if isinstance(message, MissedCall):
                age = max(0, self._now() - item.created)
                message = MissedCall(call=message.call, age_s=age, note=message.note)
            self._messenger.send(peer, message)

    def leave_note(self, peer: Identity, call: CallId) -> None:
        """Has somebody we know told, when they are reached, that we called in vain."""
        if self._book.get(peer) is None:
            return
        now = self._now()
        note, expires = encode(MissedCall(call=call)), now + NOTE_DAYS * DAY
        with self._writes.tolerate():
            self._store.outbox.add(peer, call, note, now=now, expires=expires)
        self.look_again()

    def confirmed(self, peer: Identity, ref: bytes) -> None:
        """Somebody has what waited for them."""
        if not self._grants.confirmed(peer, ref):
            self._store.outbox.delivered(peer, ref)

    def missed(self, peer: Identity, note: MissedCall) -> None:
        """Somebody tells that they called in vain."""
        if self._store.calls.get(peer, note.call) is None:
            came_by = self._doorkeeper.came_by(peer)
            if not self._quotas.may_tell(peer, came_by):
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
            code = None if came_by is None else self._doorkeeper.code_of(peer)
            self._hub.publish(
                MissedCallNoted(identity=peer, age_s=note.age_s, note=text, code=code)
            )
        self._messenger.send(peer, Received(ref=note.call))

    # ── what waits (run_delivery asks) ──────────────────────────────────────────────────────────
    def waiting_for(self) -> list[Identity]:
        """Everybody for whom something waits that a person wants told: requests of ours, notes."""
        asked = self._requests.waiting()
        noted = self._store.outbox.peers(now=self._now())
        return list(dict.fromkeys([*asked, *noted]))

    def owed(self) -> list[Identity]:
        """Contacts who do not have the present secret: after a block, all of them."""
        return self._grants.owed()

    def tidy(self) -> None:
        """Erases what waited too long to be told."""
        with self._writes.tolerate():
            self._store.outbox.purge(now=self._now())

    def look_again(self) -> None:
        """Something new waits for somebody, or the network is another one: who was not found may
        be found now.
        """
        self._new_duty.set()

    async def new_duty(self) -> None:
        """Waits until something new waits for somebody, or it is worth looking again."""
        await self._new_duty.wait()
        self._new_duty = trio.Event()


async def run_delivery(delivery: Delivery, find: Callable[[Identity], Awaitable[bool]]) -> None:
    """Looks for everybody for whom something waits until cancelled."""
    tell_news, news = trio.open_memory_channel[None](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept, "duties", _pay, delivery, find, news)
        await _deliver(delivery, find, tell_news)


async def _pay(
    delivery: Delivery,
    find: Callable[[Identity], Awaitable[bool]],
    news: trio.MemoryReceiveChannel[None],
) -> None:
    """The new secret, to one after the other: there may be a thousand, and they find us meanwhile
    by a record of their own.
    """
    while True:
        for peer in delivery.owed():
            with trio.move_on_after(_jittered(OWED_SECONDS)):
                await alone("duty", find, peer)
                await trio.sleep_forever()
        with trio.move_on_after(_jittered(LAST_SECONDS)):
            await news.receive()


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


async def _deliver(
    delivery: Delivery,
    find: Callable[[Identity], Awaitable[bool]],
    tell_news: trio.MemorySendChannel[None],
) -> None:
    pause = FIRST_SECONDS
    while True:
        delivery.tidy()
        waiting = delivery.waiting_for()
        for peer in waiting:
            await alone("duty", find, peer)
        with trio.move_on_after(_jittered(pause)) as rest:
            await delivery.new_duty()
        if rest.cancelled_caught:
            pause = min(pause * 2, LAST_SECONDS)
        else:
            pause = FIRST_SECONDS
            with suppress(trio.WouldBlock):  # it has not looked since the last one
                tell_news.send_nowait(None)

"""What the calls of a node are told of its people, and where they are written down."""

from __future__ import annotations

from collections.abc import Callable

from onmeet_node.calls.call import Call
from onmeet_node.calls.history import History
from onmeet_node.calls.receipts import ReceiptCollector
from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.admission import ContactDoorkeeper, NoteQuotas
from onmeet_node.contacts.delivery import Delivery
from onmeet_node.process.faults import contained
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.store import Store
from onmeet_node.store.contacts import ContactState
from onmeet_node.store.settings import BUSY


class NodeLedger:
    """The `CallLedger` of a node's own calls."""

    def __init__(
        self,
        store: Store,
        book: AddressBook,
        doorkeeper: ContactDoorkeeper,
        quotas: NoteQuotas,
        delivery: Delivery,
        history: History,
        receipts: ReceiptCollector,
        *,
        now: Callable[[], int],
    ) -> None:
        self._settings = store.settings
        self._book = book
        self._doorkeeper = doorkeeper
        self._quotas = quotas
        self._delivery = delivery
        self._history = history
        self._receipts = receipts
        self._now = now

    def name_of(self, peer: Identity) -> str:
        """See `AddressBook.name_of`."""
        return self._book.name_of(peer)

    def busy(self) -> Busy:
        """What callers learn while we are in a call."""
        return self._settings.get(BUSY)

    def silent_for(self, peer: Identity) -> float | None:
        """Seconds since this person's node was last heard of, if it ever was."""
        contact = self._book.get(peer)
        seen = contact.last_seen if contact is not None else None
        return None if seen is None else max(0.0, self._now() - seen)

    def asks_to_compare(self, peer: Identity) -> bool:
        """In the first call that has a string, with a contact that is not verified."""
        contact = self._book.get(peer)
        if contact is None or contact.state is not ContactState.ACCEPTED or contact.verified:
            return False
        return not self._history.authenticated(peer)

    def string_agreed(self, peer: Identity) -> None:
        """Marks a contact as verified."""
        self._book.mark_verified(peer)

    def call_ended(self, call: Call, *, leave_note: bool) -> None:
        """Writes the history, and the outbox when the peer should learn of the call."""
        if call.reason is EndReason.SUPERSEDED:
            return
        came_by = self._doorkeeper.came_by(call.peer)
        missed = not call.outgoing and call.answered is None
        if came_by is None or not missed or self._quotas.may_ring(came_by):
            self._history.write(call, came_by)
        with contained("receipt"):
            self._receipts.ended(call)
        if leave_note:
            self._delivery.leave_note(call.peer, call.id)

"""How people are found: the secrets of their records, and where their devices were lately."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.code import ContactCode
from onmeet_node.protocol.identity.person_keys import PersonKeys
from onmeet_node.protocol.identity.record import Presence
from onmeet_node.store import ContactState, KnownDevice, Store
from onmeet_node.store.tolerance import WriteTolerance

PRESENCE_SECONDS = 6 * 3600
"""How long an address is worth dialling before the DHT has answered: one epoch."""


class PeerLocator:
    """What is known of where people are."""

    def __init__(
        self,
        store: Store,
        keys: PersonKeys,
        writes: WriteTolerance,
        *,
        now: Callable[[], int],
        hints: Callable[[Iterable[str]], None],
    ) -> None:
        """`hints` is given the bootstraps that a code names; `now` is Unix seconds."""
        self._contacts = store.contacts
        self._audiences = store.audiences
        self._keys = keys
        self._writes = writes
        self._now = now
        self._hints = hints
        self._strangers: dict[Identity, bytes] = {}
        """Secrets of codes by which somebody may be found, until the node stops."""

    def meet(self, code: ContactCode) -> Identity:
        """Remembers, until the node stops, how to find somebody by a code alone."""
        peer = Identity(code.identity)
        self._strangers[peer] = code.secret
        self._hints(code.bootstraps)
        return peer

    def forget(self, peer: Identity) -> None:
        """They are not found by the code that was met."""
        self._strangers.pop(peer, None)

    def secrets_of(self, peer: Identity) -> tuple[bytes, ...]:
        """Audience secrets under which this person's record may be found, likeliest first."""
        if peer == self._keys.public:
            mine = self._audiences.contacts(now=self._now())
            return (mine.secret,) if mine is not None else ()
        contact = self._contacts.get(peer)
        # A code that was just typed is newer than what a contact once gave us.
        known = [self._strangers[peer]] if peer in self._strangers else []
        known += [contact.secret] if contact and contact.secret else []
        if contact is not None and contact.state is ContactState.ACCEPTED:
            pair = self._keys.pair_secret(peer)
            known += [pair] if pair is not None else []
        return tuple(dict.fromkeys(known))

    def seen_at(self, peer: Identity) -> tuple[Presence, ...]:
        """Where this person's devices were lately."""
        return tuple(
            Presence(peer_id=known.device, addresses=known.addresses, key=known.key)
            for known in self._contacts.devices(peer, now=self._now())
        )

    def remember(self, peer: Identity, presences: Iterable[Presence]) -> None:
        """Keeps where a contact's devices are."""
        with self._writes.tolerate():
            self._contacts.remember_devices(
                peer,
                [
                    KnownDevice(
                        Device(presence.peer_id),
                        (*presence.addresses, *presence.relays),
                        self._now() + PRESENCE_SECONDS,
                        presence.key,
                    )
                    for presence in presences
                ],
            )

"""Phones: the calls of several people, joined by messages in memory that take time.

Each is a real `CallRunner`; what carries its messages, keeps its calls and has its media is fake.
Held against the real thing by tests/node/test_calls.py, where the same calls go between nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.runner import CallRunner
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.media.endpoint import MediaEndpoint, SessionConfig
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.node_calls import Busy, NodeCalls
from onmeet_node.protocol.wire.codec import decode, encode
from onmeet_node.protocol.wire.messages import CallMessage, Kind
from onmeet_node.protocol.wire.vocabulary import CAPABILITIES
from onmeet_node.testing.media import FakeEndpoint

DELAY = 0.02
BOTH = frozenset(Kind)


class FakeSetup:
    """A `MediaSetup`: every call has its media at one fake endpoint."""

    def __init__(self) -> None:
        self.media = FakeEndpoint()

    async def endpoint(self, call: Call) -> MediaEndpoint:
        await trio.lowlevel.checkpoint()
        return self.media

    async def session(self, call: Call, kinds: frozenset[Kind]) -> SessionConfig:
        await trio.lowlevel.checkpoint()
        wish = call.wish
        return SessionConfig(
            kinds, call=call.id, room=wish.room, carry=wish.carry, relay_only=wish.relay_only
        )

    def region_of(self, url: str) -> str | None:
        return None


@dataclass
class FakeLedger:
    """A `CallLedger`: `ended` are the calls that are over, and whether a note is left of each."""

    ended: list[tuple[Call, bool]] = field(default_factory=list)
    agreed: list[Identity] = field(default_factory=list)
    """Who is verified, by what both people said."""

    def name_of(self, peer: Identity) -> str:
        return peer.decode("ascii", "replace").strip(".")

    def busy(self) -> Busy:
        return Busy.TELL

    def silent_for(self, peer: Identity) -> float | None:
        return None

    def asks_to_compare(self, peer: Identity) -> bool:
        return peer not in self.agreed

    def string_agreed(self, peer: Identity) -> None:
        self.agreed.append(peer)

    def call_ended(self, call: Call, *, leave_note: bool) -> None:
        self.ended.append((call, leave_note))

    @property
    def reasons(self) -> list[EndReason | None]:
        return [call.reason for call, _ in self.ended]


class Phone:
    """One person's, a `CallTransport` of its own."""

    def __init__(self, phones: Phones, name: str) -> None:
        self.identity = Identity(name.encode().ljust(32, b"."))
        self.device = Device(name)
        self.setup = FakeSetup()
        self.media = self.setup.media
        self.ledger = FakeLedger()
        self.kept: Counter[Identity] = Counter()
        """Whose channels are watched closely."""
        self.searches = 0
        self.caps = frozenset(map(str, CAPABILITIES))
        """What its sealed `hello` names."""
        self.hub: Hub[NodeEvent] = Hub()
        self._phones = phones
        self.runner = CallRunner(
            NodeCalls(self.identity), self, self.setup, self.ledger, self.hub, phones.nursery
        )
        phones.nursery.start_soon(self.runner.run_timers)

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(self.runner.calls)

    def dial(self, other: Phone, kinds: frozenset[Kind] = BOTH) -> Call:
        return self.runner.dial(other.identity, kinds, CallOptions())

    # ── CallTransport ───────────────────────────────────────────────────────────────────────────
    async def find(
        self,
        peer: Identity,
        found: Callable[[Device], None],
        *,
        unanswered: Callable[[], bool] = lambda: False,
    ) -> None:
        self.searches += 1
        await trio.sleep(DELAY)
        other = self._phones.people[peer]
        if self._phones.joined(self, other):
            found(other.device)

    def send(self, peer: Identity, device: Device, message: CallMessage) -> bool:
        other = self._phones.people[peer]
        if not self._phones.joined(self, other):
            return False
        self._phones.carry(self, other, message)
        return True

    def capabilities(self, peer: Identity, device: Device) -> frozenset[str] | None:
        other = self._phones.people[peer]
        return other.caps if self._phones.joined(self, other) else None

    def early_media(self, peer: Identity) -> bool:
        return True

    @contextmanager
    def keep(self, peer: Identity) -> Iterator[None]:
        self.kept[peer] += 1
        try:
            yield
        finally:
            self.kept[peer] -= 1

    def binding(self, peer: Identity) -> bytes:
        return b"".join(sorted((self.identity, peer)))

    def alone(self) -> bool:
        return False


class Phones:
    """All phones, and what is between them."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.people: dict[Identity, Phone] = {}
        self._cut: set[Identity] = set()
        self._deaf: set[Identity] = set()

    def add(self, name: str) -> Phone:
        phone = Phone(self, name)
        self.people[phone.identity] = phone
        return phone

    def joined(self, one: Phone, other: Phone) -> bool:
        """Whether a channel between them is open, or can be."""
        return not {one.identity, other.identity} & self._cut

    def carry(self, sender: Phone, to: Phone, message: CallMessage) -> None:
        sent = encode(message)
        self.nursery.start_soon(self._arrive, sender, to, sent)

    async def _arrive(self, sender: Phone, to: Phone, sent: bytes) -> None:
        await trio.sleep(DELAY)
        if self.joined(sender, to) and to.identity not in self._deaf:
            to.runner.message(sender.identity, sender.device, decode(sent))  # type: ignore[arg-type]

    def cut(self, phone: Phone) -> None:
        """Its channels break, and it is found no more."""
        self._cut.add(phone.identity)
        for other in self.people.values():
            if other is not phone:
                phone.runner.device_lost(other.identity, other.device)
                other.runner.device_lost(phone.identity, phone.device)

    def deafen(self, phone: Phone) -> None:
        """It is found, and what is sent to it arrives nowhere."""
        self._deaf.add(phone.identity)

    def mend(self, phone: Phone) -> None:
        """It is found again."""
        self._cut.discard(phone.identity)

"""Finding people and being found: presence records in the DHT (PROTOCOL, "Publishing and finding").

A lookup happens when somebody asks for a person; nothing here polls. What is published, and when,
is the publisher's part.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import trio

from onmeet_node.net.errors import NetError
from onmeet_node.net.presence.interfaces import NoList, OwnList, Records
from onmeet_node.net.presence.publisher import Audiences, PresenceFor, Publisher
from onmeet_node.process.faults import alone
from onmeet_node.process.work import WORK
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.blinding import epoch_at
from onmeet_node.protocol.identity.person_keys import PersonKeys
from onmeet_node.protocol.identity.record import Listing, Presence, open_listing, record_key
from onmeet_node.protocol.wire.errors import RecordError

NEIGHBOUR_SECONDS = 0.3
"""How long a record of a neighbouring epoch waits for the current one before it is believed."""


class Rendezvous:
    """Publishes where this node is, and looks up where others are.

    `clock` gives Unix seconds. All but `resolve` need a publisher that runs.
    """

    def __init__(
        self,
        records: Records,
        keys: PersonKeys,
        own: OwnList | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._clock = clock
        self._publisher = Publisher(records, keys, own or NoList(), clock=clock)

    @property
    def published(self) -> trio.Event:
        """Set once the record of every live audience was read back from elsewhere."""
        return self._publisher.published

    async def settled(self) -> None:
        """Wait until what `refresh` announced is published as well."""
        await self._publisher.settled()

    def refresh(self) -> None:
        """Audiences or addresses changed, or the network is back: look at once."""
        self._publisher.refresh()

    def renew(self) -> None:
        """Whoever kept our records may have lost them: put them all again."""
        self._publisher.renew()

    async def run(self, audiences: Audiences, presence: PresenceFor) -> None:
        """Keep this node's records published until cancelled. See `Publisher.run`."""
        await self._publisher.run(audiences, presence)

    async def withdraw(self) -> None:
        """Take this device out of its records. See `Publisher.withdraw`."""
        await self._publisher.withdraw()

    async def resolve(self, identity: Identity, secret: bytes) -> tuple[Presence, ...]:
        """Where this person's devices are, the one seen last first: see `look_up`."""
        return (await self.look_up(identity, secret)).presences

    async def look_up(self, identity: Identity, secret: bytes) -> Listing:
        """What the person's record says; nothing if there is none.

        Asks for the current epoch and its neighbours at once, since clocks differ. Raises NetError
        if none of them could be asked for, IdentityError if `identity` is no valid key.
        """
        WORK.lookups += 1
        now = int(self._clock())
        current = epoch_at(now)
        keys = {
            epoch: record_key(identity, secret, epoch)
            for epoch in (current, current - 1, current + 1)
            if epoch >= 0
        }
        hits: list[Listing] = []
        failures: list[NetError] = []

        async def look(epoch: int, key: str, enough: trio.CancelScope) -> None:
            try:
                value = await self._records.get(key)
                if value is None:
                    return
                WORK.records_verified += 1
                found = open_listing(identity, secret, epoch, value, now=now)
            except NetError as error:
                failures.append(error)
                return
            except RecordError:
                return
            if found.presences:
                hits.append(found)
                wait = 0.0 if epoch == current else NEIGHBOUR_SECONDS
                enough.deadline = min(enough.deadline, trio.current_time() + wait)

        async with trio.open_nursery() as nursery:
            for epoch, key in keys.items():
                nursery.start_soon(alone, "DHT record", look, epoch, key, nursery.cancel_scope)
        if len(failures) == len(keys):
            raise failures[0]
        return max(hits, key=lambda found: found.presences[0].seen_at, default=Listing())

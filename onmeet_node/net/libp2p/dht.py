"""Putting and getting records in the DHT, so that success means what it says.

py-libp2p's own `put_value` never fails and its `get_value` prefers a stale local
copy; both sign every record with the PeerId, which would tie all records of a
node together. So lookups and stores are made here, over the library's messages.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio
from libp2p.kad_dht.kad_dht import KadDHT
from libp2p.kad_dht.pb.kademlia_pb2 import Record
from libp2p.kad_dht.utils import sort_peer_ids_by_distance
from libp2p.peer.id import ID
from libp2p.records.record import make_put_record, make_signed_put_record
from libp2p.records.validator import Validator

from onmeet_node.net.errors import BadDhtKey, PutFailed
from onmeet_node.net.libp2p import patches
from onmeet_node.net.libp2p.config import HostConfig, RecordRules
from onmeet_node.net.libp2p.dht_role import DhtRole
from onmeet_node.net.libp2p.library_calls import LibraryCalls
from onmeet_node.net.libp2p.patches import KAD_PROTOCOL
from onmeet_node.net.libp2p.record_store import RecordStore
from onmeet_node.process.faults import contained

MAX_KEY_BYTES = 50
"""FIND_NODE servers reset longer keys, so only part of the network would ever see them."""
REPLICAS = 20
"""k of Kademlia: how many of the closest peers store and are asked for a record."""
FEW = 2
"""With fewer peers in the routing table, connected ones that serve the DHT are asked, too."""
PARALLEL = 10
"""Peers asked at once, as in the library."""
MAX_ASKED = 200
"""Peers asked in one lookup. An honest one asks some forty; whoever answers with invented peers, 20
at a time as all servers, would else keep it going for as long as it likes."""
ASK_LIMIT = 10.0
"""Seconds one peer may take to answer before it counts as gone."""
GRACE = 0.25
"""Seconds to wait for a newer record after the first one, at least; peers that
are gone would otherwise hold up every lookup for ASK_LIMIT."""


PUT_GRACE = 1.0
"""Seconds to wait for more confirmations after the first one; the rest go on in the background.
Peers that cannot be reached would otherwise hold up every record for ASK_LIMIT."""

PURGE_EVERY = 300.0
"""Seconds between looks for records that have expired."""


class _LibraryValidator(Validator):
    """The same rules as the library asks for them, as a server."""

    def __init__(self, rules: RecordRules) -> None:
        self._rules = rules

    def validate(self, key: str, value: bytes) -> None:
        """Raise if `value` may not be stored under `key` now."""
        self._rules.verify(key, value, int(time.time()))

    def select(self, key: str, values: list[bytes]) -> int:  # noqa: ARG002
        """Index of the newest."""
        return self._rules.select(values)


@dataclass
class _Lookup:
    """How far one iterative lookup has come."""

    found: list[bytes] = field(default_factory=list)
    asked: set[ID] = field(default_factory=set)
    waiting: list[ID] = field(default_factory=list)
    answered: list[ID] = field(default_factory=list)
    running: int = 0
    changed: trio.Event = field(default_factory=trio.Event)

    def notify(self) -> None:
        self.changed.set()
        self.changed = trio.Event()


class Dht:
    """The put and get half of a host."""

    def __init__(
        self,
        kad: KadDHT,
        calls: LibraryCalls,
        config: HostConfig,
        role: DhtRole,
        entered: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`entered`: connected peers by whom we joined, bootstraps above all.

        They hold every record of ours and are always asked: who is relay-only speaks to no other
        server, and is found by those who share a bootstrap with them.
        """
        self._kad = kad
        self._entered = entered
        self._exposure = config.exposure
        self._calls = calls
        self._rules = config.rules
        self._remedies = config.remedies
        self._role = role
        self._prefix = f"/{config.namespace}/"
        if config.remedies.own_record_store:
            patches.check_instance(kad.value_store, patches.VALUE_STORE_NEEDS)
            kad.value_store.store = RecordStore()
            kad.value_store._evict_if_full = lambda: None  # type: ignore[method-assign]
        kad.register_validator(config.namespace, _LibraryValidator(self._rules))

    def peers(self) -> tuple[str, ...]:
        """The peers of the routing table: those a lookup starts from."""
        return tuple(str(peer) for peer in self._kad.routing_table.get_peer_ids())

    async def put(self, key: str, value: bytes) -> int:
        """Store a record on the peers closest to its key; return how many of them hold it now.

        A peer counts only after confirming; those that take long may confirm after the
        return. With nobody to ask the record is kept here alone, if this host is a
        server, and the result is 0.

        Raises BadKey, PutFailed (peers were asked, none stored it), or what the
        namespace's rules raise for a record that no peer would accept.
        """
        self._check(key)
        self._rules.verify(key, value, int(time.time()))
        return await self._calls.call(self._put, key.encode(), value)

    async def _put(self, key: bytes, value: bytes) -> int:
        if self._remedies.anonymous_records:
            record = make_put_record(key, value)
        else:
            record = make_signed_put_record(key, value, self._kad.host.get_private_key())
        if self._role.server:
            self._keep(key, record)
        peers = await self._keepers(key)
        stored, left = 0, len(peers)
        limiter = trio.CapacityLimiter(PARALLEL)
        first, done = trio.Event(), trio.Event()

        async def store(peer: ID) -> None:
            nonlocal stored, left
            try:
                async with limiter:
                    with trio.move_on_after(ASK_LIMIT):
                        if await self._kad.value_store._store_at_peer(peer, key, value, record):
                            stored += 1
                            first.set()
            finally:
                left -= 1
                if not left:
                    first.set()
                    done.set()

        for peer in peers:
            self._calls.spawn(store, peer)
        if peers:
            await first.wait()
            with trio.move_on_after(PUT_GRACE):
                await done.wait()
            if not stored:
                raise PutFailed(key.decode(), len(peers))
        return stored

    async def _keepers(self, key: bytes) -> list[ID]:
        """Who shall hold the record under a key."""
        entrances = self._entrances()
        if self._hidden():
            return entrances
        closest = await self._kad.peer_routing.find_closest_peers_network(key)
        others = [peer for peer in closest if peer != self._kad.local_peer_id][:REPLICAS]
        return list(dict.fromkeys((*others, *entrances)))

    def _hidden(self) -> bool:
        return self._exposure is not None and self._exposure.relay_only()

    def _entrances(self) -> list[ID]:
        return [
            ID.from_string(peer)
            for peer in self._entered()
            if self._exposure is None or self._exposure.sees_us(peer)
        ]

    def _keep(self, key: bytes, record: Record) -> None:
        held = self._kad.value_store.get(key)
        if held is None or self._rules.select([held.value, record.value]) == 1:
            self._kad.value_store.put_record(key, record)

    async def get(self, key: str) -> bytes | None:
        """The newest valid record under `key` in the network, or None if nobody has one.

        Asks the closest peers, and never answers from a copy held here without
        asking. Records that the rules refuse are passed over. Raises BadKey.
        """
        self._check(key)
        return await self._calls.call(self._get, key)

    async def _get(self, key: str) -> bytes | None:
        raw = key.encode()
        lookup = _Lookup()
        held = self._kad.value_store.get(raw)
        if held is not None and self._valid(key, held.value):
            lookup.found.append(held.value)
            if not self._remedies.ask_network:
                return held.value
        await self._walk(key, lookup)
        return lookup.found[self._rules.select(lookup.found)] if lookup.found else None

    async def _walk(self, key: str, lookup: _Lookup) -> None:
        """Ask closer and closer peers: all of them, or until GRACE after a record."""
        raw = key.encode()
        lookup.waiting = self._starting_points(raw)
        began = trio.current_time()
        deadline = math.inf
        before = len(lookup.found)
        while lookup.waiting or lookup.running:
            while lookup.waiting and lookup.running < PARALLEL:
                peer = lookup.waiting.pop(0)
                if not self._worth_asking(raw, peer, lookup):
                    continue
                lookup.asked.add(peer)
                lookup.running += 1
                self._calls.spawn(self._ask, key, peer, lookup)
            if not lookup.running:
                break
            with trio.move_on_at(deadline) as grace:
                await lookup.changed.wait()
            if grace.cancelled_caught:
                break
            if deadline == math.inf and len(lookup.found) > before:
                took = trio.current_time() - began
                deadline = trio.current_time() + max(GRACE, took)

    def _starting_points(self, raw: bytes) -> list[ID]:
        entrances = self._entrances()
        if self._hidden():
            return entrances
        nearest: list[ID] = self._kad.routing_table.find_local_closest_peers(raw, REPLICAS)
        if len(nearest) < FEW:
            # The table of a client may name its bootstrap alone, which may have just gone.
            nearest = [*nearest, *filter(self._serves, self._kad.host.get_connected_peers())]
        nearest = sort_peer_ids_by_distance(
            raw, [peer for peer in dict.fromkeys(nearest) if peer != self._kad.local_peer_id]
        )
        return list(dict.fromkeys((*entrances, *nearest)))

    def _serves(self, peer: ID) -> bool:
        """Whether a connected peer said that it serves the DHT.

        Others, contacts' devices above all, have no answer, and need not know what is looked for.
        """
        store = self._kad.host.get_peerstore()
        return peer in store.peer_ids() and KAD_PROTOCOL in store.get_protocols(peer)

    @staticmethod
    def _worth_asking(raw: bytes, peer: ID, lookup: _Lookup) -> bool:
        if peer in lookup.asked or len(lookup.asked) >= MAX_ASKED:
            return False
        if len(lookup.answered) < REPLICAS:
            return True
        nearest = sort_peer_ids_by_distance(raw, [*lookup.answered, peer])
        return nearest.index(peer) < REPLICAS

    async def _ask(self, key: str, peer: ID, lookup: _Lookup) -> None:
        raw = key.encode()
        try:
            with trio.move_on_after(ASK_LIMIT):
                answer = await self._kad.value_store._get_from_peer(
                    peer, raw, return_record=True, return_closer_peers=True
                )
                if not isinstance(answer, tuple):
                    return
                record, closer = answer
                lookup.answered.append(peer)
                if isinstance(record, Record) and self._valid(key, record.value):
                    lookup.found.append(record.value)
                named = () if self._hidden() else closer[:REPLICAS]
                fresh = [
                    peer
                    for peer in dict.fromkeys((*lookup.waiting, *named))
                    if peer not in lookup.asked
                ]
                lookup.waiting = sort_peer_ids_by_distance(raw, fresh)
        finally:
            lookup.running -= 1
            lookup.notify()

    def _valid(self, key: str, value: bytes) -> bool:
        try:
            self._rules.verify(key, value, int(time.time()))
        except Exception:  # noqa: BLE001 - rules raise what they like for a bad record
            return False
        return True

    async def purge(self) -> None:
        """Drop the records that have become invalid, every PURGE_EVERY seconds, for ever.

        The library keeps a record for a day, whatever the record says.
        """
        while True:
            await trio.sleep(PURGE_EVERY)
            with contained("DHT record"):
                self.purge_now()

    def purge_now(self) -> None:
        """Drop the records held here that have become invalid."""
        for key, (record, _) in list(self._kad.value_store.store.items()):
            if not self._valid(key.decode(errors="replace"), record.value):
                self._kad.value_store.remove(key)

    def _check(self, key: str) -> None:
        if not key.startswith(self._prefix):
            raise BadDhtKey(key, f"it must begin with {self._prefix}")
        if self._remedies.check_keys and len(key.encode()) > MAX_KEY_BYTES:
            raise BadDhtKey(key, f"it is longer than {MAX_KEY_BYTES} bytes")

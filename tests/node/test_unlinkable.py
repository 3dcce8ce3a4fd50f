"""What a DHT node that logs everything has in hand, over real hosts (PROTOCOL, "Key blinding").

The pure test of the records themselves is `tests/protocol/identity/test_record.py`; here a server
keeps whatever arrives, as a curious operator would.
"""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator, Sequence

import pytest
import trio

from onmeet_node.net.libp2p.config import PresenceRules
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.presence.rendezvous import Rendezvous
from onmeet_node.protocol.identity.audience import Audience
from onmeet_node.protocol.identity.blinding import EPOCH_SECONDS, epoch_at
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.person_keys import HeldKeys
from onmeet_node.protocol.identity.record import Presence, pack_address, pack_peer_id, record_key
from onmeet_node.protocol.wire import record
from tests.node.conftest import until

pytestmark = pytest.mark.real

KEY = IdentityKey.from_seed(b"a" * 32)
AUDIENCE = Audience("friends", b"s" * 16, direct=True)
BEFORE_EPOCH = 600
"""Seconds before the next epoch begins: the records of both are out then."""


class CuriousRules:
    """The rules of every DHT server, at a time of the test's choosing; keeps all it is shown."""

    def __init__(self, lead: float) -> None:
        self.seen: dict[str, set[bytes]] = {}
        self._lead = lead
        self._rules = PresenceRules()

    def clock(self) -> float:
        return time.time() + self._lead

    def verify(self, key: str, value: bytes, now: int) -> None:
        self._rules.verify(key, value, now + int(self._lead))
        self.seen.setdefault(key, set()).add(value)

    def select(self, values: Sequence[bytes]) -> int:
        return self._rules.select(values)


@contextlib.asynccontextmanager
async def host(rules: CuriousRules, *, server: bool) -> AsyncIterator[Host]:
    listen = ("/ip4/127.0.0.1/tcp/0",)
    async with open_host(HostConfig(listen=listen, server=server, rules=rules)) as opened:
        yield opened


def runs(value: bytes, size: int = 6) -> set[bytes]:
    # Of six bytes: two records of random bytes share one once in 10^8 times.
    return {value[at : at + size] for at in range(len(value) - size + 1)}


async def test_a_server_that_keeps_everything_cannot_link_two_epochs_or_find_anybody() -> None:
    left = EPOCH_SECONDS - time.time() % EPOCH_SECONDS
    lead = left - BEFORE_EPOCH
    server_rules, own_rules = CuriousRules(lead), CuriousRules(lead)
    async with host(server_rules, server=True) as server, host(own_rules, server=False) as node:
        await node.join(server.addresses)
        rendezvous = Rendezvous(node, HeldKeys(KEY), clock=own_rules.clock)
        presence = Presence(node.peer_id, addresses=node.addresses, caps=("chat", "video"))
        epoch = epoch_at(int(own_rules.clock()))
        keys = [record_key(KEY.public, AUDIENCE.secret, number) for number in (epoch, epoch + 1)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rendezvous.run, lambda: [AUDIENCE], lambda _: presence)
            await until(lambda: set(keys) <= set(server_rules.seen), "the records of two epochs")
            assert await rendezvous.resolve(KEY.public, AUDIENCE.secret)  # they say where it is
            nursery.cancel_scope.cancel()
    assert set(server_rules.seen) == set(keys)
    held = [server_rules.seen[key] for key in keys]
    assert {len(value) for values in held for value in values} == {
        record.MAX_RECORD_BYTES - record.MAX_BODY_BYTES + 812
    }
    _assert_nothing_in_common(*held)
    for value in held[0] | held[1]:
        _assert_nobody_in(value, presence)


def _assert_nothing_in_common(first: set[bytes], second: set[bytes]) -> None:
    """But the version and the dates, which every record of that hour has."""
    mine, next_ones = ({run for v in values for run in _undated(v)} for values in (first, second))
    assert not mine & next_ones


def _undated(value: bytes) -> set[bytes]:
    one = record.decode(value)
    return runs(one.public) | runs(one.body) | runs(one.signature)


def _assert_nobody_in(value: bytes, presence: Presence) -> None:
    (address,) = presence.addresses
    port = address.split("/")[4]
    hidden = {
        "identity": [KEY.public, KEY.public.hex().encode()],
        "secret": [AUDIENCE.secret],
        "label": [AUDIENCE.label.encode()],
        "PeerId": [pack_peer_id(presence.peer_id), presence.peer_id.encode()],
        "address": [ipaddress.ip_address("127.0.0.1").packed, b"127.0.0.1", port.encode()],
        "multiaddr": [pack_address(f"/ip4/127.0.0.1/tcp/{port}")],
        "capabilities": [b"chat", b"video"],
    }
    for what, forms in hidden.items():
        for form in forms:
            assert form not in value, what

"""Everything hostile that is known, at a steady rate, against one bootstrap, until killed.

    python -m tests.soak.attackers half-open|rest OWN_ADDRESS GATEWAY_HOST GATEWAY_PORT MULTIADDR …

The first multiaddr is a TCP one, the second a WebSocket. Half-open connections come from a machine
of their own: they would push out the rest. Says "attacking" when all kinds have begun, and every
few seconds how many of each were made.
"""

from __future__ import annotations

import json
import random
import secrets
import ssl
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import trio
from libp2p.io.exceptions import IOException

from onmeet_node.joining.line import DoorClosed, open_line
from onmeet_node.net.bootstraps.requests import ask
from onmeet_node.net.errors import NetError
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.relay.client import RelayClient
from onmeet_node.protocol.identity.blinding import epoch_at
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.record import seal_record
from onmeet_node.protocol.wire.bootstrap_api import LendTurn, TurnCredentials
from onmeet_node.protocol.wire.link import make_link
from tests.bootstrap import hostile
from tests.fakes import raw_peer
from tests.net import odd_http
from tests.net.test_hostile_libp2p import INPUTS
from tests.net.test_hostile_libp2p import mutated as mutated_bytes

TELL_SECONDS = 2.0
FLOOD_SECONDS = 20.0
"""After which a flood begins anew, with new PeerIds."""
WEB_PAUSE, LIBP2P_PAUSE, ASK_PAUSE, PUT_PAUSE, DOOR_PAUSE = 0.2, 0.2, 0.2, 0.2, 0.5
_CUT_OFF = (trio.BrokenResourceError, trio.ClosedResourceError, IOException)

Attack = Callable[[], Awaitable[object]]


class Attackers:
    """All of them, each kind in a task of its own."""

    def __init__(self, own: str, gateway: tuple[str, int], addresses: Sequence[str]) -> None:
        self.made: Counter[str] = Counter()
        self._own = own
        self._gateway = gateway
        self._addresses = addresses
        self._host, self._peer = addresses[0].split("/")[2], addresses[0].rpartition("/")[2]
        self._tcp, self._ws = (int(address.split("/")[4]) for address in addresses[:2])
        self._chance = random.Random(1)
        self._trust = ssl.create_default_context()
        where = "{}:{}".format(*gateway).encode()
        self._web_inputs = list(odd_http.odd_inputs(where, b"/door").values())

    async def run(self, kind: str) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell)
            if kind == "half-open":
                await hostile.half_open(self._tcp, self._host, self._own)
            for name, pause, attack in (
                ("web", WEB_PAUSE, self._web),
                ("libp2p", LIBP2P_PAUSE, self._libp2p),
                ("doors", DOOR_PAUSE, self._doors),
            ):
                nursery.start_soon(self._steadily, name, pause, attack)
            for name, flood in (
                ("streams", hostile.open_streams),
                ("reservations", hostile.forge_reservations),
                ("DHT garbage", hostile.dht_garbage),
                ("reads nothing", hostile.reads_nothing),
                ("DHT records", self._records),
                ("TURN credentials", self._borrow),
                ("places", self._reserve),
            ):
                nursery.start_soon(self._again, name, flood)

    async def _tell(self) -> None:
        print(json.dumps({"event": "attacking"}), flush=True)
        while True:
            await trio.sleep(TELL_SECONDS)
            print(json.dumps({"event": "attacks", "made": self.made}), flush=True)

    async def _steadily(self, name: str, pause: float, attack: Attack) -> None:
        while True:
            with suppress(OSError), trio.move_on_after(FLOOD_SECONDS):
                await attack()
            self.made[name] += 1
            await trio.sleep(pause)

    async def _again(self, name: str, flood: Callable[[Sequence[str]], Awaitable[None]]) -> None:
        """A flood, and then anew: what refuses it (by address, by PeerId) does so as it should."""
        while True:
            with trio.move_on_after(FLOOD_SECONDS):
                try:
                    await flood(self._addresses[:1])
                except* (AssertionError, NetError, OSError, *_CUT_OFF):
                    await trio.sleep(1)
            self.made[name] += 1

    async def _web(self) -> None:
        host, port = self._gateway
        parts = (
            self._chance.choice(self._web_inputs)
            if self._chance.random() < 0.5
            else odd_http.mutated(self._web_inputs, self._chance.randrange(10**9))
        )
        trust = self._trust if self._chance.random() < 0.8 else None
        await odd_http.attack(port, parts, trust=trust, host=host)

    async def _libp2p(self) -> None:
        stage, said = self._chance.choice(list(INPUTS.values()))
        if self._chance.random() < 0.5:
            said = mutated_bytes(self._chance, said)
        port = self._ws if stage in {"http", "ws"} else self._tcp
        stage = "tcp" if stage == "http" else stage
        await raw_peer.attack(port, self._peer, stage, said, address=self._own, host=self._host)

    async def _doors(self) -> None:
        host, port = self._gateway
        link = make_link(
            door_secret=secrets.token_bytes(16),
            private_key=secrets.token_bytes(32),
            secret=secrets.token_bytes(16),
            expires=None,
        )
        with suppress(DoorClosed, *_CUT_OFF):
            async with open_line(link.url(f"https://{host}:{port}"), shake=False) as line:
                if self._chance.random() < 0.8:
                    await line.send_frame(link.door)
                await line.receive_frame()

    async def _records(self, addresses: Sequence[str]) -> None:
        """Records of people who are nobody, all of them valid."""
        async with open_host(HostConfig(listen=())) as host:
            await host.connect(addresses)
            while True:
                now, secret = int(time.time()), secrets.token_bytes(16)
                key, value = seal_record(
                    IdentityKey(secrets.token_bytes(32)),
                    secret,
                    epoch_at(now),
                    [],
                    now=now,
                    not_after=now + 3600,
                    nonce24=secrets.token_bytes(24),
                    after=0,
                )
                await host.dht.put(key, value)
                self.made["records put"] += 1
                await trio.sleep(PUT_PAUSE)

    async def _borrow(self, addresses: Sequence[str]) -> None:
        async with open_host(HostConfig(listen=())) as host:
            peer = await host.connect(addresses)
            while True:
                with suppress(NetError):
                    await ask(host, peer, LendTurn(), TurnCredentials)
                    self.made["credentials lent"] += 1
                await trio.sleep(ASK_PAUSE)

    async def _reserve(self, addresses: Sequence[str]) -> None:
        async with open_host(HostConfig(listen=())) as host:
            await host.connect(addresses)
            while True:
                with suppress(NetError):
                    await RelayClient(host).reserve(addresses)
                await trio.sleep(ASK_PAUSE)


if __name__ == "__main__":
    _kind, _own, _gateway_host, _gateway_port, *_addresses = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        trio.run(Attackers(_own, (_gateway_host, int(_gateway_port)), _addresses).run, _kind)

"""No input ends a server: odd bytes against the gateway, a node's own gateway and the app.

Each time an honest WebSocket was open before, and must be of use afterwards.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import trio
from onmeet_bootstrap.config.model import GuestsConfig, SiteConfig
from onmeet_bootstrap.gateway.server import open_gateway

from onmeet_node.control.requests.node import Examine
from onmeet_node.embedded.gateway import OwnDoors, open_own_gateway
from onmeet_node.joining.line import open_line
from onmeet_node.process import faults
from onmeet_node.protocol.wire.frames import encode_frame
from onmeet_node.protocol.wire.link import make_link
from onmeet_node.web.access import Access
from onmeet_node.web.messages import VERSION, answers, own
from onmeet_node.web.messages import snapshots as snap
from onmeet_node.web.server import listen, open_server
from tests.bootstrap.test_gateway import a_certificate, frames_of
from tests.net.odd_http import MARK, attack, mutated, odd_inputs
from tests.web.client import token_for, websocket
from tests.web.test_server import FILES, Service

pytestmark = pytest.mark.real

MUTATIONS = 20_000 if os.environ.get("ONMEET_FULL") == "1" else 300
AT_ONCE = 8
SECRET = b"d" * 16


@dataclass
class Served:
    """A server under attack."""

    port: int
    ws_path: bytes
    still_open: Any
    """Says something over the honest WebSocket, and waits for what comes of it."""
    origin: bytes | None = None
    trust: Any = None
    lines: Any = ()
    """Its connections, if they can be counted."""

    @property
    def host(self):
        return b"127.0.0.1:%d" % self.port

    async def serves(self):
        """An honest request of a newcomer."""
        request = b"GET /%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
        path = b"" if self.origin else b".well-known/onmeet.json"
        with trio.fail_after(60):
            answer = await attack(
                self.port, [request % (path, self.host)], trust=self.trust, patience=60
            )
        return answer is not None and answer.startswith(b"HTTP/1.1 200")

    def inputs(self):
        return odd_inputs(self.host, self.ws_path, origin=self.origin)


@asynccontextmanager
async def a_guest(doors, origin, trust=None):
    """An honest guest at an open door; gives what says a word both ways."""
    async with doors.open(SECRET) as door:
        link = make_link(door_secret=SECRET, private_key=b"k" * 32, secret=b"s" * 16, expires=None)
        async with open_line(link.url(origin), shake=False, trust=trust) as line:
            await line.send_frame(line.link.door)
            with trio.fail_after(30):
                host = await door.guests.receive()

            async def say_a_word():
                with trio.fail_after(60):
                    await line.send_frame(b"are you there?")
                    assert await frames_of(host, 1) == [b"are you there?"]
                    await host.send_all(encode_frame(b"here I am"))
                    assert await line.receive_frame() == b"here I am"

            await say_a_word()
            yield say_a_word
            host.abort()


def guests_config(**more):
    many = {"guests_per_network": 10_000, "max_guests": 10_000, "name_seconds": 1.0}
    rate = {"tries_per_minute": 1e6, "tries_burst": 100_000}
    return GuestsConfig(serve=True, listen=("127.0.0.1:0",), **many, **rate, **more)


@asynccontextmanager
async def served_gateway(tmp_path, *, tls=False):
    trust, files = None, {}
    if tls:
        trust = a_certificate(tmp_path, 1)
        files = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    doors = OwnDoors()
    pages, facts = {"j.html": b"<!doctype html>"}, {"operator": "Ann", "region": "de"}
    mail = {"mail_to": "a@example.org", "mail_from": "b@example.org", "smtp_host": "127.0.0.1"}
    site = SiteConfig(serve=True, smtp_port=1, **mail)
    async with (
        open_gateway(guests_config(**files), doors, pages, facts, site=site) as gateway,
        a_guest(doors, gateway.origin, trust) as word,
    ):
        port = int(gateway.origin.rpartition(":")[2])
        yield Served(port, b"/door", word, trust=trust, lines=gateway.lines)


@asynccontextmanager
async def served_own_gateway(tmp_path):
    del tmp_path
    async with open_own_gateway(guests_config()) as doors, a_guest(doors, doors.origin) as word:
        yield Served(int(doors.origin.rpartition(":")[2]), b"/door", word)


@asynccontextmanager
async def served_app(tmp_path):
    del tmp_path
    access = Access(trio.current_time)
    async with open_server(Service(), access, listen(0), files=FILES) as port:
        token = await token_for(port, access.new_code())
        async with websocket(port) as page:
            await page.say(own.Hello(version=VERSION, token=token))
            await page.hear_until(snap.Welcome)

            async def say_a_word():
                await page.say(Examine(id=1))
                await page.hear_until(answers.Done)

            origin = b"http://127.0.0.1:%d" % port
            yield Served(port, b"/ws", say_a_word, origin=origin)


SERVERS = {
    "gateway": served_gateway,
    "gateway with TLS": lambda path: served_gateway(path, tls=True),
    "own gateway": served_own_gateway,
    "app": served_app,
}


async def throw(served, inputs):
    """Throws all of them, some at once; names those after which a newcomer was not served."""
    fatal, answers = [], {}
    limit = trio.CapacityLimiter(AT_ONCE)

    async def one(name, parts):
        async with limit:
            answers[name] = await attack(served.port, parts, trust=served.trust)
            if not await served.serves():
                fatal.append(name)

    async with trio.open_nursery() as nursery:
        for name, parts in inputs.items():
            nursery.start_soon(one, name, parts)
    return fatal, answers


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", SERVERS)
async def test_odd_inputs_end_nothing_but_their_own_connection(kind, tmp_path, caplog):
    caplog.set_level("DEBUG")
    before = faults.counts()
    async with SERVERS[kind](tmp_path) as served:
        fatal, answers = await throw(served, served.inputs())
        assert not fatal
        await served.still_open()
        told = b"".join(answer or b"" for answer in answers.values())
        assert b"permessage-deflate" not in told.lower()
        assert b"h2c" not in told
        assert b"Traceback" not in told
        assert {a[:9] for a in answers.values() if a} <= {b"HTTP/1.1 "}
        if served.lines:
            with trio.fail_after(60):
                while len(served.lines) > 1:  # noqa: ASYNC110 - counts have no event
                    await trio.sleep(0.05)
    assert faults.counts() == before, "each was expected: refused where it was read"
    assert MARK.decode() not in caplog.text


@pytest.mark.timeout(300)
async def test_odd_bytes_on_a_port_of_tls_end_nothing_but_their_own_connection(tmp_path):
    before = faults.counts()
    async with served_gateway(tmp_path, tls=True) as served:
        plain = Served(served.port, served.ws_path, served.still_open)
        plain.serves = served.serves
        hello = bytes.fromhex("160301020001000101fc0303") + bytes(497)
        inputs = {
            **plain.inputs(),
            "half a hello": [hello[:100], None],
            "a hello of nothing": [hello],
            "hellos without end": [hello] * 5,
            "a record of every kind": [bytes([n, 3, 3, 0, 2, 2, 40]) for n in range(256)],
        }
        fatal, _ = await throw(plain, inputs)
        assert not fatal
        await served.still_open()
    assert faults.counts() == before


@pytest.mark.slow
@pytest.mark.timeout(0 if MUTATIONS > 300 else 300)
@pytest.mark.parametrize("kind", ["gateway", "app"])
async def test_mutated_inputs_end_nothing_but_their_own_connection(kind, tmp_path):
    before = faults.counts()
    async with SERVERS[kind](tmp_path) as served:
        seeds = [
            parts
            for parts in served.inputs().values()
            if sum(map(len, filter(None, parts))) < 20_000
        ]
        fatal, _ = await throw(served, {n: mutated(seeds, n) for n in range(MUTATIONS)})
        assert not fatal
        await served.still_open()
    assert faults.counts() == before

"""Hosts on loopback and records for them, shared by the tests of net/."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager

import trio
from nacl.signing import SigningKey

from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.libp2p.patches import Remedies
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.protocol.wire import record

LOCAL = ("/ip4/127.0.0.1/tcp/0",)
ECHO = "/test/echo/1"
ALL = Remedies()


def without(*remedies: str) -> Remedies:
    """All remedies but one, to show the trap that it avoids; or but one and what hides it too."""
    return dataclasses.replace(ALL, **dict.fromkeys(remedies, False))


def config(*, server: bool = False, remedies: Remedies = ALL, **more: object) -> HostConfig:
    return HostConfig(listen=LOCAL, server=server, remedies=remedies, **more)  # type: ignore[arg-type]


async def echo(stream: Stream) -> None:
    async for data in stream:
        await stream.send_all(data)


async def sleep(stream: Stream) -> None:
    """A handler that neither reads nor returns."""
    await trio.sleep_forever()


async def until(met: Callable[[], object], seconds: float = 30.0) -> None:
    """Return once `met()` is true. Raises TooSlowError."""
    with trio.fail_after(seconds):
        while not met():  # noqa: ASYNC110 - what is waited for has no event
            await trio.sleep(0.01)


class Author:
    """Makes real records for one key of its own."""

    def __init__(self) -> None:
        self._key = SigningKey(os.urandom(32))
        self.public = bytes(self._key.verify_key)
        self.key = record.dht_key(self.public)

    def write(self, text: bytes, *, age: int = 0, lasts: int = 3600) -> bytes:
        """A record dated `age` seconds ago that says `text`; the younger one wins."""
        seq = int(time.time()) - age
        made = record.sign_record(
            self.public,
            text,
            seq=seq,
            not_after=seq + lasts,
            sign=lambda message: self._key.sign(message).signature,
        )
        return record.encode(made)


def text_of(value: bytes | None) -> bytes | None:
    return None if value is None else record.decode(value).body


@asynccontextmanager
async def pair(remedies: Remedies = ALL, **more: object) -> AsyncIterator[tuple[Host, Host]]:
    """A host and another one connected to it."""
    async with (
        open_host(config(server=True, remedies=remedies, **more)) as server,
        open_host(config(remedies=remedies, **more)) as client,
    ):
        server.handle(ECHO, echo)
        await client.connect(server.addresses)
        yield server, client


_CHILD = """
import sys, trio
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
async def main():
    async with open_host(HostConfig(listen=("/ip4/127.0.0.1/tcp/0",))) as host:
        async def hold(stream):
            await stream.send_all(b"here")
            await trio.sleep_forever()
        host.handle("/test/hold/1", hold)
        print(host.addresses[0], flush=True)
        await trio.sleep_forever()
trio.run(main)
"""


@contextmanager
def child():
    """A host in a process of its own, to be killed or stopped; and its address."""
    process = subprocess.Popen([sys.executable, "-c", _CHILD], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

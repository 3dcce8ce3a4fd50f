"""On-Meet as a person runs it: a bootstrap and nodes, each a process driven by its command line."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from benchmarks.children import Child, open_child, run_json
from benchmarks.places import Place

ONMEET = (sys.executable, "-m", "onmeet_node.cli")
BOOTSTRAP = (sys.executable, "-c", "from onmeet_bootstrap.cli import main; main()")
BOOTSTRAP_PORT = 4001


@asynccontextmanager
async def open_bootstrap(
    place: Place, directory: Path, *, turn: bool = False
) -> AsyncIterator[str]:
    """A running bootstrap, with coturn if `turn`; gives its multiaddr."""
    port = BOOTSTRAP_PORT if place.address != "127.0.0.1" else 0
    listen = f"/ip4/{place.address}/tcp/{port}"
    home = directory / "bootstrap"
    if not await trio.Path(home).exists():  # the same directory serves every delay
        public = ["--public-address", place.address, "--announce", listen] if turn else []
        where = ["--home", str(home), "--listen", listen, *public]
        await run_json([*BOOTSTRAP, "init", *where, "--json"])
    argv = place.command(*BOOTSTRAP, "run", "--home", home, "--json")
    async with open_child("bootstrap", argv, directory / "bootstrap.log") as child:
        started = await child.event("started")
        yield started["addresses"][0]


class Node:
    """One person's node: its home, and its process while it runs."""

    def __init__(self, name: str, place: Place, directory: Path) -> None:
        self.name = name
        self.place = place
        self.home = directory / name
        self._log = directory / f"{name}.log"
        self._child: Child | None = None

    @property
    def up(self) -> Child:
        """The process of ``onmeet up``, which tells the node's events."""
        assert self._child is not None, f"{self.name} is not up"
        return self._child

    async def init(self) -> None:
        """Makes the home, with a key file."""
        await self.run("init", "--key-file", "--name", self.name)

    async def run(self, *argv: str) -> Any:
        """An ``onmeet`` command that ends by itself; its JSON result."""
        return await run_json(self.place.command(*ONMEET, *argv, "--home", self.home, "--json"))

    @asynccontextmanager
    async def running(self, bootstrap: str, *options: str) -> AsyncIterator[Child]:
        """``onmeet up`` inside the block."""
        argv = self.place.command(
            *ONMEET, "up", "--json", "--home", self.home, "--no-lan",
            "--listen", f"/ip4/{self.place.address}/tcp/0", "--bootstrap", bootstrap, *options,
        )  # fmt: skip
        async with open_child(f"{self.name}'s node", argv, self._log) as child:
            self._child = child
            try:
                yield child
            finally:
                self._child = None

    @asynccontextmanager
    async def calling(self, who: str, *options: str) -> AsyncIterator[Child]:
        """``onmeet call`` inside the block, which tells the call's events."""
        argv = self.place.command(*ONMEET, "call", who, "--json", "--home", self.home, *options)
        async with open_child(f"{self.name}'s call", argv, self._log) as child:
            yield child


async def befriend(asking: Node, asked: Node, code: str) -> None:
    """Both become each other's contacts, under their nodes' names."""
    since = asked.up.mark
    await asking.run("contacts", "add", code)
    await asked.up.event("contact-request", since=since)
    await asked.run("contacts", "accept", asking.name)
    with trio.move_on_after(10):
        while True:
            for contact in await asking.run("contacts", "list"):
                if contact["state"] == "accepted":
                    return
            await trio.sleep(0.1)

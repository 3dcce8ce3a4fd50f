"""Real nodes with a real bootstrap, in this process: homes on disk, libp2p on loopback."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from onmeet_bootstrap.app import Bootstrap, open_bootstrap
from onmeet_bootstrap.config.model import BootstrapConfig, ephemeral_config

from onmeet_node.calls.call import Call
from onmeet_node.config import Config
from onmeet_node.contacts.profile import change_profile
from onmeet_node.events import NodeEvent
from onmeet_node.node.node import Node
from onmeet_node.node.opening import open_node
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.call.events import Identity
from onmeet_node.store import KeyFile, create_home, open_home

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)


def make_home(home: Path, name: str) -> None:
    """A home with a key file and a name in its profile."""
    create_home(home, KeyFile(), secrets.token_bytes(32), now=int(time.time()))
    with open_home(home, KeyFile()) as store:
        change_profile(store, {"name": name}, {})


@pytest.fixture
def bootstrap_config() -> BootstrapConfig:
    """How the bootstrap is set; a test module may say otherwise."""
    return ephemeral_config()


@pytest.fixture
async def bootstrap(bootstrap_config: BootstrapConfig) -> AsyncIterator[Bootstrap]:
    """A bootstrap in this process."""
    async with open_bootstrap(bootstrap_config) as running:
        yield running


class Start:
    """Starts and stops nodes by name; the same name again is the same person.

    Each in a task of its own: a node's nurseries must be left by the task that entered them.
    """

    def __init__(self, homes: Path, bootstrap: Bootstrap, nursery: trio.Nursery) -> None:
        self._homes = homes
        self._bootstrap = bootstrap
        self._nursery = nursery
        self._stops: dict[str, trio.Event] = {}
        self._stopped: dict[str, trio.Event] = {}

    async def __call__(self, name: str, *, home: Path | None = None, **settings: Any) -> Node:
        """A reachable node; `settings` are `Config`'s."""
        home = home or self._homes / name
        if not home.exists():
            make_home(home, name)
        config = Config(
            home=home,
            **{
                "listen": LOOPBACK,
                "bootstraps": self._bootstrap.addresses,
                "lan": False,
                "source": "test",
                "calls_at_once": 1,
                **settings,
            },
        )
        self._stops[name], self._stopped[name] = trio.Event(), trio.Event()
        node: Node = await self._nursery.start(self._run, name, config)
        return node

    async def _run(self, name: str, config: Config, task_status: trio.TaskStatus[Node]) -> None:
        async with open_node(config=config) as node:
            with trio.fail_after(60):
                await node.reachable.wait()
            task_status.started(node)
            await self._stops[name].wait()
        self._stopped[name].set()

    async def stop(self, name: str) -> None:
        """Stops a node and waits until it is gone."""
        self._stops[name].set()
        await self._stopped[name].wait()

    def stop_all(self) -> None:
        """Lets every node end."""
        for stop in self._stops.values():
            stop.set()


@pytest.fixture
async def start(tmp_path: Path, bootstrap: Bootstrap) -> AsyncIterator[Start]:
    """Starts and stops nodes; those left running stop at the end of the test."""
    async with trio.open_nursery() as nursery:
        starter = Start(tmp_path, bootstrap, nursery)
        yield starter
        starter.stop_all()


async def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Waits for something that no event tells."""
    with trio.move_on_after(seconds):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await trio.sleep(0.01)
        return
    pytest.fail(f"not within {seconds} s: {what}")


async def code_of(node: Node, **options: Any) -> str:
    """A fresh contact code whose record can be found."""
    code = node.people.codes.new("test", **{"days": None, "direct": True, **options})
    with trio.fail_after(60):
        await node.published()
    return code.uri


async def befriend(asking: Node, asked: Node) -> None:
    """`asking` adds `asked` by a code, who accepts; both know where to find each other."""
    code = await code_of(asked)
    with asked.watch() as seen, asking.watch() as answered:
        asking.people.add(code)
        await asking.deliver(asked.identity)
        await told(seen, "contact-request")
        asked.people.accept(asking.identity)
        await told(answered, "contact-accepted")
    for one, other in ((asking, asked), (asked, asking)):
        await until(lambda one=one, other=other: has_secret(one, other.identity), "the grant")


def has_secret(node: Node, peer: Identity) -> bool:
    """Whether the peer confirmed that it has this node's contacts secret, and gave its own."""
    contact = node.people.get(peer)
    current = node.people.codes.contacts_audience().id
    return contact is not None and contact.secret is not None and contact.granted == current


async def told(
    events: trio.MemoryReceiveChannel[NodeEvent], name: str, seconds: float = 60, **fields: Any
) -> dict[str, Any]:
    """The next event with this name and these fields."""
    with trio.move_on_after(seconds):
        async for event in events:
            shown = event.as_json()
            if shown["event"] == name and all(shown[k] == v for k, v in fields.items()):
                return shown
    pytest.fail(f"no event {name} {fields} within {seconds} s")


async def answer_all(node: Node) -> None:
    """Takes every call, until cancelled."""
    async with node.incoming() as calls:
        async for call in calls:
            call.accept()


async def ended(call: Call, seconds: float = 60) -> EndReason:
    """Why the call ended."""
    with trio.fail_after(seconds):
        return await call.ended()


async def connected(call: Call, seconds: float = 60) -> None:
    """Waits until media can flow; fails with the reason if the call ends instead."""
    with trio.fail_after(seconds):
        await call.connected()
    assert call.current.state is State.CONNECTED, (call.reason, call.trouble)

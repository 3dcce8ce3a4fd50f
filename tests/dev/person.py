"""One of the two people: a home, the node in it, and its app."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from importlib.metadata import version

import trio

from onmeet_node.config import Config
from onmeet_node.control.socket import serve_control
from onmeet_node.events import ContactRequested
from onmeet_node.node.home import create_identity
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.events import Identity
from onmeet_node.store import KeyFile
from onmeet_node.web.access import Access
from onmeet_node.web.local_app import LocalApp
from onmeet_node.web.server import listen, open_server


class Person:
    """A node and its app, as ``onmeet up --app`` runs them, with other files in the app."""

    def __init__(self, name: str, config: Config, port: int, files: Mapping[str, bytes]) -> None:
        """`port` 0 takes a free one. `files` may change while the app is served."""
        self.name = name
        self._config = config
        self._port = port
        self._files = files
        self._access = Access(trio.current_time)
        self._node: Node | None = None
        self._runs = trio.Event()

    def url(self) -> str:
        """Opens the app once, within a minute."""
        return f"http://127.0.0.1:{self._port}/#c={self._access.new_code()}"

    async def node(self) -> Node:
        """Their node, as soon as it runs for the first time."""
        await self._runs.wait()
        assert self._node is not None, "it runs"
        return self._node

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until cancelled; started once the app is served.

        Who deletes everything in the app gets the first-run screen at the same address. Raises
        `CannotListen` and what the node has to say.
        """
        if not self._config.home.exists():
            await trio.to_thread.run_sync(create_identity, self._config.home, KeyFile(), self.name)
        for life in itertools.count():
            app = LocalApp(
                self._config, release=version("onmeet-node"), unlock=None, body=self._beside
            )
            async with open_server(
                app, self._access, listen(self._port), files=self._files
            ) as self._port:
                if life == 0:
                    task_status.started()
                await app.run()

    async def _beside(self, node: Node) -> None:
        with node.watch() as events:
            async with trio.open_nursery() as nursery:
                await nursery.start(serve_control, node, node.config.socket, self.url)
                self._node = node
                self._runs.set()
                async for _ in events:  # until the node is stopped
                    pass
                nursery.cancel_scope.cancel()


async def introduce(caller: Person, called: Person) -> bool:
    """Makes the two contacts of each other; False if either knows somebody already."""
    one, other = await caller.node(), await called.node()
    if list(one.people.identities()) or list(other.people.identities()):
        return False
    with other.watch() as events:
        code = other.people.codes.new("make dev", days=1)
        await other.published()  # before that the code leads nowhere
        await one.deliver(one.people.add(code.uri, note="Made by make dev.").identity)
        async for event in events:
            if isinstance(event, ContactRequested):
                other.people.accept(Identity(event.identity))
                return True
    return False

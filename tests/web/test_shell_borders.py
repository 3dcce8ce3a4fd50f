"""What breaks for a page, or in what pages are shown, ends neither the app nor the node."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from onmeet_node.config import Config
from onmeet_node.control.requests.calls import ReadHistory
from onmeet_node.process import faults
from onmeet_node.store import KeyFile
from onmeet_node.web.local_app import LocalApp
from onmeet_node.web.messages import VERSION, answers, own
from onmeet_node.web.messages import snapshots as snap
from tests.node.conftest import LOOPBACK, make_home, until

pytestmark = pytest.mark.real


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError


class Running:
    """A node in its app, until the test ends."""

    def __init__(self, home: Any) -> None:
        config = Config(home=home, listen=LOOPBACK, bootstraps=(), lan=False, source="none")
        self.shell = LocalApp(config, release="1", unlock=KeyFile(), body=self._body)
        self.node: Any = None
        self._up = trio.Event()

    async def _body(self, node: Any) -> None:
        self.node = node
        self._up.set()
        await trio.sleep_forever()

    async def started(self) -> None:
        with trio.fail_after(60):
            await self._up.wait()


@pytest.fixture
async def running(tmp_path: Any, nursery: Any) -> Running:
    make_home(tmp_path / "home", "Alice")
    it = Running(tmp_path / "home")
    nursery.start_soon(it.shell.run)
    await it.started()
    return it


async def next_of(page: Any, kind: type, **fields: Any) -> Any:
    with trio.fail_after(60):
        async for message in page.outbox:
            if isinstance(message, kind) and all(
                getattr(message, name) == value for name, value in fields.items()
            ):
                return message
    raise AssertionError("the page was closed")


async def test_one_thing_that_cannot_be_shown_leaves_the_rest_of_the_page(running: Running) -> None:
    shell, node = running.shell, running.node
    page = shell.pages.add()
    before = faults.counts().get("app", 0)
    node.people.first = broken
    shell.welcome(page, own.Hello(version=VERSION, token="a" * 64))
    await next_of(page, snap.Me)
    assert faults.counts()["app"] > before
    node.people.change_profile({"name": "Alicia"}, {})
    shell._refresh()
    await next_of(page, snap.Me)
    del node.people.first
    node.people.codes.new("one")
    shell._refresh()
    await next_of(page, snap.People)


async def test_a_request_that_breaks_is_refused_and_the_next_one_answered(
    running: Running,
) -> None:
    shell, node = running.shell, running.node
    page = shell.pages.add()
    before = faults.counts().get("page", 0)
    listed, node.history.list = node.history.list, broken
    await shell.handle(page, ReadHistory(id=1))
    assert (await next_of(page, answers.Refused, id=1)).kind == "Failure"
    assert faults.counts()["page"] == before + 1
    node.history.list = listed
    await shell.handle(page, ReadHistory(id=2))
    await next_of(page, answers.History, id=2)


async def test_an_event_that_cannot_be_shown_is_the_only_one(running: Running) -> None:
    shell, node = running.shell, running.node
    page = shell.pages.add()
    before = faults.counts().get("app", 0)
    show = shell._show_event
    shell._show_event = broken  # type: ignore[method-assign]
    node.people.codes.new("one")
    node.hub.publish(node.started)
    await until(lambda: faults.counts().get("app", 0) > before, "it broke")
    shell._show_event = show  # type: ignore[method-assign]
    node.people.change_profile({"name": "Alicia"}, {})
    node.hub.publish(node.started)
    await next_of(page, snap.Me)

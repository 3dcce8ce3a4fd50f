"""What pages are shown is made often, after whatever happens: nobody else may notice."""

from __future__ import annotations

import pytest
import trio

from onmeet_node.protocol.wire.messages import Ping
from onmeet_node.web import snapshots
from onmeet_node.web.page_endpoint import PageEndpoint
from onmeet_node.web.pages import Pages
from tests.node.conftest import Start, befriend, bootstrap, bootstrap_config, start

__all__ = ["bootstrap", "bootstrap_config", "start"]

pytestmark = pytest.mark.real


async def test_looking_at_the_app_publishes_and_tells_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = await start("Ann"), await start("Bob")
    await befriend(ann, bob)
    with trio.fail_after(60):
        await ann.published()
    told: list[object] = []
    send = ann._channels.send

    def sends(*what: object) -> bool:
        told.append(what)
        return send(*what)

    monkeypatch.setattr(ann._channels, "send", sends)
    publisher = ann._network.rendezvous._publisher
    endpoint = PageEndpoint(Pages(), ann._caller._nursery)
    before = len(publisher._plans), publisher._settled
    for _ in range(20):  # in one step of the program: what is noticed is of the looks
        for look in (snapshots.me, snapshots.people, snapshots.guests):
            look(ann)
        snapshots.calls(ann, endpoint)
        ann.history.list(50)
        ann.settings()
        ann.status()
    assert not told
    assert (len(publisher._plans), publisher._settled) == before, "nothing was asked for"
    assert publisher._settled.is_set()
    ann.people._messenger.send(bob.identity, Ping(n=1))
    assert told, "what is told is seen here"
    ann.people.codes.new("test", days=None, direct=True)
    assert not publisher._settled.is_set(), "and so is what is published"

"""Two nodes and no bootstrap: one names the other, which is a way into the DHT all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from onmeet_node.config import Config
from onmeet_node.net.bootstraps.bootstraps import BootstrapState
from onmeet_node.node.opening import open_node
from tests.node.conftest import befriend, make_home

pytestmark = pytest.mark.real


async def test_an_ordinary_node_that_is_named_is_a_way_in_and_no_bootstrap(tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        make_home(tmp_path / name, name)
    async with open_node(config=Config(home=tmp_path / "ann", lan=False)) as ann:
        named = (ann.started.addresses[0],)
        async with open_node(
            config=Config(home=tmp_path / "bob", lan=False, bootstraps=named)
        ) as bob:
            with trio.fail_after(60):
                await bob.reachable.wait()
            (known,) = bob._network.bootstraps.known
            assert known.standing is BootstrapState.REFUSED
            assert "no On-Meet bootstrap" in known.problem
            assert bob.status().dht_peers == 1
            await befriend(ann, bob)

"""Media between NATs: which kind it is, and which path is found through it."""

from __future__ import annotations

import pathlib

import pytest
import trio

from onmeet_node.media.endpoint import SessionConfig
from tests.media.coturn import run_coturn
from tests.media.peer_process import start_peer
from tests.media.support import AUDIO
from tests.netlab.lab import Lab, Nat
from tests.requirements import needs_coturn

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.netlab,
    needs_coturn,
]


@pytest.mark.parametrize(
    ("nat", "kind", "direct"),
    [(None, "none", True), (Nat.CONE, "same", True), (Nat.SYMMETRIC, "each", False)],
)
async def test_a_nat_is_told_by_its_kind_and_gone_through(
    lab: Lab, tmp_path: pathlib.Path, nat: Nat | None, kind: str, *, direct: bool
) -> None:
    """The other end is behind a cone NAT, which a symmetric one cannot be reached from."""
    ana = lab.host("ana", behind=lab.router("home", nat) if nat else None)
    ben = lab.host("ben", behind=lab.router("other", Nat.CONE))
    one, two = lab.host("one"), lab.host("two")
    # NOTE: a coturn that has no way to a peer's address closes the whole relay.
    deny = "--denied-peer-ip=10.0.0.0-10.255.255.255"
    (tmp_path / "2").mkdir()
    async with (
        run_coturn(tmp_path, deny, listen=one.address, host=one) as turn,
        run_coturn(tmp_path / "2", deny, listen=two.address, host=two) as turn_two,
    ):
        servers = (turn.server(host=one.address), turn_two.server(host=two.address))
        config = SessionConfig(AUDIO, ice_servers=servers)
        async with start_peer(config, ana.prefix) as a, start_peer(config, ben.prefix) as b:
            with trio.fail_after(60):
                answer = await b.describe("accept_offer", await a.describe("offer"))
                await a.tell("accept_answer", answer)
                for end in (a, b):
                    await end.wait_for("FirstFrame")
            report = await a.report()
    assert report.nat == kind
    assert all(server.worked for server in report.servers)
    (used,) = [pair for pair in report.pairs if pair.state == "nominated"]
    assert ("relay" not in used.local + used.remote) == direct

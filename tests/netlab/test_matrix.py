"""Calls between every pair of networks: which get through, by which path, how fast.

One lab with a bootstrap that runs coturn, and two people in each kind of network. The table that
comes out is printed at the end, and kept in docs/OPERATIONS (ONMEET_WRITE_TABLE=1 writes it anew).
"""

from __future__ import annotations

import datetime
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from onmeet_node.control.requests.calls import ReadHistory
from tests.netlab.conftest import need
from tests.netlab.lab import Host, Lab, Nat, missing, open_lab
from tests.netlab.machines import Machine, befriend, bootstrap, call
from tests.netlab.table import Row, Table

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.netlab,
    pytest.mark.timeout(400),  # the first waits for twelve nodes
]

NETWORKS = ("open", "cone", "symmetric", "cgnat", "no-udp", "443")
"""Open host; port-preserving NAT; NAT with a random port per destination; two NATs of the first
kind in a row; all UDP blocked; everything but TCP to port 443 blocked."""

TCP_ONLY = {"no-udp", "443"}
DOMAIN = "turn.lab"
PAIRS = tuple(itertools.combinations_with_replacement(NETWORKS, 2))


def expected(one: str, other: str) -> set[str]:
    """The kinds of path that may be used: no relay where there is another way."""
    pair = {one, other}
    if pair & TCP_ONLY:
        return {"relay"}
    if pair == {"open"}:
        return {"host"}
    if "symmetric" in pair and pair != {"symmetric", "open"}:
        return {"relay"}
    return {"srflx", "host"}


@dataclass
class People:
    """Everybody in the lab."""

    first: dict[str, Machine]
    second: dict[str, Machine]
    table: Table

    def pair(self, one: str, other: str) -> tuple[Machine, Machine]:
        """Two people, one in each network."""
        return self.first[one], self.second[other]


def place(lab: Lab, network: str, name: str) -> Host:
    """A machine in a network of this kind, alone behind its router."""
    match network:
        case "cone":
            return lab.host(name, behind=lab.router(f"r{name}", Nat.CONE))
        case "symmetric":
            return lab.host(name, behind=lab.router(f"r{name}", Nat.SYMMETRIC))
        case "cgnat":
            provider = lab.router(f"p{name}", Nat.CONE)
            return lab.host(name, behind=lab.router(f"r{name}", Nat.CONE, behind=provider))
        case _:
            return lab.host(name)


def restrict(host: Host, network: str) -> None:
    """Closes what such a network closes."""
    match network:
        case "no-udp":
            host.block_udp()
        case "443":
            host.only_443()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """A bootstrap and two people in each kind of network, all reachable."""
    need(missing())
    from tests.bootstrap.test_turn import certificate

    home = tmp_path_factory.mktemp("matrix")
    with open_lab() as lab, ExitStack() as stack:
        server = lab.host("server")
        strict = lab.public_address()
        server.also(strict)
        files = certificate(home, DOMAIN)
        addresses, _ = stack.enter_context(
            bootstrap(
                server,
                home / "boot",
                listen=(f"/ip4/{server.address}/tcp/4001", f"/ip4/{strict}/tcp/443"),
                turn=True,
                options=(
                    "--region=de",
                    f"--domain={DOMAIN}",
                    f"--certificate={files['certificate']}",
                    f"--key={files['key']}",
                    "--tls-port=443",
                ),
            )
        )
        ways = [f"--bootstrap={address}" for address in addresses]
        groups: list[dict[str, Machine]] = [{}, {}]
        for group, members in zip("ab", groups, strict=True):
            for network in NETWORKS:
                host = place(lab, network, f"{group}{network}")
                host.knows(DOMAIN, server.address)
                restrict(host, network)
                members[network] = Machine(host, home / f"{group}-{network}")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Machine.init, [*groups[0].values(), *groups[1].values()]))
        for group, members in zip(((), ("--auto-answer",)), groups, strict=True):
            for machine in members.values():
                stack.enter_context(
                    machine.up("--no-lan", *ways, *group, SSL_CERT_FILE=files["certificate"])
                )
        for machine in (*groups[0].values(), *groups[1].values()):
            machine.wait("reachable", 180)
        table = Table()
        yield People(groups[0], groups[1], table)
        table.show()
        if os.environ.get("ONMEET_WRITE_TABLE") == "1":
            table.write(Path(__file__).parents[2] / "docs" / "OPERATIONS.md", datetime.date.today())


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_call_gets_through_with_media_both_ways(people: People, one: str, other: str) -> None:
    ana, ben = people.pair(one, other)
    befriend(ana, ben)
    with call(ana, ben) as dialling:
        path = ana.wait("connected", after=dialling.began)["path"]
        ringing = ana.wait("ringing", after=dialling.began)["t"] - dialling.began
        accepted = ben.wait("accepted", after=dialling.began)["t"]
        heard = ana.wait("media", after=dialling.began, kind="audio")["t"] - accepted
    (report,) = [row["report"] for row in ana.ask(ReadHistory(limit=1))]
    ways = {p["local"] for p in report["pairs"] if p["state"] == "nominated"}
    people.table.add(Row(one, other, path, ", ".join(sorted(ways)), ringing, heard))
    assert path in expected(one, other)

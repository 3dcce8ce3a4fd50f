"""What both services hold after a purchase and its spending: nothing that ties one to the other.

Both are programs of their own, as an operator runs them; their memory, coturn's, and all that they
wrote is searched for everything that the other one, or the person, knows of a token.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx2
import pytest
import trio
from onmeet_bootstrap.audit import canaries
from onmeet_bootstrap.audit.canaries import Canary
from onmeet_bootstrap.audit.processes import child_of
from onmeet_bootstrap.audit.scan import Searcher, scan_process
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import TokensConfig
from onmeet_bootstrap.forgetting.sweep import WIPING

from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.protocol.wire.bootstrap_api import LendTurn, TurnCredentials
from onmeet_node.protocol.wire.seat import SeatLink, encode_code
from onmeet_node.protocol.wire.token_directory import PATH, IssuerDirectory
from onmeet_node.protocol.wire.tokens import (
    RANDOM_BYTES,
    BlindedToken,
    Token,
    challenge_digest,
)
from onmeet_node.protocol.wire.weeks import epoch_of
from tests.bootstrap.asking import ask
from tests.bootstrap.ports import free_port
from tests.bootstrap.setups import with_turn
from tests.requirements import needs_coturn

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    needs_coturn,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root reads another process's memory"),
]

COUNT = 6
ONMEET = (sys.executable, "-m", "onmeet_bootstrap")


@contextmanager
def running(*arguments: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """A program of an operator; its process id and what it said when it had started."""
    with subprocess.Popen(
        [*ONMEET, *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        env={**os.environ, **WIPING},
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.pid, json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(20)


def did(*arguments: str | Path) -> dict[str, Any]:
    done = subprocess.run(
        [*ONMEET, *map(str, arguments), "--json"], capture_output=True, check=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def found_in(pid: int, who: str, looked_for: Sequence[Canary]) -> set[tuple[str, str]]:
    finds, looked = scan_process(pid, who, looked_for)
    assert looked.memory_bytes > 1_000_000
    return {(find.canary, find.place) for find in finds}


async def test_neither_service_holds_what_the_other_could_know_a_token_by(tmp_path: Path) -> None:
    port, seed = free_port(), os.urandom(32)
    from onmeet_bootstrap.host import peer_id_of

    issuer, peer = f"127.0.0.1:{port}", peer_id_of(seed)
    shop = tmp_path / "accounts"
    did(
        "accounts",
        "init",
        "--home",
        shop,
        "--issuer",
        issuer,
        "--spent-at",
        peer,
        "--listen",
        issuer,
    )
    link = SeatLink.parse(did("accounts", "seats", "add", "x", "--home", shop)["links"][0])
    with trio.fail_after(110), running("accounts", "run", "--home", shop) as (accounts, started):
        tokens = TokensConfig(serve=True, issuer=issuer, keys=started["public_keys"])
        config = attrs.evolve(with_turn(), seed=seed, tokens=tokens)
        create(tmp_path / "boot", config)
        with running("run", "--home", tmp_path / "boot") as (bootstrap, entered):
            coturn = child_of(bootstrap, "turnserver")
            assert coturn is not None
            bearer = {"Authorization": f"Bearer {encode_code(link.code)}"}
            async with httpx2.AsyncClient(base_url=f"http://{issuer}") as client:
                key = IssuerDirectory.decode((await client.get(PATH)).content).keys[
                    epoch_of(time.time())
                ]
                digest = challenge_digest(issuer, peer)
                made = [
                    BlindedToken.make(key, digest, os.urandom(RANDOM_BYTES)) for _ in range(COUNT)
                ]
                body = b"".join(one.request for one in made)
                answer = (await client.post("/v1/tokens", content=body, headers=bearer)).content
            signed = [answer[n : n + 256] for n in range(0, len(answer), 256)]
            spent = [one.finish(each) for one, each in zip(made, signed, strict=True)]
            async with open_host(HostConfig(())) as node:
                await node.connect(entered["addresses"])
                who = node.peer_id
                for token in spent:
                    lent = await ask(node, peer, LendTurn(token=token))
                    assert isinstance(lent, TurnCredentials)
            decoded = [Token.decode(token) for token in spent]
            of_call = [canaries.peer("PeerId", who)]
            of_token = [
                canary
                for n, token in enumerate(decoded)
                for canary in (
                    canaries.binary(f"nonce {n}", token.nonce),
                    canaries.binary(f"signature {n}", token.authenticator),
                )
            ]
            of_purchase = [
                canaries.text("seat code", encode_code(link.code)),
                canaries.binary("seat", link.code),
                *(canaries.binary(f"request {n}", one.request[3:]) for n, one in enumerate(made)),
                *(canaries.binary(f"answer {n}", one) for n, one in enumerate(signed)),
            ]
            everything = [*of_call, *of_token, *of_purchase]
            # Until the bootstrap has swept: it tells nobody of the end of it.
            left: set[tuple[str, str]] = {("?", "?")}
            while left:
                await trio.sleep(1)
                left = await trio.to_thread.run_sync(found_in, bootstrap, "bootstrap", everything)
            assert found_in(coturn, "coturn", everything) == set()
            for pid in (bootstrap, accounts):  # what is looked at is their memory
                assert found_in(pid, "either", [canaries.text("issuer", issuer)])
            # The issuer never saw a token; of what it did see it keeps numbers alone.
            assert found_in(accounts, "accounts", everything) == set()
            searcher = Searcher(everything)
            for place in (shop, tmp_path / "boot"):
                for path in place.rglob("*"):
                    if path.is_file():
                        assert list(searcher.search(path.read_bytes(), str(path))) == []

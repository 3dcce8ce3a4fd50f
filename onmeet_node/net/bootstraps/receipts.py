"""Receipts of bootstraps: signed word of what they held for this node, and released (P2)."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from onmeet_node.net.bootstraps.bootstraps import Bootstraps, BootstrapState, KnownBootstrap
from onmeet_node.net.bootstraps.requests import ask
from onmeet_node.net.errors import NetError
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.process.faults import contained
from onmeet_node.protocol.wire.bootstrap_api import Receipt, Settle, SignedReceipt, open_receipt
from onmeet_node.protocol.wire.errors import DescriptionError

ANSWER_LIMIT = 10.0


@attrs.frozen(kw_only=True)
class Settled:
    """What came of asking one bootstrap."""

    operator: str
    """As the bootstrap signs; clean before display."""
    peer: str
    receipt: Receipt | None = None
    signed: SignedReceipt | None = None
    missing: str = ""
    """Why there is none, in words that follow a colon."""


async def ask_receipts(host: Host, bootstraps: Bootstraps) -> Sequence[Settled]:
    """Asks every connected bootstrap. Raises nothing of theirs."""
    settled: list[Settled] = []

    async def one(known: KnownBootstrap) -> None:
        answer = Settled(operator="", peer=known.peer, missing="something went wrong with it")
        with contained("bootstrap"):
            answer = await _ask(host, known)
        settled.append(answer)

    async with trio.open_nursery() as nursery:
        for known in bootstraps.known:
            if known.standing is BootstrapState.CONNECTED:
                nursery.start_soon(one, known)
    return settled


async def _ask(host: Host, known: KnownBootstrap) -> Settled:
    operator = known.description.operator if known.description is not None else ""
    missing = "it did not answer"
    with trio.move_on_after(ANSWER_LIMIT):
        try:
            signed = await ask(host, known.peer, Settle(), SignedReceipt)
            receipt = open_receipt(signed, known.peer)
        except (NetError, DescriptionError, trio.BrokenResourceError) as error:
            missing = str(error)
        else:
            return Settled(operator=operator, peer=known.peer, receipt=receipt, signed=signed)
    return Settled(operator=operator, peer=known.peer, missing=missing)

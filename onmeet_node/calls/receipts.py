"""After a call that went through a server: what the server signs to have released (P2).

Only then: for a call from machine to machine no bootstrap learns that there was one, and asking
would tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.history import History
from onmeet_node.calls.kept_receipts import receipts_as_json
from onmeet_node.net.bootstraps.receipts import Settled
from onmeet_node.process.faults import contained
from onmeet_node.protocol.identity.guest import is_guest
from onmeet_node.protocol.media import MediaPath

CLOSED_SECONDS = 3.0
"""For the media sessions of a call to close, and coturn's allocations with them (`legs`)."""
MAX_WAITING = 64


def used_a_server(call: Call) -> bool:
    """Whether any bootstrap held something for this call."""
    lent = call.report is not None and any(
        server.worked and server.kind.startswith("turn") for server in call.report.servers
    )
    return call.path is MediaPath.RELAY or is_guest(call.peer) or lent


class ReceiptCollector:
    """Asks after each such call, and keeps the answers with its history. Live in `run`."""

    def __init__(self, history: History, ask: Callable[[], Any]) -> None:
        """`ask` is `net.bootstraps.receipts.ask_receipts` of this node's bootstraps."""
        self._history = history
        self._ask = ask
        self._over, self._waiting = trio.open_memory_channel[Call](MAX_WAITING)

    def ended(self, call: Call) -> None:
        """A call is over, and in the history."""
        if used_a_server(call):
            try:
                # Driven by peers and guests, one a call. `_waiting` lives as long as this object.
                self._over.send_nowait(call)
            except trio.WouldBlock:
                return  # so many calls at once: these have no receipt, and it shows

    async def run(self) -> None:
        """Asks for receipts until cancelled."""
        async for call in self._waiting:
            with contained("receipt"):
                await trio.sleep(CLOSED_SECONDS)
                settled: Sequence[Settled] = await self._ask()
                self._history.keep_receipts(call, receipts_as_json(settled))

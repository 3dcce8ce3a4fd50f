"""Where TURN is lent for tokens: when one is spent, and on what (PROTOCOL, "Tokens")."""

from __future__ import annotations

from typing import Protocol

import trio

from onmeet_node.protocol.wire.bootstrap_api import TokenTerms

WANTED_SECONDS = 60.0
"""For so long after it was said that a call is coming credentials are asked for."""
RENEW_BEFORE = 90.0
"""Seconds before credentials end new ones are borrowed, if a call goes over them: its media is
offered anew with those a minute before the bootstrap ends the old allocations."""
FREE_AGAIN = 3_600.0
"""Seconds until a bootstrap that had nothing free is asked for something free again."""
MAX_TRIES = 4
"""Tokens tried one after another: some may be known as spent, as after a crash."""


class TokenPurse(Protocol):
    """Who has tokens; `node.account.AccountSlot` is a node's."""

    def take(self, bootstrap: str, terms: TokenTerms) -> bytes | None:
        """A token for this bootstrap, which is kept no longer; None if there is none for it.

        Also none where the bootstrap signs another key for this week than was seen before.
        """
        ...

    def give_back(self, bootstrap: str, token: bytes) -> None:
        """It was not spent, as far as is known: nothing answered."""
        ...


class TurnIntent:
    """Whether a call wants TURN now: told by `want`, and for `WANTED_SECONDS`."""

    def __init__(self) -> None:
        self._until = float("-inf")
        self._told = trio.Event()

    def want(self) -> None:
        """A call is coming, or goes on."""
        self._until = trio.current_time() + WANTED_SECONDS
        self._told.set()
        self._told = trio.Event()

    @property
    def wanted(self) -> bool:
        """Whether that was said lately."""
        return trio.current_time() < self._until

    async def told(self) -> None:
        """Returns when it is said the next time."""
        await self._told.wait()

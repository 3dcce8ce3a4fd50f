"""Where two meet who know a spoken code: mailboxes at the bootstraps (PROTOCOL, "Spoken codes")."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from onmeet_node.errors import OnMeetError
from onmeet_node.net.bootstraps.bootstraps import Bootstraps, BootstrapState
from onmeet_node.net.bootstraps.mailboxes import MailboxSide, enter_mailbox, open_mailbox
from onmeet_node.net.errors import MailboxRefused, NetError
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.protocol.spoken.code import SECRET_BYTES, SpokenCode
from onmeet_node.protocol.spoken.exchange import SpokenEnd
from onmeet_node.protocol.wire.mailbox import MailboxEnd
from onmeet_node.protocol.wire.vocabulary import BootstrapService

MAX_PLACES = 3
"""Bootstraps at which one code waits."""
LEAVE_SECONDS = 2.0


class SpokenFailed(OnMeetError):
    """Nothing was exchanged by a spoken code, which is used up."""


class NobodyCame(Exception):
    """A code waited in vain: `end` says why."""

    def __init__(self, end: SpokenEnd) -> None:
        super().__init__(end.value)
        self.end = end


@attrs.frozen
class OpenPlaces:
    """Mailboxes that wait for whoever types the code."""

    code: SpokenCode
    sides: Sequence[MailboxSide]

    @property
    def seconds(self) -> int:
        """How long they wait."""
        return min(side.seconds for side in self.sides)

    async def entered(self) -> MailboxSide:
        """The first that somebody enters; the others are given up: one try in all.

        Raises `NobodyCame`, and `SpokenFailed` when the bootstraps are gone.
        """
        came: list[MailboxSide] = []
        ends: list[MailboxEnd] = []

        async def wait(side: MailboxSide, scope: trio.CancelScope) -> None:
            try:
                end = await side.entered()
            except NetError:
                end = MailboxEnd.BROKEN
            if end is None and not came:
                came.append(side)
                scope.cancel()
            elif end is not None:
                ends.append(end)

        async with trio.open_nursery() as nursery:
            for side in self.sides:
                nursery.start_soon(wait, side, nursery.cancel_scope)
        if came:
            for other in self.sides:
                if other is not came[0]:
                    other.abort()
            return came[0]
        if MailboxEnd.EXPIRED in ends:
            raise NobodyCame(SpokenEnd.EXPIRED)
        raise SpokenFailed(
            "The connection to the bootstrap was lost while your code waited. Say a new one."
        )


class MeetingPlaces:
    """The mailboxes that this node's bootstraps have."""

    def __init__(self, host: Host, bootstraps: Bootstraps) -> None:
        self._host = host
        self._bootstraps = bootstraps

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[OpenPlaces]:
        """A fresh code that waits while the block runs. Raises `SpokenFailed`."""
        sides: list[MailboxSide] = []
        try:
            for place in self._places():
                if len(sides) == MAX_PLACES:
                    break
                wanted = sides[0].nameplate if sides else 0
                try:
                    sides.append(await open_mailbox(self._host, place, wanted))
                except NetError:
                    continue  # another has one
            if not sides:
                raise SpokenFailed(
                    "No bootstrap has a mailbox to spare just now. Try again in a minute, or give "
                    "them a contact code."
                )
            yield OpenPlaces(
                SpokenCode(sides[0].nameplate, secrets.token_bytes(SECRET_BYTES)), sides
            )
        finally:
            for side in sides:
                with trio.move_on_after(LEAVE_SECONDS, shield=True):
                    await side.leave()

    @asynccontextmanager
    async def enter(self, nameplate: int) -> AsyncIterator[MailboxSide]:
        """The mailbox of whoever waits under that number. Raises `NobodyCame`, `SpokenFailed`."""
        side = await self._enter(nameplate)
        try:
            yield side
        finally:
            with trio.move_on_after(LEAVE_SECONDS, shield=True):
                await side.leave()

    async def _enter(self, nameplate: int) -> MailboxSide:
        reasons = set()
        for place in self._places():
            try:
                return await enter_mailbox(self._host, place, nameplate)
            except MailboxRefused as error:
                reasons.add(error.reason)
                if error.reason == "crowded":
                    raise NobodyCame(SpokenEnd.CROWDED) from error
            except NetError:
                reasons.add("unreachable")
        if "busy" in reasons:
            raise SpokenFailed("Too many codes were tried from here. Try again in a minute.")
        if "unknown" in reasons:
            raise SpokenFailed(
                "Nobody waits under that number: the code is used up, has expired, or is at a "
                "bootstrap that you do not use. Ask for a new one, or for a contact code."
            )
        raise SpokenFailed("The bootstrap did not answer. Try again, or ask for a contact code.")

    def _places(self) -> Sequence[str]:
        """The bootstraps that have mailboxes, the preferred first. Raises `SpokenFailed`."""
        places = [
            known.peer
            for known in self._bootstraps.known
            if known.standing is BootstrapState.CONNECTED
            and known.description is not None
            and BootstrapService.MAILBOX in known.description.services
        ]
        if not places:
            raise SpokenFailed(
                "You are connected to no bootstrap where spoken codes meet. See what is wrong: "
                "onmeet doctor - or use a contact code."
            )
        return places

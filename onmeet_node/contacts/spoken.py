"""Spoken contact codes at a node: said by one, typed by the other, and both have each other's code.

Which bootstraps are asked, and what is said there: PROTOCOL, "Spoken codes".
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from onmeet_node.contacts.contacts import Contacts
from onmeet_node.errors import OnMeetError
from onmeet_node.net.bootstraps.bootstraps import Bootstraps, BootstrapState
from onmeet_node.net.bootstraps.mailboxes import MailboxSide, enter_mailbox, open_mailbox
from onmeet_node.net.errors import MailboxRefused, NetError
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.protocol.spoken.code import SECRET_BYTES, SpokenCode, parse_spoken
from onmeet_node.protocol.spoken.exchange import (
    ENTROPY_BYTES,
    CodeReceived,
    ExchangeFailed,
    SendLetter,
    SpokenEffect,
    SpokenEnd,
    SpokenExchange,
    SpokenRole,
    WordsAgree,
)
from onmeet_node.protocol.wire.mailbox import MailboxEnd
from onmeet_node.protocol.wire.vocabulary import BootstrapService
from onmeet_node.store import Contact

MAX_PLACES = 3
"""Bootstraps at which one code waits."""
EXCHANGE_SECONDS = 60.0
"""From the other side's coming to both codes: a round trip takes half a second."""
CODE_DAYS = 7
"""How long the contact code works that was exchanged: both are asked at once, and may be away."""
LABEL = "spoken"
LEAVE_SECONDS = 2.0


class SpokenFailed(OnMeetError):
    """No contact codes were exchanged; the spoken code is used up."""


@attrs.frozen(kw_only=True)
class Meant:
    """What the person who says or types a code adds to it."""

    label: str | None = None
    """What the contact code that is exchanged is called here."""
    name: str | None = None
    note: str | None = None


class SaidCode:
    """A code that waits for whoever types it."""

    def __init__(self, spoken: SpokenCodes, code: SpokenCode, sides: list[MailboxSide]) -> None:
        self._spoken = spoken
        self._code = code
        self._sides = sides
        self.seconds = min(side.seconds for side in sides)

    @property
    def text(self) -> str:
        """What to say."""
        return self._code.text()

    async def outcome(self, meant: Meant) -> Contact:
        """Waits for the other side, and exchanges contact codes. Raises `SpokenFailed`."""
        side = await self._entered()
        for other in self._sides:
            if other is not side:
                other.abort()  # one try in all
        return await self._spoken.exchange(side, SpokenRole.SAYER, self._code, meant)

    async def _entered(self) -> MailboxSide:
        """The first mailbox that somebody enters."""
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
            for side in self._sides:
                nursery.start_soon(wait, side, nursery.cancel_scope)
        if came:
            return came[0]
        if MailboxEnd.EXPIRED in ends:
            raise failed(SpokenEnd.EXPIRED, SpokenRole.SAYER)
        raise SpokenFailed(
            "The connection to the bootstrap was lost while your code waited. Say a new one."
        )


class SpokenCodes:
    """Says codes, and takes those that were heard."""

    def __init__(self, host: Host, bootstraps: Bootstraps, people: Contacts) -> None:
        self._host = host
        self._bootstraps = bootstraps
        self._people = people

    @asynccontextmanager
    async def say(self) -> AsyncIterator[SaidCode]:
        """A code that waits while the block runs. Raises `SpokenFailed`."""
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
            code = SpokenCode(sides[0].nameplate, secrets.token_bytes(SECRET_BYTES))
            yield SaidCode(self, code, sides)
        finally:
            for side in sides:
                with trio.move_on_after(LEAVE_SECONDS, shield=True):
                    await side.leave()

    async def add(self, text: str, meant: Meant) -> Contact:
        """Adds whoever said this code, who adds us. Raises `CodeError`, `SpokenFailed`."""
        code = parse_spoken(text)
        side = await self._enter(code.nameplate)
        try:
            return await self.exchange(side, SpokenRole.ADDER, code, meant)
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
                    raise failed(SpokenEnd.CROWDED, SpokenRole.ADDER) from error
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

    async def exchange(
        self, side: MailboxSide, role: SpokenRole, code: SpokenCode, meant: Meant
    ) -> Contact:
        """Our part in it, once there are two. Raises `SpokenFailed`, and `CodeError` for what they
        sent in place of a contact code.
        """
        machine = SpokenExchange(
            role, code, side.bootstrap, entropy=secrets.token_bytes(ENTROPY_BYTES)
        )
        made: str | None = None
        added: Contact | None = None
        try:
            with trio.move_on_after(EXCHANGE_SECONDS):
                effects: Sequence[SpokenEffect] = machine.start()
                while True:
                    for effect in effects:
                        match effect:
                            case SendLetter(body=body):
                                await side.send(body)
                            case WordsAgree():
                                given = self._people.codes.new(meant.label or LABEL, days=CODE_DAYS)
                                made = given.label
                                for letter in machine.reveal(given.uri):
                                    assert isinstance(letter, SendLetter)
                                    await side.send(letter.body)
                            case CodeReceived(code=text):
                                added = self._people.add(text, name=meant.name, note=meant.note)
                                return added
                            case ExchangeFailed(end=end):
                                raise failed(end, role)
                    heard = await side.receive()
                    effects = (
                        machine.take(heard) if isinstance(heard, bytes) else machine.ended(heard)
                    )
            raise failed(SpokenEnd.LEFT, role)
        except NetError as error:
            raise failed(SpokenEnd.BROKEN, role) from error
        finally:
            if made is not None and added is None:
                self._people.revoke(made)


def failed(end: SpokenEnd, role: SpokenRole) -> SpokenFailed:
    """What is told to the person at this side."""
    sayer = role is SpokenRole.SAYER
    match end:
        case SpokenEnd.WRONG if sayer:
            return SpokenFailed(
                "Somebody tried a wrong code, and yours is used up. Say a new one; if that "
                "happens again, give them a contact code."
            )
        case SpokenEnd.WRONG:
            return SpokenFailed(
                "Those are not the words, and the code is used up; the other side is told. Ask "
                "for a new one."
            )
        case SpokenEnd.UNPROVEN:
            return SpokenFailed(
                "The other side left before it showed that it knows the words: somebody may have "
                "guessed. This code is used up; take a new one."
            )
        case SpokenEnd.LEFT:
            return SpokenFailed(
                "The other side went away before the contact codes were exchanged. This code is "
                "used up; take a new one."
            )
        case SpokenEnd.CROWDED:
            return SpokenFailed(
                "A third came with the number of this code, so nothing was exchanged. Take a new "
                "code."
            )
        case SpokenEnd.EXPIRED:
            return SpokenFailed(
                "Nobody came with this code in time. Say a new one when both of you are ready."
            )
        case SpokenEnd.BROKEN:
            return SpokenFailed(
                "The other side, or the bootstrap, does not speak as it should. Update On-Meet on "
                "both sides, and take a new code."
            )

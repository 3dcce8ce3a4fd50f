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
from onmeet_node.contacts.meeting import MeetingPlaces, NobodyCame, OpenPlaces, SpokenFailed
from onmeet_node.net.bootstraps.mailboxes import MailboxSide
from onmeet_node.net.errors import NetError
from onmeet_node.protocol.spoken.code import SpokenCode, parse_spoken
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
from onmeet_node.store import Contact

EXCHANGE_SECONDS = 60.0
"""From the other side's coming to both codes: a round trip takes half a second."""
CODE_DAYS = 7
"""How long the contact code works that was exchanged: both are asked at once, and may be away."""
LABEL = "spoken"


@attrs.frozen(kw_only=True)
class Meant:
    """What the person who says or types a code adds to it."""

    label: str | None = None
    """What the contact code that is exchanged is called here."""
    name: str | None = None
    note: str | None = None


class SaidCode:
    """A code that waits for whoever types it."""

    def __init__(self, spoken: SpokenCodes, places: OpenPlaces) -> None:
        self._spoken = spoken
        self._places = places
        self.seconds = places.seconds

    @property
    def text(self) -> str:
        """What to say."""
        return self._places.code.text()

    async def outcome(self, meant: Meant) -> Contact:
        """Waits for the other side, and exchanges contact codes. Raises `SpokenFailed`."""
        try:
            side = await self._places.entered()
        except NobodyCame as error:
            raise failed(error.end, SpokenRole.SAYER) from error
        return await self._spoken.exchange(side, SpokenRole.SAYER, self._places.code, meant)


class SpokenCodes:
    """Says codes, and takes those that were heard."""

    def __init__(self, places: MeetingPlaces, people: Contacts) -> None:
        self._places = places
        self._people = people

    @asynccontextmanager
    async def say(self) -> AsyncIterator[SaidCode]:
        """A code that waits while the block runs. Raises `SpokenFailed`."""
        async with self._places.opened() as places:
            yield SaidCode(self, places)

    async def add(self, text: str, meant: Meant) -> Contact:
        """Adds whoever said this code, who adds us. Raises `CodeError`, `SpokenFailed`."""
        code = parse_spoken(text)
        try:
            async with self._places.enter(code.nameplate) as side:
                return await self.exchange(side, SpokenRole.ADDER, code, meant)
        except NobodyCame as error:
            raise failed(error.end, SpokenRole.ADDER) from error

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

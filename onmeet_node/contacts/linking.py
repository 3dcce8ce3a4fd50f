"""A new device becomes one of a person's: both ends of it (PROTOCOL, "Linking").

The new device says a code; the old one, which holds the identity key, takes it. Both show the same
four words, and the old one's person says whether it is their device; only then is it put on the
list and told whose it is.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import attrs
import msgpack
import trio

from onmeet_node.contacts.devices import Devices
from onmeet_node.contacts.meeting import MeetingPlaces, NobodyCame, OpenPlaces
from onmeet_node.contacts.own_devices import DeviceView, NotHere, TooManyDevices
from onmeet_node.errors import OnMeetError
from onmeet_node.net.bootstraps.mailboxes import MailboxSide
from onmeet_node.net.errors import NetError
from onmeet_node.protocol.identity.blinding import SECRET_BYTES
from onmeet_node.protocol.identity.devices import (
    MAX_DEVICE_NAME_CHARS,
    MAX_LISTED,
    DeviceList,
    read_list,
    require_listed,
)
from onmeet_node.protocol.identity.errors import DeviceListError, IdentityError
from onmeet_node.protocol.identity.keys import KEY_BYTES, require_point
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.spoken.code import SpokenCode, parse_spoken
from onmeet_node.protocol.spoken.exchange import (
    ENTROPY_BYTES,
    CodeReceived,
    ExchangeFailed,
    SendLetter,
    SpokenEffect,
    SpokenEnd,
    SpokenExchange,
    SpokenPurpose,
    SpokenRole,
    WordsAgree,
)
from onmeet_node.protocol.wire.mailbox import MailboxEnd

CONFIRM_SECONDS = 180.0
"""For the person to compare the words and say yes."""
LINK_PREFIX = "onmeet-link:"
"""Before the code, in a QR code."""

Shown = Callable[[tuple[str, ...], str], Awaitable[None]]
"""Is given the words that both sides show, and what the new device calls itself."""


class LinkFailed(OnMeetError):
    """The new device was not linked; its code is used up."""


@attrs.frozen
class LinkWelcome:
    """What a new device is told of its person, to begin with."""

    identity: bytes
    devices: DeviceList
    contacts_secret: bytes = attrs.field(repr=False)
    """By which it finds the other devices, as contacts do."""


def link_code(text: str) -> str:
    """The spoken code in what was typed or scanned."""
    return text.strip().removeprefix(LINK_PREFIX).removeprefix(LINK_PREFIX.upper())


# ── at the new device ────────────────────────────────────────────────────────────────────────────
@attrs.frozen
class OfferedLink:
    """A code that waits for the person's other device."""

    _places: OpenPlaces

    @property
    def text(self) -> str:
        """The code, as it is said."""
        return self._places.code.text()

    @property
    def seconds(self) -> int:
        """How long it waits."""
        return self._places.seconds

    async def outcome(self, key: bytes, name: str, show: Shown) -> LinkWelcome:
        """Waits for the other device and its person. Raises `LinkFailed`, `SpokenFailed`."""
        try:
            side = await self._places.entered()
        except NobodyCame as error:
            raise _failed(error.end, new=True) from error
        exchange = _Exchange(side, SpokenRole.SAYER, self._places.code)
        await exchange.agree()
        await show(exchange.words, name)
        await exchange.say([key, name])
        with trio.move_on_after(CONFIRM_SECONDS):
            return _read_welcome(await exchange.hear(), key)
        raise _failed(SpokenEnd.EXPIRED, new=True)


@asynccontextmanager
async def offer_link(places: MeetingPlaces) -> AsyncIterator[OfferedLink]:
    """A code for the person's other device, while the block runs. Raises `SpokenFailed`."""
    async with places.opened() as opened:
        yield OfferedLink(opened)


def _read_welcome(content: list[object], key: bytes) -> LinkWelcome:
    try:
        match content:
            case [bytes(identity), bytes(signed), bytes(secret), *_] if len(secret) == SECRET_BYTES:
                devices = read_list(identity, signed)
                require_listed(devices, key)
                return LinkWelcome(identity, devices, secret)
    except (DeviceListError, IdentityError) as error:
        raise _failed(SpokenEnd.BROKEN, new=True) from error
    raise _failed(SpokenEnd.BROKEN, new=True)


# ── at the device that holds the identity ────────────────────────────────────────────────────────
class DeviceLinks:
    """Takes codes of new devices, one at a time."""

    def __init__(
        self, places: MeetingPlaces, devices: Devices, *, contacts_secret: Callable[[], bytes]
    ) -> None:
        self._places = places
        self._devices = devices
        self._contacts_secret = contacts_secret
        self._asked: _WordsQuestion | None = None
        self._busy = False

    async def add(self, text: str, show: Shown) -> DeviceView:
        """Links the device that says this code, when `answer` confirms the words that are shown.

        Raises `NotHere`, `TooManyDevices`, `CodeError`, `SpokenFailed`, `LinkFailed`.
        """
        own = self._devices.own
        if not own.holds_identity:
            raise NotHere
        if len(own.views()) >= MAX_LISTED:
            raise TooManyDevices
        code = parse_spoken(link_code(text))
        if self._busy:
            raise LinkFailed(
                "Another device is being linked just now. Finish that first, then take a new code."
            )
        self._busy = True
        try:
            async with self._places.enter(code.nameplate) as side:
                exchange = _Exchange(side, SpokenRole.ADDER, code)
                await exchange.agree()
                key, name = _read_request(await exchange.hear())
                await self._confirmed(exchange.words, name, show)
                view = self._devices.add(key, name)
                assert own.list is not None, "it was just signed"
                try:
                    await exchange.say([own.identity, own.list.signed, self._contacts_secret()])
                except LinkFailed:
                    self._devices.revoke(key.hex())  # it went, and nobody may be it later
                    raise
                return view
        except NobodyCame as error:
            raise _failed(error.end, new=False) from error
        finally:
            self._busy = False

    async def _confirmed(self, words: tuple[str, ...], name: str, show: Shown) -> None:
        self._asked = question = _WordsQuestion()
        try:
            await show(words, name)
            with trio.move_on_after(CONFIRM_SECONDS):
                await question.answered.wait()
        finally:
            self._asked = None
        if not question.yes:
            raise LinkFailed("Nothing was linked: the words were not confirmed.")

    def answer(self, *, yes: bool) -> None:
        """What the person says of the words. Raises `LinkFailed` if nothing is asked."""
        if self._asked is None:
            raise LinkFailed("No device waits to be confirmed. Begin with: onmeet devices add CODE")
        self._asked.yes = yes
        self._asked.answered.set()


@attrs.define
class _WordsQuestion:
    answered: trio.Event = attrs.field(factory=trio.Event)
    yes: bool = False


def _read_request(content: list[object]) -> tuple[bytes, str]:
    match content:
        case [bytes(key), str(name), *_] if len(key) == KEY_BYTES:
            try:
                return require_point(key), clean_text(name, MAX_DEVICE_NAME_CHARS) or "device"
            except IdentityError as error:
                raise _failed(SpokenEnd.BROKEN, new=False) from error
    raise _failed(SpokenEnd.BROKEN, new=False)


# ── the exchange ─────────────────────────────────────────────────────────────────────────────────
class _Exchange:
    """One side's part in a mailbox."""

    def __init__(self, side: MailboxSide, role: SpokenRole, code: SpokenCode) -> None:
        self._side = side
        self._new = role is SpokenRole.SAYER
        self._machine = SpokenExchange(
            role,
            code,
            side.bootstrap,
            entropy=secrets.token_bytes(ENTROPY_BYTES),
            purpose=SpokenPurpose.LINK,
        )
        self.words: tuple[str, ...] = ()
        self._heard: list[object] | None = None

    async def agree(self) -> None:
        """Returns when both have proven that they have the same words. Raises `LinkFailed`."""
        await self._do(self._machine.start())
        while not self.words:
            await self._next()

    async def hear(self) -> list[object]:
        """What the other side says. Raises `LinkFailed`."""
        while self._heard is None:
            await self._next()
        return self._heard

    async def say(self, content: list[object]) -> None:
        """Says it, sealed."""
        text = base64.urlsafe_b64encode(msgpack.packb(content)).decode()
        await self._do(self._machine.reveal(text))

    async def _next(self) -> None:
        try:
            heard = await self._side.receive()
        except NetError as error:
            raise _failed(SpokenEnd.BROKEN, new=self._new) from error
        match heard:
            case bytes():
                await self._do(self._machine.take(heard))
            case MailboxEnd():
                await self._do(self._machine.ended(heard))

    async def _do(self, effects: Sequence[SpokenEffect]) -> None:
        for effect in effects:
            match effect:
                case SendLetter(body=body):
                    try:
                        await self._side.send(body)
                    except NetError as error:
                        raise _failed(SpokenEnd.BROKEN, new=self._new) from error
                case WordsAgree():
                    self.words = self._machine.shown_words()
                case CodeReceived(code=text):
                    self._heard = self._unpack(text)
                case ExchangeFailed(end=end):
                    raise _failed(end, new=self._new)

    def _unpack(self, text: str) -> list[object]:
        try:
            content = msgpack.unpackb(base64.urlsafe_b64decode(text))
        except (binascii.Error, ValueError, msgpack.UnpackException) as error:
            raise _failed(SpokenEnd.BROKEN, new=self._new) from error
        if not isinstance(content, list):
            raise _failed(SpokenEnd.BROKEN, new=self._new)
        return content


def _failed(end: SpokenEnd, *, new: bool) -> LinkFailed:
    """What is told to the person at this side."""
    match end:
        case SpokenEnd.WRONG if new:
            return LinkFailed(
                "Somebody tried a wrong code, and this one is used up. Begin anew: onmeet link"
            )
        case SpokenEnd.WRONG:
            return LinkFailed(
                "Those are not the words, and the code is used up. Begin anew on the new device: "
                "onmeet link"
            )
        case SpokenEnd.CROWDED:
            return LinkFailed("A third came with the number of this code. Take a new one.")
        case SpokenEnd.EXPIRED:
            return LinkFailed("Nobody answered in time. Take a new code: onmeet link")
        case SpokenEnd.LEFT | SpokenEnd.UNPROVEN:
            return LinkFailed(
                "The other device went away, or its person said no. Nothing was linked; take a "
                "new code: onmeet link"
            )
        case SpokenEnd.BROKEN:
            return LinkFailed(
                "The other device, or the bootstrap, does not speak as it should. Update On-Meet "
                "on both, and take a new code."
            )

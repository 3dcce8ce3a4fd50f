"""Ends allocations whose ration is used up, by coturn's own command line (`turnserver --cli-port`).

coturn looks at the expiry of credentials when an allocation is made, and at no refresh after that
(coturn issues 774 and 1204): one credential would relay for ever. So every half minute coturn is
asked for its sessions, and those are cancelled that are past the time in their user name, or whose
credential has passed more bytes than it may. The command line listens on the loopback, at a port
and with a password made at each start of coturn.
"""

from __future__ import annotations

import logging
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest

import attrs
import trio

from onmeet_bootstrap.errors import BootstrapError
from onmeet_bootstrap.turn.lending import LOOK_SECONDS
from onmeet_node.process.faults import contained

log = logging.getLogger("bootstrap")

ANSWER_SECONDS = 10.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""3,000 sessions take 1.3 MB."""
PASSWORD_BYTES = 24
_PROMPT = b"> "
_ASKS = b"Enter password: \r\n"
_SESSION = re.compile(rb"^\s*\d+\) id=(\d{1,20}), user <([^>\r\n]{1,512})>", re.MULTILINE)
_USAGE = re.compile(rb"usage: rp=\d+, rb=(\d+), sp=\d+, sb=(\d+)")
_TOTAL = re.compile(rb"Total sessions: (\d+)")


class CoturnSilent(BootstrapError):
    """coturn's command line does not answer, or not as it should."""


@attrs.frozen
class TurnCli:
    """Where coturn's command line is, and what opens it."""

    port: int
    password: str = attrs.field(repr=False)

    @classmethod
    def make(cls) -> TurnCli:
        """A port of the loopback that is free now, and a new password."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return cls(probe.getsockname()[1], secrets.token_urlsafe(PASSWORD_BYTES))


@attrs.frozen
class TurnSession:
    """An allocation, as coturn lists it."""

    id: str
    username: str
    """Of the credential that it was made with: expiry and share."""
    bytes_passed: int
    """Both ways; coturn counts on every 2,048 packets or so."""

    @property
    def expiry(self) -> int | None:
        """Unix seconds until which its credential was lent; None if it was none of ours."""
        text = self.username.partition(":")[0]
        return int(text) if text.isdecimal() and len(text) < 16 else None


def sessions_in(listing: bytes) -> list[TurnSession]:
    """What ``ps`` printed. Raises `CoturnSilent` if that is cut off."""
    total = _TOTAL.search(listing)
    found = list(_SESSION.finditer(listing))
    if total is None or int(total[1]) != len(found):
        raise CoturnSilent("coturn's list of sessions is not whole.")
    sessions = []
    for each, following in zip_longest(found, found[1:]):
        end = following.start() if following is not None else len(listing)
        usage = _USAGE.search(listing, each.end(), end)
        passed = int(usage[1]) + int(usage[2]) if usage is not None else 0
        sessions.append(TurnSession(each[1].decode(), each[2].decode("ascii", "replace"), passed))
    return sessions


class Rations:
    """Which sessions are to end. What a credential passed in sessions that ended counts on."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes`: of one credential."""
        self._most = most_bytes
        self._passed: dict[str, dict[str, int]] = {}
        """By user name, by session: bytes when last looked."""

    def __len__(self) -> int:
        return len(self._passed)

    def overdue(self, sessions: Iterable[TurnSession], now: float) -> Iterator[str]:
        """Ids of the sessions to cancel."""
        seen = list(sessions)
        for each in seen:
            if each.expiry is not None:
                self._passed.setdefault(each.username, {})[each.id] = each.bytes_passed
        for each in seen:
            if each.expiry is None:
                continue
            if each.expiry <= now or sum(self._passed[each.username].values()) > self._most:
                yield each.id
        present = {each.username for each in seen}
        for username in list(self._passed):
            expiry = TurnSession("", username, 0).expiry
            if username not in present and (expiry is None or expiry <= now):
                del self._passed[username]


class SessionWarden:
    """Looks again and again, and cancels what is overdue. `cli`: of the coturn that is up."""

    def __init__(
        self,
        cli: Callable[[], TurnCli | None],
        rations: Rations,
        *,
        pause: float = LOOK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cli = cli
        self._clock = clock
        self._pause = pause
        self.rations = rations
        self.cancelled = 0
        """Since the start."""

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await trio.sleep(self._pause)
            with contained("TURN sessions"):
                try:
                    await self.look()
                except CoturnSilent as error:
                    log.warning("sessions past their time were not ended: %s", error)

    async def look(self) -> None:
        """Once. Raises `CoturnSilent`."""
        cli = self._cli()
        if cli is None:
            return
        try:
            with trio.fail_after(ANSWER_SECONDS):
                stream = await trio.open_tcp_stream("127.0.0.1", cli.port)
                async with stream:
                    await _until(stream, _ASKS)
                    await _ask(stream, cli.password.encode())
                    listing = await _ask(stream, b"ps")
                    for session in self.rations.overdue(sessions_in(listing), self._clock()):
                        await _ask(stream, b"cs " + session.encode())
                        self.cancelled += 1
        except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            raise CoturnSilent("coturn's command line does not answer.") from error


async def _ask(stream: trio.SocketStream, line: bytes) -> bytes:
    await stream.send_all(line + b"\r\n")
    return await _until(stream, _PROMPT)


async def _until(stream: trio.SocketStream, end: bytes) -> bytes:
    data = bytearray()
    while not data.endswith(end):
        part = await stream.receive_some()
        if not part or len(data) > MAX_ANSWER_BYTES:
            raise CoturnSilent("coturn's command line broke off.")
        if data.endswith(_ASKS) and not end.startswith(_ASKS):
            raise CoturnSilent("coturn's command line refuses its password.")
        data += part
    return bytes(data)

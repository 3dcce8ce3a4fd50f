"""Browsers that come back: known by a key that they made and keep, or let in by a click.

A token is of one run of the node, and a code works once. A browser that was let in proves itself by
a signature with a key of its own (WebCrypto, not extractable), over a challenge of this run and the
address that it came to. One that is not known may ask: who is in sees a number, which the other
window shows as well, and decides.
"""

from __future__ import annotations

import base64
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import trio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from onmeet_node.store.app_place import KEY_BYTES, AppPlace

DOMAIN = b"onmeet browser 1\0"
CHALLENGE_SECONDS = 60.0
MAX_CHALLENGES = 64
ASK_SECONDS = 120.0
"""For somebody to decide."""
POLL_SECONDS = 20.0
"""That one request waits for it."""
MAX_ASKING = 2
"""At once: each is a question on somebody's screen."""
ASKS_PER_MINUTE = 4
SIGNATURE_BYTES = 64


@dataclass(eq=False)
class Asking:
    """A browser that wants in."""

    browser: bytes
    number: str
    """Four digits, shown in both windows."""
    until: float
    decided: trio.Event = field(default_factory=trio.Event)
    let_in: bool = False


class Browsers:
    """Who may come back to an app, and who asks to; `place` is the home's."""

    def __init__(
        self, place: AppPlace, now: Callable[[], float], changed: Callable[[], None] = lambda: None
    ) -> None:
        """`changed` is called when somebody asks, and when they do no longer."""
        self._place = place
        self._now = now
        self.changed = changed
        self._challenges: OrderedDict[str, float] = OrderedDict()
        self._asking: dict[str, Asking] = {}
        self._asked: list[float] = []

    # ── who proves what ─────────────────────────────────────────────────────────────────────────
    def challenge(self) -> str:
        """What is to be signed; good once, for CHALLENGE_SECONDS."""
        challenge = secrets.token_urlsafe(32)
        self._challenges[challenge] = self._now() + CHALLENGE_SECONDS
        while len(self._challenges) > MAX_CHALLENGES:
            self._challenges.popitem(last=False)
        return challenge

    def proven(self, key: str, challenge: str, signature: str, origin: bytes) -> bytes | None:
        """The public key that signed this challenge for this origin; None if it did not.

        `key`: an uncompressed point of P-256, `signature`: r and s (IEEE P1363) by ECDSA with
        SHA-256, both in base64url without padding.
        """
        until = self._challenges.pop(challenge, None)
        if until is None or until < self._now():
            return None
        browser, signed = read_key(key), _decoded(signature, SIGNATURE_BYTES)
        if browser is None or signed is None:
            return None
        return browser if _verifies(browser, signed, origin + b"\0" + challenge.encode()) else None

    def knows(self, browser: bytes) -> bool:
        """Whether it was let in before."""
        return self._place.knows(browser)

    def let_in(self, browser: bytes) -> None:
        """It may come back. Raises `StoreError`."""
        self._place.let_in(browser)

    # ── who asks ────────────────────────────────────────────────────────────────────────────────
    @property
    def numbers(self) -> tuple[str, ...]:
        """Of those who ask now."""
        now = self._now()
        self._asking = {name: one for name, one in self._asking.items() if one.until > now}
        return tuple(one.number for one in self._asking.values() if not one.decided.is_set())

    def ask(self, browser: bytes) -> tuple[str, Asking] | None:
        """It asks to be let in: a name for `decision`, and the question; None: too many ask."""
        now = self._now()
        self._asked = [at for at in self._asked if at > now - 60.0]
        numbers = self.numbers
        if len(numbers) >= MAX_ASKING or len(self._asked) >= ASKS_PER_MINUTE:
            return None
        self._asked.append(now)
        number = next(n for n in iter(_number, "") if n not in numbers)
        name = secrets.token_urlsafe(32)
        asking = self._asking[name] = Asking(browser, number, now + ASK_SECONDS)
        self.changed()
        return name, asking

    def decide(self, number: str, *, let_in: bool) -> bool:
        """Lets the browser with this number in, or not; False: it does not ask any more."""
        for asking in self._asking.values():
            waits = not asking.decided.is_set() and asking.until > self._now()
            if asking.number == number and waits:
                if let_in:
                    self.let_in(asking.browser)
                asking.let_in = let_in
                asking.decided.set()
                self.changed()
                return True
        return False

    async def decision(self, name: str) -> Asking | None:
        """The question, once it is decided or POLL_SECONDS have passed; None: there is none such
        any more.
        """
        asking = self._asking.get(name)
        if asking is None:
            return None
        with trio.move_on_after(POLL_SECONDS):
            await asking.decided.wait()
        if asking.decided.is_set():
            self._asking.pop(name, None)
        return asking if asking.decided.is_set() or asking.until > self._now() else None


def read_key(key: str) -> bytes | None:
    """A browser's public key; None for what is none."""
    found = _decoded(key, KEY_BYTES)
    return found if found is not None and found[0] == 4 else None


def _number() -> str:
    return f"{secrets.randbelow(10_000):04d}"


def _decoded(text: str, size: int) -> bytes | None:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return data if len(data) == size else None


def _verifies(browser: bytes, signature: bytes, message: bytes) -> bool:
    half = SIGNATURE_BYTES // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), browser)
        key.verify(encode_dss_signature(r, s), DOMAIN + message, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True

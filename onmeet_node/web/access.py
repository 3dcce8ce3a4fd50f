"""Who may talk to the app's server: this machine's own page and nobody else.

A web page anywhere can send requests to 127.0.0.1, and after DNS rebinding even with a name of its
own; another user of this machine can connect too. So every request is measured by its exact Host,
Origin and Sec-Fetch-Site, and nothing but the page itself works without a token. No cookie: those
ignore ports, and every program on this machine could set or get them. `browsers` has those who were
let in before.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onmeet_node.web.browsers import Browsers

CODE_SECONDS = 60.0
"""For the browser to come up and exchange its code."""
MAX_CODES = 16
MAX_TOKENS = 64
"""Windows that were opened since the node started; the oldest loses its token."""
WRONG_PER_MINUTE = 10
"""Wrong codes in a minute; then none is looked at until they are a minute old."""

CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types lit-html",
))  # fmt: skip
"""What the page may do (CSP level 3): its own files, this server, and nothing written as HTML."""

SECURITY_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in (
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        (
            "permissions-policy",
            "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
        ),
        ("cache-control", "no-store"),
    )
)


class Access:
    """The one-time codes and the tokens of one run of the node; `now` gives seconds.

    `browsers`: who may come back without a code; None: nobody.
    """

    def __init__(self, now: Callable[[], float], browsers: Browsers | None = None) -> None:
        self.browsers = browsers
        self._now = now
        self._codes: dict[str, float] = {}
        self._tokens: deque[str] = deque(maxlen=MAX_TOKENS)
        self._wrong: deque[float] = deque(maxlen=WRONG_PER_MINUTE)

    def new_code(self) -> str:
        """A code that can be exchanged once within CODE_SECONDS: 43 characters, 256 bits."""
        while len(self._codes) >= MAX_CODES:
            del self._codes[min(self._codes, key=lambda code: self._codes[code])]
        code = secrets.token_urlsafe(32)
        self._codes[code] = self._now() + CODE_SECONDS
        return code

    @property
    def throttled(self) -> bool:
        """Whether too many wrong codes came in the last minute."""
        return len(self._wrong) == WRONG_PER_MINUTE and self._now() - self._wrong[0] < 60.0

    def exchange(self, code: str) -> str | None:
        """The token for a code, 64 hex digits; None for a wrong, used or old one."""
        now = self._now()
        self._codes = {known: until for known, until in self._codes.items() if until > now}
        found = _find(code, self._codes)
        if found is None:
            self._wrong.append(now)
            return None
        del self._codes[found]
        return self.new_token()

    def new_token(self) -> str:
        """For somebody who was let in: 64 hex digits."""
        token = secrets.token_hex(32)
        self._tokens.append(token)
        return token

    def knows(self, token: str) -> bool:
        """Whether this is a token of this run."""
        return _find(token, self._tokens) is not None


def _find(given: str, known: Iterable[str]) -> str | None:
    """Compares with all, in a time that tells nothing."""
    found = None
    for one in known:
        if hmac.compare_digest(one.encode(), given.encode("utf-8", "replace")):
            found = one
    return found


class Guard:
    """ASGI middleware: refuses what does not come from the app's own page, before any routing.

    421 for a foreign Host (RFC 9110, 15.5.20), 403 for a foreign or missing Origin where one is
    due and for a foreign Sec-Fetch-Site, 405 for methods that nothing here has.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        hosts = (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}")
        self._hosts = frozenset(host.encode() for host in hosts)
        self._origins = frozenset(f"http://{host}".encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        status = self._verdict(scope)
        if status is None:
            await self._app(scope, receive, _with_headers(send))
        else:
            await _refuse(scope, send, status)

    def _verdict(self, scope: Scope) -> int | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        host, origin, site = (
            [value for name, value in headers if name == wanted]
            for wanted in (b"host", b"origin", b"sec-fetch-site")
        )
        if len(host) != 1 or host[0] not in self._hosts:
            return 421
        reads = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
        if not reads and scope["type"] == "http" and scope["method"] != "POST":
            return 405
        own = len(origin) == 1 and origin[0] in self._origins
        if not own and (origin or not reads):
            return 403
        if any(value not in {b"same-origin", b"none"} for value in site):
            return 403
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            kept = [h for h in message.get("headers", []) if h[0].lower() != b"cache-control"]
            message = {**message, "headers": [*kept, *SECURITY_HEADERS]}
        await send(message)

    return sending


async def _refuse(scope: Scope, send: Send, status: int) -> None:
    kind = "http" if scope["type"] == "http" else "websocket.http"
    await send({
        "type": f"{kind}.response.start",
        "status": status,
        "headers": [(b"content-length", b"0"), *SECURITY_HEADERS],
    })  # fmt: skip
    await send({"type": f"{kind}.response.body", "body": b""})

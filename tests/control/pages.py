"""A page of the app without a browser: says and hears raw messages, and answers for its media.

Whatever comes is kept from the beginning, so nothing is missed by looking late. The media are not
there: the page describes them, and says that they are connected as soon as both ends are described.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Request,
)

from tests.control.nodes import SECONDS, NotInTime
from tests.control.normal import Normal

Message = dict[str, Any]
VERSION = 1
SDP = "\r\n".join((
    "v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0",
    "a=fingerprint:sha-256 " + ":".join(f"{byte:02X}" for byte in range(32)), "",
))  # fmt: skip
CANDIDATE = {"candidate": "candidate:1 1 udp 2130706431 192.0.2.1 9 typ host", "mid": "0"}
MEDIA = {
    "open-media", "make-offer", "take-offer", "take-answer", "take-candidates", "attach-media",
    "mute-media", "suspect-media", "close-media", "shape-media", "carry-media",
}  # fmt: skip


def token_for(port: int, code: str) -> str:
    """What a page does first."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        origin = {"origin": f"http://127.0.0.1:{port}", "content-type": "application/json"}
        link.request("POST", "/session", json.dumps({"code": code}), origin)
        return str(json.loads(link.getresponse().read())["token"])
    finally:
        link.close()


class Page:
    """One window. `record` gets what is worth comparing."""

    def __init__(
        self,
        name: str,
        port: int,
        token: str,
        normal: Normal,
        record: Callable[[Message], None],
        others: list[Page],
        **hello: Any,
    ) -> None:
        self.name = name
        self._normal = normal
        self._record = record
        self._others = others
        self._offered: list[Any] = []
        """Sessions that gave an answer, of which it is not known yet that it has arrived."""
        self._connected: set[Any] = set()
        self._number = 0
        self._news = threading.Condition()
        self._heard: list[Message] = []
        self._said_of_media: dict[str, Message] = {}
        self._kinds: dict[int, list[str]] = {}
        self.closed: int | None = None
        self._accepted = False
        self._ended = False
        self.silent = False
        """It answers for no media."""
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._socket.settimeout(SECONDS)
        self._writing = threading.Lock()
        self._protocol = WSConnection(ConnectionType.CLIENT)
        origin = f"http://127.0.0.1:{port}".encode()
        self._write(
            Request(host=f"127.0.0.1:{port}", target="/ws", extra_headers=[(b"origin", origin)])
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self._await(lambda: self._accepted, "the WebSocket")
        self.say("hello", quiet=not hello, **{"version": VERSION, "token": token, **hello})

    def close(self) -> None:
        """The window is closed."""
        with suppress(OSError):
            self._write(CloseConnection(code=1000))
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(SECONDS)

    # ── the socket ────────────────────────────────────────────────────────────────────────────────
    def _write(self, event: Any) -> None:
        with self._writing:
            self._socket.sendall(self._protocol.send(event))

    def _read(self) -> None:
        data = b""
        with suppress(OSError):
            while part := self._socket.recv(65_536):
                self._protocol.receive_data(part)
                for event in self._protocol.events():
                    match event:
                        case AcceptConnection():
                            self._accepted = True
                            self._tell()
                        case Ping():
                            self._write(event.response())
                        case BytesMessage():
                            data += event.data
                            if event.message_finished:
                                self._take(msgpack.unpackb(data))
                                data = b""
                        case CloseConnection(code=code):
                            self.closed = code
        self._ended = True
        self._tell()

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()

    def _take(self, message: Message) -> None:
        self._answer_for_media(message)
        with self._news:
            self._heard.append(message)
            self._news.notify_all()

    def _await(self, condition: Callable[[], Any], what: str) -> Any:
        with self._news:
            self._news.wait_for(lambda: condition() or self._ended, SECONDS)
            got = condition()
        if not got:
            raise NotInTime(
                f"{self.name}'s page, {what}; closed: {self.closed}; "
                f"heard {[m['t'] for m in self._heard[-12:]]}; "
                f"last {self.newest(what.split(maxsplit=1)[0])}"
            )
        return got

    # ── media ─────────────────────────────────────────────────────────────────────────────────────
    def _answer_for_media(self, message: Message) -> None:
        session = message.get("session")
        if self.silent and message["t"] != "open-media":
            return
        match message["t"]:
            case "open-media":
                self._kinds[message["session"]] = message["kinds"]
            case "make-offer":
                self._describe(session)
            case "take-offer":
                self._offered.append(session)
                self._describe(session)
            case "take-answer":
                # Before it, the node of the other page may not have taken its description yet.
                self._connect(session)
                for other in self._others:
                    other.connect_offered()

    def connect_offered(self) -> None:
        """Its answer has arrived at another page."""
        while self._offered:
            self._connect(self._offered.pop())

    def _describe(self, session: Any) -> None:
        self.media("described", session=session, sdp=SDP)
        self.media("found", session=session, candidates=[CANDIDATE], end=True)

    def _connect(self, session: Any) -> None:
        self.media("media-connected", session=session, path="host")
        self._connected.add(session)
        self._tell()
        self.media(
            "media-counters",
            session=session,
            streams=[
                {"kind": kind, "frames_decoded": 3, "round_trip_ms": 9}
                for kind in self._kinds[session]
            ],
            local=["host/udp"],
            remote=["host/udp"],
            pairs=[{"local": "host/udp", "remote": "host/udp", "state": "nominated", "count": 2}],
            servers=[{"kind": "stun/udp", "worked": False, "error": "it says nothing"}],
        )
        for kind in self._kinds[session]:
            self.media("media-first-frame", session=session, kind=kind)

    def media(self, kind: str, /, **fields: Any) -> None:
        """Says something about a media session."""
        message = {"t": kind, **fields}
        self._said_of_media.setdefault(kind, message)
        self._write(BytesMessage(data=msgpack.packb(message)))

    # ── steps of a scene ──────────────────────────────────────────────────────────────────────────
    def say(self, kind: str, /, *, quiet: bool = False, **fields: Any) -> None:
        """What needs no answer."""
        message = {"t": kind, **fields}
        if not quiet:
            self._record({"page": self.name, "says": self._normal.value(message)})
        self._write(BytesMessage(data=msgpack.packb(message)))

    def ask(self, kind: str, /, **fields: Any) -> Message:
        """A request, and what answers it."""
        self._number += 1
        number = self._number
        message = {"t": kind, "id": number, **fields}
        self._write(BytesMessage(data=msgpack.packb(message)))
        answer: Message = self._await(
            lambda: next((m for m in self._heard if m.get("id") == number), None), kind
        )
        if kind == "examine" and "findings" in answer:
            answer = {**answer, "findings": [findings_alike(answer["findings"])]}
        self._record(
            {
                "page": self.name,
                "asks": self._normal.value(message),
                "answer": self._normal.value(answer),
            }
        )
        return answer

    def looks_for(self, identity: str) -> bool:
        """Whether the node reaches this person now; nothing is recorded of it."""
        number = 1_000_000 + len(self._heard)
        message = {"t": "look-for", "id": number, "who": identity}
        self._write(BytesMessage(data=msgpack.packb(message)))
        answer = self._await(
            lambda: next((m for m in self._heard if m.get("id") == number), None), "look-for"
        )
        return bool(answer["reachable"])

    def shows(
        self, name: str, wanted: Callable[[Message], Any] = lambda _: True, *, quiet: bool = False
    ) -> Message:
        """The newest message of this kind, as soon as it is as wanted."""

        def found() -> Message | None:
            if name in SNAPSHOTS:
                newest = self.newest(name)
                return newest if newest is not None and wanted(newest) else None
            fitting = (m for m in reversed(self._heard) if m["t"] == name and wanted(m))
            return next(fitting, None)

        newest: Message = self._await(found, f"{name} as wanted")
        if not quiet:
            self._record({"page": self.name, "is shown": self._normal.value(newest)})
        return newest

    def newest(self, name: str) -> Message | None:
        """The last one of this kind, if any came."""
        return next((m for m in reversed(self._heard) if m["t"] == name), None)

    def record_media(self, *names: str) -> None:
        """What was said about media both ways, the first of each kind; waits for these."""
        for name in names:
            self._await(lambda n=name: any(m["t"] == n for m in self._heard), name)
        first: dict[str, Message] = {}
        for message in self._heard:
            if message["t"] in MEDIA:
                first.setdefault(message["t"], message)
        self._record(
            {
                "page": self.name,
                "is told of media": [self._normal.value(first[n]) for n in sorted(names)],
                "says of media": [
                    self._normal.value(m) for _, m in sorted(self._said_of_media.items())
                ],
            }
        )

    def ended(self) -> int | None:
        """Waits until the node has closed the WebSocket; with which code."""
        self._await(lambda: self._ended, "the end")
        return self.closed

    def connected_to_node(self) -> None:
        """Waits until the node has heard that the media opened last are connected."""
        self._await(lambda: self._kinds and self.last_session() in self._connected, "media")
        self.ask("draw-qr", text="what is said before is heard before")

    def last_session(self) -> int:
        """Of the media that were opened last."""
        opened: int = max(self._kinds)
        return opened


SNAPSHOTS = {"home", "me", "people", "calls", "guests", "rooms"}


def findings_alike(findings: list[Message]) -> Message:
    """What an examination finds depends on the machine: its shape alone."""
    kinds = {tuple(one) for one in findings}
    assert len(kinds) == 1, kinds
    return dict.fromkeys(kinds.pop(), "<text>")


def pause(seconds: float) -> None:
    """For what shall *not* happen."""
    time.sleep(seconds)

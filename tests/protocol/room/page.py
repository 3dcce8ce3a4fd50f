"""The page's room machine as one of the people of a `World`: a Node process, told of events."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room.authentication import room_string
from onmeet_node.protocol.room.effects import Effect, RoomEnd
from onmeet_node.protocol.room.phases import Phase
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire.codec import decode, encode
from onmeet_node.protocol.wire.messages import Message
from onmeet_node.protocol.wire.room import Role, RoomKnock, Seat

UI = Path(__file__).parents[3] / "ui"
BUILT = UI / ".test" / "world"


def build() -> None:
    """Makes JavaScript of the page's machine."""
    command = ["node_modules/.bin/tsc", "--project", "test", "--outDir", BUILT]
    subprocess.run(command, cwd=UI, check=True, timeout=300)


class Pages:
    """Machines of pages, all in one process."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._process = subprocess.Popen(
            ["node", BUILT / "test" / "room-peer.js"],
            cwd=UI,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=20)

    def join(self, me: bytes, host: Seat, knock: RoomKnock, *, now: float) -> tuple[Any, Any]:
        """As `Room.join` with `as_guest`."""
        room = PageRoom(self, next(self._numbers), Key(me), host, knock)
        asked = {"room": knock.room.hex(), "me": me.hex(), "name": knock.name, "video": knock.video}
        return room, room.tell("join", now, host.key, **asked)

    def ask(self, **asked: object) -> dict[str, Any]:
        """What one machine does, and how it is then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


class PageRoom:
    """What a `World` needs of a `Room`, done by a page."""

    def __init__(self, pages: Pages, number: int, me: Key, host: Seat, knock: RoomKnock) -> None:
        self.me = me
        self.id = knock.room
        self.is_host = False
        self.phase = Phase.AT_DOOR
        self.knocks: dict[Key, str] = {}
        self.next_timeout: float | None = None
        self.over: RoomEnd | None = None
        self.digest: bytes | None = None
        self.roster: Any = None
        self._pages = pages
        self._number = number
        self._shown: dict[str, dict[Key, bytes]] = {}
        self._media: set[bytes] = set()

    @property
    def role(self) -> Role | None:
        """A guest's, once it is in."""
        return Role.GUEST if self.roster is not None and self.seated(self.me) else None

    @property
    def string(self) -> str | None:
        """Made here of the nonces that the page has: see `room_string`."""
        shown = self._shown.get(self.digest.hex()) if self.digest is not None else None
        return room_string(self.id, shown) if shown is not None else None

    def seated(self, key: bytes) -> bool:
        """Whether they are in, as far as it knows."""
        return self.roster is not None and key in {seat.key for seat in self.roster.seats}

    def other(self, key: bytes) -> Any:
        """Whether their media reaches it."""
        return SimpleNamespace(media=key in self._media) if self.seated(key) else None

    def tell(self, what: str, now: float, key: bytes = b"", **more: object) -> list[Effect]:
        """An event, and what comes of it."""
        milliseconds = round(1000 * now, 3)
        answer = self._pages.ask(who=self._number, do=what, now=milliseconds, key=key.hex(), **more)
        due = answer["next"]
        self.next_timeout = None if due is None else math.ceil(1000 * due) / 1_000_000
        self.phase = Phase(answer["phase"])
        self.over = RoomEnd(answer["over"]) if answer["over"] is not None else None
        self._media = {bytes.fromhex(one) for one in answer["media"]}
        if answer["digest"] is not None:
            self.digest = bytes.fromhex(answer["digest"])
            self.roster = SimpleNamespace(
                host=bytes.fromhex(answer["host"]),
                removed=tuple(bytes.fromhex(one) for one in answer["removed"]),
                seats=[
                    SimpleNamespace(key=bytes.fromhex(seat["key"]), name=seat["name"])
                    for seat in answer["seats"]
                ],
            )
        return [effect for told in answer["effects"] for effect in self._effect(told)]

    def _effect(self, told: dict[str, Any]) -> list[Effect]:
        key = Key(bytes.fromhex(told.get("key", told.get("to", ""))))
        match told["do"]:
            case "send":
                return [do.SendInRoom(key, decode(bytes.fromhex(told["data"])))]
            case "open":
                return [do.Open(Seat(key=key, order=0, name="", device=""))]
            case "close":
                return [do.Close(key)]
            case "ring":
                return [do.RingMember(key)]
            case "hang-up":
                return [do.HangUpWith(key)]
            case "roster-changed":
                return [do.RosterChanged(self.roster)]
            case "string-ready":
                shown = {Key(bytes.fromhex(one)): bytes.fromhex(n) for one, n in told["nonces"]}
                self._shown[told["digest"]] = shown
                return []
            case "ended":
                return [do.EndOfRoom(RoomEnd(told["reason"]))]
            case _:
                return []

    # ── as `Room` ───────────────────────────────────────────────────────────────────────────────
    def opened(self, key: bytes, device: str, *, now: float) -> list[Effect]:
        """A channel with this key is open."""
        del device
        return self.tell("opened", now, key)

    def lost(self, key: bytes, *, now: float) -> list[Effect]:
        """The channel with this key is gone."""
        return self.tell("lost", now, key)

    def received(self, key: bytes, message: Message, *, now: float) -> list[Effect]:
        """A message, as it travels."""
        return self.tell("received", now, key, data=encode(message).hex())

    def media(self, key: bytes, *, up: bool, now: float) -> list[Effect]:
        """Media of this seat reaches it, or no more."""
        return self.tell("media", now, key, up=up)

    def called(self, key: bytes, *, now: float) -> list[Effect]:
        """They have begun the call with it."""
        return self.tell("called", now, key)

    def call_over(self, key: bytes, *, now: float) -> list[Effect]:
        """The call with this seat is over."""
        return self.tell("call-over", now, key)

    def leave(self, *, now: float) -> list[Effect]:
        """It leaves."""
        return self.tell("leave", now)

    def tick(self, *, now: float) -> list[Effect]:
        """Does what is due."""
        return self.tell("tick", now)

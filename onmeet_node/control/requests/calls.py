"""What is asked about calls, and of those that are over."""

from __future__ import annotations

import enum

import attrs

from onmeet_node.control.shapes import KINDS, STARTS, WHO, Headless, Request, headless, number
from onmeet_node.protocol.wire.fields import Choice, Flag, Integer, Text, field, maybe
from onmeet_node.protocol.wire.messages import MAX_NOTE_CHARS, Kind

MAX_CALL_MS = 24 * 3_600 * 1_000
MAX_PAST_CALLS = 100_000


@attrs.frozen(kw_only=True)
class Dial(Request):
    """Calls somebody, with this page's devices. The call lives on when the page is gone."""

    id: int = number()
    who: str = field(WHO)
    kinds: tuple[Kind, ...] = field(KINDS)
    relay_only: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class DialAndFollow(Request):
    """Calls somebody and tells the call's events, until it ends or who asked is gone.

    `hang_up_after`: milliseconds from the moment that it is connected.
    """

    id: int = number()
    who: str = field(WHO)
    kinds: tuple[Kind, ...] = field(KINDS)
    relay_only: bool = field(Flag(), default=False)
    hang_up_after: int | None = maybe(Integer(1, MAX_CALL_MS))
    headless: Headless | None = headless()


@attrs.frozen(kw_only=True)
class Take(Request):
    """Takes the ringing call: the one of this id, or the only one. `kinds` None: as they call."""

    id: int = number()
    call: str | None = maybe(STARTS)
    kinds: tuple[Kind, ...] | None = maybe(KINDS)
    relay_only: bool = field(Flag(), default=False)
    headless: Headless | None = headless()


class CallAction(enum.StrEnum):
    """What may be done about a call."""

    DECLINE = "decline"
    SILENCE = "silence"
    HANG_UP = "hang-up"
    MOVE_HERE = "move-here"
    """Go on with this page's devices in place of another page's."""
    RESTART_MEDIA = "restart-media"


@attrs.frozen(kw_only=True)
class ChangeCall(Request):
    """Does something about a call. `note`: with ``decline``, a line for the caller."""

    id: int = number()
    call: str | None = maybe(STARTS)
    action: CallAction = field(Choice(CallAction))
    note: str | None = maybe(Text(1, MAX_NOTE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class CompareString(Request):
    """Says of a call's authentication string that the other one reads out the same, or another.

    A contact of whom both said `same` is verified.
    """

    id: int = number()
    call: str | None = maybe(STARTS)
    same: bool = field(Flag())


@attrs.frozen(kw_only=True)
class MuteCall(Request):
    """Stops or resumes sending a kind in a call."""

    id: int = number()
    call: str | None = maybe(STARTS)
    kind: Kind = field(Choice(Kind), default=Kind.AUDIO)
    muted: bool = field(Flag(), default=True)


@attrs.frozen(kw_only=True)
class ReadHistory(Request):
    """Past calls, newest first."""

    id: int = number()
    limit: int = field(Integer(1, MAX_PAST_CALLS), default=100)


@attrs.frozen(kw_only=True)
class DeleteHistory(Request):
    """Deletes one call, or all (None), for good."""

    id: int = number()
    call: str | None = maybe(STARTS)

"""What a page says of itself and its person: who it is, how they want a call to stand, and what is
asked before there is a node.
"""

from __future__ import annotations

import enum

import attrs

from onmeet_node.control.requests.node import MAX_ADDRESS_CHARS, MAX_PASSPHRASE_CHARS
from onmeet_node.control.shapes import CALL, NAME, number
from onmeet_node.protocol.wire.fields import Choice, Flag, Integer, Text, field, maybe
from onmeet_node.protocol.wire.messages import MAX_TEXT_CHARS

MAX_DEVICE_CHARS = 256
DEVICE = Text(0, MAX_DEVICE_CHARS)
"""A device as browsers name it to this page; empty: the one that the system chooses."""
ASKING = Text(4, 4, pattern="[0-9]*")
"""The number of a window that asks to be let in."""


class Keeper(enum.StrEnum):
    """What opens the home at each start."""

    PASSPHRASE = "passphrase"  # noqa: S105 - a name
    KEYRING = "keyring"
    KEY_FILE = "key-file"


@attrs.frozen(kw_only=True)
class Hello:
    """First message of a page. `token`: from ``POST /session`` (64 hex digits)."""

    version: int = field(Integer(0, 2**31 - 1))
    token: str = field(Text(64, 64, ascii=True), hidden=True)
    language: str = field(Text(2, 35, ascii=True), default="en")


@attrs.frozen(kw_only=True)
class Focus:
    """The person looks at this page now: calls ring here first."""


@attrs.frozen(kw_only=True)
class Noticeable:
    """Whether a call here makes a sound or shows a notification, for who does not look at it.

    Until a page has said so, it is taken for one that makes no sound and shows nothing.
    """

    noticeable: bool = field(Flag())


@attrs.frozen(kw_only=True)
class CreateHome:
    """First run. `passphrase` only with that keeper. Answered with `Done`."""

    id: int = number()
    name: str = field(NAME)
    keeper: Keeper = field(Choice(Keeper))
    passphrase: str | None = maybe(Text(1, MAX_PASSPHRASE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class LinkHome:
    """First run of somebody who has On-Meet already: this becomes one of their devices. Told by
    `LinkCodeShown` and `LinkWords`, answered with `Done`. `bootstrap`: one that the other uses.
    """

    id: int = number()
    keeper: Keeper = field(Choice(Keeper))
    passphrase: str | None = maybe(Text(1, MAX_PASSPHRASE_CHARS), hidden=True)
    bootstrap: str | None = maybe(Text(1, MAX_ADDRESS_CHARS))


@attrs.frozen(kw_only=True)
class UnlockHome:
    """Opens the home. Answered with `Done`, or `Refused` for a wrong passphrase."""

    id: int = number()
    passphrase: str = field(Text(1, MAX_PASSPHRASE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class DeleteEverything:
    """Deletes this home for good; `name` is the person's own, typed as a confirmation."""

    id: int = number()
    name: str = field(NAME)


@attrs.frozen(kw_only=True)
class LetIn:
    """Another window that shows this number may open the app, or not."""

    id: int = number()
    asking: str = field(ASKING)
    let_in: bool = field(Flag())


@attrs.frozen(kw_only=True)
class TellMedia:
    """What this page sends in a call now; the other side is told."""

    call: str = field(CALL)
    muted: bool = field(Flag())
    camera_off: bool = field(Flag())
    sharing: bool = field(Flag())


@attrs.frozen(kw_only=True)
class Keep:
    """What of a call or a room (`target`) shall outlive this page; what is absent stays as it was.

    The node hands it to the page that goes on with it: see `Kept`.
    """

    target: str = field(CALL)
    muted: bool | None = maybe(Flag())
    """As the person wants it: push-to-talk that is just held does not count."""
    camera_off: bool | None = maybe(Flag())
    held: bool | None = maybe(Flag())
    """It is a room that was silenced for a call that came between."""
    draft: str | None = maybe(Text(0, MAX_TEXT_CHARS), hidden=True)
    draft_to: str | None = maybe(Text(0, 64), hidden=True)
    """Whom alone the draft is for, in a room; empty: everybody."""
    camera: str | None = maybe(DEVICE)
    microphone: str | None = maybe(DEVICE)
    speaker: str | None = maybe(DEVICE)


@attrs.frozen(kw_only=True)
class StopSaying:
    """The spoken code that this page shows is taken back. Answered with `Done`."""

    id: int = number()

"""What is asked about the node itself."""

from __future__ import annotations

import attrs

from onmeet_node.control.shapes import MAX_PATH_CHARS, Request, number
from onmeet_node.protocol.wire.fields import Flag, Text, field, maybe

MAX_ADDRESS_CHARS = 512
MAX_PASSPHRASE_CHARS = 1_000


@attrs.frozen(kw_only=True)
class ShowStatus(Request):
    """What the node is doing, calls with their counters."""

    id: int = number()


@attrs.frozen(kw_only=True)
class Watch(Request):
    """Tells the node's events, until who asked is gone."""

    id: int = number()


@attrs.frozen(kw_only=True)
class ChangeSettings(Request):
    """Changes of the settings what is given, and tells all of them.

    `region`: ``ca``, ``de`` or ``any``.
    """

    id: int = number()
    relay_only: bool | None = maybe(Flag())
    region: str | None = maybe(Text(2, 3, pattern="ca|de|any"))
    add_bootstrap: str | None = maybe(Text(1, MAX_ADDRESS_CHARS))
    remove_bootstrap: str | None = maybe(Text(1, MAX_ADDRESS_CHARS))


@attrs.frozen(kw_only=True)
class Examine(Request):
    """What works from here and what does not, with remedies: ``onmeet doctor``."""

    id: int = number()


@attrs.frozen(kw_only=True)
class Export(Request):
    """Writes everything this home holds to one encrypted file, for ``onmeet import``."""

    id: int = number()
    path: str = field(Text(1, MAX_PATH_CHARS))
    passphrase: str = field(Text(1, MAX_PASSPHRASE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class OpenApp(Request):
    """An address that opens one window of the app, once, within a minute."""

    id: int = number()


@attrs.frozen(kw_only=True)
class Stop(Request):
    """Ends the node, with a word to everybody it talks to."""

    id: int = number()

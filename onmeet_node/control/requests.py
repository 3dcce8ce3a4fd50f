"""What a request over the control socket may say (docs/API, Control)."""

from __future__ import annotations

from typing import Literal

import attrs

from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.policy import ReachPolicy
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.protocol.wire.room import PictureSize

MAX_REQUEST_BYTES = 64 * 1024
"""A contact code with a note is the largest, at about 1 kB."""


@attrs.frozen(kw_only=True)
class Request:
    """Everything a request may say; unknown keys are refused with their name."""

    do: str
    who: str = ""
    code: str = ""
    call: str | None = None
    name: str | None = None
    note: str | None = None
    label: str | None = None
    days: int | None = None
    direct: bool = True
    drop: bool = False
    matches: bool = False
    audio_only: bool = False
    relay_only: bool = False
    seconds: float | None = None
    source: str | None = None
    record: str | None = None
    kind: Kind = Kind.AUDIO
    muted: bool = True
    limit: int = 50
    fields: dict[str, str] = attrs.field(factory=dict)
    shares: dict[str, str] = attrs.field(factory=dict)
    relays: bool | None = None
    region: Literal["ca", "de", "any"] | None = None
    add: str | None = None
    remove: str | None = None
    reach: ReachPolicy | None = None
    busy: Busy | None = None
    path: str | None = None
    title: str = ""
    once: bool = True
    knock: bool = True
    start: int = 0
    minutes: int = 60
    repeats: Literal["once", "daily", "weekly"] = "once"
    zone: str = "UTC"
    guests: bool = True
    size: PictureSize = PictureSize.SMALL
    close_link: bool = False
    passphrase: str | None = attrs.field(default=None, repr=False)

"""TURN servers as they are lent to guests, in calls and in rooms."""

from __future__ import annotations

import attrs

from onmeet_node.protocol.wire.fields import Text, field

MAX_SERVERS = 8


@attrs.frozen(kw_only=True)
class LentTurnServer:
    """One TURN server lent to a guest by its host, for one call."""

    url: str = field(Text(6, 256, ascii=True, pattern="turns?:[!-~]+"))
    """RFC 7065."""
    username: str = field(Text(1, 128, ascii=True), hidden=True)
    credential: str = field(Text(1, 128, ascii=True), hidden=True)

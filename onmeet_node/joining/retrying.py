"""A door that is away is tried again: when, and for which reasons."""

from __future__ import annotations

import trio
from trio_websocket import HandshakeError

from onmeet_node.joining.line import DoorClosed
from onmeet_node.joining.options import Tell
from onmeet_node.net.backoff import Backoff
from onmeet_node.protocol.wire.door import MALFORMED, NO_DOOR, TOO_MANY

LONGEST_WAIT_SECONDS = 12.0
"""Between tries of somebody whose host may be away for long."""
CROWDED_WAIT_SECONDS = 30.0
"""For a gateway that said that too many come."""
_FINAL = frozenset({1002, 1003, MALFORMED})
"""Close codes that another try does not mend."""
AWAY = (DoorClosed, OSError, HandshakeError, trio.TooSlowError, ExceptionGroup)
"""What opening a line raises while the door is away."""


async def pause(cause: BaseException, tries: int, tell: Tell, backoff: Backoff) -> None:
    """Tells of the next try, and waits for it."""
    tell("trying", why=str(cause) or type(cause).__name__, tries=tries)
    crowded = isinstance(cause, DoorClosed) and cause.code == TOO_MANY
    await trio.sleep(CROWDED_WAIT_SECONDS if crowded else backoff.next())


def passes(error: BaseException, *, closed: bool) -> bool:
    """Whether the door may be there in a moment: a gateway or a host that begins again."""
    if isinstance(error, DoorClosed):
        return error.code not in _FINAL and not (closed and error.code == NO_DOOR)
    return isinstance(error, OSError | HandshakeError | trio.TooSlowError)

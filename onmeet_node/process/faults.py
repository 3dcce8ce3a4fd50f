"""Where one party's fault stops: what serves one party runs so that its exception ends it alone.

A party is a connection, peer, guest, page, call or session. A nursery that holds more than one
wraps what serves each in `contained` (or starts it by `alone`). An exception that nobody expected
then ends that party, is logged without a word of what it said, and is counted; everybody else's
tasks go on. Cancellation, KeyboardInterrupt and SystemExit pass.

What everybody needs and nobody owns is no party: it runs in `kept`, which begins it again.
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath

import trio

log = logging.getLogger(__name__)

_MAX_CAUSES = 4
"""Exceptions told of a group: a thousand alike say no more."""

_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0
"""Seconds before a service that stopped begins again, twice as long each time; a service that ran
longer than the last of them begins as if it had never stopped."""

_OURS = str(PurePath(__file__).parents[1])

_counts: Counter[str] = Counter()


def counts() -> dict[str, int]:
    """How often a fault ended a party since this process began, by the kind of party."""
    return dict(_counts)


@contextmanager
def contained(party: str, *, then: Callable[[], None] | None = None) -> Iterator[None]:
    """Ends here what the block raises, cancellation and exits aside.

    `party`: its kind, as in ``"guest"``; never who it is. `then` is called after a fault, to end
    the party with a reason; it must not raise.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - this is the border where faults stop
        _stopped(party, error, then)
    except BaseExceptionGroup as group:
        # A nursery may hold a fault and a cancellation side by side: the second belongs to others.
        faults, others = group.split(Exception)
        if faults is not None:
            _stopped(party, faults, then)
        if others is not None:
            raise others from None


async def alone(party: str, serve: Callable[..., Awaitable[object]], *args: object) -> None:
    """Runs ``serve(*args)``, `contained`: for ``nursery.start_soon(alone, "guest", serve, …)``."""
    with contained(party):
        await serve(*args)


async def kept(service: str, serve: Callable[..., Awaitable[object]], *args: object) -> None:
    """Runs ``serve(*args)`` until it returns, again and again if a fault stops it.

    For what all parties need: its fault costs some seconds, and is counted like a party's.
    """
    pause, done = _FIRST_PAUSE, False
    while True:
        began = trio.current_time()
        with contained(service):
            await serve(*args)
            done = True
        if done:
            return
        if trio.current_time() - began > _LAST_PAUSE:
            pause = _FIRST_PAUSE
        await trio.sleep(pause)
        pause = min(pause * 2, _LAST_PAUSE)


def _stopped(party: str, error: BaseException, then: Callable[[], None] | None) -> None:
    _counts[party] += 1
    log.error("A fault ended one %s and nothing else: %s", party, " | ".join(_places(error)))
    if then is not None:
        then()


def _places(error: BaseException) -> list[str]:
    """Types and places alone: an exception's words may hold what a peer or a person said."""
    if isinstance(error, BaseExceptionGroup):
        leaves = [place for one in error.exceptions for place in _places(one)]
        return leaves[:_MAX_CAUSES]
    name = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return [name]
    last = frames[-1]
    ours = next((frame for frame in reversed(frames) if _OURS in frame.filename), None)
    via = f" from {_place(ours)}" if ours is not None and ours is not last else ""
    return [f"{name} at {_place(last)}{via}"]


def _place(frame: traceback.FrameSummary) -> str:
    return f"{PurePath(frame.filename).name}:{frame.lineno} ({frame.name})"

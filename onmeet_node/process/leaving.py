"""Ending in order, whatever ends it: what must be said on the way out is said.

Cancellation, signals and exceptions are the ordinary way for a program to end, and they reach every
task at once: what would say goodbye, and what would carry it, are cancelled together. What is held
by `in_order` runs in a task that cancellation from outside does not reach; it learns that its block
was left, and ends by itself. What it does then must be bounded in time by itself.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import FrameType
from typing import TypeVar

import trio

from onmeet_node.errors import OnMeetError, first

log = logging.getLogger(__name__)

T = TypeVar("T")


class NotInTrio(OnMeetError):
    """The program runs another event loop than trio's, in which a node cannot run."""


def require_trio() -> None:
    """Raises `NotInTrio` where the program runs asyncio, say."""
    if not trio.lowlevel.in_trio_run():
        raise NotInTrio(
            "A node runs in trio, and this is another event loop. Start the program with "
            "trio.run(main), not asyncio.run(main). A program that must stay with asyncio has two "
            "ways: trio as a guest in its loop (trio.lowlevel.start_guest_run), or a node of its "
            "own process, onmeet up, which is asked over its control socket (docs/API.md)."
        )


class Block:
    """What `in_order` holds a block by: a way to end it, and whether it is being ended.

    Tasks inside, which are cancelled with it, learn by it that all of it ends, and not they alone.
    """

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.ending = False
        """Set by `end`, and one step of trio after the block was cancelled from outside."""

    def end(self) -> None:
        """Cancels the block, which is then left in order."""
        self.ending = True
        self.scope.cancel()

    async def _notice(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.ending = True


@asynccontextmanager
async def in_order(
    manager: AbstractAsyncContextManager[T], *, block: Block | None = None
) -> AsyncIterator[T]:
    """`manager`, entered and left in a task of its own, where cancellation does not reach it.

    The block itself is cancelled as ever, and by ``block.end``. Then `manager` is left as if the
    block had ended by itself, and what the block raised leaves as it is, SystemExit included. If
    what `manager` runs breaks, the block is cancelled and the first of its exceptions raised.
    Cancelled before the block begins, entering is cancelled as ever.
    """
    block = block if block is not None else Block()
    entering = trio.CancelScope()
    ready, left, over = trio.Event(), trio.Event(), trio.Event()
    values: list[T] = []
    broken: list[BaseException] = []
    raised: BaseException | None = None

    async def hold() -> None:
        try:
            with trio.CancelScope(shield=True), entering:
                async with manager as value:
                    values.append(value)
                    ready.set()
                    await left.wait()
        except BaseException as error:  # noqa: BLE001 - raised again where the block was left
            broken.append(error)
        finally:
            block.end()
            ready.set()
            over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold)
        nursery.start_soon(block._notice)
        try:
            with block.scope:
                await ready.wait()
                if values:
                    yield values[0]
        except BaseException as error:  # noqa: BLE001 - raised again below, outside the nursery
            raised = error
        finally:
            left.set()
            if not values:
                entering.cancel()
            with trio.CancelScope(shield=True):
                await over.wait()
            nursery.cancel_scope.cancel()
    if raised is not None:
        if broken:
            log.error("Something broke while it ended: %s", type(first(broken[0])).__name__)
        raise raised
    if broken:
        raise first(broken[0])


@contextmanager
def interrupted_in_order(block: Block) -> Iterator[None]:
    """Ctrl-C ends `block`, and leaves as KeyboardInterrupt when the goodbye is said.

    Trio raises it in whatever task runs just now, which may be the one that says goodbye. Does
    nothing where somebody else takes Ctrl-C, or outside the main thread. A second one is trio's.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not _is_trios(before):
        yield
        return
    token = trio.lowlevel.current_trio_token()
    struck = False

    def strike(_signal: int, _frame: FrameType | None) -> None:
        nonlocal struck
        struck = True
        signal.signal(signal.SIGINT, before)
        token.run_sync_soon(block.end, idempotent=True)

    signal.signal(signal.SIGINT, strike)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is strike:
            signal.signal(signal.SIGINT, before)
    if struck:
        raise KeyboardInterrupt


def _is_trios(handler: object) -> bool:
    # Not that of `trio.open_signal_receiver`: whoever opened one takes Ctrl-C themselves.
    return callable(handler) and getattr(handler, "__module__", "") == "trio._core._ki"

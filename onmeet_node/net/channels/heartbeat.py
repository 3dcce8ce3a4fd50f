"""Whether the peer of a channel is still there: when it is asked, doubted, and given up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from onmeet_node.net.channels.timing import Timing


class Heartbeat:
    """The heartbeat of one channel, fast while somebody waits for what comes, slow while it idles.

    `ping` asks the peer. `doubted` is called when the connection below had better be looked at:
    that is quicker and surer than waiting for a Pong, for a peer that is merely slow to read keeps
    its connection. `silent` is called when the peer counts as gone.
    """

    def __init__(
        self,
        timing: Timing,
        *,
        ping: Callable[[], None],
        doubted: Callable[[], None],
        silent: Callable[[], None],
    ) -> None:
        self._timing = timing
        self._ping = ping
        self._doubted = doubted
        self._silent = silent
        self._heard = trio.current_time()
        self._used = self._spoke = self._heard
        """When it was last used, and when the peer was last heard for sure."""
        self._waiting = math.inf
        """Since when nothing was heard after a message of ours."""
        self.in_doubt = False
        """Nothing was heard since the peer was asked for sure whether it is there."""
        self._attended = False
        self._delivering = False
        self._changed = trio.Event()

    @property
    def idle(self) -> bool:
        """Whether nobody waits for the channel."""
        return not self._attended and trio.current_time() - self._used > self._timing.idle_after

    def attend(self, *, attended: bool) -> None:
        """Somebody waits for what comes, or no more."""
        self.use()
        self._attended = attended

    def use(self) -> None:
        """The channel is used from our side: somebody waits for what comes of it."""
        now = trio.current_time()
        if now - self._spoke > self._timing.fresh:
            self._doubt()
        elif self._waiting == math.inf:
            self._waiting = now
        if self.idle:
            # What is not heard from now on counts, not what was not heard while nobody minded.
            self._heard = now
        self._used = now
        self._changed.set()

    def heard(self) -> None:
        """Something of the peer came in."""
        self._heard = self._spoke = trio.current_time()
        self._waiting, self.in_doubt = math.inf, False

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """While inside, a message waits to be taken, and the peer is not read from."""
        self._delivering = True
        self._used = trio.current_time()
        try:
            yield
        finally:
            self._delivering = False
            self._heard = trio.current_time()

    def _doubt(self) -> None:
        if not self.in_doubt:
            self.in_doubt = True
            self._doubted()
            self._ping()

    async def run(self) -> None:
        """Ask, doubt and give up, until cancelled."""
        timing = self._timing
        asked = -math.inf
        while True:
            self._changed = trio.Event()
            now = trio.current_time()
            if self._delivering:
                self.heard()
            if now >= self._waiting + timing.fresh:
                self._doubt()
            idle = self.idle
            interval = timing.idle_interval if idle else timing.interval
            dead_at = self._heard + (timing.idle_dead_after if idle else timing.dead_after)
            due = max(self._heard, asked) + interval
            if now >= dead_at:
                self._silent()
            if now >= due:
                self._ping()
                asked, due = now, now + interval
            # It wakes up when it becomes idle, too, or when it is used again.
            doubt_at = math.inf if self.in_doubt else self._waiting + timing.fresh
            turns = math.inf if idle or self._attended else self._used + timing.idle_after + 0.001
            with trio.move_on_at(min(due, dead_at, turns, doubt_at)):
                await self._changed.wait()

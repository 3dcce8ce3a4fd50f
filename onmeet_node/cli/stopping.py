"""How a command that says goodbye is stopped: by Ctrl-C or SIGTERM, at any moment of its life."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

PATIENCE_SECONDS = 10.0
"""Who asks again so long after they asked for the first time has seen that it does not end."""


class Stopping:
    """Takes Ctrl-C and SIGTERM from where it is made to the end of the process.

    The first one asks the command to end: before `scope`, which is while nothing runs that had to
    say anything, it ends with status 0; in `scope`, that is cancelled. Impatient ones after it are
    no more than it, so that the goodbye is said; only after `PATIENCE_SECONDS` does one end the
    process at once.
    """

    def __init__(self) -> None:
        self._asked = math.inf
        """When for the first time, `time.monotonic()`."""
        self._runs = False
        self._scope: Any = None
        self._token: Any = None
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._strike)

    def run(self, *program: Any) -> None:
        """``trio.run(*program)``, which enters `scope` first of all."""
        import trio

        self._runs = True  # from here on a signal must not raise: trio's own code is not left so
        trio.run(*program)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What a signal cancels: the whole of an async program."""
        import trio

        with trio.CancelScope() as self._scope:
            self._token = trio.lowlevel.current_trio_token()
            if self._asked < math.inf:
                self._scope.cancel()
            yield

    def _strike(self, signum: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._asked > PATIENCE_SECONDS:
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)
        self._asked = min(self._asked, now)
        if not self._runs:
            raise SystemExit(0)
        if self._token is None:
            return  # `scope` sees it
        import trio

        with suppress(trio.RunFinishedError):  # it has just ended
            self._token.run_sync_soon(self._scope.cancel, idempotent=True)

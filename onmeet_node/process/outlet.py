"""Output that never waits for its reader: a terminal may be paused, a pipe full, a log's disk slow.

What a program that serves others tells goes through a thread of its own. Whoever calls `tell` goes
on at once; lines that nobody takes are lost in the end, and their number is told afterwards.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

MAX_LINES = 1_000
"""Kept for a reader that pauses; an hour of a busy node."""
LAST_SECONDS = 1.0
"""For what is still to be read, when the program ends."""


class Outlet:
    """Lines on their way to a stream of text. Ends with `close`."""

    def __init__(
        self, stream: TextIO | None, missed: Callable[[int], str], *, lines: int = MAX_LINES
    ) -> None:
        """`missed`: the line that says how many were lost. `lines`: how many are kept.

        `stream`: None for a program that was started without.
        """
        self._write = _writer(stream)
        self._missed = missed
        self._most = lines
        self._lines: deque[str] = deque()
        self._lost = 0
        self._over = False
        self._broken = False
        self._busy = False
        self._changed = threading.Condition()
        # A daemon, since a write to a paused terminal may never return.
        threading.Thread(target=self._run, name="output", daemon=True).start()

    @property
    def broken(self) -> bool:
        """Whether nobody can read any more: what is told from now on goes nowhere."""
        return self._broken

    def tell(self, line: str) -> None:
        """Hands over one line, without its end. Never waits and never fails."""
        with self._changed:
            if self._over or self._broken:
                return
            if len(self._lines) >= self._most:
                self._lost += 1
                return
            if self._lost:
                self._lines.append(self._missed(self._lost))
                self._lost = 0
            self._lines.append(line)
            self._changed.notify_all()

    def close(self, seconds: float = LAST_SECONDS) -> None:
        """Takes no more; waits up to `seconds` for the reader of what was told before."""
        end = time.monotonic() + seconds
        with self._changed:
            self._over = True
            self._changed.notify_all()
            while (self._lines or self._busy) and not self._broken:
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    return

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                while not self._lines:
                    if self._over:
                        return
                    self._changed.wait()
                line = self._lines.popleft()
                self._busy = True
            try:
                self._write(f"{line}\n")
            except (OSError, ValueError):  # the reader has gone; the stream was closed
                with self._changed:
                    self._broken = True
                    self._lines.clear()
                    self._changed.notify_all()
                return


def _writer(stream: TextIO | None) -> Callable[[str], None]:
    """How text gets to a stream: past its buffer, whose lock would hold up the program's end."""
    if stream is None:
        return _nowhere
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # in memory

        def plain(text: str) -> None:
            stream.write(text)
            stream.flush()

        return plain
    encoding = stream.encoding or "utf-8"

    def direct(text: str) -> None:
        # A terminal without a letter of somebody's name shows a sign for it.
        rest = memoryview(text.encode(encoding, "backslashreplace"))
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:  # somebody made it non-blocking, as a shell's job may
                select.select([], [descriptor], [])

    return direct


def _nowhere(_text: str) -> None:
    raise OSError("there is no output")


class LogOutlet(logging.Handler):
    """A handler of `logging` that never stands in the way of whoever logs."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__(logging.WARNING)
        self._outlet = outlet

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        with suppress(Exception):  # a log line that cannot be made is not worth an end
            self._outlet.tell(self.format(record))


@contextmanager
def standard_outlets(missed: Callable[[int], str]) -> Iterator[tuple[Outlet, LogOutlet]]:
    """Standard output, and a handler that takes this process's log to standard error."""
    told, logged = Outlet(sys.stdout, missed), Outlet(sys.stderr, lines_missing)
    handler = LogOutlet(logged)
    logging.getLogger().addHandler(handler)
    try:
        yield told, handler
    finally:
        logging.getLogger().removeHandler(handler)
        told.close()
        logged.close()


def lines_missing(number: int) -> str:
    """What a person is told who was away."""
    return f"({number} lines are missing here: nobody read them in time.)"

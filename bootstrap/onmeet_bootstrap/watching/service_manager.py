"""Tells systemd how we are (sd_notify(3)): ready, reloading, stopping, and still alive.

Twenty lines of our own: the protocol is one datagram of ``NAME=value`` lines, and what Python
libraries there are for it are bindings that want a compiler, or were left years ago.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import attrs
import trio

STATUS_SECONDS = 10.0
"""Between two looks at what the status line should say, without a watchdog that wants more."""
MICROSECONDS = 1_000_000


@attrs.frozen
class ServiceManager:
    """The service manager that started this process; one that is not there is told nothing."""

    address: str = ""
    """Of its socket; ``@`` for an abstract one."""
    watchdog_seconds: float | None = None
    """It kills a process that says nothing for so long."""

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> ServiceManager:
        """As `environment` has it for the process `pid` (sd_watchdog_enabled(3))."""
        microseconds = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        watched = ours and microseconds.isdecimal() and int(microseconds) > 0
        return cls(
            environment.get("NOTIFY_SOCKET", ""),
            int(microseconds) / MICROSECONDS if watched else None,
        )

    def tell(self, **values: object) -> None:
        """Sends these as they are; a manager that does not listen is no trouble of ours."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        text = "\n".join(f"{name}={value}" for name, value in values.items())
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(text.encode(), address)

    def ready(self, status: str) -> None:
        """It serves; also at the end of a reload."""
        self.tell(READY=1, STATUS=status)

    def reloading(self) -> None:
        """It takes settings anew; `ready` ends that."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self.tell(RELOADING=1, MONOTONIC_USEC=now, STATUS="Taking the certificates anew.")

    def stopping(self) -> None:
        """It ends."""
        self.tell(STOPPING=1, STATUS="Stopping.")

    async def keep_alive(self, status: Callable[[], str]) -> None:
        """Says for ever that this event loop runs, twice in `watchdog_seconds`, and the status."""
        if not self.address:
            return
        said = ""
        while True:
            if (now := status()) != said:
                self.tell(STATUS=now)
                said = now
            if self.watchdog_seconds is None:
                await trio.sleep(STATUS_SECONDS)
            else:
                self.tell(WATCHDOG=1)
                await trio.sleep(min(STATUS_SECONDS, self.watchdog_seconds / 2))


def service_manager() -> ServiceManager:
    """Of this process."""
    return ServiceManager.of(os.environ, os.getpid())

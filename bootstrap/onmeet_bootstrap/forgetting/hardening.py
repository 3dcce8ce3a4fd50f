"""What keeps the memory of a bootstrap off the disk: no core dumps, and no swap if allowed."""

from __future__ import annotations

import ctypes
import enum
import resource
import sys

_MCL_CURRENT, _MCL_FUTURE = 1, 2
_PR_SET_DUMPABLE = 4


class Memory(enum.StrEnum):
    """Whether the kernel may write this process's memory to a swap device."""

    LOCKED = "locked"
    SWAPPABLE = "swappable"
    """Not allowed: raise RLIMIT_MEMLOCK (systemd: LimitMEMLOCK=infinity), or use no swap."""


def refuse_core_dumps() -> None:
    """No core file of this process or its children, whatever the system's pattern is.

    NOTE: not dumpable also means that only root reads /proc/<pid>/mem: the audit runs as root.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def lock_memory() -> Memory:
    """Keeps all memory of this process, now and later, out of the swap (mlockall(2))."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
        # NOTE: a limit below what will be needed would make a later allocation fail, and with it
        # the process: only without one.
        if hard != resource.RLIM_INFINITY:
            return Memory.SWAPPABLE
        refused = libc.mlockall(_MCL_CURRENT | _MCL_FUTURE)
    except (OSError, ValueError, AttributeError):
        return Memory.SWAPPABLE
    return Memory.SWAPPABLE if refused else Memory.LOCKED

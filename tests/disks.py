"""A real disk that is small enough to be filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.requirements import need

__all__ = ["small"]


@contextmanager
def small(place: Path, size: str, *, busy: bool = False) -> Iterator[Path]:
    """A file system of this size (as of `mount -t tmpfs`: 3m, 1600k) at `place` in the block.

    Skips without root. Unless it may be `busy` still, nothing has a file open there at the end.
    """
    need(None if os.geteuid() == 0 else "a small disk needs root to be mounted")
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "onmeet-test", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", *(["-l"] if busy else []), place], check=True)

"""The guest page as it was built: its files, by the path they are served at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

BUILT = Path(__file__).parent / "web" / "guest"


def files(directory: Path = BUILT) -> Mapping[str, bytes]:
    """Every file of the page; none if it was not built (``make ui``)."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }

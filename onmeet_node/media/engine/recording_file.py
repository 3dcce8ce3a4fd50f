"""The file of a recording: new, ours alone, and never spoilt by what failed to be written."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from onmeet_node.process.ownership import open_own


class RecordingFile:
    """A new file, ours alone, and no link that another put there.

    After a write that failed it is as before it, and takes no more: a muxer that goes on would
    overwrite the beginning with words about an end that is not there, and a player stumbles over
    half a header.
    """

    def __init__(self, path: Path) -> None:
        """Raises `ForeignPlace` and OSError; FileExistsError if it is not new."""
        self._file = os.fdopen(
            open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb", buffering=0
        )
        self._size = 0
        self._failed: OSError | None = None

    def write(self, data: bytes) -> int:
        """All of it. Raises OSError, and the same one from then on."""
        if self._failed is not None:
            raise self._failed
        at, rest = self._file.tell(), memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._failed = error
            if at == self._size:
                self._file.truncate(at)
            raise
        self._size = max(self._size, at + len(data))
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._file.tell()

    def close(self) -> None:
        """The file is as it is."""
        self._file.close()


def unused(path: Path) -> Path:
    """The path, or one with a number where there is a file already: nothing is overwritten."""
    if not os.path.lexists(path):
        return path
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(name for name in names if not os.path.lexists(name))

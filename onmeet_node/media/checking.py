"""Whether what a call shall send and keep can be: asked before anybody else is rung for it."""

from __future__ import annotations

from pathlib import Path

import trio

from onmeet_node.media.errors import SinkUnavailable
from onmeet_node.media.frames import FrameFeed
from onmeet_node.protocol.wire.messages import Kind

_ALWAYS = {"none", "test"}


async def check_media(
    source: str | FrameFeed | None,
    kinds: frozenset[Kind],
    *,
    record: Path | None = None,
    directory: Path | None = None,
) -> None:
    """Opens and closes the source; looks at the file or directory of a recording.

    Raises `SourceUnavailable` and `SinkUnavailable`. A directory that is missing is made.
    """
    if directory is not None:
        await trio.to_thread.run_sync(make_recording_directory, directory)
    if record is not None:
        await trio.to_thread.run_sync(_check_recording, record)
    if isinstance(source, str) and source not in _ALWAYS:
        await trio.to_thread.run_sync(_check_source, source, kinds)


def make_recording_directory(directory: Path) -> None:
    """A directory for recordings, ours to write in. Raises `SinkUnavailable`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SinkUnavailable(
            f"Recordings cannot be kept in {directory}: {error.strerror}. Name another directory."
        ) from error
    from onmeet_node.media.engine.recording_formats import require_writable  # noqa: PLC0415 - heavy

    require_writable(directory)


def _check_recording(path: Path) -> None:
    from onmeet_node.media.engine.recording_formats import check_recording  # noqa: PLC0415 - heavy

    check_recording(path)


def _check_source(source: str, kinds: frozenset[Kind]) -> None:
    from onmeet_node.media.engine.sources import check_source  # noqa: PLC0415 - heavy

    for kind in sorted(kinds):
        check_source(source, kind)

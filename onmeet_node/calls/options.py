"""What one call shall send and keep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onmeet_node.media.endpoint import MediaEndpoint
from onmeet_node.media.frames import FrameFeed, FrameTap


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What one call shall send and keep, where it differs from the node's settings."""

    source: str | FrameFeed | None = None
    """As `Config.source`, or a program's own frames; None: the node's."""
    record: Path | None = None
    """File that gets what the peer sends; its suffix chooses the format."""
    tap: FrameTap | None = None
    """Gets decoded frames, for API users who want them; closed at the end of the call."""
    relay_only: bool = False
    """Show the peer no address of ours in this call, whatever the node's setting."""
    endpoint: MediaEndpoint | None = None
    """Where the media of this call is: the browser page it was dialled or taken in. None: where
    the node has it, see `NodeMediaSetup.endpoint`."""
    room: bytes | None = None
    """The room that the call belongs to."""
    carry: bool = False
    """Whether frames of a sealed channel may travel beside the media (`Call.carry`)."""

    def __post_init__(self) -> None:
        """Raises TypeError for a value of another type: it would fail in the middle of a call."""
        if not isinstance(self.source, (str, FrameFeed, type(None))):
            raise TypeError(f"source must be a text or a FrameFeed, not {self.source!r}.")
        if not isinstance(self.record, (Path, type(None))):
            raise TypeError(
                f'record must be a pathlib.Path, as in Path("call.mp4"), not {self.record!r}.'
            )
        if not isinstance(self.tap, (FrameTap, type(None))):
            raise TypeError(f"tap must be a FrameTap, not {self.tap!r}.")

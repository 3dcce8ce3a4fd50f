"""On-Meet: end-to-end encrypted calls between people's own machines.

The public API, exported lazily (PEP 562) so that ``import onmeet_node`` loads neither libp2p nor
aiortc. See docs/API.md for examples.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onmeet_node.app import Node, open_node
    from onmeet_node.call.effects import EndReason, State
    from onmeet_node.calls import Call, MediaWish
    from onmeet_node.config import Config
    from onmeet_node.errors import OnMeetError
    from onmeet_node.identity.code import ContactCode, parse_code
    from onmeet_node.media.frames import AudioFrame, FrameFeed, FrameTap, VideoFrame
    from onmeet_node.meeting.conference import Conference, Presence
    from onmeet_node.wire.messages import Kind

_HOMES = {
    "AudioFrame": "media.frames",
    "Call": "calls",
    "Conference": "meeting.conference",
    "Config": "config",
    "ContactCode": "identity.code",
    "EndReason": "call.effects",
    "FrameFeed": "media.frames",
    "FrameTap": "media.frames",
    "Kind": "wire.messages",
    "MediaWish": "calls",
    "Node": "app",
    "OnMeetError": "errors",
    "Presence": "meeting.conference",
    "State": "call.effects",
    "VideoFrame": "media.frames",
    "open_node": "app",
    "parse_code": "identity.code",
}

__all__ = [
    "AudioFrame",
    "Call",
    "Conference",
    "Config",
    "ContactCode",
    "EndReason",
    "FrameFeed",
    "FrameTap",
    "Kind",
    "MediaWish",
    "Node",
    "OnMeetError",
    "Presence",
    "State",
    "VideoFrame",
    "open_node",
    "parse_code",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'onmeet_node' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"onmeet_node.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]

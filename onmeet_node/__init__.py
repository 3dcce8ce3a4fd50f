"""On-Meet: end-to-end encrypted calls between people's own machines.

The public API, exported lazily (PEP 562) so that ``import onmeet_node`` loads neither libp2p nor
aiortc. See docs/API.md for examples.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onmeet_node.calls.call import Call
    from onmeet_node.calls.options import CallOptions
    from onmeet_node.config import Config
    from onmeet_node.errors import OnMeetError
    from onmeet_node.media.frames import AudioFrame, FrameFeed, FrameTap, VideoFrame
    from onmeet_node.node.node import Node
    from onmeet_node.node.opening import open_node
    from onmeet_node.protocol.call.effects import EndReason, State
    from onmeet_node.protocol.identity.code import ContactCode, parse_code
    from onmeet_node.protocol.wire.messages import Kind
    from onmeet_node.rooms.conference import Conference
    from onmeet_node.rooms.options import RoomOptions

_HOMES = {
    "AudioFrame": "media.frames",
    "Call": "calls.call",
    "CallOptions": "calls.options",
    "Conference": "rooms.conference",
    "Config": "config",
    "ContactCode": "protocol.identity.code",
    "EndReason": "protocol.call.effects",
    "FrameFeed": "media.frames",
    "FrameTap": "media.frames",
    "Kind": "protocol.wire.messages",
    "Node": "node.node",
    "OnMeetError": "errors",
    "RoomOptions": "rooms.options",
    "State": "protocol.call.effects",
    "VideoFrame": "media.frames",
    "open_node": "node.opening",
    "parse_code": "protocol.identity.code",
}

_FORMER = {"MediaWish": "CallOptions", "Presence": "RoomOptions"}
"""Names of 0.1.0's drafts, importable for one release."""

__all__ = [
    "AudioFrame",
    "Call",
    "CallOptions",
    "Conference",
    "Config",
    "ContactCode",
    "EndReason",
    "FrameFeed",
    "FrameTap",
    "Kind",
    "Node",
    "OnMeetError",
    "RoomOptions",
    "State",
    "VideoFrame",
    "open_node",
    "parse_code",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _FORMER:
        message = f"onmeet_node.{name} is now onmeet_node.{_FORMER[name]}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        name = _FORMER[name]
    if name not in _HOMES:
        raise AttributeError(f"module 'onmeet_node' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"onmeet_node.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]

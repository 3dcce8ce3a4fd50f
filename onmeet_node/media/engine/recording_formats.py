"""What a recording may be, and where there can be one: known before anybody is rung."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av

from onmeet_node.media.errors import SinkUnavailable
from onmeet_node.protocol.wire.messages import Kind

_H264 = {"preset": "ultrafast", "tune": "zerolatency"}
_VP8 = {"deadline": "realtime", "lag-in-frames": "0"}
_PIECES = {"flush_packets": "1", "max_interleave_delta": "500000"}
"""Written at once, and no kind waits more than half a second (in µs) for the other."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a suffix means."""

    name: str
    """FFmpeg's."""
    codecs: Mapping[Kind, str]
    container: Mapping[str, str] = field(default_factory=dict)
    """Options of FFmpeg's muxer."""
    picture: Mapping[str, str] = field(default_factory=dict)
    """Options of the encoder of pictures."""


_CLUSTERS = {**_PIECES, "cluster_time_limit": "1000"}
_FRAGMENTS = {
    **_PIECES,
    "movflags": "hybrid_fragmented+frag_keyframe+default_base_moof",
    "frag_duration": "1000000",
}
"""A common MP4 file once it is closed, and fragments until then."""
_AAC_H264 = {Kind.AUDIO: "aac", Kind.VIDEO: "libx264"}
FORMATS = {
    ".mkv": Format("matroska", _AAC_H264, _CLUSTERS, _H264),
    ".mp4": Format("mp4", _AAC_H264, _FRAGMENTS, _H264),
    ".webm": Format("webm", {Kind.AUDIO: "libopus", Kind.VIDEO: "libvpx"}, _CLUSTERS, _VP8),
    ".wav": Format("wav", {Kind.AUDIO: "pcm_s16le"}, _PIECES),
}
"""By suffix: what a recording may be."""
MIN_FREE_BYTES = 1_000_000
"""On the disk of a recording, to begin and to go on: less than ten seconds of it. What is left lets
the file have its end, and the node write down the call."""


def formats() -> dict[str, Format]:
    """Those of `FORMATS` that this machine's FFmpeg can write: a distribution's may lack some."""
    there = av.codecs_available
    return {suffix: f for suffix, f in FORMATS.items() if there.issuperset(f.codecs.values())}


def check_recording(path: Path) -> Format:
    """The format of a recording at `path`. Raises `SinkUnavailable` where there can be none."""
    chosen = formats().get(path.suffix.lower())
    if chosen is None:
        known = ", ".join(formats())
        raise SinkUnavailable(f"Cannot record to {path.name}: use one of {known}.")
    require_writable(path.parent)
    return chosen


def require_writable(directory: Path) -> None:
    """Raises `SinkUnavailable` unless files can be made in `directory`."""
    if not directory.is_dir():
        raise SinkUnavailable(f"Cannot record: there is no directory {directory}. Create it.")
    if not os.access(directory, os.W_OK | os.X_OK):  # which knows of read-only disks, root or not
        raise SinkUnavailable(f"Cannot record: {directory} is not writable. Choose another.")
    if is_full(directory):
        raise SinkUnavailable(
            f"Cannot record: the disk that holds {directory} is full. Free some space, or choose "
            "another."
        )


def is_full(directory: Path) -> bool:
    """Whether the disk that holds `directory` has no place for a recording."""
    return shutil.disk_usage(directory).free < MIN_FREE_BYTES

"""What is shown of calls: counters of their media, and those of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs

from onmeet_node.media.ice_report import IceReport
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import CallId, Kind

if TYPE_CHECKING:  # it brings trio, and the command line shows views without
    from onmeet_node.media.endpoint import StreamStats


@attrs.frozen
class StreamView:
    """Counters of one kind of media of a call."""

    kind: Kind
    frames_sent: int
    frames_decoded: int
    frames_concealed: int
    packets_lost: int
    bytes_sent: int
    bytes_received: int
    round_trip_ms: float | None

    @classmethod
    def of(cls, stream: StreamStats) -> Self:
        """Those that are shown."""
        return cls(
            kind=stream.kind,
            frames_sent=stream.frames_sent,
            frames_decoded=stream.frames_decoded,
            frames_concealed=stream.frames_concealed,
            packets_lost=stream.packets_lost,
            bytes_sent=stream.bytes_sent,
            bytes_received=stream.bytes_received,
            round_trip_ms=stream.round_trip_ms,
        )


@attrs.frozen
class ReceiptView:
    """What a bootstrap signed to have released: see `protocol.wire.bootstrap_api.Receipt`."""

    operator: str
    """As the bootstrap signs; clean before display."""
    bootstrap: str
    """Its PeerId."""
    since: int
    until: int
    circuits: int
    circuit_bytes: int
    doors: int
    guests: int
    guest_bytes: int
    credentials: int
    held: int
    body: bytes
    """What was signed, and with it the proof for somebody else."""
    signature: bytes


@attrs.frozen
class MissingReceipt:
    """A bootstrap that was asked and signed nothing."""

    operator: str
    bootstrap: str
    missing: str
    """Why, in words that follow a colon."""


@attrs.frozen
class CallRecordView:
    """A call of the past."""

    call: CallId
    identity: Identity
    with_: str
    """How the other one is shown."""
    outgoing: bool
    started: int
    """Unix seconds."""
    seconds: int
    """It lasted, from when it was taken."""
    reason: EndReason | None
    sentence: str
    """Why it ended, in words."""
    path: MediaPath | None
    region: str | None
    report: IceReport | None
    sas: str | None
    note: str | None
    receipts: tuple[ReceiptView | MissingReceipt, ...] | None
    """None if nobody was asked: no server was used, or there was no time yet."""
    code: str | None
    """By which code of ours that works they came, if they are no contact."""

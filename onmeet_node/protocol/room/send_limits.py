"""How much picture each participant sends to each: the cheaper, the more people there are.

Whoever receives says how large a picture is shown there (`wire.room.Look`); the sender keeps to
this table. So who speaks is large and sharp for everybody without anybody being told who that is,
and a picture on another page of tiles costs nothing. Sound is never shaped. The figures follow what
was measured of meshes (docs/ARCHITECTURE, Rooms); the guest page has the same table
(`ui/src/protocol/room-tables.ts`).
"""

from __future__ import annotations

from dataclasses import dataclass

from onmeet_node.protocol.wire.room import PictureSize


@dataclass(frozen=True, slots=True)
class SendLimits:
    """The most to send. Bits per second, rows, pictures per second; all zero: nothing."""

    bitrate: int
    height: int
    frame_rate: int
    share_bitrate: int
    """Of a shared screen, which keeps its own height."""


NOTHING = SendLimits(0, 0, 0, 0)
LARGE = {
    2: SendLimits(2_500_000, 720, 30, 4_000_000),
    3: SendLimits(1_200_000, 720, 30, 2_500_000),
    4: SendLimits(600_000, 480, 30, 1_500_000),
    6: SendLimits(350_000, 360, 24, 1_000_000),
    8: SendLimits(350_000, 360, 24, 600_000),
}
SMALL = {
    2: SendLimits(600_000, 360, 30, 600_000),
    3: SendLimits(400_000, 360, 24, 400_000),
    4: SendLimits(250_000, 270, 20, 300_000),
    6: SendLimits(150_000, 180, 15, 200_000),
    8: SendLimits(100_000, 180, 15, 150_000),
}
"""By the most people with picture for whom a row holds."""


def send_limits(people: int, size: PictureSize) -> SendLimits:
    """What to send to somebody who shows us at this size, among so many people with picture."""
    if size is PictureSize.NONE:
        return NOTHING
    rows = LARGE if size is PictureSize.LARGE else SMALL
    return next((row for most, row in rows.items() if people <= most), rows[max(rows)])

"""Pictures in a room. `python tests/protocol/room/test_send_limits.py` writes the vectors."""

import json
from dataclasses import astuple
from pathlib import Path

from onmeet_node.protocol.room.send_limits import NOTHING, SendLimits, send_limits
from onmeet_node.protocol.wire.room import MAX_SEATS, PictureSize

VECTORS = Path(__file__).parents[2] / "vectors" / "room-send-limits.json"


def vectors() -> str:
    rows = [
        {"people": people, "size": size.value, "limits": astuple(send_limits(people, size))}
        for people in range(1, MAX_SEATS + 1)
        for size in PictureSize
    ]
    return json.dumps(rows, indent=1) + "\n"


def test_the_vectors_are_those_of_the_code() -> None:
    assert VECTORS.read_text() == vectors(), f"run: python {__file__}"


def test_more_people_never_cost_one_of_them_more() -> None:
    """The upload of somebody whom everybody shows large, and of somebody whom nobody does."""
    for size in (PictureSize.SMALL, PictureSize.LARGE):
        each = [send_limits(people, size).bitrate for people in range(2, MAX_SEATS + 1)]
        assert each == sorted(each, reverse=True)
        assert all(send_limits(n, size).bitrate * (n - 1) <= 2_500_000 for n in range(2, 9))


def test_small_is_cheaper_than_large_and_what_nobody_shows_costs_nothing() -> None:
    for people in range(2, MAX_SEATS + 1):
        small, large = (
            send_limits(people, size) for size in (PictureSize.SMALL, PictureSize.LARGE)
        )
        assert small.bitrate < large.bitrate
        assert small.height < large.height or (people == 2 and small.height < 720)
        assert send_limits(people, PictureSize.NONE) == NOTHING == SendLimits(0, 0, 0, 0)


if __name__ == "__main__":
    VECTORS.write_text(vectors())

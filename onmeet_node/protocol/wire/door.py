"""How a host opens a door for guests at a gateway: `/onmeet/door/1` (PROTOCOL, "Guests")."""

from __future__ import annotations

import attrs

from onmeet_node.protocol.wire.bootstrap_api import MAX_TOKEN_BYTES, Refused
from onmeet_node.protocol.wire.codec import Codec
from onmeet_node.protocol.wire.fields import Data, Text, field, maybe
from onmeet_node.protocol.wire.link import SECRET_BYTES
from onmeet_node.protocol.wire.messages import Unknown

DOOR_PROTOCOL = "/onmeet/door/1"
MAX_FRAME_BYTES = 8_192
MAX_ORIGIN_CHARS = 300

MALFORMED, NO_DOOR, TOO_SLOW, HOST_GONE, TOO_MANY = 4400, 4404, 4408, 4410, 4429
"""Close codes of a guest's WebSocket at a gateway (PROTOCOL, "Guests")."""


@attrs.frozen(kw_only=True)
class OpenDoor:
    """Open the door that this secret names, while this stream lasts. Answered with `DoorOpened`."""

    secret: bytes = field(Data(SECRET_BYTES, SECRET_BYTES), hidden=True)
    token: bytes | None = maybe(Data(1, MAX_TOKEN_BYTES), hidden=True)
    """That pays for a day of it, where the description says so (PROTOCOL, "Tokens")."""


@attrs.frozen(kw_only=True)
class DoorOpened:
    """It is open; guest links begin with this origin."""

    origin: str = field(
        Text(8, MAX_ORIGIN_CHARS, ascii=True, pattern=r"https?://[A-Za-z0-9.:\[\]-]+")
    )


DoorRequest = OpenDoor | Unknown
DoorAnswer = DoorOpened | Refused | Unknown

_requests: Codec[DoorRequest] = Codec(DoorRequest, limit=MAX_FRAME_BYTES)
_answers: Codec[DoorAnswer] = Codec(DoorAnswer, limit=MAX_FRAME_BYTES)


def encode_request(request: DoorRequest) -> bytes:
    """What a host asks, without framing."""
    return _requests.encode(request)


def decode_request(data: bytes) -> DoorRequest:
    """What a host asks. Raises `DecodeError` and nothing else."""
    return _requests.decode(data)


def encode_answer(answer: DoorAnswer) -> bytes:
    """What a gateway answers, without framing."""
    return _answers.encode(answer)


def decode_answer(data: bytes) -> DoorAnswer:
    """What a gateway answers. Raises `DecodeError` and nothing else."""
    return _answers.decode(data)

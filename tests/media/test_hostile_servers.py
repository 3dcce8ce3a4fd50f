"""A TURN or STUN server that answers what no honest one does: the call goes on without it, and it
is not asked without end."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
from aioice import stun

from onmeet_node.media.endpoint import Connected, FirstFrame, IceServer, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint
from onmeet_node.protocol.wire.messages import Kind
from tests.media.support import AUDIO, open_pair

pytestmark = pytest.mark.real

LOOPBACK = "127.0.0.1"
MOST_REQUESTS = 40
"""That one session may send such a server in its life here: eight transactions, each sent again."""

Answer = Callable[[stun.Message], list[bytes]]


def _answer(request: stun.Message, kind: stun.Class, **attributes: object) -> bytes:
    message = stun.Message(
        message_method=request.message_method,
        message_class=kind,
        transaction_id=request.transaction_id,
    )
    message.attributes.update({name.replace("_", "-"): it for name, it in attributes.items()})
    return bytes(message)


def _allocated(request: stun.Message, *, lifetime: int = 600, relayed: str = LOOPBACK) -> bytes:
    return _answer(
        request,
        stun.Class.RESPONSE,
        LIFETIME=lifetime,
        XOR_MAPPED_ADDRESS=(LOOPBACK, 9),
        XOR_RELAYED_ADDRESS=(relayed, 9),
    )


def _refused(request: stun.Message, code: int, **attributes: object) -> bytes:
    return _answer(request, stun.Class.ERROR, ERROR_CODE=(code, "no"), **attributes)


def nothing_but_noise(request: stun.Message) -> list[bytes]:
    dice = random.Random(request.transaction_id)
    return [dice.randbytes(dice.randrange(1, 1400)) for _ in range(20)] + [b""]


def mutations(request: stun.Message) -> list[bytes]:
    dice = random.Random(request.transaction_id)
    whole = [_allocated(request), _refused(request, 401, REALM="r", NONCE=b"n" * 16)]
    made = []
    for _ in range(60):
        data = bytearray(dice.choice(whole))
        for _ in range(dice.randrange(1, 4)):
            place = dice.choice([2, 3, *range(20, len(data))])  # its own transaction
            data[place] = dice.randrange(256)
        made.append(bytes(data[: dice.choice([len(data), dice.randrange(20, len(data))])]))
    return made


def ends_at_once(request: stun.Message) -> list[bytes]:
    return [_allocated(request, lifetime=0)]


def always_another_nonce(request: stun.Message) -> list[bytes]:
    nonce = request.transaction_id + b"0000"
    code = 438 if "NONCE" in request.attributes else 401
    return [_refused(request, code, REALM="r", NONCE=nonce)]


def empty_success(request: stun.Message) -> list[bytes]:
    return [_answer(request, stun.Class.RESPONSE)]


def another_family(request: stun.Message) -> list[bytes]:
    return [_allocated(request, relayed="::1")]


def data_from_nobody(request: stun.Message) -> list[bytes]:
    stray = stun.Message(message_method=stun.Method.DATA, message_class=stun.Class.INDICATION)
    stray.attributes["DATA"] = b""
    stray.attributes["XOR-PEER-ADDRESS"] = (LOOPBACK, 9)
    channel = struct.pack("!HH", 0x4000, 0xFFFF)
    return [_allocated(request), bytes(stray), channel, channel + b"x" * 8]


ANSWERS: list[Answer] = [
    nothing_but_noise,
    mutations,
    ends_at_once,
    always_another_nonce,
    empty_success,
    another_family,
    data_from_nobody,
]


class Server:
    """Counts what it is asked, over UDP and TCP."""

    def __init__(self, answer: Answer) -> None:
        self.asked = 0
        self._answer = answer
        self._udp = socket.socket(type=socket.SOCK_DGRAM)
        self._udp.bind((LOOPBACK, 0))
        self.port = self._udp.getsockname()[1]
        self._tcp = socket.create_server((LOOPBACK, self.port))
        self._open: list[socket.socket] = []

    def _answers(self, data: bytes) -> list[bytes]:
        self.asked += 1
        try:
            return self._answer(stun.parse_message(data))
        except ValueError:
            return [data]  # the data of a channel, say

    def _serve_udp(self) -> None:
        while True:
            data, peer = self._udp.recvfrom(2048)
            if data == b"over":
                return
            for one in self._answers(data):
                self._udp.sendto(one, peer)

    def _serve_tcp(self) -> None:
        while True:
            conn, _ = self._tcp.accept()
            self._open.append(conn)
            data = conn.recv(2048)
            if data == b"over":
                return
            try:
                while data:
                    for one in self._answers(data):
                        conn.sendall(one)
                    data = conn.recv(2048)
            except OSError:
                continue

    @contextmanager
    def run(self) -> Iterator[Server]:
        threads = [threading.Thread(target=it) for it in (self._serve_udp, self._serve_tcp)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._udp.sendto(b"over", (LOOPBACK, self.port))
            for conn in self._open:
                conn.close()
            with socket.create_connection((LOOPBACK, self.port)) as last:
                last.sendall(b"over")
            for thread in threads:
                thread.join()
            for one in (self._udp, self._tcp, *self._open):
                one.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_the_call_goes_on_and_the_server_is_left_in_peace(
    endpoint: AiortcEndpoint, answer: Answer, transport: str
) -> None:
    with Server(answer).run() as server:
        turn = f"turn:{LOOPBACK}:{server.port}?transport={transport}"
        servers = (
            IceServer(turn, username="u", credential="p"),
            IceServer(f"stun:{LOOPBACK}:{server.port}"),
        )
        config = SessionConfig(AUDIO, ice_servers=servers)
        async with open_pair(endpoint, config, other=SessionConfig(AUDIO)) as pair:
            await pair.a.wait_for(Connected, 30)
            await pair.a.session.attach(AUDIO)
            await pair.b.wait_for(FirstFrame(Kind.AUDIO), 30)
            await trio.sleep(0.5)  # time itself: whatever it keeps on doing, it does meanwhile
        assert server.asked < MOST_REQUESTS

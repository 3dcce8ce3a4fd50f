"""Routers that open ports when asked: NAT-PMP and UPnP as real ones speak them, on loopback."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"


class NatPmpRouter:
    """Leads TCP ports of 127.0.0.1 to ports of `inside`, by forwarding."""

    def __init__(self, inside: str, nursery: trio.Nursery, *, refuse: int = 0, lose: int = 0):
        self.inside = inside
        self.refuse = refuse
        self.lose = lose
        self.ports: dict[int, int] = {}
        """Outside ports by inside ones."""
        self.asked = 0
        self._nursery = nursery
        self._scopes: dict[int, trio.CancelScope] = {}
        self._socket = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)

    async def listen(self) -> int:
        await self._socket.bind(("127.0.0.1", 0))
        self._nursery.start_soon(self._serve)
        return int(self._socket.getsockname()[1])

    async def _serve(self) -> None:
        with self._socket:
            while True:
                data, who = await self._socket.recvfrom(64)
                self.asked += 1
                if self.asked <= self.lose:
                    continue
                version, op, _, port, _, lifetime = struct.unpack("!BBHHHI", data)
                assert (version, op) == (0, 2)
                if not self.refuse:
                    if lifetime and port not in self.ports:
                        await self._nursery.start(self._forward, port)
                    elif not lifetime:
                        self._scopes.pop(port).cancel()
                        del self.ports[port]
                outside = self.ports.get(port, 0)
                answer = struct.pack("!BBHIHHI", 0, 130, self.refuse, 1, port, outside, lifetime)
                await self._socket.sendto(answer, who)

    async def _forward(self, port: int, task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope() as scope:
            self._scopes[port] = scope
            async with trio.open_nursery() as nursery:
                serve = partial(trio.serve_tcp, partial(self._pass_on, port), 0, host="127.0.0.1")
                listeners = await nursery.start(serve)
                self.ports[port] = listeners[0].socket.getsockname()[1]
                task_status.started()

    async def _pass_on(self, port: int, stream: trio.SocketStream) -> None:
        async with await trio.open_tcp_stream(self.inside, port) as inside:

            async def copy(source: trio.SocketStream, sink: trio.SocketStream) -> None:
                try:
                    async for data in source:
                        await sink.send_all(data)
                except trio.BrokenResourceError:
                    pass
                nursery.cancel_scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(copy, stream, inside)
                nursery.start_soon(copy, inside, stream)


_ROOT = f"""<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType>
<serviceList><service><serviceType>{SERVICE}</serviceType>
<serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId>
<controlURL>/control</controlURL><eventSubURL>/event</eventSubURL><SCPDURL>/scpd.xml</SCPDURL>
</service></serviceList></device></deviceList></device></deviceList></device></root>"""

_ENVELOPE = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<u:{action}Response xmlns:u="{service}">{fields}</u:{action}Response></s:Body></s:Envelope>'
)
_FAULT = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
    '<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>718</errorCode>'
    "<errorDescription>ConflictInMappingEntry</errorDescription></UPnPError></detail></s:Fault>"
    "</s:Body></s:Envelope>"
)


class UpnpRouter:
    """An internet gateway device; `taken` are outside ports that another machine has."""

    def __init__(self, taken: frozenset[int] = frozenset()) -> None:
        self.taken = taken
        self.ports: dict[int, int] = {}
        """Inside ports by outside ones."""
        self.url = ""

    async def serve(self, stream: trio.SocketStream) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some()
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")),
            0,
        )
        while len(body) < length:
            body += await stream.receive_some()
        if head.startswith(b"GET"):
            await self._answer(stream, 200, _ROOT)
        else:
            await self._act(stream, body.decode())

    async def _act(self, stream: trio.SocketStream, body: str) -> None:
        def field(name: str) -> str:
            return body.partition(f"<{name}>")[2].partition("<")[0]

        action = body.partition("<u:")[2].partition(" ")[0]
        fields = ""
        if action == "AddPortMapping":
            if int(field("NewExternalPort")) in self.taken:
                await self._answer(stream, 500, _FAULT)
                return
            self.ports[int(field("NewExternalPort"))] = int(field("NewInternalPort"))
        elif action == "DeletePortMapping":
            self.ports.pop(int(field("NewExternalPort")), None)
        elif action == "GetStatusInfo":
            fields = (
                "<NewConnectionStatus>Connected</NewConnectionStatus>"
                "<NewLastConnectionError>ERROR_NONE</NewLastConnectionError><NewUptime>1</NewUptime>"
            )
        elif action == "GetExternalIPAddress":
            fields = "<NewExternalIPAddress>8.8.8.8</NewExternalIPAddress>"
        answer = _ENVELOPE.format(action=action, service=SERVICE, fields=fields)
        await self._answer(stream, 200, answer)

    async def _answer(self, stream: trio.SocketStream, status: int, body: str) -> None:
        await stream.send_all(
            f"HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )


@asynccontextmanager
async def upnp_router(taken: frozenset[int] = frozenset()) -> AsyncIterator[UpnpRouter]:
    router = UpnpRouter(taken)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, router.serve, 0, host="127.0.0.1"))
        router.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/root.xml"
        yield router
        nursery.cancel_scope.cancel()

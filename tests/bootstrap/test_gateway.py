"""The gateway: opaque, bounded, and empty when everybody has gone. Real hosts and WebSockets."""

# ruff: noqa: SIM117 - a line for each thing that is opened
from __future__ import annotations

import datetime
import gzip
import ipaddress
import logging
import os
import secrets
import ssl
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import attrs
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import GuestsConfig, ephemeral_config
from onmeet_bootstrap.errors import SettingsError
from onmeet_bootstrap.preflight import check_guests
from trio.testing import wait_all_tasks_blocked
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request

from onmeet_node import guest_page
from onmeet_node.joining.line import DoorClosed, open_line
from onmeet_node.net.bootstraps.doors import HostDoors
from onmeet_node.net.errors import NetError, RelayUnavailable
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.protocol.wire.frames import MAX_FRAME_BYTES, FrameDecoder, encode_frame
from onmeet_node.protocol.wire.link import door_id, make_link
from tests.requirements import need

pytestmark = pytest.mark.real

LISTEN = ("/ip4/127.0.0.1/tcp/0",)
NOT_BUILT = None if guest_page.files() else "the guest page is not built (make ui, Node.js 20)"


@asynccontextmanager
async def a_gateway(**guests):
    config = ephemeral_config(guests=True)
    settings = {"tries_per_minute": 1e6, "tries_burst": 100_000, **guests}
    config = attrs.evolve(config, guests=attrs.evolve(config.guests, **settings))
    async with open_bootstrap(config) as running:
        yield running


@asynccontextmanager
async def a_host(gateway):
    """A libp2p host that is connected to the gateway, and its doors."""
    async with open_host(HostConfig(listen=LISTEN)) as host:
        await host.connect(gateway.addresses)
        yield host, HostDoors(host)


def url_of(door, secret):
    link = make_link(door_secret=secret, private_key=b"k" * 32, secret=b"s" * 16, expires=None)
    return link.url(door.origin)


@asynccontextmanager
async def a_door(gateway):
    """An open door, the link to it, and the host."""
    secret = secrets.token_bytes(16)
    async with a_host(gateway) as (host, doors), doors.open(gateway.peer_id, secret) as door:
        yield door, url_of(door, secret), host


async def frames_of(stream, count):
    decoder, frames = FrameDecoder(), []
    while len(frames) < count:
        frames += decoder.feed(await stream.receive_some())
    return frames


@asynccontextmanager
async def through(url):
    """A WebSocket that has named its door."""
    async with open_line(url, shake=False) as line:
        await line.send_frame(line.link.door)
        yield line


async def closed_with(line):
    with trio.fail_after(10), pytest.raises(DoorClosed) as closed:
        while True:
            await line.receive_frame()
    return closed.value.code


async def test_frames_of_any_length_pass_both_ways_as_they_are():
    sizes = [0, 1, 17, 4_096, MAX_FRAME_BYTES]
    async with a_gateway() as gateway, a_door(gateway) as (door, url, _), through(url) as line:
        for size in sizes:
            await line.send_frame(os.urandom(size))
        with trio.fail_after(10):
            guest = await door.guests.receive()
            frames = await frames_of(guest, len(sizes))
            assert [len(frame) for frame in frames] == sizes
            for frame in frames:
                await guest.send_all(encode_frame(frame))
                assert await line.receive_frame() == frame
        guest.abort()


async def test_ten_megabytes_at_once_are_refused():
    async with a_gateway() as gateway, a_door(gateway) as (_, url, _), through(url) as line:
        with pytest.raises(DoorClosed):
            await line.send_frame(bytes(10_000_000))
            raise DoorClosed(await closed_with(line))


@pytest.mark.parametrize("first", ["text", b"", b"x" * 15, b"x" * 17])
async def test_a_first_message_that_is_no_doors_id_is_refused(first):
    async with a_gateway() as gateway, a_door(gateway) as (_, url, _):
        async with open_line(url, shake=False) as line:
            await line._socket.send_message(first)
            assert await closed_with(line) == 4400


async def test_text_after_the_first_message_is_refused():
    async with a_gateway() as gateway, a_door(gateway) as (_, url, _), through(url) as line:
        await line._socket.send_message("hello")
        assert await closed_with(line) == 4400


async def test_who_says_nothing_is_sent_away():
    async with a_gateway(name_seconds=0.2) as gateway, a_door(gateway) as (_, url, _):
        async with open_line(url, shake=False) as line:
            assert await closed_with(line) == 4408


async def test_a_door_that_is_not_there():
    async with a_gateway() as gateway:
        nowhere = make_link(
            door_secret=b"n" * 16, private_key=b"k" * 32, secret=b"s" * 16, expires=None
        )
        async with through(nowhere.url(gateway.guest_origin)) as line:
            assert await closed_with(line) == 4404


class RawLine:
    """A WebSocket of which each frame is in hand. `open_line` answers a Close by itself."""

    def __init__(self, stream):
        self.stream = stream
        self.wire = WSConnection(ConnectionType.CLIENT)

    async def send(self, *events):
        await self.stream.send_all(b"".join(map(self.wire.send, events)))

    async def event(self, kind):
        """The next of this kind; whatever comes before it, a ping say, is passed over."""
        with trio.fail_after(10):
            while True:
                for event in self.wire.events():
                    if isinstance(event, kind):
                        return event
                self.wire.receive_data(await self.stream.receive_some())


@asynccontextmanager
async def at_no_door(gateway):
    """A raw line that has named a door that is not there."""
    parts = urlsplit(gateway.guest_origin)
    async with await trio.open_tcp_stream(parts.hostname, parts.port) as stream:
        line = RawLine(stream)
        origin = [(b"Origin", gateway.guest_origin.encode())]
        await line.send(Request(host=parts.netloc, target="/door", extra_headers=origin))
        await line.event(AcceptConnection)
        await line.send(BytesMessage(b"n" * 16))
        yield line


async def test_what_is_still_on_its_way_does_not_cost_the_reason():
    """TCP that is closed with something unread is reset, and a browser then knows no close code."""
    async with a_gateway() as gateway, at_no_door(gateway) as line:
        late = line.wire.send(BytesMessage(bytes(1_000)))  # crosses theirs on the wire
        closed = await line.event(CloseConnection)
        assert closed.code == 4404
        await wait_all_tasks_blocked()
        await line.stream.send_all(late)
        await line.send(closed.response())  # raises, had the other been answered with a reset
        with trio.fail_after(10):
            assert await line.stream.receive_some() == b""


async def test_who_does_not_answer_a_close_is_not_waited_for_long():
    async with a_gateway() as gateway, at_no_door(gateway) as line:
        chatter = line.wire.send(BytesMessage(bytes(1_000)))
        await line.event(CloseConnection)
        with trio.fail_after(10), pytest.raises(trio.BrokenResourceError):
            while True:
                await line.stream.send_all(chatter)
        assert gateway.counts().guests == 0


async def test_a_host_that_vanishes_takes_its_door_and_its_guests_are_told():
    async with a_gateway() as gateway, a_door(gateway) as (door, url, host):
        async with through(url) as line:
            with trio.fail_after(10):
                await door.guests.receive()
            await host.disconnect(gateway.peer_id)
            assert await closed_with(line) == 4410
        with trio.fail_after(10):
            await door.gone.wait()
        async with through(url) as line:
            assert await closed_with(line) == 4404


async def test_who_knows_only_a_doors_id_cannot_open_it():
    secret = secrets.token_bytes(16)
    async with a_gateway() as gateway, a_host(gateway) as (_, doors):
        async with doors.open(gateway.peer_id, secret) as door:
            async with a_host(gateway) as (_, others):
                # The id taken for a secret names another door.
                async with others.open(gateway.peer_id, door.id) as theirs:
                    assert theirs.id != door.id
            async with through(url_of(door, secret)):
                with trio.fail_after(10):
                    await door.guests.receive()


async def test_a_host_that_comes_back_opens_the_same_door_though_the_old_one_is_not_missed_yet():
    secret = secrets.token_bytes(16)
    async with a_gateway() as gateway, a_host(gateway) as (_, old), a_host(gateway) as (_, new):
        async with old.open(gateway.peer_id, secret) as before:
            async with new.open(gateway.peer_id, secret) as now:
                with trio.fail_after(10):
                    await before.gone.wait()
                async with through(url_of(now, secret)):
                    with trio.fail_after(10):
                        await now.guests.receive()


async def test_the_same_door_twice_by_one_node_is_refused():
    secret = secrets.token_bytes(16)
    async with a_gateway() as gateway, a_host(gateway) as (_, doors):
        async with doors.open(gateway.peer_id, secret):
            with pytest.raises(RelayUnavailable):
                async with doors.open(gateway.peer_id, secret):
                    pass


async def test_a_slow_reader_is_closed_and_the_gateway_holds_no_more_than_a_frame_for_it():
    async with (
        a_gateway(write_seconds=1, bytes_per_second=1 << 30) as gateway,
        a_door(gateway) as (door, url, _),
        through(url),
    ):
        with trio.fail_after(30):
            guest = await door.guests.receive()
            with pytest.raises(trio.BrokenResourceError):
                while True:  # until the sockets between are full and the gateway gives up
                    await guest.send_all(encode_frame(bytes(MAX_FRAME_BYTES)))
        guest.abort()
        with trio.fail_after(10):
            while gateway.counts().guests:  # noqa: ASYNC110 - counts have no event
                await trio.sleep(0.01)


async def test_a_guest_who_floods_is_slowed_down_to_the_rate():
    rate = 20_000
    async with a_gateway(bytes_per_second=rate) as gateway, a_door(gateway) as (door, url, _):
        async with through(url) as line:
            with trio.fail_after(10):
                guest = await door.guests.receive()
            received = 0
            began = trio.current_time()
            async with trio.open_nursery() as nursery:

                async def flood():
                    while True:
                        await line.send_frame(bytes(2_000))

                nursery.start_soon(flood)
                while received < 4 * rate:
                    received += len(await guest.receive_some())
                nursery.cancel_scope.cancel()
            # Two seconds' worth may go at once; the rest goes at the rate.
            assert trio.current_time() - began > 1.5
            guest.abort()


async def test_limits_by_door_by_address_and_in_all():
    for limits in ({"guests_per_door": 2}, {"guests_per_network": 2}, {"max_guests": 2}):
        async with a_gateway(**limits) as gateway, a_door(gateway) as (_, url, _):
            async with through(url), through(url):
                with trio.fail_after(5):
                    while gateway.counts().guests < 2:  # noqa: ASYNC110 - as above
                        await trio.sleep(0.01)
                async with through(url) as third:
                    assert await closed_with(third) == 4429, limits
    async with a_gateway(doors_per_node=2) as gateway, a_host(gateway) as (_, doors):
        async with (
            doors.open(gateway.peer_id, b"1" * 16),
            doors.open(gateway.peer_id, b"2" * 16),
        ):
            with pytest.raises(NetError):
                async with doors.open(gateway.peer_id, b"3" * 16):
                    pass


async def test_guessing_doors_is_slow():
    """With 2^128 ids, two a second would need longer than there is; the limit is by address."""
    async with a_gateway(tries_per_minute=120, tries_burst=20) as gateway:
        codes = []
        for _ in range(30):
            link = make_link(
                door_secret=secrets.token_bytes(16),
                private_key=b"k" * 32,
                secret=b"s" * 16,
                expires=None,
            )
            try:
                async with through(link.url(gateway.guest_origin)) as line:
                    codes.append(await closed_with(line))
            except DoorClosed as closed:
                codes.append(closed.code)
        assert codes[:20] == [4404] * 20
        assert codes.count(4429) >= 5


async def test_a_gateway_that_stops_says_so():
    async with trio.open_nursery() as nursery:
        ready, stop = trio.Event(), trio.Event()
        place = {}

        async def run():
            async with a_gateway() as gateway:
                place["gateway"] = gateway
                ready.set()
                await stop.wait()

        nursery.start_soon(run)
        await ready.wait()
        async with a_door(place["gateway"]) as (door, url, _), through(url) as line:
            with trio.fail_after(10):
                await door.guests.receive()
            stop.set()
            assert await closed_with(line) == 1001


async def test_afterwards_nothing_is_held():
    async with a_gateway() as gateway:
        async with a_door(gateway) as (door, url, _), through(url), through(url):
            with trio.fail_after(10):
                await door.guests.receive()
                await door.guests.receive()
            held = gateway.held()
            assert (held["doors"], held["guests"]) == (1, 2)
        with trio.fail_after(20):
            while gateway.counts().held:  # noqa: ASYNC110 - as above
                await trio.sleep(0.05)
        assert gateway.counts().doors == gateway.counts().guests == 0


async def test_pages_of_other_sites_and_other_names_open_no_door():
    async with a_gateway() as gateway:
        port = gateway.guest_origin.rpartition(":")[2]
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        for origin in ("https://evil.example", "null"):
            status, _, _ = await get(port, "/door", **upgrade, Origin=origin)
            assert status == 403
        assert (await get(port, "/j", Host="evil.example"))[0] == 421


async def get(port, path, **headers):
    """Status, headers and body of one request."""
    stream = await trio.open_tcp_stream("127.0.0.1", int(port))
    async with stream:
        sent = {"Host": f"127.0.0.1:{port}", "Connection": "close", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        await stream.send_all(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        data = b""
        with trio.fail_after(10):
            async for part in stream:
                data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


async def test_what_browsers_are_told_to_allow():
    need(NOT_BUILT)
    allowed = ("https://www.example.org",)
    async with a_gateway(embed_allow=allowed) as gateway:
        port = gateway.guest_origin.rpartition(":")[2]
        status, headers, body = await get(port, "/j")
        assert status == 200
        assert b"integrity=" in body
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        held = guest_page.script_sources(body)
        assert held.startswith("script-src 'self' 'sha256-")
        assert held.lower() in [directive.strip() for directive in policy.split(";")]
        assert headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in headers
        zipped = {"Accept-Encoding": "gzip"}
        status, headers, packed = await get(port, "/j", **zipped)
        assert (headers["content-encoding"], gzip.decompress(packed)) == ("gzip", body)
        _, embedded, _ = await get(port, "/e")
        assert "frame-ancestors https://www.example.org" in embedded["content-security-policy"]
        assert embedded["cross-origin-resource-policy"] == "cross-origin", "sites that isolate"
        assert embedded["cross-origin-embedder-policy"] == "require-corp"
        assert headers["cross-origin-resource-policy"] == "same-origin", "/j is nobody's frame"
        status, _, body = await get(port, "/.well-known/onmeet.json")
        assert (status, b'"this machine"' in body) == (200, True)
        for path in ("/j%23" + "A" * 98, "/e%23A"):
            status, headers, encoded = await get(port, path)
            assert (status, b"integrity=" in encoded) == (200, True)
            assert "content-security-policy" in headers
        status, headers, _ = await get(port, "/j/")
        assert (status, headers["location"]) == (308, "/j")
        for path in ("/../bootstrap.key", "/assets/../../config.py", "/%2e%2e/x", "/nothing"):
            assert (await get(port, path))[0] == 404
    async with a_gateway() as gateway:
        _, embedded, _ = await get(gateway.guest_origin.rpartition(":")[2], "/e")
        assert "frame-ancestors 'none'" in embedded["content-security-policy"]


async def test_logs_name_nobody_at_any_level(caplog):
    caplog.set_level(logging.DEBUG)
    async with a_gateway() as gateway, a_door(gateway) as (door, url, host):
        async with through(url) as line:
            await line.send_frame(b"x" * 40)
            with trio.fail_after(10):
                (await door.guests.receive()).abort()
        names = [host.peer_id, "127.0.0.1", line.link.door.hex(), url.partition("#")[2][:40]]
    own = [r for r in caplog.records if r.name.startswith(("bootstrap", "onmeet_node.net.asgi"))]
    for record in own:
        assert not [name for name in names if name in record.getMessage()]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"listen": ("0.0.0.0:8443",)}, "origin"),
        ({"listen": ("0.0.0.0:80",), "origin": "http://meet.example.org"}, "https://"),
        ({"listen": ("0.0.0.0:8443",), "origin": "https://meet.example.org"}, "plain HTTP"),
        ({"certificate": "x.pem"}, "belong together"),
    ],
)
def test_a_gateway_that_browsers_would_not_use_is_refused_with_what_to_set(settings, says):
    with pytest.raises(SettingsError, match=says):
        check_guests(attrs.evolve(GuestsConfig(serve=True, listen=("127.0.0.1:0",)), **settings))


def test_the_id_of_a_door_is_made_of_its_secret():
    assert door_id(b"a" * 16) != door_id(b"b" * 16)


async def test_a_page_that_was_built_anew_is_served_whole_and_allows_its_own_scripts_alone():
    page = b'<script type="importmap">{"integrity":{}}</script>'
    async with a_gateway() as gateway:
        gateway.show_guest_page({"j.html": page, "assets/new.js": b"1"})
        port = gateway.guest_origin.rpartition(":")[2]
        status, headers, body = await get(port, "/j", **{"Accept-Encoding": "gzip"})
        assert (status, gzip.decompress(body)) == (200, page)
        assert guest_page.script_sources(page).lower() in headers["content-security-policy"]
        status, _, body = await get(port, "/assets/new.js")
        assert (status, body) == (200, b"1")
        status, _, _ = await get(port, "/e")
        assert status == 404, "nothing is left of the page before"


async def test_the_page_that_is_served_is_compared_with_the_release(tmp_path):
    need(NOT_BUILT)
    async with a_gateway() as gateway:
        compared = await trio.to_thread.run_sync(guest_page.verify, gateway.guest_origin)
        assert {one.result for one in compared} == {"same"}
        assert {"/j", "/e", "/embed.js"} <= {one.path for one in compared}
        for name, data in guest_page.files().items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data + (b" " if name.endswith(".js") else b""))
        compared = await trio.to_thread.run_sync(guest_page.verify, gateway.guest_origin, tmp_path)
        differing = {one.path for one in compared if one.result == "differs"}
        assert differing == {one.path for one in compared if one.path.endswith(".js")}
        (tmp_path / "j.html").write_bytes(b'<script type="importmap">{}</script>')
        compared = await trio.to_thread.run_sync(guest_page.verify, gateway.guest_origin, tmp_path)
        assert compared[-1].result == "differs", "another map than ours is allowed"
    with pytest.raises(guest_page.CannotCompare, match="could not be asked"):
        await trio.to_thread.run_sync(guest_page.verify, gateway.guest_origin)
    with pytest.raises(guest_page.CannotCompare, match="no address"):
        guest_page.verify("ftp://x")
    with pytest.raises(guest_page.NotBuilt, match="make ui"):
        guest_page.hashes(tmp_path / "nothing")


def a_certificate(folder, number):
    """A certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {number}")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(encoding))
    (folder / "key.pem").write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return ssl.create_default_context(cafile=folder / "cert.pem")


async def test_with_a_certificate_of_its_own_and_a_renewed_one(tmp_path):
    first = a_certificate(tmp_path, 1)
    files = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    async with a_gateway(**files) as gateway, a_door(gateway) as (door, url, _):
        assert url.startswith("https://")
        async with open_line(url, shake=False, trust=first) as line:
            await line.send_frame(line.link.door)
            with trio.fail_after(10):
                await door.guests.receive()
            second = a_certificate(tmp_path, 2)
            gateway.reload()
            with pytest.raises(ssl.SSLCertVerificationError):
                await handshake(url, first)
            await handshake(url, second)
            await line.send_frame(b"the open line goes on")
            (tmp_path / "key.pem").write_text("half written")
            with pytest.raises(SettingsError, match="cannot be used"):
                gateway.reload()
            await handshake(url, second)


async def handshake(url, trust):
    """Shakes hands over TLS alone."""
    host, _, port = url.partition("//")[2].partition("/")[0].partition(":")
    tcp = await trio.open_tcp_stream(host, int(port))
    async with tcp:
        try:
            await trio.SSLStream(tcp, trust, server_hostname=host).do_handshake()
        except trio.BrokenResourceError as error:
            raise error.__cause__ from None


async def test_browsers_are_spoken_to_in_http_1_1_alone(tmp_path):
    """Over HTTP/2 a frame that crossed the end of a guest's WebSocket ended the bootstrap."""
    trust = a_certificate(tmp_path, 1)
    trust.set_alpn_protocols(["h2", "http/1.1"])
    files = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    async with a_gateway(**files) as gateway, a_door(gateway) as (_, url, _):
        host, _, port = url.partition("//")[2].partition("/")[0].partition(":")
        tcp = await trio.open_tcp_stream(host, int(port))
        async with trio.SSLStream(tcp, trust, server_hostname=host, https_compatible=True) as tls:
            await tls.do_handshake()
            assert tls.selected_alpn_protocol() == "http/1.1"


async def test_a_certificate_that_cannot_be_used_is_refused_with_what_to_name(tmp_path):
    (tmp_path / "bad.pem").write_text("no certificate")
    bad = str(tmp_path / "bad.pem")
    with pytest.RaisesGroup(SettingsError, allow_unwrapped=True, flatten_subgroups=True):
        async with a_gateway(certificate=bad, key=bad):
            pass

"""TURN servers that are wrong, far away, full, or die: coturn on loopback."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import AsyncIterator

import aioice
import pytest
import trio

from onmeet_node.media.endpoint import Connected, FirstFrame, PathLost, SessionConfig
from onmeet_node.media.engine import ice
from onmeet_node.media.engine import ice_gathering as gathering
from onmeet_node.media.engine import ice_servers as servers
from onmeet_node.media.engine.endpoint import AiortcEndpoint
from onmeet_node.media.ice_report import IceReport, ServerReport
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import Kind
from tests.media.coturn import Turn, make_certificate, run_coturn
from tests.media.support import AUDIO, open_pair
from tests.requirements import needs_coturn

pytestmark = [
    pytest.mark.real,
    needs_coturn,
]


@pytest.fixture
async def turn(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Turn]:
    """One that speaks UDP, TCP and TLS, and whose certificate is trusted here."""
    certificate = make_certificate(tmp_path, name="127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    async with run_coturn(tmp_path, certificate=certificate) as running:
        yield running


async def what_comes_of(endpoint: AiortcEndpoint, config: SessionConfig) -> IceReport:
    session = await endpoint.open_session(config)
    try:
        await session.create_offer()
    finally:
        await session.aclose()
    return session.report()


async def test_media_flows_through_a_relay_over_tls(endpoint: AiortcEndpoint, turn: Turn) -> None:
    server = turn.server("tls")
    config = SessionConfig(AUDIO, ice_servers=(server,), relay_only=True)
    async with open_pair(endpoint, config) as pair:
        await pair.a.wait_for(Connected(MediaPath.RELAY, server.url))
        await pair.a.session.attach(AUDIO)
        await pair.b.wait_for(FirstFrame(Kind.AUDIO))
        report = pair.a.session.report()
    assert report.local == ("relay/tls",)
    assert report.servers == (ServerReport("turn/tls", worked=True),)


@pytest.mark.parametrize(
    ("name", "days", "why"),
    [
        ("127.0.0.1", -1, "its certificate was refused: it has expired"),
        ("192.0.2.99", 30, "its certificate was refused: it is for another address"),
        ("elsewhere.example", 30, "its certificate was refused: it is for another address"),
    ],
)
async def test_a_certificate_that_is_wrong_is_told_with_its_fault(
    endpoint: AiortcEndpoint,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    days: int,
    why: str,
) -> None:
    certificate = make_certificate(tmp_path, name=name, days=days)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    async with run_coturn(tmp_path, certificate=certificate) as turn:
        report = await what_comes_of(
            endpoint, SessionConfig(AUDIO, ice_servers=(turn.server("tls"),))
        )
    assert report.servers == (ServerReport("turn/tls", worked=False, error=why),)


async def test_a_certificate_that_nobody_signed_is_told(
    endpoint: AiortcEndpoint, tmp_path: pathlib.Path
) -> None:
    certificate = make_certificate(tmp_path, name="127.0.0.1")
    async with run_coturn(tmp_path, certificate=certificate) as turn:
        report = await what_comes_of(
            endpoint, SessionConfig(AUDIO, ice_servers=(turn.server("tls"),))
        )
    (asked,) = report.servers
    assert asked.error == "its certificate was refused: nobody we trust signed it"


async def test_expired_and_wrong_credentials_are_told(endpoint: AiortcEndpoint, turn: Turn) -> None:
    for server in (turn.server(secret="wrong"), turn.server(ttl=-700)):
        report = await what_comes_of(endpoint, SessionConfig(AUDIO, ice_servers=(server,)))
        (asked,) = report.servers
        assert not asked.worked
        assert "refused our credentials (401)" in asked.error


async def test_a_full_server_is_told(endpoint: AiortcEndpoint, tmp_path: pathlib.Path) -> None:
    async with run_coturn(tmp_path, "--user-quota=1") as turn:
        config = SessionConfig(AUDIO, ice_servers=(turn.server(),))
        first = await endpoint.open_session(config)
        await first.create_offer()
        report = await what_comes_of(endpoint, config)
        assert first.report().servers[0].worked
        await first.aclose()
    assert report.servers == (
        ServerReport(
            "turn/udp", worked=False, error="it has no room for another of our calls (486)"
        ),
    )


async def test_a_silent_server_does_not_delay_the_relay_that_another_gives(
    endpoint: AiortcEndpoint, turn: Turn, silent_port: int
) -> None:
    deaf = Turn(silent_port, silent_port, turn.process).server()
    config = SessionConfig(AUDIO, ice_servers=(deaf, turn.server()), relay_only=True)
    session = await endpoint.open_session(config)
    begin = trio.current_time()
    assert " typ relay" in await session.create_offer()
    assert trio.current_time() - begin < gathering.GATHER_SECONDS
    assert sorted(server.worked for server in session.report().servers) == [False, True]
    await session.aclose()


async def test_all_ways_to_a_server_are_asked_and_udp_is_used(
    endpoint: AiortcEndpoint, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine needs longer than a call waits for UDP to be the quicker way.
    monkeypatch.setattr(gathering, "UDP_SECONDS", 60.0)
    monkeypatch.setattr(gathering, "GATHER_SECONDS", 60.0)
    monkeypatch.setattr(ice, "UDP_HEAD_START", 60.0)
    servers = tuple(turn.server(transport) for transport in ("tls", "tcp", "udp"))
    config = SessionConfig(AUDIO, ice_servers=servers, relay_only=True)
    async with open_pair(endpoint, config) as pair:
        await pair.a.wait_for(Connected)
        (connected,) = pair.a.have(Connected)
        assert connected == Connected(MediaPath.RELAY, servers[2].url)
        assert "relay/udp" in pair.a.session.report().local


async def test_a_late_check_over_udp_does_not_leave_the_call_to_tcp(
    endpoint: AiortcEndpoint, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = aioice.Connection.check_start

    async def late_over_udp(agent: aioice.Connection, pair: aioice.ice.CandidatePair) -> None:
        tcp = any(map(gathering.says_tcp, (pair.local_candidate, pair.remote_candidate)))
        await asyncio.sleep(0 if tcp else 0.2)
        await check(agent, pair)

    monkeypatch.setattr(aioice.Connection, "check_start", late_over_udp)
    monkeypatch.setattr(gathering, "UDP_SECONDS", 60.0)
    monkeypatch.setattr(gathering, "GATHER_SECONDS", 60.0)
    monkeypatch.setattr(ice, "UDP_HEAD_START", 60.0)
    servers = tuple(turn.server(transport) for transport in ("tcp", "udp"))
    config = SessionConfig(AUDIO, ice_servers=servers, relay_only=True)
    async with open_pair(endpoint, config) as pair:
        for side in (pair.a, pair.b):
            await side.wait_for(Connected(MediaPath.RELAY, servers[1].url))


async def test_a_server_is_reached_over_ipv6(
    endpoint: AiortcEndpoint, tmp_path: pathlib.Path
) -> None:
    async with run_coturn(tmp_path, "--relay-ip=127.0.0.1", listen="::1") as turn:
        for transport in ("udp", "tcp"):
            server = turn.server(transport, host="[::1]")
            config = SessionConfig(AUDIO, ice_servers=(server,), relay_only=True)
            async with open_pair(endpoint, config) as pair:
                await pair.a.wait_for(Connected(MediaPath.RELAY, server.url))


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_server_that_dies_in_a_call_is_missed_at_once(
    endpoint: AiortcEndpoint, turn: Turn, transport: str
) -> None:
    config = SessionConfig(AUDIO, ice_servers=(turn.server(transport),), relay_only=True)
    async with open_pair(endpoint, config) as pair:
        await pair.a.wait_for(Connected)
        await pair.b.wait_for(Connected)
        await pair.a.session.attach(AUDIO)
        await pair.b.wait_for(FirstFrame(Kind.AUDIO))
        turn.kill()
        # Consent alone needs 4 s and more.
        await pair.a.wait_for(PathLost, 3)
        await pair.b.wait_for(PathLost, 3)
        with trio.fail_after(2):
            await pair.a.session.aclose()


@pytest.mark.slow
async def test_a_long_call_outlives_its_credentials_and_renews_all_it_holds(
    endpoint: AiortcEndpoint, tmp_path: pathlib.Path
) -> None:
    """Minutes made seconds: allocations of 4 s, nonces of 3 s, credentials of 6 s."""
    options = ("--max-allocate-lifetime=4", "--stale-nonce=3")
    async with run_coturn(tmp_path, *options) as turn:
        server = turn.server(ttl=6)
        config = SessionConfig(AUDIO, ice_servers=(server,), relay_only=True)
        async with open_pair(endpoint, config) as pair:
            await pair.a.wait_for(Connected)
            await pair.a.session.attach(AUDIO)
            await pair.b.wait_for(FirstFrame(Kind.AUDIO))
            await trio.sleep(14)  # the time itself: several of each
            assert not pair.a.have(PathLost)
            before = (await pair.b.session.stats()).streams[0].packets_received
            await trio.sleep(1)
            assert (await pair.b.session.stats()).streams[0].packets_received - before > 25
        late = await what_comes_of(endpoint, SessionConfig(AUDIO, ice_servers=(server,)))
    assert "refused our credentials" in late.servers[0].error, "they had not expired"


class Receiver:
    """Stands where the ICE agent does: counts what a relay receives."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.lost = False

    def data_received(self, data: bytes, component: int) -> None:
        self.data.append(data)

    def protocol_lost(self, protocol: object) -> None:
        self.lost = True

    def port_closed(self, protocol: object, address: tuple[str, int]) -> None: ...

    def server_refused(self, protocol: object) -> None: ...


@pytest.mark.slow
@pytest.mark.parametrize(("renewed_after", "arrives"), [(1.0, True), (60.0, False)])
async def test_permissions_are_renewed_before_they_end(
    endpoint: AiortcEndpoint, tmp_path: pathlib.Path, renewed_after: float, *, arrives: bool
) -> None:
    """They last 3 s here; in a call, 300 s, and 240 s is when we renew them."""
    short = ("--permission-lifetime=3", "--channel-lifetime=3")
    async with run_coturn(tmp_path, *short) as turn:
        server = servers.parse(turn.server())
        assert server is not None

        async def aio_talk() -> tuple[int, int]:
            ends = [Receiver(), Receiver()]
            relays = [
                await gathering.allocate(
                    end, server, hide_related=True, permission_seconds=renewed_after
                )
                for end in ends
            ]
            addresses = [
                (relay.local_candidate.host, relay.local_candidate.port) for relay in relays
            ]
            halfway = 0
            for step in range(60):
                for relay, address in zip(relays, reversed(addresses), strict=True):
                    await relay.send_data(b"media", address)
                await asyncio.sleep(0.1)  # time itself
                if step == 45:
                    halfway = len(ends[0].data)
            for relay in relays:
                await relay.close()
            return halfway, len(ends[0].data)

        halfway, total = await endpoint._thread.run(aio_talk)
    assert halfway > 20
    assert (total - halfway > 5) == arrives

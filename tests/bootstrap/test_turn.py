"""TURN as a bootstrap offers it: real coturn, asked by real nodes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import attrs
import psutil
import pytest
import trio
from aioice import stun
from aioice import turn as turn_client
from onmeet_bootstrap.app import Bootstrap, open_bootstrap
from onmeet_bootstrap.config.model import TurnConfig, ephemeral_config
from onmeet_bootstrap.errors import CertificateError, SettingsError, StartFailed
from onmeet_bootstrap.turn.coturn import Coturn, configuration, require_free_ports
from onmeet_bootstrap.turn.lending import Lender, own_urls, password

from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.protocol.wire.bootstrap_api import LendTurn, Refused, TurnCredentials
from tests.bootstrap.asking import ask, description
from tests.bootstrap.ports import free_port
from tests.bootstrap.setups import certificate, turn, with_turn
from tests.fakes.hosts import until
from tests.requirements import needs_coturn

pytestmark = [
    pytest.mark.real,
    needs_coturn,
]


# RFC 8656, 18.6: for a relay of the other family, which aioice does not ask for.
_FAMILY = (0x17, "REQUESTED-ADDRESS-FAMILY", stun.pack_unsigned, stun.unpack_unsigned)
stun.ATTRIBUTES_BY_TYPE[_FAMILY[0]] = _FAMILY
stun.ATTRIBUTES_BY_NAME[_FAMILY[1]] = _FAMILY
_IPV6 = 0x02 << 24


async def aio_allocate(
    server: tuple[str, int], given: TurnCredentials, *, six: bool = False
) -> tuple[turn_client.TurnClientUdpProtocol, int]:
    """An allocation and 0, or the number of the error that it is refused with."""
    _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: turn_client.TurnClientUdpProtocol(
            server, given.username, given.credential, 600, 600
        ),
        remote_addr=server,
    )
    request = stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST)
    request.attributes["LIFETIME"] = 600
    request.attributes["REQUESTED-TRANSPORT"] = turn_client.UDP_TRANSPORT
    if six:
        request.attributes["REQUESTED-ADDRESS-FAMILY"] = _IPV6
    try:
        await protocol.request_with_retry(request)
    except stun.TransactionFailed as error:
        return protocol, error.response.attributes["ERROR-CODE"][0]
    except BaseException:
        protocol.transport.close()
        raise
    return protocol, 0


async def allocate(bootstrap: Bootstrap, given: TurnCredentials, url: str | None = None) -> bool:
    """Whether coturn gives a relay for these credentials (asked by its own test program)."""
    host, port = (url or given.urls[0]).split("?")[0].split(":")[1:]
    command = ["turnutils_uclient", "-y", "-n", "1", "-m", "1", "-c", "-e", "127.0.0.1", "-p", port]
    done = await trio.run_process(
        [*command, "-u", given.username, "-w", given.credential, host],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert bootstrap.turn_pid is not None
    return b"tot_send_msgs=" in done.stdout and b"error 401" not in done.stdout + done.stderr


async def test_what_is_lent_works_and_names_nobody() -> None:
    with trio.fail_after(60):
        async with open_bootstrap(with_turn()) as bootstrap, open_host(HostConfig(())) as node:
            await node.connect(bootstrap.addresses)
            lent = await ask(node, bootstrap.peer_id, LendTurn())
            again = await ask(node, bootstrap.peer_id, LendTurn())
            assert isinstance(lent, TurnCredentials)
            assert isinstance(again, TurnCredentials)
            assert lent.username != again.username
            assert node.peer_id not in lent.username
            assert lent.credential not in repr(lent)
            assert "turn" in (await description(node, bootstrap)).services
            assert await allocate(bootstrap, lent)
            forged = attrs.evolve(lent, credential=password("another secret", lent.username))
            assert not await allocate(bootstrap, forged)
            expired = Lender(lent.urls, "x", 60, clock=lambda: 0).lend()
            assert not await allocate(bootstrap, expired)


async def test_coturn_is_started_again_when_it_dies_and_ends_with_the_bootstrap() -> None:
    with trio.fail_after(60):
        async with open_bootstrap(with_turn()) as bootstrap:
            first = bootstrap.turn_pid
            assert first is not None
            assert bootstrap.counts().turn == "up"
            os.kill(first, signal.SIGKILL)
            await until(lambda: bootstrap.counts().turn_restarts == 1, seconds=20)
            await until(lambda: bootstrap.counts().turn == "up", seconds=20)
            second = bootstrap.turn_pid
            assert second not in {None, first}
        assert not psutil.pid_exists(second)


@pytest.mark.slow
async def test_coturn_does_not_die_with_a_thread_of_the_bootstrap() -> None:
    with trio.fail_after(60):
        async with open_bootstrap(with_turn()) as bootstrap:
            await trio.sleep(12)  # time itself: trio ends threads that were idle for ten seconds
            assert bootstrap.counts().turn_restarts == 0
            assert bootstrap.counts().turn == "up"


def test_coturn_dies_with_a_killed_bootstrap(tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text(
        "import trio, attrs\n"
        "from onmeet_bootstrap.app import open_bootstrap\n"
        "from onmeet_bootstrap.config.model import ephemeral_config, TurnConfig\n"
        f"turn = TurnConfig(serve=True, public=('127.0.0.1',), port={free_port()})\n"
        "async def main():\n"
        "    async with open_bootstrap(attrs.evolve(ephemeral_config(), turn=turn)) as it:\n"
        "        print(it.turn_pid, flush=True)\n"
        "        await trio.sleep_forever()\n"
        "trio.run(main)\n"
    )
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    with closing(process.stdout):
        coturn = psutil.Process(int(process.stdout.readline()))
        process.kill()
        process.wait(10)
        coturn.wait(10)


async def test_nothing_of_coturn_is_on_a_disk_and_no_secret_in_its_command_line() -> None:
    async with open_bootstrap(with_turn()) as bootstrap:
        process = psutil.Process(bootstrap.turn_pid)
        files = [
            f.path for f in process.open_files() if not f.path.startswith(("/dev/", "/memfd:"))
        ]
        assert [path for path in files if not path.startswith("/usr/")] == []
        assert "secret" not in " ".join(process.cmdline())
        written = Path(f"/proc/{process.pid}/io").read_text()
        assert "\nwrite_bytes: 0\n" in written


def test_private_addresses_cannot_be_reached_through_the_relay_unless_allowed() -> None:
    guarded = configuration(turn(allow_private_peers=False), "s")
    for address in ("10.0.0.0-", "127.0.0.0-", "192.168.0.0-", "169.254.0.0-", "fc00::-", "::1"):
        assert f"denied-peer-ip={address}" in guarded
    assert "allow-loopback-peers" not in guarded
    assert "allow-loopback-peers" in configuration(turn(), "s")


def refusals(host: str, port: int, given: TurnCredentials, peers: Sequence[str]) -> dict[str, int]:
    """What allocations of ours are answered when they ask for a way to each of `peers` (0: given).

    RFC 8656, 9: CreatePermission, one address each; IPv6 from an allocation of that family.
    """

    async def aio_ask(six: bool) -> dict[str, int]:
        protocol, code = await aio_allocate((host, port), given, six=six)
        assert code == 0
        answers = {}
        for peer in peers:
            if (":" in peer) != six:
                continue
            request = stun.Message(stun.Method.CREATE_PERMISSION, stun.Class.REQUEST)
            request.attributes["XOR-PEER-ADDRESS"] = (peer, 9)
            try:
                await protocol.request_with_retry(request)
                answers[peer] = 0
            except stun.TransactionFailed as error:
                answers[peer] = error.response.attributes["ERROR-CODE"][0]
        await protocol.delete()
        return answers

    families = {":" in peer for peer in peers}
    told: dict[str, int] = {}
    for six in sorted(families):
        told |= asyncio.run(aio_ask(six))
    return told


async def test_a_real_coturn_lets_nobody_into_private_networks() -> None:
    private = ("10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1")
    public = "192.0.1.7"
    async with open_bootstrap(with_turn(allow_private_peers=False)) as bootstrap:
        async with open_host(HostConfig(())) as node:
            await node.connect(bootstrap.addresses)
            lent = await ask(node, bootstrap.peer_id, LendTurn())
        assert isinstance(lent, TurnCredentials)
        port = int(lent.urls[0].split("?")[0].rpartition(":")[2])
        with trio.fail_after(20):
            answers = await trio.to_thread.run_sync(
                refusals, "127.0.0.1", port, lent, (*private, "127.0.0.2", public)
            )
        assert answers == {**dict.fromkeys((*private, "127.0.0.2"), 403), public: 0}


SPECIAL = {
    "unspecified": ("0.0.0.0", "0.1.2.3", "::"),
    "loopback": ("127.0.0.1", "127.9.9.9", "::1"),
    "private": ("10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.7.7", "fc00::1", "fdff::9"),
    "shared with customers": ("100.64.0.1", "100.127.255.255"),
    "link-local": ("169.254.169.254", "fe80::1", "febf::1"),
    "site-local": ("fec0::1", "feff::1"),
    "of the IETF": ("192.0.0.1", "192.0.0.170", "2001:1::1", "2001:20::1", "2001:1ff:ffff::1"),
    "anycast": ("192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1", "2620:4f:8000::1"),
    "documentation": ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff:fff::1"),
    "benchmarks": ("198.18.0.1", "198.19.255.255", "2001:2::1"),
    "multicast": ("224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"),
    "reserved": ("240.0.0.1", "255.255.255.255", "4000::1", "5f00::1", "e000::1", "fe00::1"),
    "IPv4 in IPv6": (
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::1",
        "2001:0:7f00:1::1",
        "2001:0:ffff::f7f5",
    ),
    "discarded": ("100::1", "100:0:0:1::1", "200::1", "1fff::1"),
}
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "172.32.0.1",
    "192.0.1.7",
    "192.169.0.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.254",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2606:4700:4700::1111",
    "2a01:4f8::1",
    "3ffe::1",
)


async def test_a_real_coturn_reaches_public_addresses_and_no_special_one() -> None:
    special = [peer for peers in SPECIAL.values() for peer in peers]
    config = with_turn(allow_private_peers=False, public=("127.0.0.1", "::1"))
    with trio.fail_after(60):
        async with open_bootstrap(config) as bootstrap, open_host(HostConfig(())) as node:
            await node.connect(bootstrap.addresses)
            lent = await ask(node, bootstrap.peer_id, LendTurn())
            assert isinstance(lent, TurnCredentials)
            answers = await trio.to_thread.run_sync(
                refusals, "127.0.0.1", config.turn.port, lent, (*special, *PUBLIC)
            )
    assert {peer: answers[peer] for peer in special} == dict.fromkeys(special, 403)
    assert {peer: answers[peer] for peer in PUBLIC} == dict.fromkeys(PUBLIC, 0)


async def test_a_taken_port_is_named_with_the_remedy() -> None:
    config = with_turn()
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", config.turn.port))
        with pytest.raises(StartFailed, match=f"UDP port {config.turn.port} is taken"):
            async with open_bootstrap(config):
                pass


def test_an_address_that_the_machine_lacks_is_named_and_no_other_program_blamed() -> None:
    with pytest.raises(StartFailed, match=r"no address 192\.0\.2\.1") as caught:
        require_free_ports(with_turn().turn, at="192.0.2.1")
    assert "taken" not in str(caught.value)


async def test_without_coturn_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onmeet_bootstrap.turn.coturn.PROGRAM", "no-such-turnserver")
    with pytest.raises(StartFailed, match="apt-get install coturn"):
        async with open_bootstrap(with_turn()):
            pass


async def test_an_address_must_be_known_to_serve_turn() -> None:
    with pytest.raises(SettingsError, match="public"):
        async with open_bootstrap(with_turn(public=())):
            pass


async def test_somebody_elses_server_is_lent_with_the_shared_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("shared\n")
    file.chmod(0o600)
    url = "turn:turn.example.org:3478?transport=udp"
    foreign = TurnConfig(urls=(url,), secret_file=str(file))
    config = attrs.evolve(ephemeral_config(), turn=foreign)
    async with open_bootstrap(config) as bootstrap, open_host(HostConfig(())) as node:
        await node.connect(bootstrap.addresses)
        lent = await ask(node, bootstrap.peer_id, LendTurn())
        assert isinstance(lent, TurnCredentials)
        assert lent.urls == (url,)
        assert lent.credential == password("shared", lent.username)
        assert bootstrap.counts().turn == "elsewhere"
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        async with open_bootstrap(config):
            pass


async def test_without_turn_a_node_is_told_to_ask_elsewhere() -> None:
    async with open_bootstrap(ephemeral_config()) as bootstrap, open_host(HostConfig(())) as node:
        await node.connect(bootstrap.addresses)
        refused = await ask(node, bootstrap.peer_id, LendTurn())
        assert isinstance(refused, Refused)
        assert refused.reason == "unavailable"


def test_urls_say_how_it_is_reached() -> None:
    assert own_urls(TurnConfig(public=("203.0.113.5", "2001:db8::5"))) == (
        "turn:203.0.113.5:3478?transport=udp",
        "turn:[2001:db8::5]:3478?transport=udp",
        "turn:203.0.113.5:3478?transport=tcp",
        "turn:[2001:db8::5]:3478?transport=tcp",
    )
    tls = TurnConfig(public=("203.0.113.5",), domain="t.example", certificate="c", key="k")
    assert own_urls(tls)[-1] == "turns:t.example:5349?transport=tcp"


# ── certificates ─────────────────────────────────────────────────────────────────────────────────
async def test_tls_is_served_with_a_certificate(tmp_path: Path) -> None:
    files = certificate(tmp_path, "localhost")
    config = with_turn(domain="localhost", tls_port=free_port(), **files)
    async with open_bootstrap(config):
        context = ssl.create_default_context(cafile=files["certificate"])
        raw = await trio.open_tcp_stream("127.0.0.1", config.turn.tls_port)
        secured = trio.SSLStream(raw, context, server_hostname="localhost")
        await secured.do_handshake()
        await secured.aclose()


async def test_a_renewed_certificate_is_taken_without_a_restart(tmp_path: Path) -> None:
    config = with_turn(
        domain="localhost", tls_port=free_port(), **certificate(tmp_path, "localhost")
    )

    async def shown() -> bytes | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        raw = await trio.open_tcp_stream("127.0.0.1", config.turn.tls_port)
        async with trio.SSLStream(raw, context, https_compatible=True) as secured:
            await secured.do_handshake()
            shown: bytes | None = secured.getpeercert(binary_form=True)
            return shown

    with trio.fail_after(30):
        async with open_bootstrap(config) as bootstrap:
            before, pid = await shown(), bootstrap.turn_pid
            certificate(tmp_path, "localhost")
            assert await shown() == before
            bootstrap.reload()
            while await shown() == before:  # a handshake each; coturn tells of nothing
                pass
            assert bootstrap.turn_pid == pid


@pytest.mark.parametrize(
    ("name", "days", "says"),
    [("localhost", -1, "expired on"), ("other.example", 30, "is for other.example, not for")],
)
async def test_a_certificate_that_nobody_would_accept_stops_the_start(
    tmp_path: Path, name: str, days: float, says: str
) -> None:
    files = certificate(tmp_path, name, days=days)
    with pytest.raises(CertificateError, match=says):
        async with open_bootstrap(with_turn(domain="localhost", tls_port=free_port(), **files)):
            pass


async def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    files = certificate(tmp_path, "localhost")
    (tmp_path / "other").mkdir()
    other = certificate(tmp_path / "other", "localhost")
    config = with_turn(domain="localhost", certificate=files["certificate"], key=other["key"])
    with pytest.raises(CertificateError, match="belong together"):
        async with open_bootstrap(config):
            pass


def test_the_secret_shows_in_no_repr() -> None:
    assert "hidden" not in repr(Coturn(turn(), "hidden"))
    assert "hidden" not in repr(Lender((), "hidden", 60))

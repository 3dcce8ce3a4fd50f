"""``onmeet doctor`` on media: the right cause and a remedy, before the first call."""

from __future__ import annotations

import os
import signal

import attrs
import pytest
from onmeet_bootstrap.app import Bootstrap
from onmeet_bootstrap.config.model import BootstrapConfig, TurnConfig, ephemeral_config

from onmeet_node.media.ice_report import IceReport, ServerReport
from onmeet_node.node.doctor import of_media
from tests.bootstrap.ports import free_port
from tests.node.conftest import Start
from tests.requirements import needs_coturn

UDP, TCP, TLS = (ServerReport(kind, worked=True) for kind in ("turn/udp", "turn/tcp", "turn/tls"))


def refused(server: ServerReport, error: str) -> ServerReport:
    return ServerReport(server.kind, worked=False, error=error)


SILENT = "no answer in time"


@pytest.mark.parametrize(
    ("report", "level", "says"),
    [
        (IceReport(("host/udp",), nat="none", servers=(UDP, TCP)), "good", "over UDP, TCP"),
        (IceReport(("host/udp",), nat="none"), "good", "No NAT"),
        (IceReport(("host/udp",), nat="same"), "good", "direct way"),
        (IceReport(("host/udp",), nat="each"), "poor", "strict"),
        (IceReport(()), "bad", "no network address"),
        (
            IceReport(("host/udp",), servers=(refused(UDP, SILENT), TCP, TLS)),
            "poor",
            "UDP does not get through",
        ),
        (
            IceReport(("host/udp",), servers=(refused(UDP, SILENT), refused(TCP, SILENT))),
            "bad",
            "No TURN server could be used: no answer",
        ),
        (
            IceReport(("host/udp",), servers=(refused(UDP, "it refused our credentials (401)"),)),
            "bad",
            "refused our credentials",
        ),
        (
            IceReport(
                ("host/udp",), servers=(UDP, refused(TLS, "its certificate was refused: it has"))
            ),
            "poor",
            "TURN over TLS does not work: its certificate",
        ),
    ],
)
def test_each_trouble_is_named(report: IceReport, level: str, says: str) -> None:
    findings = [line for line in of_media(report) if says in line.what]
    assert [line.level for line in findings] == [level]
    if level != "good" and "strict" not in says:
        assert findings[0].remedy


@pytest.fixture
def bootstrap_config() -> BootstrapConfig:
    turn = TurnConfig(serve=True, public=("127.0.0.1",), port=free_port(), allow_private_peers=True)
    return attrs.evolve(ephemeral_config(), turn=turn)


@pytest.mark.real
@needs_coturn
async def test_a_node_examines_its_own_media(start: Start, bootstrap: Bootstrap) -> None:
    alice = await start("Alice")
    told = [line.what for line in await alice.examine()]
    # TCP answers a moment later than UDP, and may be too late to be waited for
    assert any(line.startswith("Media gets through to a relay, over UDP") for line in told)
    coturn = bootstrap.turn_pid
    assert coturn is not None
    os.kill(coturn, signal.SIGSTOP)
    try:
        told = [line.what for line in await alice.examine()]
        assert "No TURN server could be used: no answer in time." in told
    finally:
        os.kill(coturn, signal.SIGCONT)

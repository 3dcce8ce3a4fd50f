"""The ICE report: what was tried, and nothing that says where anybody is."""

from __future__ import annotations

import re

import pytest
import trio

from onmeet_node.media.endpoint import Connected, IceServer, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint
from onmeet_node.media.errors import GatheringFailed
from onmeet_node.media.ice_report import (
    MAX_JSON_CHARS,
    IceReport,
    PairReport,
    ServerReport,
    counted,
)
from tests.media.support import AUDIO, open_pair

ADDRESS = re.compile(r"\d+\.\d+\.\d+|[0-9a-f]+:[0-9a-f]*:|:\d{2,5}")


@pytest.mark.real
async def test_a_connected_session_tells_the_pair_it_uses_and_no_address(
    endpoint: AiortcEndpoint,
) -> None:
    async with open_pair(endpoint, SessionConfig(AUDIO)) as pair:
        await pair.a.wait_for(Connected)
        report = pair.a.session.report()
    assert report.local == ("host/udp",)
    assert report.remote == ("host",)
    assert [p for p in report.pairs if p.state == "nominated"] == [
        PairReport("host/udp", "host", "nominated")
    ]
    assert not ADDRESS.search(report.as_json())
    assert pair.a.session.report() == report  # after the end, too
    assert IceReport.from_json(report.as_json()) == report


@pytest.mark.real
@pytest.mark.parametrize(
    ("url", "kind", "why"),
    [
        ("turn:no-such-host.invalid:3478", "turn/udp", "its name was not found in the DNS"),
        ("turn:127.0.0.1:9?transport=tcp", "turn/tcp", "Connection refused"),
        ("stun:127.0.0.1:9", "stun", "no answer|refused"),
    ],
)
async def test_a_server_that_did_not_help_is_listed_with_its_reason(
    endpoint: AiortcEndpoint, url: str, kind: str, why: str
) -> None:
    server = IceServer(url, "u", "c")
    session = await endpoint.open_session(SessionConfig(AUDIO, ice_servers=(server,)))
    await session.create_offer()
    (asked,) = session.report().servers
    assert (asked.kind, asked.worked) == (kind, False)
    assert re.search(why, asked.error)
    assert not ADDRESS.search(session.report().as_json())
    assert "invalid" not in session.report().as_json()
    await session.aclose()


async def test_relay_only_says_so_even_if_nothing_was_found(endpoint: AiortcEndpoint) -> None:
    session = await endpoint.open_session(SessionConfig(AUDIO, relay_only=True))
    with pytest.raises(GatheringFailed):
        await session.create_offer()
    assert session.report() == IceReport(relay_only=True)
    with trio.fail_after(5):
        await session.aclose()


def test_equal_pairs_are_counted() -> None:
    one = PairReport("host/udp", "host", "failed")
    assert counted([one, PairReport("host/udp", "relay", "failed"), one]) == (
        PairReport("host/udp", "host", "failed", 2),
        PairReport("host/udp", "relay", "failed", 1),
    )


def test_what_is_kept_is_bounded_and_what_is_not_ours_is_none() -> None:
    pairs = tuple(PairReport(f"host{n}/udp", "host", "failed") for n in range(500))
    servers = tuple(ServerReport("turn/udp", worked=False, error="x" * 400) for _ in range(50))
    assert len(IceReport(pairs=pairs, servers=servers).as_json()) <= MAX_JSON_CHARS
    for text in ("", "[]", "null", '{"local": 3}', "{"):
        assert IceReport.from_json(text) is None

"""What is let through of a peer's description."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.media.engine.sdp import (
    candidate_types,
    check_candidates,
    check_description,
    keep_relay_candidates,
)
from onmeet_node.media.errors import BadDescription
from onmeet_node.protocol.wire.messages import MAX_CANDIDATES, Candidate, Kind

HOST = "candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host"
TCP = "candidate:2 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active"
RELAY = "candidate:3 1 udp 16777215 198.51.100.1 3478 typ relay raddr 192.0.2.7 rport 50000"
OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "m=audio 50000 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 192.0.2.7",
        f"a={HOST}",
        f"a={TCP}",
        f"a={RELAY}",
        "a=end-of-candidates",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}",
        "a=setup:actpass",
        "a=mid:0",
        "a=rtcp-mux",
        "a=rtcp:9 IN IP4 192.0.2.7",
        "a=rtpmap:96 opus/48000/2",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:1",
        "",
    ]
)


def test_a_usual_offer_passes() -> None:
    description = check_description(OFFER)
    assert description.kinds == {Kind.AUDIO}
    assert description.has_data
    assert description.candidate_types == ("host", "relay")


def test_candidates_of_the_first_section_reach_all_of_a_bundle() -> None:
    """Browsers list them once; aiortc with MAX_BUNDLE looks at the last section alone."""
    last = check_description(OFFER).sdp.split("m=application")[1]
    assert HOST in last
    assert "a=end-of-candidates" in last


def test_tcp_candidates_are_left_out() -> None:
    assert " tcp " not in check_description(OFFER).sdp


def test_line_feeds_alone_are_fine() -> None:
    assert check_description(OFFER.replace("\r\n", "\n")).sdp == check_description(OFFER).sdp


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda s: "", "not SDP"),
        (lambda s: "hello", "not SDP"),
        (lambda s: "\x00\x01\x02" * 50, "not SDP"),
        (lambda s: s.replace("t=0 0", "t=0 0\x00"), "a line that is not SDP"),
        (lambda s: s + "a=x:" + "y" * 30_000, "characters"),
        (lambda s: s + "a=x\r\n" * 1_000, "not SDP"),
        (lambda s: s + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 20, "describes 22 media"),
        (lambda s: s + "m=gopher 9 X 0\r\n", "unknown here"),
        (lambda s: s.replace("SAVPF", "AVP"), "in a way that is unknown"),
        (lambda s: s.replace("a=fingerprint", "a=fingersprint"), "name one certificate"),
        (lambda s: s.replace("sha-256 ", "sha-256 00:"), "name one certificate"),
        (lambda s: s + f"a=fingerprint:sha-256 {':'.join(['CD'] * 32)}\r\n", "one certificate"),
        (lambda s: s.replace("actpass", "holdconn"), "DTLS setup"),
        (lambda s: s.replace("a=mid:1", "a=mid:0"), "the same name"),
        (lambda s: s.replace("BUNDLE 0 1", "BUNDLE 0 7"), "one path"),
        (lambda s: s.replace("a=rtcp-mux\r\n", ""), "lacks rtcp-mux"),
        (lambda s: s.replace("SAVPF 96", "SAVPF 96 96"), "payload types"),
        (lambda s: s.replace("SAVPF 96", "SAVPF 9999999999"), "payload types"),
        (lambda s: s.replace("opus", "opium"), "no audio that this program can play"),
        (lambda s: s.replace("a=mid:0", "a=mid:0\r\na=ssrc:99999999999 x"), "sources"),
        (lambda s: s + "a=sctp-port:99999999\r\n", "data channels"),
        (lambda s: s.replace("c=IN", "a=extmap:1 urn:x\r\na=extmap:1 urn:y\r\nc=IN", 1), "header"),
        (lambda s: s.replace("a=ice-pwd", "a=ice-pw"), "lacks ice-pwd"),
        (lambda s: s.replace(f"a={HOST}", "\r\n".join([f"a={HOST}"] * 200)), "lists 202 addresses"),
    ],
)
def test_anything_unusual_is_refused_with_a_reason(damage: object, why: str) -> None:
    assert callable(damage)
    with pytest.raises(BadDescription, match=why):
        check_description(damage(OFFER))


def test_ten_thousand_candidates_are_refused_before_they_are_parsed() -> None:
    with pytest.raises(BadDescription, match="characters"):
        check_description(OFFER.replace(f"a={HOST}", "\r\n".join([f"a={HOST}"] * 10_000)))
    many = [Candidate(candidate=HOST)] * 10_000
    with pytest.raises(BadDescription, match=f"10000 addresses; {MAX_CANDIDATES * 4}"):
        check_candidates(many)


def test_useless_trickled_candidates_are_passed_over() -> None:
    given_ = [HOST, TCP, "candidate:garbage", "x" * 300, ""]
    kept = check_candidates([Candidate(candidate=c) for c in given_ if c])
    assert kept == (HOST.removeprefix("candidate:"),)


def test_relay_only_leaves_no_address_of_ours_in_the_description() -> None:
    kept = keep_relay_candidates(OFFER)
    assert "192.0.2.7" not in kept
    assert "50000" not in kept
    assert candidate_types(kept) == ("relay",)
    assert "198.51.100.1" in kept


@given(st.text(max_size=300))
def test_any_text_passes_or_raises_the_one_error(text: str) -> None:
    with contextlib.suppress(BadDescription):
        check_description("v=0\n" + text)

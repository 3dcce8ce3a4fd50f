"""CPU time of the sealed channel's handshake with an invite in it, one process, no network."""

from __future__ import annotations

import secrets
import time

from benchmarks.measure import Report

TIMES = 300
TARGET_MS = 2.0


def measure_handshake(report: Report) -> None:
    """Both sides' CPU for the hybrid IK, the invite (an SDP of usual size) and its decoding."""
    from onmeet_node.net.channels.handshake import encapsulate
    from onmeet_node.protocol.identity.keys import IdentityKey, x25519_public
    from onmeet_node.protocol.wire.codec import decode, encode
    from onmeet_node.protocol.wire.messages import CallId, Invite
    from onmeet_node.protocol.wire.noise import Handshake

    caller, callee = (IdentityKey.from_seed(secrets.token_bytes(32)) for _ in range(2))
    sides = {
        name: report.series(f"sealed handshake and invite, CPU of the {name}", target=TARGET_MS)
        for name in ("caller", "callee")
    }
    invite = Invite(call=CallId(bytes(16)), sdp="v=0\r\n" + "a=candidate:1 1 udp 1\r\n" * 200)
    prologue = secrets.token_bytes(76)
    for _ in range(TIMES):
        spent = {"caller": 0.0, "callee": 0.0}
        begun = time.process_time()
        remote = x25519_public(callee.public)
        first = Handshake.initiate_ik(
            caller.x25519, remote, prologue, secrets.token_bytes(32), secrets.token_bytes(64)
        )
        message = first.write_message(encode(invite))
        spent["caller"] += time.process_time() - begun

        begun = time.process_time()
        second = Handshake.respond_ik(callee.x25519, prologue, secrets.token_bytes(32), encapsulate)
        decode(second.read_message(message))
        reply = second.write_message()
        second.split()
        spent["callee"] += time.process_time() - begun

        begun = time.process_time()
        first.read_message(reply)
        first.split()
        spent["caller"] += time.process_time() - begun
        for name, seconds in spent.items():
            sides[name].values.append(seconds * 1000)

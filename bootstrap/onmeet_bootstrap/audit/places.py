"""Where the nodes of a staged call run: each in a network namespace of its own, or all here."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import attrs

from onmeet_bootstrap.errors import BootstrapError


class StageFailed(BootstrapError):
    """The staged call did not come about, so there is nothing to audit."""


@attrs.frozen
class Place:
    """Where a node runs."""

    prefix: tuple[str, ...] = ()
    """Before its commands."""
    ip: str = ""
    """Its own address, if it has one."""


@contextmanager
def places() -> Iterator[tuple[str, tuple[Place, Place]]]:
    """Where the server is reached, and a place for each of two nodes."""
    ip = shutil.which("ip")
    if os.geteuid() or ip is None:
        yield "127.0.0.1", (Place(), Place())
        return
    made: list[Place] = []
    with ExitStack() as stack:
        server = ""
        for side in ("a", "b"):
            # With the process in it: two audits at once do not meet, and what one leaves behind
            # when it is killed is known to be nobody's.
            name = f"onmeet-{os.getpid()}-audit-{secrets.token_hex(2)}{side}"
            net = f"10.{secrets.randbelow(100) + 120}.{secrets.randbelow(200) + 40}"
            link = secrets.token_hex(4)
            _run(ip, "netns", "add", name)
            stack.callback(_run, ip, "netns", "del", name)
            _run(ip, "link", "add", f"v{link}", "type", "veth", "peer", f"w{link}", "netns", name)
            _run(ip, "addr", "add", f"{net}.1/24", "dev", f"v{link}")
            _run(ip, "link", "set", f"v{link}", "up")
            inside = (ip, "netns", "exec", name)
            mine = f"{net}.{secrets.randbelow(140) + 100}"
            _run(*inside, ip, "addr", "add", f"{mine}/24", "dev", f"w{link}")
            for device in ("lo", f"w{link}"):
                _run(*inside, ip, "link", "set", device, "up")
            _run(*inside, ip, "route", "add", "default", "via", f"{net}.1")
            made.append(Place(inside, mine))
            server = server or f"{net}.1"
        yield server, (made[0], made[1])


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise StageFailed(
            f"{' '.join(command)} failed: {done.stderr.strip()}. Run the audit as a user without "
            "root to leave namespaces out."
        )


def free_port(ip: str) -> int:
    """A TCP port of this address that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind((ip, 0))
        port: int = probe.getsockname()[1]
        return port

"""Machines as they are: without IPv6, without file locks, with long paths. Processes of their own.

What a kernel answers there is played by a preloaded library, which real commands run under.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onmeet_node.process import ownership
from onmeet_node.store import KeyFile, create_home
from onmeet_node.store.errors import HomePathTooLong
from tests.cli.test_cli import LONELY, ONMEET, node, run

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

SECONDS = 90.0
BOOTSTRAP = [sys.executable, "-m", "onmeet_bootstrap"]
NO_IPV6 = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>
int socket(int domain, int type, int protocol) {
    static int (*real)(int, int, int);
    if (domain == AF_INET6) { errno = EAFNOSUPPORT; return -1; }
    if (!real) real = dlsym(RTLD_NEXT, "socket");
    return real(domain, type, protocol);
}
"""
NO_LOCKS = r"""
#include <errno.h>
#include <stdlib.h>
int flock(int descriptor, int operation) { errno = atoi(getenv("FLOCK_ERRNO")); return -1; }
"""


def under(source: str, where: Path, **more: str) -> dict[str, str]:
    """An environment in which programs meet the kernel that `source` plays."""
    (where / "kernel.c").write_text(source)
    library = where / "kernel.so"
    build = ["cc", "-shared", "-fPIC", "-o", library, where / "kernel.c", "-ldl"]
    subprocess.run(build, check=True, capture_output=True)
    return {**os.environ, "LD_PRELOAD": str(library), **more}


@contextmanager
def started(
    *command: str, env: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    """A program until it says that it started, and that event; empty if it ended before."""
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    timer = threading.Timer(SECONDS, process.kill)
    timer.start()
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        yield process, json.loads(line) if line.startswith("{") else {}
    finally:
        timer.cancel()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def families(event: dict[str, object]) -> set[str]:
    """The kinds of IP addresses in what a start says."""
    addresses = event["addresses"]
    assert isinstance(addresses, list)
    return {address.split("/")[1] for address in addresses}


@pytest.mark.parametrize("listen", [[], ["/ip4/0.0.0.0/tcp/0", "/ip6/::/tcp/0"]])
def test_a_node_starts_on_a_kernel_without_ipv6(tmp_path: Path, listen: list[str]) -> None:
    home = tmp_path / "home"
    assert run("init", "--key-file", home=home).returncode == 0
    options = [word for address in listen for word in ("--listen", address)]
    command = [*ONMEET, "up", "--json", "--no-lan", "--no-app", *options, "--home", str(home)]
    with started(*command, env=under(NO_IPV6, tmp_path)) as (_, event):
        assert event["event"] == "started"
        assert families(event) == {"ip4"}


def test_a_bootstrap_with_guests_starts_on_a_kernel_without_ipv6(tmp_path: Path) -> None:
    home = tmp_path / "bootstrap"
    made = [*BOOTSTRAP, "init", "--home", str(home), "--region", "ca", "--operator", "Test"]
    listen = ["/ip4/127.0.0.1/tcp/0", "/ip6/::/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"]
    subprocess.run([*made, *(w for a in listen for w in ("--listen", a))], check=True)
    settings = home / "bootstrap.toml"
    before, _, guests = settings.read_text().partition("[guests]")
    guests = guests.replace("serve = false", "serve = true", 1)
    guests = guests.replace('listen = ["0.0.0.0:8443"]', 'listen = ["127.0.0.1:0", "[::1]:0"]')
    settings.write_text(f"{before}[guests]{guests}")
    command = [*BOOTSTRAP, "run", "--home", str(home), "--json"]
    with started(*command, env=under(NO_IPV6, tmp_path)) as (_, event):
        assert event["event"] == "started"
        assert families(event) == {"ip4"}


def test_who_asks_for_ipv6_alone_where_there_is_none_reads_that(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("init", "--key-file", home=home).returncode == 0
    command = [*ONMEET, "up", "--no-lan", "--no-app", "--listen", "/ip6/::/tcp/0"]
    done = subprocess.run(
        [*command, "--home", str(home)],
        env=under(NO_IPV6, tmp_path),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "this system has no IPv6" in done.stderr


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_disk_without_locks_is_named_and_no_other_node_is(tmp_path: Path, number: int) -> None:
    home = tmp_path / "home"
    assert run("init", "--key-file", home=home).returncode == 0
    done = subprocess.run(
        [*ONMEET, "up", *LONELY, "--no-app", "--home", str(home)],
        env=under(NO_LOCKS, tmp_path, FLOCK_ERRNO=str(number)),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "without file locks" in done.stderr
    assert "already runs" not in done.stderr


def test_a_node_runs_and_answers_in_a_home_with_a_long_path(tmp_path: Path) -> None:
    home = tmp_path / ("Anwendungsdaten einer Person mit langem Namen/" * 3) / "home"
    assert run("init", "--key-file", home=home).returncode == 0
    with node(home):
        assert (home / "control.sock").stat().st_mode & 0o777 == 0o600
        assert run("status", "--json", home=home).returncode == 0
    assert not (home / "control.sock").exists()
    assert "No node runs" in run("status", home=home).stderr


def test_where_no_long_path_can_be_a_socket_no_home_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "_BY_DESCRIPTOR", tmp_path / "nothing")  # as on macOS
    home = tmp_path / ("x" * 100) / "home"
    with pytest.raises(HomePathTooLong, match="too long"):
        create_home(home, KeyFile(), bytes(32), now=1)
    assert not home.parent.exists()

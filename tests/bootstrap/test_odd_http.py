"""The programs as they are started: odd bytes end neither, nor a call that is on."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.control.requests.calls import ReadHistory
from onmeet_node.net.bootstraps.doors import HostDoors
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.web.messages import answers
from tests.cli.test_own_gateway import onmeet
from tests.net.odd_http import attack
from tests.net.test_asgi import HALF
from tests.net.test_odd_http import Served, a_guest, throw
from tests.web.test_app import app, first_run, window

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

DESCRIPTORS = 160


@asynccontextmanager
async def bootstrap_process(home, *, descriptors):
    """``onmeet-bootstrap run`` that may open so many files; gives what it says, and the process."""
    create(home, ephemeral_config(guests=True))
    command = [sys.executable, "-m", "onmeet_bootstrap", "run", "--home", str(home), "--json"]
    limit = (descriptors, descriptors)
    async with trio.open_nursery() as nursery:
        run = partial(
            trio.run_process,
            command,
            stdin=b"",
            stdout=subprocess.PIPE,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit),
        )
        process = await nursery.start(run)
        said = b""
        try:
            with trio.fail_after(60):
                while b"\n" not in said:
                    said += await process.stdout.receive_some()
            yield json.loads(said), process
        finally:
            process.terminate()
            with trio.move_on_after(20), trio.CancelScope(shield=True):
                await process.wait()
            nursery.cancel_scope.cancel()


async def test_a_bootstrap_and_its_guest_outlast_all_odd_inputs_and_a_flood(tmp_path):
    async with (
        bootstrap_process(tmp_path, descriptors=DESCRIPTORS) as (started, process),
        open_host(HostConfig(listen=("/ip4/127.0.0.1/tcp/0",))) as host,
    ):
        peer = await host.connect(started["addresses"])
        doors = HostDoors(host)
        doors.open = partial(doors.open, peer or started["peer"])
        async with a_guest(doors, started["guests"]) as word:
            port = int(started["guests"].rpartition(":")[2])
            served = Served(port, b"/door", word)
            fatal, _ = await throw(served, served.inputs())
            assert not fatal
            assert process.poll() is None
            await word()
            async with trio.open_nursery() as nursery:
                # More than it has descriptors, from as many addresses as a home has.
                for number in range(2 * DESCRIPTORS):
                    await nursery.start(hold, port, f"127.0.0.{number % 8 + 2}")
                assert await served.serves()
                await word()
                nursery.cancel_scope.cancel()
            assert await served.serves()
            assert process.poll() is None
            command = [
                sys.executable,
                "-m",
                "onmeet_bootstrap",
                "status",
                "--home",
                str(tmp_path),
                "--json",
            ]
            told = await trio.run_process(command, capture_stdout=True)
            assert json.loads(told.stdout)["faults"] == {}


async def hold(port, source, task_status):
    stream = await trio.open_tcp_stream("127.0.0.1", port, local_address=source)
    async with stream:
        await stream.send_all(HALF)
        task_status.started()
        await trio.sleep_forever()


async def test_a_node_its_app_and_its_own_gateway_outlast_all_odd_inputs(tmp_path):
    home = tmp_path / "home"
    async with app(home, "--guests-on", "127.0.0.1:0") as it, window(it) as page:
        await first_run(page, "Ann")

        async def word():
            await page.ask(ReadHistory, answers.History)

        await word()
        link = partial(onmeet, "invite", "--let-in", "--home", home, "--json")
        [made] = await trio.to_thread.run_sync(link)
        guests = int(made["url"].split(":")[2].partition("/")[0])
        own = b"http://127.0.0.1:%d" % it.port
        for served in (
            Served(it.port, b"/ws", word, origin=own),
            Served(guests, b"/door", word),
        ):
            fatal, _ = await throw(served, served.inputs())
            assert not fatal
            await word()
        assert await attack(it.port, [b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"])

"""What others are told of a running bootstrap: how many and how well, never who."""

from __future__ import annotations

import ast
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio
from onmeet_bootstrap.app import Counts, open_bootstrap
from onmeet_bootstrap.config.file import create
from onmeet_bootstrap.config.model import BootstrapConfig, MetricsConfig, ephemeral_config
from onmeet_bootstrap.errors import SettingsError
from onmeet_bootstrap.preflight import require_startable
from onmeet_bootstrap.watching import metrics
from onmeet_bootstrap.watching.log_lines import LogLines
from onmeet_bootstrap.watching.metrics import STEP, TURN_STATES, Measured, rounded, text_of
from onmeet_bootstrap.watching.service_manager import ServiceManager
from onmeet_bootstrap.watching.serving import serve_metrics
from prometheus_client.parser import text_string_to_metric_families

from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.relay.client import RelayClient
from tests.bootstrap.ports import free_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "bootstrap" / "onmeet_bootstrap" / "deploy"
NOTHING = Counts(
    seconds=0,
    connections=0,
    streams=0,
    reservations=0,
    circuits=0,
    doors=0,
    guests=0,
    mailboxes=0,
    turn="none",
    turn_restarts=0,
    turn_allocations=0,
    held=0,
    faults={},
)
MEASURED = Measured(
    attrs.evolve(NOTHING, turn="up", connections=3, faults={"door": 2}),
    memory_locked=True,
    certificates={"turn": 1.8e9},
)
ANYWHERE = MetricsConfig(serve=True, listen=("127.0.0.1:0",))


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """As Prometheus reads them: name and labels, value."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


# ── the privacy rules ────────────────────────────────────────────────────────────────────────────
def _parties() -> Iterator[str]:
    """What the code that a bootstrap runs calls the kinds of party whose faults it contains."""
    for package in (ROOT / "onmeet_node" / "net", ROOT / "bootstrap" / "onmeet_bootstrap"):
        for path in package.rglob("*.py"):
            tree = ast.parse(path.read_text())
            constants = {
                ast.unparse(each.targets[0]): each.value
                for each in tree.body
                if isinstance(each, ast.Assign)
            }
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                called = ast.unparse(node.func).rpartition(".")[2]
                first = ast.unparse(node.args[0]).rpartition(".")[2]
                where = 0 if called in {"contained", "alone", "kept"} else None
                if called == "start_soon" and first in {"alone", "kept"}:
                    where = 1
                if where is not None:
                    party = node.args[where]
                    party = constants.get(ast.unparse(party), party)
                    assert isinstance(party, ast.Constant), f"{path}: {ast.unparse(node)}"
                    yield party.value


def test_a_label_of_a_fault_is_a_word_of_the_code_and_never_a_persons():
    assert {"door", "libp2p connection"} <= set(_parties())


def test_labels_are_of_closed_sets():
    allowed = {
        "version": {_version()},
        "state": set(TURN_STATES),
        "party": set(_parties()),
        "section": {"turn", "guests"},
    }
    told = samples(text_of(lambda: MEASURED))
    labels = {label for _, pairs in told for label in pairs}
    assert {name for name, _ in labels} == set(allowed)
    assert all(value in allowed[name] for name, value in labels)


def _version() -> str:
    from importlib.metadata import version

    return version("onmeet-node")


def test_one_person_more_or_less_is_not_seen():
    """Every count of people is rounded up; a new field of `Counts` has to be thought of here."""
    exact = {"seconds", "turn", "turn_restarts", "faults"}
    for name in {field.name for field in attrs.fields(Counts)} - exact:
        seen = {
            count: text_of(
                lambda name=name, count=count: attrs.evolve(
                    MEASURED, counts=attrs.evolve(NOTHING, **{name: count})
                )
            )
            for count in (0, 1, STEP, STEP + 1)
        }
        assert seen[1] == seen[STEP], name
        assert seen[0] != seen[1], name
        assert seen[STEP] != seen[STEP + 1], name
    assert [rounded(count) for count in (0, 1, 8, 9)] == [0, 8, 8, 16]


@pytest.mark.real
async def test_a_scrape_holds_nothing_of_whoever_is_there():
    config = attrs.evolve(ephemeral_config(), operator="Zaphod e. V.", region="de")
    with trio.fail_after(60):
        async with open_bootstrap(config) as bootstrap, open_host(HostConfig(listen=())) as node:
            client = RelayClient(node)
            await node.join(bootstrap.addresses)
            await client.reserve(bootstrap.addresses)
            text = text_of(lambda: Measured(bootstrap.counts(), False, {}))
            told = samples(text)
            assert told["onmeet_bootstrap_reservations", ()] == STEP
            for name in (node.peer_id, bootstrap.peer_id, "127.0.0.1", "Zaphod", "/ip4", "12D3"):
                assert name.encode() not in text


# ── what is served ───────────────────────────────────────────────────────────────────────────────
async def asked(port: int, path: str, **headers: str) -> tuple[int, str, bytes]:
    def ask() -> tuple[int, str, bytes]:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        try:
            return answer.status, answer.headers["content-type"], answer.read()
        finally:
            line.close()

    return await trio.to_thread.run_sync(ask)


@pytest.mark.real
async def test_health_and_metrics_over_http():
    wrong: list[str] = []
    with trio.fail_after(30):
        async with serve_metrics(ANYWHERE, lambda: MEASURED, lambda: wrong) as (port,):
            assert (await asked(port, "/healthz"))[::2] == (200, b"ok\n")
            status, kind, text = await asked(port, "/metrics")
            assert (status, kind.partition(";")[0]) == (200, "text/plain")
            assert samples(text) == samples(text_of(lambda: MEASURED))
            wrong.append("turn: coturn is being started again")
            status, _, text = await asked(port, "/healthz")
            assert (status, text.decode().strip()) == (503, wrong[0])
            assert (await asked(port, "/"))[0] == 404


@pytest.mark.real
async def test_a_web_page_reads_nothing_by_a_name_that_leads_to_this_machine():
    with trio.fail_after(30):
        async with serve_metrics(ANYWHERE, lambda: MEASURED, tuple) as (port,):
            for name, status in (
                ("evil.example", 421),
                (f"evil.example:{port}", 421),
                (f"localhost:{port}", 200),
                (f"[::1]:{port}", 200),
            ):
                assert (await asked(port, "/metrics", Host=name))[0] == status, name


@pytest.mark.real
def test_other_machines_are_told_nothing():
    for where in ("0.0.0.0:9464", "192.0.2.1:9464", "[::]:9464"):
        config = attrs.evolve(
            ephemeral_config(), metrics=MetricsConfig(serve=True, listen=(where,))
        )
        with pytest.raises(SettingsError, match=r"\[metrics\] listen"):
            require_startable(config)


def test_the_dashboard_asks_for_what_there_is():
    told = {name for name, _ in samples(text_of(lambda: MEASURED))}
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries += [each["query"]["query"] for each in board["templating"]["list"][1:]]
    for query in queries:
        assert set(re.findall(r"onmeet_\w+", query)) <= told, query
    shown = {name for query in queries for name in re.findall(r"onmeet_\w+", query)}
    assert {f"onmeet_bootstrap_{name}" for name in metrics._PEOPLE} <= shown
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


# ── the service manager ──────────────────────────────────────────────────────────────────────────
def test_without_a_manager_nobody_is_told():
    manager = ServiceManager.of({}, 7)
    assert manager == ServiceManager()
    manager.ready("Serving")


def test_a_watchdog_of_another_process_is_not_ours():
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000"}
    assert ServiceManager.of(environment, 7).watchdog_seconds == 30
    assert ServiceManager.of({**environment, "WATCHDOG_PID": "7"}, 7).watchdog_seconds == 30
    assert ServiceManager.of({**environment, "WATCHDOG_PID": "8"}, 7).watchdog_seconds is None
    assert ServiceManager.of({**environment, "WATCHDOG_USEC": "x"}, 7).watchdog_seconds is None


async def test_the_watchdog_hears_twice_in_its_time_and_the_status_once(autojump_clock):
    with tempfile.TemporaryDirectory(prefix="onmeet-") as directory:
        place = f"{directory}/notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(place)
            manager.setblocking(False)
            told = ServiceManager(place, watchdog_seconds=8)
            with trio.move_on_after(8):
                await told.keep_alive(lambda: "Serving")
            heard = _heard(manager)
    assert heard.count("WATCHDOG=1") >= 2
    assert heard.count("STATUS=Serving") == 1


def _heard(manager: socket.socket) -> list[str]:
    lines = []
    while True:
        try:
            lines += manager.recv(4_096).decode().splitlines()
        except BlockingIOError:
            return lines


@pytest.mark.real
async def test_run_tells_when_it_serves_reloads_and_stops(tmp_path):
    home = tmp_path / "home"
    port = free_port()
    create(
        home,
        BootstrapConfig(
            listen=("/ip4/127.0.0.1/tcp/0",),
            metrics=MetricsConfig(serve=True, listen=(f"127.0.0.1:{port}",)),
        ),
    )
    with tempfile.TemporaryDirectory(prefix="onmeet-") as directory, trio.fail_after(60):
        place = f"{directory}/notify"
        with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            await manager.bind(place)

            async def hears(what: str) -> None:
                while what not in (await manager.recv(4_096)).decode().splitlines():
                    pass

            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", "onmeet_bootstrap", "run", "--home", str(home)],
                stdout=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "NOTIFY_SOCKET": place,
                    "WATCHDOG_USEC": "1000000",
                    "XDG_RUNTIME_DIR": directory,
                },
            )
            try:
                await hears("READY=1")
                assert (await asked(port, "/healthz"))[0] == 200
                assert (await asked(port, "/metrics"))[0] == 200
                await hears("WATCHDOG=1")
                process.send_signal(signal.SIGHUP)
                await hears("RELOADING=1")
                await hears("READY=1")
                process.send_signal(signal.SIGTERM)
                await hears("STOPPING=1")
                assert await process.wait() == 0
            finally:
                process.kill()


def test_the_unit_waits_for_what_run_says():
    unit = (DEPLOY / "onmeet-bootstrap.service").read_text().splitlines()
    assert {"Type=notify", "NotifyAccess=main"} <= set(unit)
    assert any(line.startswith("WatchdogSec=") for line in unit)


# ── log lines ────────────────────────────────────────────────────────────────────────────────────
def _record(name: str, level: int, message: str, *args: object) -> logging.LogRecord:
    try:
        raise ValueError("Zaphod")
    except ValueError:
        return logging.LogRecord(name, level, "x.py", 1, message, args, sys.exc_info())


def test_a_log_line_has_a_level_an_area_and_no_more_than_one_line():
    record = _record("onmeet_node.process.faults", logging.ERROR, "A fault\nended one %s", "guest")
    plain = LogLines(as_json=False, journal=False).format(record)
    assert plain == "error faults: A fault ended one guest"
    assert LogLines(as_json=False, journal=True).format(record) == f"<3>{plain}"
    told = json.loads(LogLines(as_json=True, journal=True).format(record))
    assert told.pop("t") > 0
    assert told == {
        "event": "log",
        "level": "error",
        "area": "faults",
        "message": "A fault ended one guest",
    }

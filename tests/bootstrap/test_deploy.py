"""What `bootstrap/deploy` gives to operators, checked by the programs that will read it."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from onmeet_bootstrap.config.file import render
from onmeet_bootstrap.config.model import BootstrapConfig, TurnConfig
from onmeet_bootstrap.status import SERVICE_DIRECTORY

DEPLOY = Path(__file__).parents[2] / "bootstrap" / "onmeet_bootstrap" / "deploy"
UNIT = DEPLOY / "onmeet-bootstrap.service"
ACCOUNTS_UNIT = DEPLOY / "onmeet-accounts.service"
RULES = DEPLOY / "onmeet-bootstrap.nft"
EXPOSURE = 20
"""Tenths of a point of `systemd-analyze security`; 100 is a service without any protection."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian: systemd)"
)
needs_nft = pytest.mark.skipif(
    shutil.which("nft") is None or shutil.which("unshare") is None or os.geteuid() != 0,
    reason="needs root and nft (Debian: nftables)",
)


def settings_of_unit(unit: Path = UNIT) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(name, []).append(value)
    return settings


@pytest.fixture(params=[UNIT, ACCOUNTS_UNIT], ids=lambda unit: unit.stem)
def unit(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A unit with a program that is there."""
    kept: Path = request.param
    copy = tmp_path / kept.name
    program = settings_of_unit(kept)["ExecStart"][0].split()[0]
    copy.write_text(kept.read_text().replace(program, sys.executable))
    return copy


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.real
@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path):
    found = run("systemd-analyze", "verify", str(unit))
    said = [line for line in found.stderr.splitlines() if unit.name in line]
    assert (found.returncode, said) == (0, []), found.stderr


@pytest.mark.real
@needs_systemd
def test_the_unit_leaves_little_to_whoever_breaks_in(unit: Path):
    found = run(
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        f"--threshold={EXPOSURE}",
        str(unit),
    )
    assert found.returncode == 0, found.stdout[-500:]


def test_the_unit_keeps_memory_off_the_disk_and_bounds_it():
    settings = settings_of_unit()
    assert settings["LimitCORE"] == ["0"]
    assert settings["MemorySwapMax"] == ["0"]
    assert settings["MemoryMax"] == ["1G"]


def test_the_accounts_unit_shares_its_public_keys_alone():
    settings = settings_of_unit(ACCOUNTS_UNIT)
    assert settings["User"] != settings_of_unit()["User"]
    assert settings["StateDirectoryMode"] == ["0700"]
    assert settings["RuntimeDirectoryMode"] == ["0755"]
    assert settings["LimitCORE"] == ["0"]
    assert settings["MemorySwapMax"] == ["0"]


def test_the_unit_and_status_agree_where_the_socket_is():
    assert f"/run/{settings_of_unit()['RuntimeDirectory'][0]}" == SERVICE_DIRECTORY


def test_the_rules_are_about_the_ports_of_a_new_configuration():
    turn = TurnConfig()
    tables = tomllib.loads(render(BootstrapConfig()))
    listening = {address.split("/")[4] for address in tables["bootstrap"]["listen"]}
    text = RULES.read_text()
    assert f"define libp2p = {{ {', '.join(sorted(listening))} }}" in text
    assert f"define stun = {turn.port}\n" in text
    assert f"define turn = {{ {turn.port}, {turn.tls_port} }}" in text
    assert f"define relayed = {turn.relay_port_min}-{turn.relay_port_max}\n" in text


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rules for a user that every machine has."""
    copy = tmp_path / RULES.name
    copy.write_text(RULES.read_text().replace('= "onmeet-bootstrap"', '= "nobody"'))
    return copy


@pytest.mark.real
@needs_nft
def test_the_rules_load_and_replace_themselves(rules: Path):
    assert run("nft", "-c", "-f", str(rules)).returncode == 0
    twice = f"nft -f {rules} && nft -f {rules} && nft list tables"
    found = run("unshare", "--net", "sh", "-c", twice)
    assert found.stdout.split() == ["table", "inet", "onmeet_bootstrap"], found.stderr


_REACH = """
import os, socket, sys
HERE = "203.0.113.5"

def listener(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((HERE, port))
    s.settimeout(5)
    return s

listening = {port: listener(port) for port in (5353, 3478, 50000)}
asking = listener(40000)  # somebody else on this machine, below the relayed ports
os.setuid(65534)
relayed = listener(50001)
for port, s in listening.items():
    try:
        relayed.sendto(b"x", (HERE, port))
        s.recv(10)
        print(port, "reached")
    except PermissionError:  # what the kernel says of a packet that a rule drops on its way out
        print(port, "closed")
asking.sendto(b"x", (HERE, 50001))
_, source = relayed.recvfrom(10)
relayed.sendto(b"x", source)
print("answered", asking.recv(10) == b"x")
"""


@pytest.mark.real
@needs_nft
@pytest.mark.skipif(shutil.which("ip") is None, reason="needs ip (Debian: iproute2)")
def test_whoever_is_relayed_reaches_relayed_ports_of_this_machine_and_no_others(rules: Path):
    prepare = f"ip link set lo up && ip address add 203.0.113.5/32 dev lo && nft -f {rules}"
    reach = f'{prepare} && exec "$0" -c "$1"'
    found = run("unshare", "--net", "sh", "-c", reach, sys.executable, _REACH)
    assert found.stdout.splitlines() == [
        "5353 closed",
        "3478 reached",
        "50000 reached",
        "answered True",
    ], found.stderr

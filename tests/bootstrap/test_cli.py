"""`onmeet-bootstrap` as an operator and a program meet it."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner
from onmeet_bootstrap.cli import main

from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.relay.client import RelayClient

COMMAND = [sys.executable, "-c", "from onmeet_bootstrap.cli import main; main()"]


def made(home: Path, *options: str) -> None:
    arguments = ["init", "--home", str(home), "--listen", "/ip4/127.0.0.1/tcp/0", *options]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output


def test_init_says_what_it_wrote_and_what_comes_next(tmp_path: Path):
    result = CliRunner().invoke(
        main, ["init", "--home", str(tmp_path), "--region", "de", "--operator", "Verein e. V."]
    )
    assert result.exit_code == 0
    assert "onmeet-bootstrap run" in result.output
    text = (tmp_path / "bootstrap.toml").read_text()
    assert 'region = "de"' in text
    assert 'operator = "Verein e. V."' in text


def test_init_tells_a_program_in_json(tmp_path: Path):
    result = CliRunner().invoke(main, ["init", "--json", "--home", str(tmp_path)])
    told = json.loads(result.output)
    assert told["event"] == "initialized"
    assert Path(told["config"]).exists()
    assert "t" in told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--listen", "4001"], "multiaddr"),
        (["--announce", "example.org"], "multiaddr"),
        (["--operator", "x" * 81], "80"),
        (["--operator", "a\nb"], "cannot be shown"),
        (["--region", "us"], "us"),
        (["--public-address", "example.org"], "no IP address"),
        (["--tls-port", "0"], "65535"),
    ],
)
def test_a_wrong_option_writes_nothing(tmp_path: Path, options: list[str], says: str):
    result = CliRunner().invoke(main, ["init", "--home", str(tmp_path / "new"), *options])
    assert result.exit_code != 0
    assert says in result.output
    assert not (tmp_path / "new").exists()


def test_run_without_a_configuration_names_the_remedy_in_text_and_json(tmp_path: Path):
    plain = CliRunner().invoke(main, ["run", "--home", str(tmp_path)])
    assert plain.exit_code == 1
    assert "onmeet-bootstrap init" in plain.output
    told = CliRunner().invoke(main, ["run", "--json", "--home", str(tmp_path)])
    assert told.exit_code == 1
    assert json.loads(told.output)["event"] == "error"


@pytest.mark.real
def test_help_answers_at_once_without_loading_libp2p():
    heavy = "'libp2p' in sys.modules or 'trio' in sys.modules"
    code = f"import onmeet_bootstrap.cli, sys; sys.exit({heavy})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _writable_files(pid: int) -> list[str]:
    """Regular files that a process has open for writing."""
    found = []
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        target = str(Path(f"/proc/{pid}/fd/{entry.name}").readlink())
        flags = int(entry.read_text().split("flags:")[1].split()[0], 8)
        if target.startswith("/") and not target.startswith("/dev/") and flags & os.O_ACCMODE:
            found.append(target)
    return found


def _written_bytes(pid: int) -> int:
    """Bytes that a process caused to be written to storage."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


def _state(home: Path) -> dict[Path, tuple[int, int, int]]:
    """All of a directory that writing changes; reading changes the time of access alone."""
    paths = [home, *home.iterdir()]
    return {path: (s.st_mtime_ns, s.st_size, s.st_mode) for path in paths if (s := path.stat())}


@pytest.mark.real
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux's /proc")
async def test_run_serves_until_sigterm_and_writes_nothing_to_disk(tmp_path: Path):
    home = tmp_path / "home"
    made(home, "--region", "ca")
    before = _state(home)
    (tmp_path / "run").mkdir()
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }
    few_files = ["sh", "-c", 'ulimit -Sn 256; exec "$0" "$@"']
    with trio.fail_after(40):
        process = await trio.lowlevel.open_process(
            [*few_files, *COMMAND, "run", "--json", "--home", str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            line = b""
            while not line.endswith(b"\n") and (data := await process.stdout.receive_some()):
                line += data
            assert line, (await process.stderr.receive_some()).decode()
            told = json.loads(line)
            assert told["event"] == "started"
            assert told["addresses"][0].endswith(f"/p2p/{told['peer']}")
            written = _written_bytes(process.pid)
            files, most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            assert files == most > 256

            async with open_host(HostConfig(listen=())) as node:
                client = RelayClient(node)
                await node.join(told["addresses"])
                await client.reserve(told["addresses"])
                assert node.dht_peers() == (told["peer"],)
                peer_id = node.peer_id
                assert _writable_files(process.pid) == []
                counts = await trio.run_process(
                    [*COMMAND, "status", "--json", "--home", str(home)],
                    capture_stdout=True,
                    env=environment,
                )
                told = json.loads(counts.stdout)
                assert (told["connections"], told["reservations"]) == (1, 1)
                assert told["turn"] == "none"
                assert peer_id not in str(told)
            assert _written_bytes(process.pid) == written
            process.send_signal(signal.SIGTERM)
            rest = b"".join([data async for data in process.stdout])
            log = b"".join([data async for data in process.stderr])
            assert await process.wait() == 0
        finally:
            process.kill()
            await process.stdout.aclose()
            await process.stderr.aclose()
    assert [json.loads(each)["event"] for each in rest.splitlines()] == ["stopping", "stopped"]
    assert _state(home) == before
    assert peer_id.encode() not in rest + log
    assert b"127.0.0.1" not in rest + log

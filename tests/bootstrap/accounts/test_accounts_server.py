"""The accounts service over HTTP, and its command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio
from click.testing import CliRunner
from onmeet_bootstrap.accounts.ledger import open_ledger
from onmeet_bootstrap.accounts.server import AccountsServer, open_accounts
from onmeet_bootstrap.cli import main
from onmeet_bootstrap.cli.accounts import DAY
from onmeet_bootstrap.errors import SettingsError

from onmeet_node.protocol.wire.seat import SeatLink, encode_code
from onmeet_node.protocol.wire.token_directory import MEDIA_TYPE, PATH, IssuerDirectory
from onmeet_node.protocol.wire.tokens import MAX_BATCH, REQUEST_BYTES, Token
from tests.bootstrap.accounts.selling import (
    CODE,
    EPOCH,
    ISSUER,
    MONDAY,
    PEER,
    SEAT,
    blinded,
    body_of,
    config,
)

pytestmark = pytest.mark.real

BEARER = {"Authorization": f"Bearer {encode_code(CODE)}"}


@asynccontextmanager
async def served(
    home: Path, **settings: object
) -> AsyncIterator[tuple[AccountsServer, httpx2.AsyncClient]]:
    with open_ledger(home) as ledger:
        ledger.add_group("tests", 40, MONDAY // DAY + 400, [SEAT])
    async with (
        open_accounts(home, config(**settings), clock=lambda: MONDAY) as server,
        httpx2.AsyncClient(base_url=server.addresses[0]) as client,
    ):
        yield server, client


async def test_tokens_are_bought_with_a_seat_over_http(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with served(tmp_path) as (server, client):
            found = await client.get(PATH)
            assert found.headers["content-type"] == MEDIA_TYPE
            key = IssuerDirectory.decode(found.content).keys[EPOCH]
            made = blinded(key, 10)
            answer = await client.post("/v1/tokens", content=body_of(made), headers=BEARER)
            assert answer.status_code == 200
            signed = [answer.content[n : n + 256] for n in range(0, len(answer.content), 256)]
            assert len(signed) == 10
            for one, each in zip(made, signed, strict=True):
                assert Token.decode(one.finish(each)).verifies(key)
            me = (await client.get("/v1/me", headers=BEARER)).json()
            assert me["left"] == {str(EPOCH): 30, str(EPOCH + 1): 40}
            assert server.signed == 10


async def test_what_is_not_for_sale_is_refused_in_words_and_numbers(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with served(tmp_path) as (_, client):
            body = body_of(
                blinded(IssuerDirectory.decode((await client.get(PATH)).content).keys[EPOCH], 41)
            )
            for headers, content, status, reason in (
                (BEARER, body, 403, "allowance-used"),
                (BEARER, b"nonsense", 400, "bad-request"),
                (BEARER, bytes((MAX_BATCH + 1) * REQUEST_BYTES), 400, "bad-request"),
                ({}, body, 401, "no-seat"),
                ({"Authorization": "Bearer seat-xyz"}, body, 401, "no-seat"),
                ({"Authorization": f"Bearer {encode_code(bytes(16))}"}, body, 401, "no-seat"),
                ({"Authorization": "Basic eA=="}, body, 401, "no-seat"),
            ):
                refused = await client.post("/v1/tokens", content=content, headers=headers)
                assert (refused.status_code, refused.json()["reason"]) == (status, reason)
                assert encode_code(CODE) not in refused.text
            assert (await client.get("/v1/tokens")).status_code == 405
            assert (await client.get("/elsewhere")).status_code == 404


async def test_a_network_that_asks_too_often_waits(tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with served(tmp_path, requests_burst=3, requests_per_minute=1) as (_, client):
            asked = [(await client.get("/v1/me", headers=BEARER)).status_code for _ in range(5)]
            assert asked == [200, 200, 200, 429, 429]


async def test_a_full_disk_or_a_ledger_that_went_is_said_and_the_service_goes_on(
    tmp_path: Path,
) -> None:
    with trio.fail_after(60):
        async with served(tmp_path) as (_, client):
            with open_ledger(tmp_path) as ledger, ledger._changing() as connection:
                connection.exec_driver_sql("ALTER TABLE seat RENAME TO gone")
            assert (await client.get("/v1/me", headers=BEARER)).status_code == 503
            assert (await client.get(PATH)).status_code == 200
            with open_ledger(tmp_path) as ledger, ledger._changing() as connection:
                connection.exec_driver_sql("ALTER TABLE gone RENAME TO seat")
            assert (await client.get("/v1/me", headers=BEARER)).status_code == 200


async def test_plain_http_is_served_to_this_machine_or_a_proxy_alone(tmp_path: Path) -> None:
    from onmeet_bootstrap.accounts.config import require_whole

    with pytest.raises(SettingsError, match="HTTPS alone"):
        require_whole(config(listen=("0.0.0.0:0",)), tmp_path)
    require_whole(config(listen=("0.0.0.0:0",), behind_proxy=("192.0.2.1",)), tmp_path)


# ── the command line ─────────────────────────────────────────────────────────────────────────────
def command(home: Path, *arguments: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(main, ["accounts", *arguments, "--home", str(home), "--json"])
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 0, lines
    return lines


def made(home: Path) -> None:
    command(home, "init", "--issuer", ISSUER, "--spent-at", PEER, "--listen", "127.0.0.1:0")


def test_seats_are_made_listed_and_ended_by_the_command_line(tmp_path: Path) -> None:
    home = tmp_path / "accounts"
    made(home)
    added = command(home, "seats", "add", "Class 7b", "--seats", "3", "--tokens-per-week", "20")
    links = added[0]["links"]
    assert isinstance(links, list)
    assert len({SeatLink.parse(link).code for link in links}) == 3
    (group,) = command(home, "seats", "list")
    assert (group["label"], group["seats"], group["tokens_per_week"]) == ("Class 7b", 3, 20)
    command(home, "seats", "end", "--link", links[0])
    assert command(home, "status")[0]["seats"] == 2
    assert command(home, "seats", "end", "--group", str(group["group"]))[0]["seats"] == 2
    assert command(home, "seats", "list") == []


def test_links_are_kept_nowhere(tmp_path: Path) -> None:
    home = tmp_path / "accounts"
    made(home)
    (added,) = command(home, "seats", "add", "x")
    (link,) = added["links"]  # type: ignore[misc]
    kept = b"".join(path.read_bytes() for path in home.iterdir())
    assert SeatLink.parse(link).code not in kept
    assert link.encode().rpartition(b"#")[2] not in kept


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--issuer", "Accounts.Example"], "no name of an issuer"),
        (["--issuer", "https://a.example"], "no name of an issuer"),
        (["--spent-at", "12D3"], "no PeerId"),
        (["--spent-at", PEER], "twice"),
        (["--listen", "0.0.0.0:443"], "HTTPS alone"),
        (["--key", "x"], "belong together"),
    ],
)
def test_a_wrong_option_writes_nothing(tmp_path: Path, options: list[str], says: str) -> None:
    given = ["accounts", "init", "--home", str(tmp_path / "new"), "--issuer", ISSUER]
    result = CliRunner().invoke(main, [*given, "--spent-at", PEER, *options])
    assert result.exit_code == 1
    assert says in result.output
    assert not (tmp_path / "new").exists()


def test_the_service_runs_by_the_command_line_and_doctor_is_content(tmp_path: Path) -> None:
    home = tmp_path / "accounts"
    made(home)
    command(home, "seats", "add", "x")
    result = CliRunner().invoke(main, ["accounts", "doctor", "--home", str(home)])
    assert result.exit_code == 1
    assert "accounts run" in result.output
    code = "from onmeet_bootstrap.cli import main; main()"
    program = [sys.executable, "-c", code, "accounts", "run", "--json", "--home", str(home)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        started = json.loads(process.stdout.readline())
        address = started["addresses"][0]
        assert len(IssuerDirectory.decode(httpx2.get(address + PATH).content).keys) == 2
        assert command(home, "status")[0]["keys"] == 2
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0
    assert all(found["level"] == "good" for found in command(home, "doctor"))


def test_without_the_extra_the_command_says_how_it_is_installed(tmp_path: Path) -> None:
    home = tmp_path / "accounts"
    made(home)
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from onmeet_bootstrap.cli import main; main()"
    )
    program = [sys.executable, "-c", code, "accounts", "seats", "list", "--home", str(home)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'onmeet-node[accounts]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bootstrap_without_tokens_loads_nothing_of_it() -> None:
    code = (
        "import sys, onmeet_bootstrap.app, onmeet_bootstrap.cli, onmeet_node.node.opening\n"
        "loaded = [n for n in sys.modules if n.split('.')[0] in"
        " {'gmpy2', 'sqlalchemy', 'alembic', 'httpx2'} or 'accounts' in n"
        " or n in ('onmeet_node.protocol.wire.tokens', 'onmeet_bootstrap.tokens')]\n"
        "print(loaded)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

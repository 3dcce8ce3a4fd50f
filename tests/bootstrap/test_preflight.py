"""Each mistake of an operator stops the start with one sentence that names the setting."""

from __future__ import annotations

import json
import os
import socket
import stat
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import trio
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.cli import main
from onmeet_bootstrap.config.file import create, load, render
from onmeet_bootstrap.config.model import BootstrapConfig, ephemeral_config
from onmeet_bootstrap.errors import BootstrapError, SettingsError, StartFailed
from onmeet_bootstrap.forgetting.sweep import WIPING
from onmeet_bootstrap.preflight import require_startable
from onmeet_bootstrap.turn import coturn

from tests.bootstrap.ports import free_port
from tests.bootstrap.setups import certificate, turn
from tests.requirements import needs_coturn

HERE = ("/ip4/127.0.0.1/tcp/0",)
GUESTS = {"serve": True, "listen": ["127.0.0.1:0"]}
SITE = {"serve": True}
TURN = {"serve": True, "public": ["127.0.0.1"]}


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that any user may look into: the fixture `tmp_path` is its owner's alone."""
    with tempfile.TemporaryDirectory(prefix="onmeet-") as directory:
        Path(directory).chmod(0o755)
        create(Path(directory) / "home", BootstrapConfig(listen=HERE))
        yield Path(directory) / "home"


def written(home: Path, **sections: Mapping[str, object]) -> None:
    """These settings and no others, but for `listen`."""
    sections = {**sections, "bootstrap": {"listen": list(HERE), **sections.get("bootstrap", {})}}
    lines = [
        line
        for section, settings in sections.items()
        for line in (f"[{section}]", *(f"{n} = {json.dumps(v)}" for n, v in settings.items()))
    ]
    (home / "bootstrap.toml").write_text("\n".join(lines))


def started(home: Path, *options: str) -> Result:
    arguments = ["run", "--home", str(home), *options]
    return CliRunner(env=WIPING).invoke(main, arguments)


def refused(home: Path) -> str:
    """What `run` says, to a person and to a program: one line, and nothing beside it."""
    plain, told = started(home), started(home, "--json")
    assert (plain.exit_code, plain.stdout) == (1, "")
    assert isinstance(plain.exception, SystemExit), plain.exception
    program, _, sentence = plain.stderr.partition(": ")
    assert program == "onmeet-bootstrap"
    assert (told.exit_code, told.stderr) == (1, "")
    (line,) = told.stdout.splitlines()
    said = json.loads(line)
    assert said["event"] == "error"
    assert said["message"] == sentence.removesuffix("\n")
    assert "Traceback" not in plain.stderr + told.stdout
    return said["message"]


MISTAKES = [
    # a wrong type, or a value that is none
    ({"bootstrap": {"listen": "/ip4/0.0.0.0/tcp/1"}}, "[bootstrap] listen", "list"),
    ({"guests": {"serve": "yes"}}, "[guests] serve", "true or false"),
    ({"guests": {"max_doors": 0}}, "[guests] max_doors", "from 1 to"),
    ({"site": {"serve": 1}}, "[site] serve", "true or false"),
    ({"site": {"smtp_port": "587"}}, "[site] smtp_port", "whole number"),
    ({"site": {"smtp_tls": "ssl"}}, "[site] smtp_tls", "starttls"),
    ({"site": {"policies": "policy.txt"}}, "[site] policies", "list"),
    # an unknown key
    ({"guests": {"sreve": True}}, "[guests] sreve", "unknown"),
    ({"site": {"region": "de"}}, "[site] region", "belongs under [bootstrap]"),
    # a bad address
    ({"bootstrap": {"listen": ["/ip4/999.0.0.1/tcp/1"]}}, "[bootstrap] listen", "no multiaddr"),
    ({"bootstrap": {"listen": ["/ip4/0.0.0.0/udp/1"]}}, "[bootstrap] listen", "no multiaddr"),
    ({"bootstrap": {"listen": ["/ip4/0.0.0.0/tcp/70000"]}}, "[bootstrap] listen", "no multiaddr"),
    ({"bootstrap": {"listen": ["/dns4/a.example/tcp/1"]}}, "[bootstrap] listen", "to listen on"),
    ({"bootstrap": {"announce": ["/ip4/x/tcp/1"]}}, "[bootstrap] announce", "no multiaddr"),
    ({"bootstrap": {"listen": ["/ip4/203.0.113.5/tcp/4001"]}}, "[bootstrap] listen", "ip address"),
    ({"guests": {"listen": ["localhost:8443"]}}, "[guests] listen", "no address and port"),
    ({"guests": {**GUESTS, "listen": ["127.0.0.1:x"]}}, "[guests] listen", "no address and port"),
    (
        {
            "guests": {**GUESTS, "listen": ["203.0.113.5:8443"], "behind_proxy": ["127.0.0.1"]}
            | {"origin": "https://a.example"}
        },
        "[guests] listen",
        "ip address",
    ),
    ({"guests": {"origin": "meet.example.org"}}, "[guests] origin", "no origin"),
    ({"guests": {"behind_proxy": ["proxy"]}}, "[guests] behind_proxy", "no IP address"),
    ({"turn": {"public": ["localhost"]}}, "[turn] public", "no IP address"),
    # what belongs together
    ({"site": SITE}, "[site] serve", "[guests]"),
    ({"guests": {"serve": True}}, "[guests] origin", "https://meet.example.org"),
    (
        {"guests": {"serve": True, "origin": "https://a.example"}},
        "[guests] certificate",
        "behind_proxy",
    ),
    ({"guests": {**GUESTS, "key": "/k"}}, "[guests] certificate", "belong together"),
    ({"guests": GUESTS, "site": {**SITE, "mail_to": "a@b.example"}}, "[site] mail_to", "smtp_host"),
    ({"turn": {"serve": True}}, "[turn] public", "how this machine is reached"),
    ({"turn": {**TURN, "certificate": "/c"}}, "[turn] certificate", "belong together"),
    ({"turn": {**TURN, "certificate": "/c", "key": "/k"}}, "[turn] domain", "name"),
    (
        {"turn": {**TURN, "relay_port_min": 50_001, "relay_port_max": 50_000}},
        "[turn] relay_port_min",
        "Exchange",
    ),
    ({"turn": {"urls": ["turn:a.example"]}}, "[turn] urls", "secret_file"),
    # a file that is not there
    ({"guests": {**GUESTS, "certificate": "/no", "key": "/no"}}, "[guests] certificate", "No such"),
    ({"guests": GUESTS, "site": {**SITE, "policies": ["/no"]}}, "[site] policies", "No such"),
    (
        {"guests": GUESTS}
        | {
            "site": {
                **SITE,
                "mail_to": "a@b.example",
                "mail_from": "c@b.example",
                "smtp_host": "b.example",
                "smtp_user": "c",
                "smtp_password_file": "/no",
            }
        },
        "[site] smtp_password_file",
        "No such",
    ),
    (
        {"turn": {"urls": ["turn:a.example"], "secret_file": "/no"}},
        "[turn] secret_file",
        "No such",
    ),
    (
        {"turn": {**TURN, "certificate": "/no", "key": "/no", "domain": "a.example"}},
        "[turn] certificate",
        "No such",
    ),
    # a file of another kind
    ({"guests": {**GUESTS, "certificate": "/", "key": "/"}}, "[guests] certificate", "directory"),
    ({"guests": GUESTS, "site": {**SITE, "policies": ["/"]}}, "[site] policies", "directory"),
]


@pytest.mark.parametrize(
    ("sections", "setting", "remedy"),
    [
        pytest.param(
            *mistake, marks=needs_coturn if mistake[0].get("turn", {}).get("serve") else ()
        )
        for mistake in MISTAKES
    ],
)
@pytest.mark.real
def test_a_mistake_is_one_sentence_with_the_settings_name(home, sections, setting, remedy):
    written(home, **sections)
    said = refused(home)
    assert setting in said
    assert remedy in said


# ── the file itself ──────────────────────────────────────────────────────────────────────────────
def test_a_setting_before_any_section_is_told_where_it_belongs(home):
    (home / "bootstrap.toml").write_text('operator = "Our school"\n')
    assert "put it under [bootstrap]" in refused(home)


def test_an_unknown_section_is_told_with_those_that_are_known(home):
    (home / "bootstrap.toml").write_text("[guest]\nserve = true\n")
    assert "[guest]" in (said := refused(home))
    assert "guests" in said


def test_a_line_that_is_no_toml_is_told_with_its_number(home):
    (home / "bootstrap.toml").write_text("[bootstrap]\nlisten =\n")
    assert "line 2" in refused(home)


@contextmanager
def as_somebody_else(*owned: Path) -> Iterator[None]:
    """Runs the block without root's rights over files; `owned` are the block's."""
    if os.geteuid() != 0:
        yield
        return
    for path in owned:
        os.chown(path, 65_534, 65_534)
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_configuration_and_a_key_that_cannot_be_read(home):
    started(home, "--help")  # loads what the block may not: its modules are root's
    written(home, bootstrap={"listen": "x"})
    refused(home)
    config, key = home / "bootstrap.toml", home / "bootstrap.key"
    config.chmod(0)
    with as_somebody_else(home.parent, home, config, key):
        assert f"Cannot read {config}" in refused(home)
    config.chmod(0o644)
    written(home)
    key.chmod(0)
    with as_somebody_else():
        assert f"Cannot read {key}" in refused(home)


def test_a_folder_that_cannot_be_written(home):
    refusal = CliRunner().invoke(main, ["init", "--home", str(home)])
    assert "exists already" in refusal.stderr
    closed = home.parent / "closed"
    closed.mkdir(mode=0o555)
    with as_somebody_else():
        result = CliRunner().invoke(main, ["init", "--home", str(closed / "new")])
    assert result.exit_code == 1
    assert f"Cannot write to {closed}/new" in result.stderr
    assert "--home" in result.stderr


# ── ports ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.real
@pytest.mark.parametrize(
    ("section", "setting", "as_listed"),
    [
        ("bootstrap", "listen", "/ip4/127.0.0.1/tcp/{}"),
        ("guests", "listen", "127.0.0.1:{}"),
    ],
)
def test_a_port_that_another_program_has(home, section, setting, as_listed):
    with socket.create_server(("127.0.0.1", 0)) as other:
        listed = as_listed.format(other.getsockname()[1])
        written(
            home,
            **{section: {"serve": True, setting: [listed]}}
            if section == "guests"
            else {section: {setting: [listed]}},
        )
        said = refused(home)
    assert f"[{section}] {setting}" in said
    assert "ss -ltnp" in said


@pytest.mark.real
@needs_coturn
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_of_turn_that_another_program_has(home, kind):
    with socket.socket(type=kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        written(home, turn={**TURN, "port": other.getsockname()[1]})
        said = refused(home)
    assert "[turn] port" in said
    assert "taken by another program" in said


@pytest.mark.real
@pytest.mark.parametrize("guests", ["0.0.0.0", "127.0.0.1"])
def test_two_settings_that_want_one_port(home, guests):
    port = free_port()
    written(
        home,
        bootstrap={"listen": [f"/ip4/127.0.0.1/tcp/{port}"]},
        guests={"serve": True, "listen": [f"{guests}:{port}"]},
    )
    said = refused(home)
    assert "[bootstrap] listen and [guests] listen" in said or (
        "[guests] listen and [bootstrap] listen" in said
    )
    assert str(port) in said


# ── certificates ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.real
@pytest.mark.parametrize("section", ["guests", "turn"])
def test_a_certificate_that_cannot_be_used(home, tmp_path, section, monkeypatch):
    monkeypatch.setattr(coturn, "find_program", lambda: "turnserver")
    (tmp_path / "old").mkdir()
    (tmp_path / "other").mkdir()
    good = certificate(tmp_path, "meet.example")
    named = {
        "guests": {**GUESTS, "origin": "https://meet.example"},
        "turn": {**TURN, "domain": "meet.example"},
    }[section]

    def said(**settings: str) -> str:
        written(home, **{section: {**named, **settings}})
        return refused(home)

    assert f"[{section}] certificate" in (
        expired := said(**certificate(tmp_path / "old", "meet.example", days=-1))
    )
    assert "expired" in expired
    other = certificate(tmp_path / "other", "else.example")
    assert "not for meet.example" in said(**other)
    assert "another certificate's" in said(**{**good, "key": other["key"]})
    assert "not such files" in said(certificate=good["key"], key=good["key"])
    secret = serialization.load_pem_private_key(Path(good["key"]).read_bytes(), None)
    (tmp_path / "locked.pem").write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"Zaphod"),
        )
    )
    assert "passphrase" in said(**{**good, "key": str(tmp_path / "locked.pem")})


@pytest.mark.real
def test_secrets_that_others_can_read(home, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("Zaphod")
    secret.chmod(0o644)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o644
    mail = {"mail_to": "a@b.example", "mail_from": "c@b.example", "smtp_host": "b.example"}
    login = {"smtp_user": "c", "smtp_password_file": str(secret)}
    written(home, guests=GUESTS, site={**SITE, **mail, **login})
    said = refused(home)
    assert "[site] smtp_password_file" in said
    assert "chmod 600" in said
    written(home, turn={"urls": ["turn:a.example"], "secret_file": str(secret)})
    said = refused(home)
    assert "[turn] secret_file" in said
    assert "Zaphod" not in said


# ── coturn ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.real
def test_coturn_that_is_not_installed(home, monkeypatch):
    monkeypatch.setattr(coturn, "PROGRAM", "no-such-turnserver")
    written(home, turn=TURN)
    said = refused(home)
    assert "[turn] serve" in said
    assert "apt-get install coturn" in said


# ── and what is no mistake ───────────────────────────────────────────────────────────────────────
@pytest.mark.real
def test_what_init_writes_is_startable(home):
    require_startable(load(home))
    assert tomllib.loads(render(load(home)))["bootstrap"]["listen"] == list(HERE)


@pytest.mark.real
async def test_what_changes_after_the_look_leaves_in_no_group_either() -> None:
    """A port may be taken, or a file go, between the look and the start."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        guests = attrs.evolve(
            ephemeral_config(guests=True).guests,
            listen=(f"127.0.0.1:{other.getsockname()[1]}",),
        )
        mistakes: list[tuple[BootstrapConfig, type[BootstrapError], str]] = [
            (attrs.evolve(ephemeral_config(), guests=guests), StartFailed, "[guests] listen"),
            (
                attrs.evolve(
                    ephemeral_config(guests=True),
                    site=attrs.evolve(BootstrapConfig().site, serve=True, policies=("/no",)),
                ),
                SettingsError,
                "[site] policies",
            ),
            (
                attrs.evolve(ephemeral_config(), turn=turn(public=())),
                SettingsError,
                "[turn] public",
            ),
        ]
        for config, kind, setting in mistakes:
            with trio.fail_after(30), pytest.raises(kind) as caught:
                async with open_bootstrap(config):
                    raise AssertionError("it started")
            assert setting in str(caught.value)

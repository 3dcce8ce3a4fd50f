from pathlib import Path

import pytest
from onmeet_bootstrap.config.file import (
    FILE_NAME,
    KEY_NAME,
    announced,
    create,
    default_home,
    load,
    render,
)
from onmeet_bootstrap.config.model import BootstrapConfig, TurnConfig
from onmeet_bootstrap.errors import BootstrapKeyError, SettingsError


def test_what_init_writes_run_reads(tmp_path: Path):
    made = BootstrapConfig(
        operator='The "Club" \\ é',
        region="de",
        listen=("/ip4/127.0.0.1/tcp/0",),
        circuit_seconds=60.0,
        turn=TurnConfig(serve=True, public=("203.0.113.5", "2001:db8::5"), domain="turn.example"),
    )
    create(tmp_path / "new", made)
    assert load(tmp_path / "new") == made


def test_every_setting_is_in_the_file_with_a_comment():
    text = render(BootstrapConfig())
    for name in ("operator", "region", "listen", "announce", "max_reservations", "circuit_bytes"):
        before, _, _ = text.partition(f"\n{name} =")
        assert before.splitlines()[-1].startswith("# ")


def test_the_key_is_its_owners_alone_and_nowhere_else(tmp_path: Path):
    config = BootstrapConfig()
    create(tmp_path, config)
    assert (tmp_path / KEY_NAME).stat().st_mode & 0o777 == 0o600
    assert config.seed.hex() not in (tmp_path / FILE_NAME).read_text()
    assert config.seed.hex() not in repr(config)
    assert repr(config.seed) not in repr(config)


def test_init_overwrites_nothing(tmp_path: Path):
    create(tmp_path, BootstrapConfig())
    before = (tmp_path / KEY_NAME).read_text()
    with pytest.raises(SettingsError, match="exists already"):
        create(tmp_path, BootstrapConfig())
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(SettingsError, match="exists already"):
        create(tmp_path, BootstrapConfig())
    assert (tmp_path / KEY_NAME).read_text() == before


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="--home"):
        create(tmp_path / "file", BootstrapConfig())


def test_no_configuration_names_the_command_that_makes_one(tmp_path: Path):
    with pytest.raises(SettingsError, match="onmeet-bootstrap init"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[bootstrap\n", "not valid TOML"),
        ("[turnip]\n", r"unknown section \[turnip\]"),
        ("bootstrap = 3\n", "must be a section"),
        ('[bootstrap]\nregion = "fr"\n', "region"),
        ("[bootstrap]\nlisten = []\n", "list of multiaddrs"),
        ('[bootstrap]\nlisten = ["0.0.0.0:4001"]\n', "no multiaddr"),
        ("[bootstrap]\ncolour = 1\n", "unknown"),
        ("[relay]\nmax_reservations = 0\n", "from 1 to"),
        ("[relay]\nmax_reservations = 1.5\n", "whole number"),
        ("[relay]\nmax_reservations = true\n", "whole number"),
        ('[limits]\nrequests_per_minute = "many"\n', "a number"),
        ("[limits]\nmax_conections = 5\n", "max_connections"),
        ('[turn]\nserve = "yes"\n', "true or false"),
        ('[turn]\npublic = ["example.org"]\n', "no IP address"),
        ('[turn]\nurls = ["https://example.org"]\n', "no TURN URL"),
        ("[turn]\nport = 70000\n", "from 1 to 65535"),
        ("\xff", "not valid TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_right(tmp_path: Path, line: str, says: str):
    create(tmp_path, BootstrapConfig())
    (tmp_path / FILE_NAME).write_bytes(line.encode("latin-1"))
    with pytest.raises(SettingsError, match=says):
        load(tmp_path)


def test_a_setting_left_out_has_its_default(tmp_path: Path):
    create(tmp_path, BootstrapConfig(max_circuits=7))
    (tmp_path / FILE_NAME).write_text("[limits]\nrequests_burst = 3\n")
    assert load(tmp_path).max_circuits == BootstrapConfig().max_circuits
    assert load(tmp_path).requests_burst == 3


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "00" * 31, "00" * 33])
def test_a_damaged_key_is_refused(tmp_path: Path, content: str):
    create(tmp_path, BootstrapConfig())
    (tmp_path / KEY_NAME).write_text(content)
    with pytest.raises(BootstrapKeyError, match="damaged"):
        load(tmp_path)


def test_a_missing_key_is_not_replaced_in_silence(tmp_path: Path):
    create(tmp_path, BootstrapConfig())
    (tmp_path / KEY_NAME).unlink()
    with pytest.raises(BootstrapKeyError, match="another address"):
        load(tmp_path)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path):
    create(tmp_path, BootstrapConfig())
    (tmp_path / KEY_NAME).chmod(0o644)
    with pytest.raises(BootstrapKeyError, match="chmod 600"):
        load(tmp_path)


def test_the_home_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("ONMEET_BOOTSTRAP_HOME", str(tmp_path))
    assert default_home() == tmp_path


def test_public_addresses_are_announced_in_place_of_the_listening_ones():
    listen = ("/ip4/0.0.0.0/tcp/4001", "/ip6/::/tcp/4001", "/ip4/0.0.0.0/tcp/4002/ws")
    assert announced(listen, ("203.0.113.5", "2001:db8::5")) == (
        "/ip4/203.0.113.5/tcp/4001",
        "/ip4/203.0.113.5/tcp/4002/ws",
        "/ip6/2001:db8::5/tcp/4001",
    )
    assert announced(listen, ()) == ()

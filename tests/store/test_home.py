"""Making, opening, locking and deleting a home, and all the ways in which that goes wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from onmeet_node.protocol.call.events import Identity
from onmeet_node.store import (
    Contact,
    ContactState,
    KeyFile,
    Passphrase,
    create_home,
    delete_everything,
    find_home_key,
    open_home,
    open_store,
    unlock_kind,
)
from onmeet_node.store.database import load_schemas
from onmeet_node.store.errors import (
    DiskFull,
    HomeDamaged,
    HomeExists,
    HomeInUse,
    HomeNotWritable,
    HomeTooNew,
    NotAHome,
    Rejected,
    WrongPassphrase,
)
from tests import disks


def contact(number: int, **more) -> Contact:
    return Contact(
        identity=Identity(number.to_bytes(32)), state=ContactState.ACCEPTED, added=number, **more
    )


def test_identity_and_contacts_are_there_again_after_a_restart(tmp_path, passphrase, seed, now):
    home = tmp_path / "new" / "home"
    create_home(home, passphrase, seed, now=now)
    with open_home(home, passphrase) as store:
        store.contacts.save(contact(1, name="Ana"))
    with open_home(home, passphrase) as store:
        assert (store.identity.seed, store.identity.created) == (seed, now)
        assert store.contacts.list() == (contact(1, name="Ana"),)


async def test_the_slow_key_derivation_can_run_in_another_thread(tmp_path, passphrase, seed, now):
    import trio

    home = tmp_path / "home"
    await trio.to_thread.run_sync(lambda: create_home(home, passphrase, seed, now=now))
    key = await trio.to_thread.run_sync(find_home_key, home, passphrase)
    with open_store(home, key) as store:
        assert store.identity.seed == seed


def test_everything_in_the_home_is_for_its_owner_alone(tmp_path, seed, now):
    umask = os.umask(0)
    try:
        home = tmp_path / "home"
        create_home(home, KeyFile(), seed, now=now)
        with open_home(home, KeyFile()) as store:
            store.contacts.save(contact(1))
            modes = {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()}
    finally:
        os.umask(umask)
    assert home.stat().st_mode & 0o777 == 0o700
    assert set(modes.values()) == {0o600}, modes
    assert {"home.json", "onmeet.db", "onmeet.db-wal", "key", "lock"} == set(modes)


def test_a_wrong_passphrase_is_said_and_the_right_one_still_works(tmp_path, cheap, seed, now):
    home = tmp_path / "home"
    create_home(home, Passphrase("right", cost=cheap), seed, now=now)
    with pytest.raises(WrongPassphrase, match="passphrase is wrong"):
        open_home(home, Passphrase("Right"))
    assert unlock_kind(home) == "passphrase"
    open_home(home, Passphrase("right")).close()


def test_a_directory_without_a_home_is_named(tmp_path, passphrase):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(NotAHome, match=r"no On-Meet home in .*onmeet init"):
            open_home(path, passphrase)
        with pytest.raises(NotAHome):
            delete_everything(path)
    (tmp_path / "file").write_text("hello")
    with pytest.raises(NotAHome):
        open_home(tmp_path / "file", passphrase)


def test_an_earlier_home_is_never_overwritten(home, seed, now):
    before = {path: path.read_bytes() for path in home.iterdir()}
    with pytest.raises(HomeExists):
        create_home(home, KeyFile(), bytes(32), now=now)
    (home / "home.json").unlink()
    with pytest.raises(HomeExists):
        create_home(home, KeyFile(), bytes(32), now=now)
    (home / "home.json").write_bytes(before[home / "home.json"])
    assert {path: path.read_bytes() for path in home.iterdir()} == before


def test_a_home_in_a_directory_that_already_has_a_configuration(tmp_path, seed, now):
    (tmp_path / "onmeet.toml").write_text("# mine")
    create_home(tmp_path, KeyFile(), seed, now=now)
    delete_everything(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["onmeet.toml"]


@pytest.mark.real
def test_a_second_process_is_told_that_a_node_runs_and_which(home):
    script = (
        "import sys, pathlib; from onmeet_node.store import KeyFile, open_home\n"
        "store = open_home(pathlib.Path(sys.argv[1]), KeyFile()); print('open', flush=True)\n"
        "sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, home],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout.readline() == "open\n"
        for attempt in (lambda: open_home(home, KeyFile()), lambda: delete_everything(home)):
            with pytest.raises(HomeInUse, match=f"already runs .*process {holder.pid}") as raised:
                attempt()
            assert raised.value.pid == holder.pid
        holder.kill()
        holder.wait()
        open_home(home, KeyFile()).close()  # a killed node leaves no stale lock


def test_the_home_is_free_again_after_a_failed_start(home):
    (home / "onmeet.db").rename(home / "elsewhere")
    (home / "onmeet.db").write_bytes(b"x" * 8192)
    with pytest.raises(HomeDamaged, match="damaged"):
        open_home(home, KeyFile())
    (home / "elsewhere").replace(home / "onmeet.db")
    open_home(home, KeyFile()).close()


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"SQLite format 3\0" + bytes(5000)])
def test_a_database_that_is_not_ours_is_said_to_be_damaged(home, content):
    (home / "onmeet.db").write_bytes(content)
    with pytest.raises(HomeDamaged):
        open_home(home, KeyFile())


def test_a_flipped_bit_anywhere_in_the_database_is_noticed(home):
    with open_home(home, KeyFile()) as store:
        for number in range(200):
            store.contacts.save(contact(number, name=f"person {number}"))
    path = home / "onmeet.db"
    whole = bytearray(path.read_bytes())
    for at in range(100, len(whole), len(whole) // 7):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(HomeDamaged), open_home(home, KeyFile()) as store:
            store.database.execute("PRAGMA integrity_check")
            store.contacts.list()
            store.calls.list()
            store.audiences.list()
            store.database.execute("PRAGMA cipher_integrity_check") and pytest.fail("unnoticed")
    path.write_bytes(whole)
    with open_home(home, KeyFile()) as store:
        assert len(store.contacts.list()) == 200


def test_a_home_of_a_newer_version_is_refused_and_left_alone(home):
    later = (*load_schemas(), "CREATE TABLE hologram (shape TEXT) STRICT")
    open_home(home, KeyFile(), schemas=later).close()
    before = (home / "onmeet.db").read_bytes()
    with pytest.raises(HomeTooNew, match="Update On-Meet"):
        open_home(home, KeyFile())
    assert (home / "onmeet.db").read_bytes() == before


def test_nothing_is_left_behind_when_making_a_home_fails(tmp_path, now):
    with pytest.raises(Rejected, match="32 bytes"):
        create_home(tmp_path / "home", KeyFile(), b"short", now=now)
    *before, last = load_schemas()
    broken = (*before, last.replace("length(public) = 32", "length(public) = 31"))
    with pytest.raises(Exception, match="CHECK constraint"):
        create_home(tmp_path / "home", KeyFile(), bytes(32), now=now, schemas=broken)
    assert list(tmp_path.iterdir()) == []


def test_deleting_everything_leaves_nothing(home):
    with open_home(home, KeyFile()) as store:
        store.contacts.save(contact(1))
    delete_everything(home)
    assert not home.exists()


def test_deleting_works_without_the_key_and_with_a_damaged_header(home):
    (home / "home.json").write_text("{")
    delete_everything(home)
    assert not (home / "onmeet.db").exists()


# ── disks ────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A directory under which this process, root or not, is a plain user."""
    path = Path(tempfile.mkdtemp(prefix="onmeet-"))
    root = os.geteuid() == 0
    load_schemas()  # while the checkout can be read, which may be root's alone
    if root:
        os.chown(path, 65534, 65534)
        os.seteuid(65534)
    try:
        yield path
    finally:
        if root:
            os.seteuid(0)
        for directory in (path, *path.glob("*")):
            directory.chmod(0o700)
        shutil.rmtree(path)


def test_a_read_only_home_is_named_with_its_remedy(unprivileged, seed, now):
    home = unprivileged / "home"
    create_home(home, KeyFile(), seed, now=now)
    home.chmod(0o500)
    (home / "lock").chmod(0o400)
    with pytest.raises(HomeNotWritable, match=r"cannot be written to .*chmod 700"):
        open_home(home, KeyFile())
    unprivileged.chmod(0o500)
    with pytest.raises(HomeNotWritable):
        create_home(unprivileged / "other", KeyFile(), seed, now=now)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    with disks.small(tmp_path / "disk", "1600k") as place:
        yield place


@pytest.mark.real
def test_a_full_disk_loses_nothing_and_recovers(small_disk, seed, now):
    home = small_disk / "home"
    create_home(home, KeyFile(), seed, now=now)
    stored = 0
    with open_home(home, KeyFile()) as store:
        with pytest.raises(DiskFull, match="Free some space"):
            for stored in range(10_000):
                store.contacts.save(contact(stored, name="x" * 80))
        assert len(store.contacts.list()) == stored
    with open_home(home, KeyFile()) as store:
        assert len(store.contacts.list()) == stored > 50
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    with open_home(home, KeyFile()) as store:
        store.contacts.save(contact(stored))
        assert len(store.contacts.list()) == stored + 1


@pytest.mark.real
def test_no_half_made_home_on_a_full_disk(small_disk, seed, now):
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError):
        while True:
            ballast.write(bytes(4096))
    with pytest.raises(DiskFull):
        create_home(small_disk / "home", KeyFile(), seed, now=now)
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]

"""Homes that another user of the machine prepared, or may change: refused in words, not used."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from onmeet_node.process.ownership import ForeignPlace, make_own_directory, require_own_directory
from onmeet_node.store import (
    KeyFile,
    create_home,
    delete_everything,
    export_home,
    import_home,
    open_home,
    unlock_kind,
)
from onmeet_node.store.errors import (
    ExportDamaged,
    ExportError,
    ForeignHome,
    KeyFileError,
    NotAHome,
    StoreError,
)
from tests.requirements import need

OTHER = 23_456
"""A user of no name."""


@pytest.fixture
def give_away() -> Callable[[Path], None]:
    need(None if os.geteuid() == 0 else "playing another user needs root")
    return lambda path: os.chown(path, OTHER, OTHER, follow_symlinks=False)


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of ours that somebody would like to see destroyed."""
    path = tmp_path / "precious"
    path.write_text("precious\n" * 10)
    return path


@pytest.fixture
def home(tmp_path: Path, seed: bytes, now: int) -> Path:
    path = tmp_path / "home"
    create_home(path, KeyFile(), seed, now=now)
    return path


def whole(precious: Path) -> bool:
    return precious.read_text() == "precious\n" * 10


# ── directories ──────────────────────────────────────────────────────────────────────────────────
def test_a_directory_of_another_user_is_no_home(tmp_path, give_away, seed, now):
    place = tmp_path / "theirs"
    place.mkdir()
    give_away(place)
    with pytest.raises(ForeignHome, match=r"belongs to another user \(uid 23456\).*--home"):
        create_home(place, KeyFile(), seed, now=now)
    assert list(place.iterdir()) == []


def test_a_home_that_was_given_away_is_neither_opened_nor_deleted(home, give_away):
    give_away(home)
    for use in (
        lambda: open_home(home, KeyFile()),
        lambda: unlock_kind(home),
        lambda: delete_everything(home),
    ):
        with pytest.raises(ForeignHome, match="belongs to another user"):
            use()
    assert (home / "onmeet.db").exists()


def test_a_home_that_others_may_write_in_is_refused_with_the_remedy(home):
    home.chmod(0o777)
    with pytest.raises(ForeignHome, match=r"mode 0777.*chmod 700"):
        open_home(home, KeyFile())
    home.chmod(0o1777)  # sticky is enough for /tmp, not for a home
    with pytest.raises(ForeignHome):
        open_home(home, KeyFile())
    home.chmod(0o700)
    open_home(home, KeyFile()).close()


def test_a_home_below_a_directory_that_others_may_write_in_is_refused(tmp_path, home, seed, now):
    tmp_path.chmod(0o777)
    with pytest.raises(ForeignHome, match="chmod go-w"):
        open_home(home, KeyFile())
    with pytest.raises(ForeignHome):
        create_home(tmp_path / "deep" / "home", KeyFile(), seed, now=now)
    assert not (tmp_path / "deep").exists()
    tmp_path.chmod(0o1777)  # as /tmp: nobody but we can rename what is ours there
    open_home(home, KeyFile()).close()


def test_a_home_below_a_directory_of_another_user_is_refused(tmp_path, give_away, seed, now):
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    mine = theirs / "mine"
    mine.mkdir(mode=0o700)
    give_away(theirs)
    with pytest.raises(ForeignHome, match="theirs belongs to another user"):
        create_home(mine, KeyFile(), seed, now=now)


def test_a_link_of_another_user_is_not_followed_to_a_home(tmp_path, home, give_away):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.symlink_to(home)
    theirs.symlink_to(home)
    give_away(theirs)
    open_home(ours, KeyFile()).close()
    for way in (theirs, theirs / ".." / "home"):
        with pytest.raises(ForeignHome, match="theirs belongs to another user"):
            open_home(way, KeyFile())


def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ForeignPlace, match="circle"):
        require_own_directory(tmp_path / "a" / "home")


def test_what_is_made_is_ours_alone_whatever_the_umask_says(tmp_path, seed, now):
    before = os.umask(0)
    try:
        create_home(tmp_path / "new" / "deep" / "home", KeyFile(), seed, now=now)
    finally:
        os.umask(before)
    made = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    for directory in ("new", "new/deep", "new/deep/home"):
        assert stat.S_IMODE((tmp_path / directory).stat().st_mode) == 0o700


def test_a_directory_of_ours_that_others_could_look_into_is_closed_to_them(tmp_path):
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(0o755)
    make_own_directory(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_a_home_that_is_not_there_is_still_just_none(tmp_path):
    with pytest.raises(NotAHome):
        open_home(tmp_path / "nowhere" / "home", KeyFile())


# ── what lies in it ──────────────────────────────────────────────────────────────────────────────
NAMES = ("lock", "home.json", "onmeet.db", "onmeet.db-wal", "onmeet.db-journal", "key")


def refused(home: Path) -> str:
    with pytest.raises((ForeignHome, KeyFileError)) as caught:
        open_home(home, KeyFile())
    return str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_link_in_place_of_a_file_is_not_followed(home, precious, name):
    (home / name).unlink(missing_ok=True)
    (home / name).symlink_to(precious)
    assert name in refused(home)
    assert whole(precious)
    if name != "lock":  # without that nothing is deleted
        delete_everything(home)
        assert whole(precious)


@pytest.mark.parametrize("name", NAMES)
def test_another_name_of_our_own_file_is_not_written_to(home, precious, name):
    (home / name).unlink(missing_ok=True)
    os.link(precious, home / name)
    assert "hard link" in refused(home)
    assert whole(precious)


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_in_place_of_a_file_makes_nobody_wait(home, name):
    (home / name).unlink(missing_ok=True)
    os.mkfifo(home / name)
    assert "no ordinary file" in refused(home)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_another_user_is_not_used(home, give_away, name):
    (home / name).touch()
    give_away(home / name)
    assert "belongs to another user" in refused(home)


@pytest.mark.parametrize("name", ["lock", "onmeet.db", "home.json", "key"])
def test_a_new_home_is_not_made_over_what_was_planted(tmp_path, precious, seed, now, name):
    place = tmp_path / "planted"
    place.mkdir(mode=0o700)
    (place / name).symlink_to(precious)
    with pytest.raises(StoreError) as caught:
        create_home(place, KeyFile(), seed, now=now)
    assert str(place) in str(caught.value)
    assert whole(precious)


def test_deleting_everything_leaves_a_file_that_is_no_key_of_ours(home, precious):
    header = (home / "home.json").read_text()
    assert '"key_file": ""' in header
    (home / "home.json").write_text(header.replace('"key_file": ""', f'"key_file": "{precious}"'))
    delete_everything(home)
    assert whole(precious)


def test_a_key_file_that_the_person_named_may_be_reached_by_a_link(tmp_path, seed, now):
    key = tmp_path / "secrets" / "key"
    key.parent.mkdir()
    create_home(tmp_path / "home", KeyFile(key), seed, now=now)
    moved = key.rename(tmp_path / "secrets" / "real")
    key.symlink_to(moved)  # as secrets are often mounted
    open_home(tmp_path / "home", KeyFile()).close()


# ── exports ──────────────────────────────────────────────────────────────────────────────────────
def test_an_export_is_written_over_nothing_and_through_no_link(home, precious, passphrase):
    with open_home(home, KeyFile()) as store:
        for planted in ("file", "link", "dangling"):
            path = home.parent / planted
            match planted:
                case "file":
                    path.write_text("mine")
                case "link":
                    path.symlink_to(precious)
                case _:
                    path.symlink_to(home.parent / "not there yet")
            with pytest.raises(ExportError, match="exists already"):
                export_home(store, path, passphrase)
    assert whole(precious)
    assert not (home.parent / "not there yet").exists()


def test_a_pipe_is_no_export(tmp_path, seed):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ExportDamaged, match="no ordinary file"):
        import_home(tmp_path / "pipe", "x", tmp_path / "home", KeyFile())

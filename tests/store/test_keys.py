"""Passphrase, keyring and key file: each opens its home, and says what is wrong when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.pwhash import argon2id

from onmeet_node.store import (
    KdfCost,
    KeyFile,
    Keyring,
    Passphrase,
    create_home,
    delete_everything,
    export_home,
    open_home,
    unlock_kind,
)
from onmeet_node.store.errors import (
    BadPassphrase,
    HomeDamaged,
    HomeTooNew,
    KeyFileError,
    KeyringError,
    StoreError,
    UnlockError,
    UpgradeFailed,
    WrongPassphrase,
    WrongUnlock,
)
from onmeet_node.store.keys import Header
from onmeet_node.store.sealing import SealedKey


class TestPassphrase:
    def test_costs_an_attacker_at_least_64_mib_a_guess_by_default(self):
        cost = Passphrase("x").cost
        assert cost.memory >= 64 * 1024 * 1024
        assert cost.passes >= argon2id.OPSLIMIT_INTERACTIVE

    def test_is_in_no_file_nor_in_repr_nor_in_errors(self, tmp_path, cheap, seed, now):
        home, secret = tmp_path / "home", "open sesame 4711"
        create_home(home, Passphrase(secret, cost=cheap), seed, now=now)
        assert all(secret.encode() not in path.read_bytes() for path in home.iterdir())
        assert secret not in repr(Passphrase(secret))
        with pytest.raises(WrongPassphrase) as raised:
            open_home(home, Passphrase(secret + "!"))
        assert secret not in str(raised.value)

    def test_typed_on_another_keyboard_in_another_normal_form_is_the_same(self, cheap):
        sealed = SealedKey.seal(bytes(32), Passphrase("café", cost=cheap))
        assert sealed.open(unicodedata.normalize("NFD", "café")) == bytes(32)

    @pytest.mark.parametrize("text", ["", "   ", "x" * 1025])
    def test_empty_or_endless_ones_are_not_taken(self, tmp_path, cheap, seed, now, text):
        with pytest.raises(BadPassphrase):
            create_home(tmp_path / "home", Passphrase(text, cost=cheap), seed, now=now)
        assert not (tmp_path / "home").exists()

    def test_an_absurd_cost_is_not_taken(self, tmp_path, seed, now):
        for cost in (KdfCost(memory=1 << 40), KdfCost(passes=10**9), KdfCost(memory=1)):
            with pytest.raises(BadPassphrase, match="cost"):
                create_home(tmp_path / "home", Passphrase("x", cost=cost), seed, now=now)

    def test_two_homes_with_one_passphrase_share_nothing(self, cheap):
        one, two = (SealedKey.seal(bytes(32), Passphrase("same", cost=cheap)) for _ in range(2))
        assert one.salt != two.salt
        assert one.box != two.box


class TestKeyFile:
    def test_is_made_for_the_owner_alone(self, home):
        assert (home / "key").stat().st_mode & 0o777 == 0o600
        assert unlock_kind(home) == "key-file"

    def test_may_be_kept_elsewhere(self, tmp_path, seed, now):
        home, stick = tmp_path / "home", tmp_path / "stick.key"
        create_home(home, KeyFile(stick), seed, now=now)
        open_home(home, KeyFile()).close()  # the home remembers where
        moved = stick.rename(tmp_path / "moved.key")
        with pytest.raises(KeyFileError, match="cannot be read"):
            open_home(home, KeyFile())
        open_home(home, KeyFile(moved)).close()

    def test_readable_by_others_is_refused(self, home):
        (home / "key").chmod(0o640)
        with pytest.raises(KeyFileError, match="chmod 600"):
            open_home(home, KeyFile())

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"QUJD\n", b"A" * 300])
    def test_damaged_is_said(self, home, content):
        (home / "key").write_bytes(content)
        with pytest.raises(KeyFileError, match="not a key file"):
            open_home(home, KeyFile())

    def test_of_another_home_does_not_open_this_one(self, home, tmp_path, now):
        create_home(tmp_path / "other", KeyFile(), bytes(32), now=now)
        with pytest.raises(HomeDamaged, match="key file belongs to another home"):
            open_home(home, KeyFile(tmp_path / "other" / "key"))

    def test_an_existing_file_is_not_overwritten(self, tmp_path, seed, now):
        (tmp_path / "precious").write_text("mine")
        with pytest.raises(KeyFileError, match="exists"):
            create_home(tmp_path / "home", KeyFile(tmp_path / "precious"), seed, now=now)
        assert (tmp_path / "precious").read_text() == "mine"
        assert not (tmp_path / "home").exists()

    def test_goes_with_everything_else(self, tmp_path, seed, now):
        create_home(tmp_path / "home", KeyFile(tmp_path / "stick.key"), seed, now=now)
        delete_everything(tmp_path / "home")
        assert list(tmp_path.iterdir()) == []


class TestKeyring:
    def test_opens_without_asking_and_forgets_on_deletion(
        self, tmp_path, memory_keyring, seed, now
    ):
        home, unlock = tmp_path / "home", Keyring(memory_keyring)
        create_home(home, unlock, seed, now=now)
        with open_home(home, unlock) as store:
            assert store.identity.seed == seed
        (secret,) = memory_keyring.entries.values()
        assert all(secret.encode() not in path.read_bytes() for path in home.iterdir())
        delete_everything(home, keyring=unlock)
        assert memory_keyring.entries == {}

    def test_locked_or_emptied_is_said(self, tmp_path, memory_keyring, seed, now):
        home, unlock = tmp_path / "home", Keyring(memory_keyring)
        create_home(home, unlock, seed, now=now)
        memory_keyring.locked = True
        with pytest.raises(KeyringError, match="Unlock it"):
            open_home(home, unlock)
        memory_keyring.locked = False
        memory_keyring.entries.clear()
        with pytest.raises(KeyringError, match="no longer holds the key"):
            open_home(home, unlock)

    def test_a_failed_init_leaves_no_entry(self, tmp_path, memory_keyring, now):
        with pytest.raises(UpgradeFailed):
            create_home(
                tmp_path / "home",
                Keyring(memory_keyring),
                bytes(32),
                now=now,
                schemas=("nonsense",),
            )
        assert memory_keyring.entries == {}

    @pytest.mark.real
    def test_a_machine_without_one_says_what_else_there_is(self, tmp_path):
        """The real `keyring` package with its real fail backend, as on a server."""
        script = (
            "import sys, pathlib\n"
            "from onmeet_node.store import Keyring, create_home\n"
            "from onmeet_node.store.errors import KeyringError\n"
            "assert 'keyring' not in sys.modules\n"
            "try: create_home(pathlib.Path(sys.argv[1]), Keyring(), bytes(32), now=1)\n"
            "except KeyringError as error: print(error)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, tmp_path / "home"],
            env={"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "has no keyring" in done.stdout
        assert "passphrase or a key file" in done.stdout
        assert not (tmp_path / "home").exists()


def test_the_wrong_kind_of_unlock_is_named(home, passphrase, memory_keyring):
    with pytest.raises(WrongUnlock, match="opened with a key file, not with a passphrase"):
        open_home(home, passphrase)
    with pytest.raises(WrongUnlock):
        open_home(home, Keyring(memory_keyring))


class TestHeader:
    @given(st.binary(max_size=300))
    def test_arbitrary_bytes_are_damage_and_nothing_else(self, data):
        with pytest.raises(HomeDamaged):
            Header.from_bytes(data, Path("home.json"))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
        st.sampled_from(["format", "unlock", "sealed", "passes", "memory", "salt", "box", "kdf"]),
    )
    def test_any_value_in_any_field_opens_or_is_refused(self, value, name):
        sealed = SealedKey.seal(bytes(32), Passphrase("x", cost=KdfCost(1, 8192)))
        header = json.loads(Header("passphrase", sealed=sealed).to_bytes())
        (header if name in header else header["sealed"])[name] = value
        with suppress(HomeDamaged, HomeTooNew):
            Header.from_bytes(json.dumps(header).encode(), Path("home.json"))

    def test_of_a_newer_version_asks_for_an_update(self, home):
        header = json.loads((home / "home.json").read_text())
        (home / "home.json").write_text(json.dumps({**header, "format": 2}))
        with pytest.raises(HomeTooNew, match="Update"):
            open_home(home, KeyFile())

    def test_cannot_make_us_spend_all_memory(self, tmp_path, passphrase, seed, now):
        create_home(tmp_path / "home", passphrase, seed, now=now)
        path = tmp_path / "home" / "home.json"
        header = json.loads(path.read_text())
        header["sealed"]["memory"] = 1 << 50
        path.write_text(json.dumps(header))
        with pytest.raises(HomeDamaged):
            open_home(tmp_path / "home", passphrase)

    def test_a_tampered_cost_opens_nothing(self, tmp_path, passphrase, seed, now):
        create_home(tmp_path / "home", passphrase, seed, now=now)
        path = tmp_path / "home" / "home.json"
        header = json.loads(path.read_text())
        header["sealed"]["memory"] *= 2
        path.write_text(json.dumps(header))
        with pytest.raises(UnlockError):
            open_home(tmp_path / "home", passphrase)


def test_all_errors_have_one_base(store, tmp_path, cheap):
    with pytest.raises(StoreError):
        export_home(store, tmp_path / "no" / "such" / "place", Passphrase("x", cost=cheap))

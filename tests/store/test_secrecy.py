"""Nothing readable reaches the disk, and what is deleted is gone even for the holder of the key.

For the second, the test decrypts every page of the files by itself, so that free pages and slack
space are searched too, which no query would show. SQLCipher 4: AES-256-CBC, pages of 4096 bytes, of
which the last 80 are 16 of IV and 64 of HMAC; the first 16 of page 1 are the salt.
"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire.messages import CallId, Card
from onmeet_node.store import (
    AudienceKind,
    CallRecord,
    Contact,
    ContactState,
    KeyFile,
    Passphrase,
    export_home,
    find_home_key,
    open_home,
)
from onmeet_node.store.settings import BOOTSTRAPS

CANARY = b"canary-7f3a91"
PAGE, RESERVE = 4096, 80
PEER = Identity(b"P" * 16 + CANARY + b"PPP")
SECRET = b"sec" + CANARY


def fill(store) -> None:
    text = CANARY.decode()
    card = Card(name=text, phone=text, email=text)
    store.contacts.save(
        Contact(
            identity=PEER,
            state=ContactState.ACCEPTED,
            added=1,
            name=text,
            card=card,
            secret=SECRET,
            via=text,
        )
    )
    # enough to spread over several pages, and to fill overflow pages
    for number in range(60):
        call = CallId(number.to_bytes(16))
        store.calls.save(
            CallRecord(call=call, peer=PEER, outgoing=True, started=1, note=text * 10, sas=text)
        )
        store.outbox.add(PEER, call, CANARY * 700, now=1, expires=9)


def decrypted(home: Path) -> bytes:
    """All pages of the database and of its WAL, in the clear."""
    key = find_home_key(home, KeyFile()).raw
    whole = (home / "onmeet.db").read_bytes()
    pages = [(at == 0, whole[at : at + PAGE]) for at in range(0, len(whole), PAGE)]
    wal = home / "onmeet.db-wal"
    log = wal.read_bytes() if wal.exists() else b""
    for at in range(32, len(log), 24 + PAGE):  # WAL header 32, frame header 24 (fileformat2.html)
        (number,) = struct.unpack_from(">I", log, at)
        pages.append((number == 1, log[at + 24 : at + 24 + PAGE]))
    return b"".join(_page(key, page, first=first) for first, page in pages)


def _page(key: bytes, page: bytes, *, first: bool) -> bytes:
    sealed = page[16 if first else 0 : PAGE - RESERVE]
    iv = page[PAGE - RESERVE : PAGE - RESERVE + 16]
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return decryptor.update(sealed) + decryptor.finalize()


def raw(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.iterdir())


def test_no_name_number_secret_or_note_is_readable_on_disk(home, seed):
    with open_home(home, KeyFile()) as store:
        fill(store)
        store.settings.put(BOOTSTRAPS, (CANARY.decode(),))
        store.audiences.add(AudienceKind.CODE, secret=SECRET, label=CANARY.decode(), now=1)
        while_open = raw(home)
    for found in (while_open, raw(home)):
        assert CANARY not in found
        assert seed not in found
        assert b"CREATE TABLE" not in found
        assert b"SQLite format" not in found
    assert CANARY in decrypted(home)


def test_what_is_deleted_is_in_no_page_even_with_the_key(home):
    with open_home(home, KeyFile()) as store:
        fill(store)
        store.database.flush()
        fill(store)  # older and newer versions, in the file and in the WAL
        assert decrypted(home).count(CANARY) > 100, "the search must be able to find it"
        store.contacts.remove(PEER, with_calls=True)
        assert CANARY not in decrypted(home)
        assert (home / "onmeet.db-wal").stat().st_size == 0
    assert CANARY not in decrypted(home)


@pytest.mark.parametrize(
    "delete",
    [
        lambda store: (store.contacts.block(PEER, now=2), store.calls.clear(peer=PEER)),
        lambda store: (store.contacts.remove(PEER), store.calls.clear()),
        lambda store: (
            store.contacts.remove(PEER),
            [store.calls.remove(PEER, record.call) for record in store.calls.list()],
        ),
    ],
)
def test_every_way_of_deleting_calls_removes_them(home, delete):
    with open_home(home, KeyFile()) as store:
        fill(store)
        delete(store)
        pages = decrypted(home)
    assert (CANARY * 2) not in pages  # notes and messages repeat it, names do not
    assert store is not None


def test_blocking_erases_the_secret_and_what_was_to_be_sent(home):
    with open_home(home, KeyFile()) as store:
        fill(store)
        blocked = store.contacts.block(PEER, now=2)
        assert (blocked.secret, blocked.state) == (None, ContactState.BLOCKED)
        assert store.outbox.waiting(PEER, now=2) == []
        assert SECRET not in decrypted(home)


def test_revoking_a_code_and_rotating_erase_their_secrets(home):
    with open_home(home, KeyFile()) as store:
        code = store.audiences.add(AudienceKind.CODE, secret=SECRET, now=1)
        store.audiences.rotate_contacts(SECRET[::-1], now=1)
        store.database.flush()
        assert SECRET in decrypted(home)
        store.audiences.revoke(code.id)
        store.audiences.rotate_contacts(bytes(16), now=2)
        assert SECRET not in decrypted(home)
        assert SECRET[::-1] not in decrypted(home)


def test_a_deletion_inside_a_larger_transaction_is_as_thorough(home):
    with open_home(home, KeyFile()) as store:
        fill(store)
        with store.database.transaction():
            store.contacts.remove(PEER, with_calls=True)
        assert CANARY not in decrypted(home)


def test_a_killed_node_leaves_nothing_readable(home):
    """As after kill -9: the WAL is not folded in, no clean-up ran."""
    store = open_home(home, KeyFile())
    fill(store)
    image = raw(home)
    store.close()
    assert CANARY not in image


def test_the_export_is_unreadable_and_private(home, tmp_path, cheap, seed):
    path = tmp_path / "mine.onmeet"
    with open_home(home, KeyFile()) as store:
        fill(store)
        export_home(store, path, Passphrase("p", cost=cheap))
    assert path.stat().st_mode & 0o777 == 0o600
    assert CANARY not in path.read_bytes()
    assert seed not in path.read_bytes()


def test_no_secret_in_any_repr(store, seed, passphrase):
    fill(store)
    audience = store.audiences.add(AudienceKind.CODE, secret=SECRET, now=1)
    item = store.outbox.waiting(PEER, now=1)[0]
    shown = f"{store.identity} {audience} {audience.as_audience()} {passphrase} {item} {store}"
    shown += repr(store.contacts.get(PEER).secret is not None) + repr(
        Contact(identity=PEER, state=ContactState.ACCEPTED, added=1, secret=b"top secret bytes")
    )
    for secret in (seed, SECRET, item.message[:20], b"top secret", b"correct horse"):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown

"""The one file that carries a person's data to another machine (P11)."""

from __future__ import annotations

import json
import secrets

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import MAX_PICTURE_BYTES, MAX_TEXT_CHARS, CallId, Card
from onmeet_node.store import (
    AudienceKind,
    CallRecord,
    Contact,
    ContactState,
    KeyFile,
    Passphrase,
    export_home,
    import_home,
    open_home,
)
from onmeet_node.store.contacts import MAX_CONTACTS, MAX_REQUESTS
from onmeet_node.store.database import load_schemas
from onmeet_node.store.errors import (
    BadPassphrase,
    ExportDamaged,
    ExportError,
    HomeExists,
    HomeTooNew,
    StoreError,
    WrongPassphrase,
)
from onmeet_node.store.export import MAX_BODY_BYTES, MAX_EXPORT_BYTES
from onmeet_node.store.history import MAX_RECEIPTS_BYTES, MAX_RECORDS, MAX_REPORT_BYTES
from onmeet_node.store.settings import BUSY, DHT_PEERS, RELAY_ONLY, Busy
from tests.examples import examples

ANA = Contact(
    identity=Identity(b"a" * 32),
    state=ContactState.ACCEPTED,
    added=1,
    card=Card(name="Ana 🎈"),
    secret=b"s" * 16,
)
TALK = CallRecord(
    call=CallId(b"c" * 16),
    peer=ANA.identity,
    outgoing=True,
    started=5,
    note="hi",
    path=MediaPath.RELAY,
    report='{"local": ["relay/tls"]}',
    region="de",
)
PEERS = ("/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW",)


@pytest.fixture
def exported(home, tmp_path, cheap):
    path = tmp_path / "mine.onmeet"
    with open_home(home, KeyFile()) as store:
        store.contacts.save(ANA)
        store.calls.save(TALK)
        store.settings.put(BUSY, Busy.HIDE)
        store.settings.put(DHT_PEERS, PEERS)
        store.settings.put(RELAY_ONLY, True)
        store.audiences.add(AudienceKind.CODE, secret=b"k" * 16, label="party", now=1)
        store.outbox.add(ANA.identity, b"ref", b"message", now=1, expires=9)
        export_home(store, path, Passphrase("carry", cost=cheap))
    return path


def everything(home) -> dict[str, list]:
    with open_home(home, KeyFile()) as store:
        names = store.database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        return {
            name: store.database.execute(f"SELECT * FROM {name}")
            for (name,) in names
            if not name.startswith("sqlite_")
        }


def test_a_home_made_from_an_export_holds_everything(exported, home, tmp_path):
    import_home(exported, "carry", tmp_path / "second", KeyFile())
    copied, original = everything(tmp_path / "second"), everything(home)
    names = ("one", "seed", "public", "device", "created", "writer", "list", "details", "joins")
    mine, theirs = (
        dict(zip(names, all_["identity"][0], strict=True)) for all_ in (copied, original)
    )
    same = ("seed", "public", "created", "list", "details")
    assert [mine[name] for name in same] == [theirs[name] for name in same], "the same person"
    assert mine["device"] != theirs["device"], "and another device"
    assert (theirs["joins"], mine["joins"]) == (0, 1), "which is to put itself on the list"
    writer, other = mine["writer"], theirs["writer"]
    assert writer != other  # whose entries are told from those that the first one goes on writing
    del copied["identity"], original["identity"]
    assert copied == original
    assert all(copied[name] for name in ("contact", "call", "audience", "outbox"))
    with open_home(tmp_path / "second", KeyFile()) as store:
        assert store.contacts.list() == (ANA,)
        assert store.calls.list() == (TALK,)
        assert store.settings.get(DHT_PEERS) == PEERS
        assert store.settings.get(RELAY_ONLY) is True


def test_an_export_of_an_older_version_is_upgraded_when_opened(exported, tmp_path):
    import_home(exported, "carry", tmp_path / "second", KeyFile())
    later = (*load_schemas(), "ALTER TABLE call ADD COLUMN stars INTEGER")
    with open_home(tmp_path / "second", KeyFile(), schemas=later) as store:
        assert store.database.format == len(later)
        assert store.contacts.list() == (ANA,)


def test_an_export_of_a_newer_version_asks_for_an_update(home, tmp_path, cheap):
    later = (*load_schemas(), "CREATE TABLE hologram (shape TEXT)")
    with open_home(home, KeyFile(), schemas=later) as store:
        export_home(store, tmp_path / "new", Passphrase("p", cost=cheap))
    with pytest.raises(HomeTooNew, match="Update On-Meet"):
        import_home(tmp_path / "new", "p", tmp_path / "second", KeyFile())
    assert not (tmp_path / "second").exists()


def test_a_wrong_passphrase_is_said(exported, tmp_path):
    with pytest.raises(WrongPassphrase):
        import_home(exported, "carrie", tmp_path / "second", KeyFile())
    assert not (tmp_path / "second").exists()


def test_an_empty_passphrase_is_not_taken(home, tmp_path, cheap):
    with open_home(home, KeyFile()) as store, pytest.raises(BadPassphrase):
        export_home(store, tmp_path / "file", Passphrase("", cost=cheap))
    assert not (tmp_path / "file").exists()


def test_no_file_is_overwritten_and_no_home(exported, home, tmp_path, cheap):
    with open_home(home, KeyFile()) as store, pytest.raises(ExportError, match="exists"):
        export_home(store, exported, Passphrase("p", cost=cheap))
    with pytest.raises(HomeExists):
        import_home(exported, "carry", home, KeyFile())


def test_a_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(ExportError, match="cannot be read"):
        import_home(tmp_path / "absent", "p", tmp_path / "home", KeyFile())
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff" * 1000)
    with pytest.raises(ExportDamaged, match="not an On-Meet export"):
        import_home(tmp_path / "photo.jpg", "p", tmp_path / "home", KeyFile())
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(ExportDamaged, match="larger"):
        import_home(tmp_path / "huge", "p", tmp_path / "home", KeyFile())


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=examples(60),
)
@given(st.data())
def test_any_cut_or_changed_byte_is_noticed(exported, tmp_path, data):
    whole = exported.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        damaged = whole[:at]
    else:
        other = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
        damaged = whole[:at] + bytes([other]) + whole[at + 1 :]
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    with pytest.raises(StoreError):
        import_home(path, "carry", tmp_path / "second", KeyFile())
    assert not (tmp_path / "second").exists()


def test_a_header_from_the_future_asks_for_an_update(exported, tmp_path):
    magic, header, rest = exported.read_bytes().split(b"\n", 2)
    newer = json.dumps({**json.loads(header), "format": 9}).encode()
    exported.write_bytes(b"\n".join([magic, newer, rest]))
    with pytest.raises(HomeTooNew):
        import_home(exported, "carry", tmp_path / "second", KeyFile())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"format": 0, "tables": {}},
        {"format": "1", "tables": {}},
        {"format": 1, "tables": []},
        {"format": 1, "tables": {"identity": {"columns": [], "rows": []}}},
        {"format": 1, "tables": {"x; DROP TABLE contact": {"columns": [], "rows": []}}},
    ],
)
def test_a_well_sealed_file_of_other_content_is_refused(tmp_path, monkeypatch, body, cheap):
    import zlib

    import msgpack
    from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt

    from onmeet_node.store.export import MAGIC
    from onmeet_node.store.sealing import SealedKey

    header = {"format": 1, "sealed": SealedKey.seal(bytes(32), Passphrase("p", cheap)).to_json()}
    head = MAGIC + json.dumps(header).encode() + b"\n"
    packed = zlib.compress(msgpack.packb(body))
    (tmp_path / "file").write_bytes(head + bytes(24) + encrypt(packed, head, bytes(24), bytes(32)))
    with pytest.raises(ExportDamaged, match="not an On-Meet home"):
        import_home(tmp_path / "file", "p", tmp_path / "second", KeyFile())
    assert not (tmp_path / "second").exists()


def test_rows_that_the_tables_refuse_are_damage(exported, home, tmp_path, cheap):
    """A forged export may hold anything; the tables' own checks are the last word."""
    with open_home(home, KeyFile()) as store:
        store.database.execute("PRAGMA ignore_check_constraints = ON")
        store.database.execute("UPDATE identity SET seed = x'00'")
        export_home(store, tmp_path / "forged", Passphrase("p", cost=cheap))
    with pytest.raises(ExportDamaged):
        import_home(tmp_path / "forged", "p", tmp_path / "second", KeyFile())


@pytest.mark.slow
def test_a_home_full_of_pictures_can_be_carried_over(home, tmp_path, cheap):
    path, other = tmp_path / "mine.onmeet", tmp_path / "other"
    pictures = [secrets.token_bytes(MAX_PICTURE_BYTES) for _ in range(2_900)]  # 71 MB
    with open_home(home, KeyFile()) as store:
        with store.database.transaction():
            for picture in pictures:
                store.pictures.keep(picture)
        export_home(store, path, Passphrase("carry me over", cheap))
    import_home(path, "carry me over", other, KeyFile())
    with open_home(other, KeyFile()) as store:
        assert len(store.pictures.digests()) == len(pictures)


def test_what_a_home_may_hold_an_import_takes():
    calls = MAX_RECORDS * (MAX_REPORT_BYTES + MAX_RECEIPTS_BYTES + MAX_TEXT_CHARS * 4)
    people = (MAX_CONTACTS + MAX_REQUESTS) * (MAX_PICTURE_BYTES + 4_096)
    assert calls + people <= MAX_BODY_BYTES <= MAX_EXPORT_BYTES

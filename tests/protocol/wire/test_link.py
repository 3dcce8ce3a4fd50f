"""Guest links: what was cut, mistyped or is newer is told from what is dead."""

import json
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.net.channels.handshake import encapsulate
from onmeet_node.protocol.identity.code import ContactCode
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.cipher import x25519_public
from onmeet_node.protocol.wire.errors import LinkError
from onmeet_node.protocol.wire.link import (
    GuestLink,
    door_id,
    guest_prologue,
    make_link,
    parse_link,
    read_link,
)
from onmeet_node.protocol.wire.noise import Handshake
from tests.vectors.guest import PASTED, vectors

KEY = bytes(range(32))


def a_link(expires: int | None = 1_800_000_000) -> GuestLink:
    return make_link(door_secret=b"d" * 16, private_key=KEY, secret=b"s" * 16, expires=expires)


@pytest.mark.parametrize("expires", [None, 1, 2**32 - 1])
def test_a_link_reads_back_as_it_was_written(expires):
    link = a_link(expires)
    url = link.url("https://meet.example.org")
    assert url.startswith("https://meet.example.org/j#")
    assert len(link.fragment()) == 98
    assert parse_link(f"  {url}\n") == link
    assert parse_link(link.fragment()) == link


def test_a_link_says_nothing_of_itself():
    shown = repr(a_link())
    for secret in (a_link().secret, a_link().door, a_link().key):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


@given(place=st.integers(0, 97), character=st.sampled_from("abcXYZ019-_"))
def test_one_wrong_character_is_noticed(place, character):
    fragment = a_link().fragment()
    wrong = fragment[:place] + character + fragment[place + 1 :]
    # The last character has four bits that stand for nothing.
    if wrong == fragment or place == 97:
        return
    with pytest.raises(LinkError):
        parse_link(wrong)


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda b: b.hex()))
def test_anything_else_is_refused_with_what_to_do(text):
    with pytest.raises(LinkError) as refused:
        parse_link(text)
    assert "copy" in str(refused.value) or "update" in str(refused.value)


@pytest.mark.parametrize("form", PASTED)
def test_a_link_is_read_as_messengers_and_mail_hand_it_on(form):
    link = a_link()
    good = link.fragment()
    text = form.format(good=good, begin=good[:40], end=good[40:])
    assert read_link(text) == ("https://meet.example.org", link)


def test_a_contact_code_in_place_of_a_link_is_called_one():
    code = ContactCode(identity=IdentityKey(bytes(32)).public)
    for text in (code.uri(), code.link("https://example.org")):
        with pytest.raises(LinkError, match="contact code"):
            parse_link(text)


def test_a_link_of_a_later_version_says_so():
    with pytest.raises(LinkError, match="newer"):
        parse_link("Ag" + a_link().fragment()[2:])
    with pytest.raises(LinkError, match="cut off"):
        parse_link("Agabcd")


def test_who_knows_a_doors_id_does_not_know_its_secret():
    secret = secrets.token_bytes(16)
    assert door_id(secret) != secret
    assert len(door_id(secret)) == 16


def test_host_and_guest_with_the_same_link_share_a_channel_and_others_do_not():
    link = a_link()
    prologue = guest_prologue(link.door)
    guest = Handshake.initiate_nkpsk0(link.key, link.psk, prologue, b"e" * 32, bytes(64))
    host = Handshake.respond_nkpsk0(KEY, link.psk, prologue, b"f" * 32, encapsulate)
    assert link.key == x25519_public(KEY)
    host.read_message(guest.write_message())
    assert guest.read_message(host.write_message(b"come in")) == b"come in"
    assert guest.handshake_hash == host.handshake_hash


def test_the_vectors_of_the_guest_page_are_what_the_node_makes():
    kept = json.loads((Path(__file__).parents[2] / "vectors" / "guest.json").read_text())
    assert kept == vectors(), "write them anew: python -m tests.vectors.guest"

"""Contact codes as people handle them: copied, cut off, mistyped, wrapped, photographed."""

import contextlib
import subprocess
import sys
import zlib
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onmeet_node.protocol.identity import errors
from onmeet_node.protocol.identity.code import ContactCode, _base32, parse_code, qr_svg, qr_terminal
from onmeet_node.protocol.identity.errors import BadAddress, BadKey, CodeError
from onmeet_node.protocol.identity.keys import IdentityKey
from tests.examples import examples

KEY = IdentityKey.from_seed(bytes(range(32)))
BOOTSTRAP = "/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
CODE = ContactCode(KEY.public, bytes(range(16)), "Zoë", (BOOTSTRAP,), 1_900_000_000)
SHORT = ContactCode(KEY.public)
URI = CODE.uri()

codes = st.builds(
    ContactCode,
    st.binary(min_size=32, max_size=32).map(lambda seed: IdentityKey.from_seed(seed).public),
    st.binary(min_size=16, max_size=16),
    st.none() | st.text(max_size=60),
    st.lists(st.just(BOOTSTRAP), max_size=3).map(tuple),
    st.none() | st.integers(1, 2**32 - 1),
)


@given(codes)
def test_a_code_is_read_as_it_was_made_from_uri_link_and_qr(code):
    for text in (
        code.uri(),
        code.uri().upper(),
        code.payload(),
        code.link("https://example.org"),
        code.link("https://onmeet:8443/"),
    ):
        assert parse_code(text) == code


@pytest.mark.parametrize(
    "text",
    [
        f"  {URI}\n",
        f"My code: {URI}, see you!",
        f"<{URI}>",
        f"“{URI}”",
        f"Call me at {CODE.link('https://example.org')}.",
        "\r\n".join(URI[at : at + 40] for at in range(0, len(URI), 40)),
        "-".join(URI[7:][at : at + 4] for at in range(0, len(URI), 4)),
        "onmeet://" + CODE.payload(),
        URI[:30] + "\u200b\u00ad" + URI[30:],
        "onmeet:" + CODE.payload().replace("0", "O").replace("1", "l"),
    ],
    ids=range(10),
)
def test_a_code_is_read_from_what_people_paste(text):
    assert parse_code(text) == CODE


BODY = CODE.payload()


@settings(max_examples=examples(500))
@given(st.sampled_from([URI, SHORT.uri(), CODE.link("https://example.org")]), st.data())
def test_any_one_character_changed_is_noticed(text, data):
    start = 20 if "#" in text else 0  # another host makes no other code
    at = data.draw(st.integers(start, len(text) - 1))
    new = data.draw(
        st.one_of(st.sampled_from("0123456789abcdefghjkmnpqrstvwxyzuilo -.,#:/"), st.characters())
    )
    changed = text[:at] + new + text[at + 1 :]
    try:
        read = parse_code(changed)
    except CodeError:
        return
    # O for 0, l for 1, and capitals are the same character to people, and so to us.
    assert new.lower() == text[at] or text[at] + new.lower() in ("0o", "1i", "1l")
    assert read == parse_code(text)


def test_every_other_character_at_every_place_is_noticed():
    for at, old in enumerate(BODY):
        for new in "0123456789abcdefghjkmnpqrstvwxyz":
            if new != old:
                with pytest.raises(CodeError):
                    parse_code("onmeet:" + BODY[:at] + new + BODY[at + 1 :])


def test_two_neighbours_swapped_are_noticed():
    for at in range(len(BODY) - 1):
        if BODY[at] != BODY[at + 1]:
            with pytest.raises(CodeError):
                parse_code("onmeet:" + BODY[:at] + BODY[at + 1] + BODY[at] + BODY[at + 2 :])


@given(st.integers(0, len(BODY) - 1))
def test_a_character_left_out_is_noticed_and_said_to_be_missing(at):
    with pytest.raises((errors.CodeTruncated, errors.CodeTypo, errors.CodeTooLong)) as caught:
        parse_code("onmeet:" + BODY[:at] + BODY[at + 1 :])
    if at >= 5:
        assert caught.type is errors.CodeTruncated


@given(
    st.one_of(
        st.text(),
        st.text().map(lambda text: "onmeet:" + text),
        st.text(max_size=40).map(lambda text: URI[:60] + text),
    )
)
def test_arbitrary_text_is_a_code_or_a_code_error(text):
    with pytest.raises(CodeError) as caught:
        parse_code(text)
    assert str(caught.value).endswith(".")


@given(st.binary(max_size=1100), st.booleans())
def test_arbitrary_bytes_with_a_right_checksum_are_a_code_or_a_code_error(body, versioned):
    data = (b"\1" + (len(body) + 7).to_bytes(2, "big") + body) if versioned else body
    text = "onmeet:" + _base32(data + zlib.crc32(data).to_bytes(4, "big"))
    with contextlib.suppress(CodeError):
        assert len(parse_code(text).identity) == 32


def checked(body: bytes, version: int = 1) -> str:
    data = bytes([version]) + (len(body) + 7).to_bytes(2, "big") + body
    return "onmeet:" + _base32(data + zlib.crc32(data).to_bytes(4, "big"))


FIELDS = KEY.public + bytes(16) + bytes(4)


@pytest.mark.parametrize(
    ("text", "error", "remedy"),
    [
        ("", errors.CodeEmpty, "Paste"),
        (" \n ", errors.CodeEmpty, "Paste"),
        ("hello, how are you?", errors.CodeForeign, "onmeet:"),
        ("https://example.org/about", errors.CodeForeign, "send it again"),
        ("sip:zoe@example.org", errors.CodeForeign, "send it again"),
        ("x" * 10_000, errors.CodeForeign, "send it again"),
        ("https://example.org/j#abcdef", errors.CodeIsGuestLink, "Open it in a browser"),
        ("onmeet:", errors.CodeTruncated, "Copy it again"),
        ("https://example.org/c#", errors.CodeTruncated, "Copy it again"),
        (URI[:-1], errors.CodeTruncated, "Copy it again"),
        (URI[:60], errors.CodeTruncated, "Copy it again"),
        (URI[:10], errors.CodeTruncated, "Copy it again"),
        (URI + "0", errors.CodeTooLong, "Copy the code alone"),
        (URI + URI[7:], errors.CodeTooLong, "Copy the code alone"),
        (URI[:50] + ("2" if URI[50] != "2" else "3") + URI[51:], errors.CodeTypo, "Compare"),
        (URI[:50] + "ü" + URI[51:], errors.CodeBadCharacter, "'ü' as character 44"),
        (checked(FIELDS + bytes(2), version=2), errors.CodeTooNew, "Update On-Meet"),
        (checked(FIELDS + bytes(2), version=0), errors.CodeMalformed, "make a new one"),
        (checked(bytes(32) + FIELDS[32:] + bytes(2)), errors.CodeBadKey, "make a new one"),
        (checked(FIELDS + b"\1\xff\0" + bytes(9)), errors.CodeMalformed, "name"),
        (checked(FIELDS + b"\0\1\2\4\1"), errors.CodeMalformed, "bootstrap"),
        (checked(FIELDS + b"\0\4" + bytes(9)), errors.CodeMalformed, "3 are allowed"),
        (checked(FIELDS + b"\xc8" + b"a" * 20), errors.CodeMalformed, "within a field"),
    ],
)
def test_each_kind_of_damage_is_named_with_its_remedy(text, error, remedy):
    with pytest.raises(error) as caught:
        parse_code(text)
    assert caught.type is error
    assert remedy in str(caught.value)


def test_no_error_quotes_the_secret():
    for text in (URI[:-2], URI + "00", URI[:50] + "~" + URI[51:]):
        with pytest.raises(CodeError) as caught:
            parse_code(text)
        assert BODY[60:70] not in str(caught.value)


def test_the_secret_shows_in_no_repr():
    assert "secret" not in repr(CODE)
    assert repr(CODE.secret) not in repr(CODE)


def test_what_a_later_version_adds_is_ignored():
    assert parse_code(checked(FIELDS + b"\0\0" + b"more")) == SHORT


def test_an_expired_code_says_so():
    CODE.require_live(1_899_999_999)
    SHORT.require_live(2**40)
    with pytest.raises(errors.CodeExpired, match="new one"):
        CODE.require_live(1_900_000_000)


def test_a_name_is_cleaned_and_shortened():
    code = ContactCode(KEY.public, name="\u202eevil\n" + "x" * 100)
    assert code.name == "evil " + "x" * 34 + "…"
    assert ContactCode(KEY.public, name="\u200b").name is None
    assert len(ContactCode(KEY.public, name="\U0001f600" * 80).uri()) < 500


def test_a_code_is_not_made_of_a_bad_key_or_address():
    with pytest.raises(BadKey):
        ContactCode(bytes(32))
    with pytest.raises(BadAddress):
        ContactCode(KEY.public, bootstraps=("example.org:4001",))
    with pytest.raises(ValueError, match="bootstraps"):
        ContactCode(KEY.public, bootstraps=(BOOTSTRAP,) * 4)
    with pytest.raises(CodeError, match=r"https://example\.org"):
        CODE.link("example.org")


def test_a_plain_code_stays_short_enough_to_be_read_out():
    assert len(SHORT.payload()) == 98


def test_the_qr_code_is_an_image_that_loads_nothing():
    svg = qr_svg(URI)
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "style=" not in svg
    assert "href" not in svg


def test_the_qr_code_holds_the_code_in_the_dense_alphanumeric_mode():
    import segno

    expected = segno.make_qr(URI.upper(), error="m", mode="alphanumeric")
    drawn = qr_terminal(URI).splitlines()
    assert len(drawn[0]) == expected.symbol_size()[0]


@pytest.mark.real
def test_only_who_draws_a_qr_code_loads_the_library():
    script = "import sys, onmeet_node.protocol.identity.code; sys.exit('segno' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    "form",
    [
        "onmeet:{code}&utm_source=mail",
        "https://example.org/c?fbclid=1#{code}.",
        "https://example.org/c%23{code}%3E",
        "onmeet:{begin}=\r\n{end}",
        "> onmeet:{begin}\n> {end}\n> Ada",
        "https://safe.example.com/?url=https%3A%2F%2Fexample.org%2Fc%23{code}&data=1",
    ],
)
def test_a_code_is_read_as_messengers_and_mail_hand_it_on(form):
    text = CODE.payload()
    assert parse_code(form.format(code=text, begin=text[:40], end=text[40:])) == CODE
